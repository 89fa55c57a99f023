#include "wav.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { PCM = 1, FLOAT = 3, EXTENSIBLE = 0xFFFE, BATCH = 1024, HEADER_BYTES = 58 };

/* WAV is little-endian, whatever the machine is. */
static uint32_t little(const unsigned char *bytes, unsigned count) {
    uint32_t value = 0;
    for (unsigned index = 0; index < count; index++)
        value |= (uint32_t)bytes[index] << (8 * index);
    return value;
}

static unsigned char *put(unsigned char *to, uint32_t value, unsigned count) {
    for (unsigned index = 0; index < count; index++)
        *to++ = (unsigned char)(value >> (8 * index));
    return to;
}

static unsigned char *put_name(unsigned char *to, const char *name) {
    memcpy(to, name, 4);
    return to + 4;
}

static bool read_format(WavReader *reader, const unsigned char *bytes, uint32_t size, Error *error) {
    /* The second half of an extensible format's GUID: KSDATAFORMAT_SUBTYPE_PCM and _IEEE_FLOAT differ in the first. */
    static const unsigned char guid_tail[14] = {0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113};
    uint32_t tag = little(bytes, 2), bits = little(bytes + 14, 2), frame_bytes = little(bytes + 12, 2);
    if (tag == EXTENSIBLE && size >= 40 && memcmp(bytes + 26, guid_tail, sizeof guid_tail) == 0)
        tag = little(bytes + 24, 2);
    bool is_pcm = tag == PCM && (bits == 16 || bits == 24 || bits == 32);
    if (!is_pcm && !(tag == FLOAT && bits == 32))
        return fail(error, "samples of format %u with %u bits: this host reads PCM of 16, 24 and 32 bits and float32",
                    (unsigned)tag, (unsigned)bits);
    reader->is_float = tag == FLOAT;
    reader->sample_bytes = bits / 8;
    reader->channels = little(bytes + 2, 2);
    reader->sample_rate = little(bytes + 4, 4);
    if (reader->channels < 1 || reader->channels > WAV_MAX_CHANNELS)
        return fail(error, "%u channels: this host takes 1 to %d", reader->channels, WAV_MAX_CHANNELS);
    if (reader->sample_rate == 0 || frame_bytes != reader->channels * reader->sample_bytes)
        return fail(error, "the header contradicts itself: rate %u Hz, %u bytes a frame",
                    (unsigned)reader->sample_rate, (unsigned)frame_bytes);
    return true;
}

/* The bytes from here to the end of the file, or -1 where it has no end (a pipe). */
static off_t bytes_left(FILE *file) {
    off_t here = ftello(file);
    if (here < 0 || fseeko(file, 0, SEEK_END) != 0)
        return -1;
    off_t end = ftello(file);
    return fseeko(file, here, SEEK_SET) == 0 ? end - here : -1;
}

static bool read_format_chunk(WavReader *reader, uint32_t size, Error *error) {
    unsigned char bytes[40] = {0};
    uint32_t taken = size < sizeof bytes ? size : (uint32_t)sizeof bytes;
    if (size < 16 || reader->sample_bytes != 0)
        return fail(error, "no WAV file that makes sense: %s", size < 16 ? "a format too short" : "two formats");
    if (fread(bytes, 1, taken, reader->file) != taken || !read_format(reader, bytes, size, error))
        return false;
    return fseeko(reader->file, (off_t)(size - taken + size % 2), SEEK_CUR) == 0; /* chunks begin at even places */
}

/* Walk through the chunks to the first frame. */
static bool find_frames(WavReader *reader, Error *error) {
    unsigned char head[12];
    if (fread(head, 1, 12, reader->file) != 12 || memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0)
        return fail(error, "not a WAV file");
    while (fread(head, 1, 8, reader->file) == 8) {
        uint32_t size = little(head + 4, 4);
        off_t left = bytes_left(reader->file);
        if (left < (off_t)size)
            return fail(error, "cut short: %u bytes are announced where %lld are left", (unsigned)size,
                        (long long)left);
        if (memcmp(head, "fmt ", 4) == 0) {
            if (!read_format_chunk(reader, size, error))
                return false;
        } else if (memcmp(head, "data", 4) == 0) {
            unsigned frame_bytes = reader->channels * reader->sample_bytes;
            if (frame_bytes == 0 || size % frame_bytes != 0)
                return fail(error, frame_bytes == 0 ? "no format before the samples" : "its last frame is not whole");
            reader->frames = size / frame_bytes;
            return true;
        } else if (fseeko(reader->file, (off_t)size + size % 2, SEEK_CUR) != 0) {
            return fail(error, "cannot be read: %s", strerror(errno));
        }
    }
    return fail(error, "no samples in it (no data chunk)");
}

bool wav_open(WavReader *reader, const char *path, Error *error) {
    Error reason = {"cannot be read"};
    memset(reader, 0, sizeof *reader);
    reader->file = fopen(path, "rb");
    if (reader->file == NULL)
        return fail(error, "%s: %s", path, strerror(errno));
    if (find_frames(reader, &reason))
        return true;
    wav_close(reader);
    return fail(error, "%s: %s", path, reason.line);
}

static float sample_of(const unsigned char *bytes, const WavReader *reader) {
    unsigned count = reader->sample_bytes;
    uint32_t raw = little(bytes, count) << (32 - 8 * count); /* left-justified, so that the sign is the first bit */
    float value = 0.0F;
    int32_t whole = 0;
    memcpy(&value, &raw, sizeof value);
    memcpy(&whole, &raw, sizeof whole);
    return reader->is_float ? value : (float)whole / 2147483648.0F;
}

bool wav_read(WavReader *reader, float *samples, size_t frames, Error *error) {
    unsigned char bytes[BATCH * 4];
    size_t left = frames * reader->channels;
    while (left > 0) {
        size_t count = left < BATCH ? left : BATCH;
        if (fread(bytes, reader->sample_bytes, count, reader->file) != count)
            return fail(error, "the input cannot be read to its end");
        for (size_t index = 0; index < count; index++)
            *samples++ = sample_of(bytes + index * reader->sample_bytes, reader);
        left -= count;
    }
    return true;
}

void wav_close(WavReader *reader) {
    if (reader->file != NULL)
        fclose(reader->file);
    reader->file = NULL;
}

static void make_header(unsigned char *to, const WavReader *like, uint32_t data_bytes) {
    unsigned frame_bytes = like->channels * 4;
    to = put(put_name(to, "RIFF"), data_bytes + HEADER_BYTES - 8, 4);
    to = put(put_name(put_name(to, "WAVE"), "fmt "), 18, 4);
    to = put(put(put(to, FLOAT, 2), like->channels, 2), like->sample_rate, 4);
    to = put(put(put(put(to, like->sample_rate * frame_bytes, 4), frame_bytes, 2), 32, 2), 0, 2);
    to = put(put(put_name(to, "fact"), 4, 4), (uint32_t)like->frames, 4);
    put(put_name(to, "data"), data_bytes, 4);
}

bool wav_create(WavWriter *writer, const char *path, const WavReader *like, Error *error) {
    unsigned char header[HEADER_BYTES];
    uint64_t data_bytes = like->frames * like->channels * 4;
    memset(writer, 0, sizeof *writer);
    if (data_bytes > UINT32_MAX - HEADER_BYTES)
        return fail(error, "%s: as float32 it would pass the 4 GiB that a WAV file can hold", path);
    size_t length = strlen(path);
    writer->path = malloc(length + 1);
    writer->partial_path = malloc(length + sizeof ".part");
    if (writer->path == NULL || writer->partial_path == NULL) {
        wav_drop(writer);
        return fail(error, "out of memory");
    }
    memcpy(writer->path, path, length + 1);
    memcpy(writer->partial_path, path, length);
    memcpy(writer->partial_path + length, ".part", sizeof ".part");
    writer->file = fopen(writer->partial_path, "wb");
    if (writer->file == NULL) {
        fail(error, "%s: %s", writer->partial_path, strerror(errno));
        wav_drop(writer);
        return false;
    }
    make_header(header, like, (uint32_t)data_bytes);
    if (fwrite(header, 1, sizeof header, writer->file) == sizeof header)
        return true;
    fail(error, "%s: cannot be written: %s", path, strerror(errno));
    wav_drop(writer);
    return false;
}

bool wav_write(WavWriter *writer, const float *samples, size_t count, Error *error) {
    unsigned char bytes[BATCH * 4];
    while (count > 0) {
        size_t taken = count < BATCH ? count : BATCH;
        for (size_t index = 0; index < taken; index++) {
            uint32_t raw = 0;
            memcpy(&raw, samples++, sizeof raw);
            put(bytes + 4 * index, raw, 4);
        }
        if (fwrite(bytes, 4, taken, writer->file) != taken)
            return fail(error, "%s: cannot be written: %s", writer->path, strerror(errno));
        count -= taken;
    }
    return true;
}

bool wav_finish(WavWriter *writer, Error *error) {
    bool is_written = fclose(writer->file) == 0; /* a full disk may show itself only now */
    writer->file = NULL;
    is_written = is_written && rename(writer->partial_path, writer->path) == 0;
    if (!is_written) {
        fail(error, "%s: cannot be written: %s", writer->path, strerror(errno));
        remove(writer->partial_path);
    }
    wav_drop(writer);
    return is_written;
}

void wav_drop(WavWriter *writer) {
    if (writer->file != NULL) {
        fclose(writer->file);
        remove(writer->partial_path);
    }
    free(writer->path);
    free(writer->partial_path);
    memset(writer, 0, sizeof *writer);
}

/* WAV files: PCM of 16, 24 and 32 bits and float32 in, float32 out, frame by frame. */
#ifndef DESHIFT_WAV_H
#define DESHIFT_WAV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

enum { WAV_MAX_CHANNELS = 8 };

typedef struct {
    FILE *file;
    uint64_t frames; /* samples of one channel */
    uint32_t sample_rate;
    unsigned channels, sample_bytes;
    bool is_float;
} WavReader;

typedef struct {
    FILE *file;
    char *path, *partial_path; /* written there first, then renamed */
} WavWriter;

/* Read the header and stop at the first frame. Refuses a file that is shorter than it says. */
bool wav_open(WavReader *reader, const char *path, Error *error);

/* Read `frames` frames, interleaved, full scale +-1. */
bool wav_read(WavReader *reader, float *samples, size_t frames, Error *error);
void wav_close(WavReader *reader);

/* Begin a file of exactly `frames` frames beside `path`; `wav_finish` puts it there, `wav_drop` forgets it. */
bool wav_create(WavWriter *writer, const char *path, const WavReader *like, Error *error);
bool wav_write(WavWriter *writer, const float *samples, size_t count, Error *error);
bool wav_finish(WavWriter *writer, Error *error);
void wav_drop(WavWriter *writer);

#endif

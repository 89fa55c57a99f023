#include "converter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* libsamplerate makes result n, at n / ratio of the input, as soon as the sample there and a fixed number of later ones
 * are in: so many samples, less one, as it takes to see result 0. */
static bool find_look_ahead(struct converter *converter, struct failure *why) {
    static const float silence[2];
    const float *rows[2] = {&silence[0], &silence[1]};
    size_t fed = 0, done = 0;
    while (!done) {
        if (!converter_run(converter, rows, 1, &done, why))
            return false;
        fed++;
    }
    converter->look_ahead_samples = fed - 1;
    converter_reset(converter);
    return true;
}

bool converter_open(struct converter *converter, double rate_in, double rate_out, size_t channels, int quality,
                    struct failure *why) {
    int error = 0;
    memset(converter, 0, sizeof *converter);
    converter->ratio = rate_out / rate_in;
    converter->channels = channels;
    if (!src_is_valid_ratio(converter->ratio))
        return fail(why, "no rate conversion from %g to %g Hz: they are too far apart", rate_in, rate_out);
    converter->most = (size_t)ceil(CONVERTER_PIECE * converter->ratio) + 1; /* one more: never full */
    converter->state = src_new(quality, (int)channels, &error);
    if (!converter->state)
        return fail(why, "no rate conversion from %g to %g Hz: %s", rate_in, rate_out, src_strerror(error));
    converter->input = calloc(channels * CONVERTER_PIECE, sizeof(float));
    converter->output = calloc(channels * converter->most, sizeof(float));
    converter->rows = calloc(channels * converter->most, sizeof(float));
    if (!converter->input || !converter->output || !converter->rows)
        return fail(why, "no memory for the rate conversion");
    return find_look_ahead(converter, why);
}

void converter_close(struct converter *converter) {
    if (converter->state)
        src_delete(converter->state);
    free(converter->input);
    free(converter->output);
    free(converter->rows);
    memset(converter, 0, sizeof *converter);
}

void converter_reset(struct converter *converter) {
    src_reset(converter->state);
}

/* As often as it takes: a call may leave some of the input, at the end of libsamplerate's own buffer where there is no
 * room for one more result, and what is not given again is missing from the sound. */
static bool convert_all(struct converter *converter, size_t count, size_t *done, struct failure *why) {
    SRC_DATA data = {.src_ratio = converter->ratio};
    size_t used = 0;
    *done = 0;
    while (used < count) {
        data.data_in = converter->input + used * converter->channels;
        data.data_out = converter->output + *done * converter->channels;
        data.input_frames = (long)(count - used);
        data.output_frames = (long)(converter->most - *done);
        int error = src_process(converter->state, &data);
        if (error)
            return fail(why, "the rate conversion failed: %s", src_strerror(error));
        if (!data.input_frames_used && !data.output_frames_gen)
            return fail(why, "the rate conversion stands still");
        used += (size_t)data.input_frames_used;
        *done += (size_t)data.output_frames_gen;
    }
    return true;
}

bool converter_run(struct converter *converter, const float *const *rows, size_t count, size_t *done,
                   struct failure *why) {
    size_t channels = converter->channels;
    for (size_t channel = 0; channel < channels; channel++)
        for (size_t i = 0; i < count; i++)
            converter->input[i * channels + channel] = rows[channel][i];
    if (!convert_all(converter, count, done, why))
        return false;
    for (size_t channel = 0; channel < channels; channel++)
        for (size_t i = 0; i < *done; i++)
            converter->rows[channel * converter->most + i] = converter->output[i * channels + channel];
    return true;
}

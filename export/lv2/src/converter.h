/* Stateful rate conversion with libsamplerate. Result n lies at time n / rate_out, as sample n of the input at
 * n / rate_in: there is no delay, only a wait for what the filter looks ahead. */
#ifndef DESHIFT_CONVERTER_H
#define DESHIFT_CONVERTER_H

#include <samplerate.h>
#include <stddef.h>

#include "failure.h"

/* What converter_run takes at once: short, as in realtime/live/rates.py, so that little memory holds its results. */
enum { CONVERTER_PIECE = 64 };

struct converter {
    SRC_STATE *state; /* NULL: closed */
    double ratio;     /* results for an input sample */
    size_t channels, most;
    size_t look_ahead_samples; /* after F input samples, (F - look_ahead_samples) * ratio results are out, or more */
    float *input, *output;     /* interleaved */
    float *rows;               /* [channels][most]: the results of the last run */
};

/* `quality`: SRC_SINC_… of samplerate.h. False, with a line, where there is no such conversion or no memory. */
bool converter_open(struct converter *converter, double rate_in, double rate_out, size_t channels, int quality,
                    struct failure *why);
void converter_close(struct converter *converter);

/* Back to silence. */
void converter_reset(struct converter *converter);

/* Convert `count` samples of each row, at most CONVERTER_PIECE: `*done` results. False, with a line, where it failed:
 * what came later would lie in the wrong place. */
bool converter_run(struct converter *converter, const float *const *rows, size_t count, size_t *done,
                   struct failure *why);

#endif

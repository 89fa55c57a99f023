/* Host samples in, host samples out, each beside the one it was made from: rate conversion, hops of the model, rate
 * conversion back. Runs on the worker alone. */
#ifndef DESHIFT_CHAIN_H
#define DESHIFT_CHAIN_H

#include "converter.h"
#include "stream.h"

/* Takes the result as it comes: `rows` has one row of `count` samples for each channel. */
typedef void chain_sink(void *context, const float *const *rows, size_t count);

/* What the chain needs in time, in host samples. */
struct chain_times {
    size_t chunk_samples;     /* what one feed takes */
    size_t buffering_samples; /* the most by which the result lags behind the input, if work took no time */
    size_t burst_samples;     /* the most that one feed sets to work at once, at least a hop */
    size_t hop_samples;       /* the model's hop, rounded up */
};

struct chain {
    struct stream stream;
    struct chain_times times;
    bool converts; /* not at equal rates */
    struct converter to_model, from_model;
    bool broken;      /* until it is reset, no more results come */
    size_t collected; /* of the hop in the making */
    size_t early;     /* results still to drop: the model's lookahead */
    chain_sink *sink;
    void *context;
};

bool chain_open(struct chain *chain, struct model *model, double host_rate, chain_sink *sink, void *context,
                struct failure *why);
void chain_close(struct chain *chain);

/* Back to silence. */
void chain_reset(struct chain *chain);

/* `chunk_samples` of each channel. False, with a line, where a hop failed and became silence. */
bool chain_feed(struct chain *chain, const float *const *rows, const float *controls, struct failure *why);

#endif

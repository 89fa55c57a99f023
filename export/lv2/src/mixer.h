/* What the host hears: the result over the delayed input, without clicks where either comes or goes. Audio thread. */
#ifndef DESHIFT_MIXER_H
#define DESHIFT_MIXER_H

#include "worker.h"

struct mixer {
    struct lanes dry;              /* the input, to be delayed like the result */
    float *wet[MAX_CHANNELS];      /* the piece in the making, for worker_pull */
    float *wetness, *gate;         /* of each sample of the piece: 0 the input … 1 the result; 0 late … 1 there */
    size_t piece_samples, latency_samples, hop_samples;
    float wetness_step, gate_step; /* from one sample to the next */
    uint64_t position;
    bool is_fresh;                 /* nothing was heard yet: no fade towards the first wetness */
    float last_wetness, last_gate;
    float held[MAX_CHANNELS];      /* the last sample that was there: what is late fades from it */
    uint64_t missed_slot;
    unsigned misses;               /* hops that were late */
};

bool mixer_open(struct mixer *mixer, const struct worker *worker, double host_rate, struct failure *why);
void mixer_close(struct mixer *mixer);
void mixer_reset(struct mixer *mixer);

/* Keep the input of a piece. */
void mixer_push(struct mixer *mixer, float *const *rows, size_t count);

/* The same piece as it is heard, where `wet` holds what worker_pull gave. */
void mixer_pull(struct mixer *mixer, float *const *rows, size_t count, struct pulled pulled, float wetness);

#endif

/* The thread that runs the model, and the rings between it and the host's audio thread.
 *
 * A thread of our own and not the LV2 worker extension: jalv and Ardour run that one at ordinary priority, and lv2apply
 * has none. The audio thread never waits for it, except in an offline bounce, where the host asks for that. */
#ifndef DESHIFT_WORKER_H
#define DESHIFT_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "chain.h"
#include "lanes.h"
#include "report.h"

/* Who may touch the counters. A reset stops the stream, lets the worker forget, and starts a new one:
 * PHASE_RUNNING -> (audio thread, or activate) PHASE_RESET_WANTED -> (worker) PHASE_RESET_DONE -> PHASE_RUNNING. */
enum phase { PHASE_RUNNING, PHASE_RESET_WANTED, PHASE_RESET_DONE };

struct worker {
    struct chain chain;
    const struct report *report;
    size_t piece_samples;   /* the most that worker_push and worker_pull take at once */
    size_t latency_samples; /* from a sample pushed to the result beside it: constant */

    pthread_t thread;
    bool has_thread, has_wake, has_progress;
    sem_t wake, progress;
    atomic_int phase;
    atomic_bool stops, someone_waits;
    atomic_uint faults; /* hops that the model failed on since the last reset */

    /* From the audio thread: a row for each channel, then one for each control. */
    struct lanes input;
    _Atomic uint64_t written, taken, done;
    /* To the audio thread: a row for each channel. Below `wanted` nobody will read any more. */
    struct lanes output;
    _Atomic uint64_t produced, wanted;

    /* The audio thread's own: samples since the last reset by worker_reset, and where the running stream began. */
    uint64_t position, origin;
    /* The worker's own. */
    float *chunk; /* [rows of the input][chunk_samples] */
    bool has_reported;
    int64_t last_rest_ns;
    bool has_complained; /* of its priority */
    atomic_int audio_thread; /* that calls run(), to follow its priority; 0: followed */
};

/* What of a piece is there: its first `quiet` samples are the silence before the first result, `first` … `last` - 1 are
 * results, all else is late. */
struct pulled {
    size_t quiet, first, last;
};

/* Allocate everything and start the thread. `block_samples`: the host's usual block. Close it in any case. */
bool worker_open(struct worker *worker, struct model *model, double host_rate, size_t block_samples,
                 const struct report *report, struct failure *why);
void worker_close(struct worker *worker);

/* Back to silence; waits for the hop that is being made. Never from run(). */
void worker_reset(struct worker *worker);

/* For the audio thread, and safe there: no lock, no allocation, no system call but the semaphore's.
 * Push `count` samples of each channel, `controls` as they stand; then pull as many of the result, `latency_samples`
 * late, into `rows`. worker_wait waits until the results up to now are
 * there, as far as they can be: for an offline bounce alone. */
void worker_push(struct worker *worker, float *const *rows, const float *controls, size_t count);
void worker_wait(struct worker *worker);
struct pulled worker_pull(struct worker *worker, float *const *rows, size_t count);

#endif

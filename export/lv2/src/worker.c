#define _GNU_SOURCE /* pthread_setname_np */
#include "worker.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "priority.h"

enum { STACK_BYTES = 2 << 20 }; /* hosts that lock their memory lock the whole of it, for each instance */

static const float inaudible = 1e-10f; /* -200 dB: tails that reach denormal numbers make a network slow */

static size_t larger(size_t one, size_t other) {
    return one > other ? one : other;
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) && errno == EINTR)
        continue;
}

/* Worker: results into the output ring, where they are not too late, each at its own position. */
static void take_result(void *context, const float *const *rows, size_t count) {
    struct worker *worker = context;
    uint64_t from = atomic_load(&worker->produced), wanted = atomic_load(&worker->wanted);
    size_t late = from >= wanted ? 0 : (size_t)(wanted - from < count ? wanted - from : count);
    for (size_t row = 0; row < worker->output.rows; row++)
        lanes_write(&worker->output, row, from + late, rows[row] + late, count - late);
    atomic_store(&worker->produced, from + count);
}

static void tell_waiting(struct worker *worker) {
    if (atomic_load(&worker->someone_waits))
        sem_post(&worker->progress);
}

static void count_fault(struct worker *worker, const struct failure *why) {
    atomic_fetch_add(&worker->faults, 1);
    if (!worker->has_reported)
        report_line(worker->report, why->text);
    worker->has_reported = true;
}

static void feed_chunk(struct worker *worker) {
    const struct facts *facts = &worker->chain.stream.model->facts;
    size_t count = worker->chain.times.chunk_samples, channels = worker->output.rows;
    const float *rows[MAX_CHANNELS];
    float controls[MAX_CONTROLS];
    struct failure why;
    uint64_t from = atomic_load(&worker->taken);
    for (size_t row = 0; row < worker->input.rows; row++)
        lanes_read(&worker->input, row, from, worker->chunk + row * count, count);
    atomic_store(&worker->taken, from + count);
    for (size_t channel = 0; channel < channels; channel++) {
        float *samples = worker->chunk + channel * count;
        for (size_t i = 0; i < count; i++)
            samples[i] = fabsf(samples[i]) < inaudible ? 0.0f : samples[i];
        rows[channel] = samples;
    }
    for (size_t i = 0; i < facts->control_count; i++) /* as they stood at the chunk's end, at any block size */
        controls[i] = worker->chunk[(channels + i) * count + count - 1];
    if (!chain_feed(&worker->chain, rows, controls, &why))
        count_fault(worker, &why);
    atomic_store(&worker->done, from + count);
}

static void forget(struct worker *worker) {
    chain_reset(&worker->chain);
    atomic_store(&worker->phase, PHASE_RESET_DONE);
}

static bool has_chunk(struct worker *worker) {
    uint64_t waiting = atomic_load(&worker->written) - atomic_load(&worker->taken);
    return waiting >= worker->chain.times.chunk_samples;
}

static void *work(void *context) {
    struct worker *worker = context;
    priority_flush_denormals();
    while (!atomic_load(&worker->stops)) {
        wait_for(&worker->wake);
        worker->last_rest_ns = priority_now_ns();
        priority_follow(worker->report, atomic_exchange(&worker->audio_thread, 0), &worker->has_complained);
        if (atomic_load(&worker->phase) == PHASE_RESET_WANTED)
            forget(worker);
        while (!atomic_load(&worker->stops) && atomic_load(&worker->phase) == PHASE_RUNNING && has_chunk(worker)) {
            feed_chunk(worker);
            tell_waiting(worker);
            priority_rest(&worker->last_rest_ns);
        }
        tell_waiting(worker);
    }
    return NULL;
}

static bool start_thread(struct worker *worker, struct failure *why) {
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes))
        return fail(why, "no memory for a thread");
    sigfillset(&all);
    int error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the host's own threads */
    if (!error)
        error = pthread_create(&worker->thread, &attributes, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error)
        return fail(why, "no thread for the model: %s", strerror(error));
    worker->has_thread = true;
    pthread_setname_np(worker->thread, "deshift");
    return true;
}

/* The latency: what the chain needs, and then one block or the most that is set to work at once, whichever is longer.
 * A block of n samples wants results up to n - latency from its start, of input that was there `latency - buffering - n`
 * samples before it: so the worker always has the time that its work stands for, less one block. */
static bool allocate(struct worker *worker, struct model *model, double host_rate, size_t block_samples,
                     struct failure *why) {
    const struct chain_times *times = &worker->chain.times;
    worker->piece_samples = larger(block_samples, times->burst_samples);
    worker->latency_samples = times->buffering_samples + worker->piece_samples;
    size_t behind = larger((size_t)host_rate, 4 * worker->latency_samples); /* then a stalled worker starts over */
    size_t ahead = worker->latency_samples + 2 * worker->piece_samples;
    size_t rows = model->channels + model->facts.control_count;
    worker->chunk = calloc(rows * times->chunk_samples, sizeof(float));
    return (worker->chunk && lanes_open(&worker->input, rows, behind) &&
            lanes_open(&worker->output, model->channels, ahead)) ||
           fail(why, "no memory for its buffers");
}

bool worker_open(struct worker *worker, struct model *model, double host_rate, size_t block_samples,
                 const struct report *report, struct failure *why) {
    memset(worker, 0, sizeof *worker);
    worker->report = report;
    if (!chain_open(&worker->chain, model, host_rate, take_result, worker, why) ||
        !allocate(worker, model, host_rate, block_samples, why))
        return false;
    worker->has_wake = !sem_init(&worker->wake, 0, 0);
    worker->has_progress = !sem_init(&worker->progress, 0, 0);
    if (!worker->has_wake || !worker->has_progress)
        return fail(why, "no semaphore: %s", strerror(errno));
    return start_thread(worker, why);
}

void worker_close(struct worker *worker) {
    if (worker->has_thread) {
        atomic_store(&worker->stops, true);
        sem_post(&worker->wake);
        pthread_join(worker->thread, NULL);
    }
    if (worker->has_wake)
        sem_destroy(&worker->wake);
    if (worker->has_progress)
        sem_destroy(&worker->progress);
    chain_close(&worker->chain);
    lanes_close(&worker->input);
    lanes_close(&worker->output);
    free(worker->chunk);
}

/* Audio thread, while the worker does nothing: a new stream begins at the next sample. */
static void begin(struct worker *worker) {
    atomic_store(&worker->written, 0);
    atomic_store(&worker->taken, 0);
    atomic_store(&worker->done, 0);
    atomic_store(&worker->produced, 0);
    atomic_store(&worker->wanted, 0);
    worker->origin = worker->position;
    atomic_store(&worker->phase, PHASE_RUNNING);
}

void worker_reset(struct worker *worker) {
    atomic_store(&worker->someone_waits, true);
    if (atomic_load(&worker->phase) == PHASE_RUNNING)
        atomic_store(&worker->phase, PHASE_RESET_WANTED);
    sem_post(&worker->wake);
    while (atomic_load(&worker->phase) != PHASE_RESET_DONE)
        wait_for(&worker->progress);
    atomic_store(&worker->someone_waits, false);
    worker->position = 0;
    worker->has_reported = false; /* the worker does nothing now */
    atomic_store(&worker->faults, 0);
    begin(worker);
}

void worker_push(struct worker *worker, float *const *rows, const float *controls, size_t count) {
    size_t channels = worker->output.rows, chunk = worker->chain.times.chunk_samples;
    bool has_work = true;
    if (atomic_load(&worker->phase) == PHASE_RESET_DONE)
        begin(worker);
    if (atomic_load(&worker->phase) == PHASE_RUNNING) {
        uint64_t at = atomic_load(&worker->written);
        if (at + count - atomic_load(&worker->taken) > worker->input.capacity) {
            atomic_store(&worker->phase, PHASE_RESET_WANTED); /* it will not catch up: start over when it can */
        } else {
            for (size_t row = 0; row < channels; row++)
                lanes_write(&worker->input, row, at, rows[row], count);
            for (size_t row = channels; row < worker->input.rows; row++)
                lanes_fill(&worker->input, row, at, controls[row - channels], count);
            atomic_store(&worker->written, at + count);
            has_work = (at + count) / chunk != at / chunk;
        }
    }
    worker->position += count;
    if (has_work)
        sem_post(&worker->wake);
}

/* The result beside the sample that was pushed `ago` samples back, counted within the running stream. */
static int64_t result_position(const struct worker *worker, size_t ago) {
    return (int64_t)(worker->position - worker->origin) - (int64_t)ago - (int64_t)worker->latency_samples;
}

void worker_wait(struct worker *worker) {
    int64_t needed = result_position(worker, 0);
    atomic_store(&worker->someone_waits, true);
    while (atomic_load(&worker->phase) == PHASE_RUNNING && (int64_t)atomic_load(&worker->produced) < needed &&
           atomic_load(&worker->written) - atomic_load(&worker->done) >= worker->chain.times.chunk_samples)
        wait_for(&worker->progress);
    atomic_store(&worker->someone_waits, false);
}

struct pulled worker_pull(struct worker *worker, float *const *rows, size_t count) {
    int64_t from = result_position(worker, count), to = from + (int64_t)count;
    bool runs = atomic_load(&worker->phase) == PHASE_RUNNING;
    int64_t ready = runs ? (int64_t)atomic_load(&worker->produced) : 0;
    int64_t first = from < 0 ? 0 : from, last = ready < to ? ready : to;
    struct pulled pulled = {0, 0, 0};
    if (from < 0 && worker->origin == 0)
        pulled.quiet = to < 0 ? count : (size_t)-from;
    if (last > first) {
        for (size_t row = 0; row < worker->output.rows; row++)
            lanes_read(&worker->output, row, (uint64_t)first, rows[row] + (first - from), (size_t)(last - first));
        pulled.first = (size_t)(first - from);
        pulled.last = (size_t)(last - from);
    }
    if (runs && to > 0)
        atomic_store(&worker->wanted, (uint64_t)to);
    return pulled;
}

#include "mixer.h"

#include <stdlib.h>
#include <string.h>

static const double wetness_seconds = 0.010, gate_seconds = 0.0015;

bool mixer_open(struct mixer *mixer, const struct worker *worker, double host_rate, struct failure *why) {
    memset(mixer, 0, sizeof *mixer);
    mixer->piece_samples = worker->piece_samples;
    mixer->latency_samples = worker->latency_samples;
    mixer->hop_samples = worker->chain.times.hop_samples;
    mixer->wetness_step = (float)(1.0 / (wetness_seconds * host_rate));
    mixer->gate_step = (float)(1.0 / (gate_seconds * host_rate));
    bool good = lanes_open(&mixer->dry, worker->output.rows, mixer->latency_samples + mixer->piece_samples);
    for (size_t channel = 0; channel < worker->output.rows; channel++) {
        mixer->wet[channel] = calloc(mixer->piece_samples, sizeof(float));
        good = good && mixer->wet[channel];
    }
    mixer->wetness = calloc(mixer->piece_samples, sizeof(float));
    mixer->gate = calloc(mixer->piece_samples, sizeof(float));
    if (!good || !mixer->wetness || !mixer->gate)
        return fail(why, "no memory for the mixer");
    mixer_reset(mixer);
    return true;
}

void mixer_close(struct mixer *mixer) {
    lanes_close(&mixer->dry);
    for (size_t channel = 0; channel < MAX_CHANNELS; channel++)
        free(mixer->wet[channel]);
    free(mixer->wetness);
    free(mixer->gate);
}

void mixer_reset(struct mixer *mixer) {
    lanes_clear(&mixer->dry);
    mixer->position = 0;
    mixer->is_fresh = true;
    mixer->last_gate = 1.0f;
    memset(mixer->held, 0, sizeof mixer->held);
    mixer->missed_slot = UINT64_MAX;
    mixer->misses = 0;
}

void mixer_push(struct mixer *mixer, float *const *rows, size_t count) {
    for (size_t channel = 0; channel < mixer->dry.rows; channel++)
        lanes_write(&mixer->dry, channel, mixer->position, rows[channel], count);
    mixer->position += count;
}

static float step_towards(float from, float target, float step) {
    if (from < target)
        return target - from > step ? from + step : target;
    return from - target > step ? from - step : target;
}

static bool is_there(struct pulled pulled, size_t index) {
    return index < pulled.quiet || (index >= pulled.first && index < pulled.last);
}

/* The two gains of each sample; what is late is counted once a hop. */
static void make_gains(struct mixer *mixer, size_t count, struct pulled pulled, float wetness) {
    uint64_t start = mixer->position - count;
    if (mixer->is_fresh)
        mixer->last_wetness = wetness;
    mixer->is_fresh = false;
    for (size_t i = 0; i < count; i++) {
        bool there = is_there(pulled, i);
        mixer->last_wetness = step_towards(mixer->last_wetness, wetness, mixer->wetness_step);
        mixer->last_gate = step_towards(mixer->last_gate, there ? 1.0f : 0.0f, mixer->gate_step);
        mixer->wetness[i] = mixer->last_wetness;
        mixer->gate[i] = mixer->last_gate;
        uint64_t slot = (start + i) / mixer->hop_samples;
        if (!there && slot != mixer->missed_slot) {
            mixer->missed_slot = slot;
            mixer->misses++;
        }
    }
}

static float mixed(float dry, float wet, float wetness) {
    if (wetness <= 0.0f) /* bypassed: the input itself, bit for bit */
        return dry;
    return wetness >= 1.0f ? wet : wet * wetness + dry * (1.0f - wetness);
}

void mixer_pull(struct mixer *mixer, float *const *rows, size_t count, struct pulled pulled, float wetness) {
    /* Before the first sample went in, the position wraps, and so does the ring, which holds silence there. */
    uint64_t from = mixer->position - count - mixer->latency_samples;
    make_gains(mixer, count, pulled, wetness);
    for (size_t channel = 0; channel < mixer->dry.rows; channel++) {
        float *heard = rows[channel], *wet = mixer->wet[channel], *held = &mixer->held[channel];
        memset(wet, 0, (pulled.quiet < count ? pulled.quiet : count) * sizeof *wet);
        lanes_read(&mixer->dry, channel, from, heard, count);
        for (size_t i = 0; i < count; i++) {
            if (is_there(pulled, i))
                *held = wet[i];
            heard[i] = mixed(heard[i], *held * mixer->gate[i], mixer->wetness[i]);
        }
    }
}

#include "chain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONVERTED = 4096, CONVERSION_CHUNK = 32, MEASURED_SECONDS = 4 };

/* What the model hears is converted as `deshift process` does it, since a network makes much of small differences. On
 * the way back 20 bits do: the longer filters would cost 20 ms at 44.1 kHz. */
static const unsigned long to_model_quality = SOXR_VHQ, from_model_quality = SOXR_HQ;

static soxr_t open_converter(double rate_in, double rate_out, size_t channels, unsigned long recipe,
                             struct failure *why) {
    soxr_error_t error = NULL;
    soxr_io_spec_t form = soxr_io_spec(SOXR_FLOAT32_S, SOXR_FLOAT32_S);
    soxr_quality_spec_t quality = soxr_quality_spec(recipe, 0);
    soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    soxr_t converter = soxr_create(rate_in, rate_out, (unsigned)channels, &error, &form, &quality, &runtime);
    if (error || !converter) {
        fail(why, "no rate conversion from %g to %g Hz: %s", rate_in, rate_out, error ? error : "no memory");
        soxr_delete(converter);
        return NULL;
    }
    return converter;
}

static bool open_both(double host_rate, double model_rate, size_t channels, soxr_t *to_model, soxr_t *from_model,
                      struct failure *why) {
    *to_model = open_converter(host_rate, model_rate, channels, to_model_quality, why);
    *from_model = *to_model ? open_converter(model_rate, host_rate, channels, from_model_quality, why) : NULL;
    return *from_model != NULL;
}

/* Every sample that `count` more of silence bring out of a converter of one channel. */
static size_t count_converted(soxr_t converter, size_t count) {
    static const float silence[CONVERTED];
    float heard[CONVERTED];
    size_t total = 0, done, used;
    do {
        size_t part = count < CONVERSION_CHUNK ? count : CONVERSION_CHUNK;
        const float *source = silence;
        float *target = heard;
        if (soxr_process(converter, &source, part, &used, &target, CONVERTED, &done))
            return total;
        count -= used;
        total += done;
    } while (count || done == CONVERTED);
    return total;
}

/* Run both converters on silence, hop by hop between them, and look how far the result lags behind at most.
 * The filters work in blocks that fit neither the hop nor each other, so there is no formula for it; what a few seconds
 * do not show is less than the chunk and 1/64 that are added. */
static void measure(soxr_t to_model, soxr_t from_model, const struct facts *facts, double host_rate,
                    struct chain_times *times) {
    size_t fed = 0, heard = 0, waiting = 0, early = facts->lookahead_samples, worst = 0, most_hops = 1;
    while (fed < (size_t)(MEASURED_SECONDS * host_rate)) {
        size_t hops = 0;
        waiting += count_converted(to_model, times->chunk_samples);
        fed += times->chunk_samples;
        for (; waiting >= facts->hop_samples; waiting -= facts->hop_samples, hops++) {
            size_t dropped = early < facts->hop_samples ? early : facts->hop_samples;
            early -= dropped;
            heard += count_converted(from_model, facts->hop_samples - dropped);
        }
        most_hops = hops > most_hops ? hops : most_hops;
        size_t lag = fed + times->chunk_samples - 1 > heard ? fed + times->chunk_samples - 1 - heard : 0;
        worst = lag > worst ? lag : worst;
    }
    double host_per_model = host_rate / (double)facts->sample_rate;
    times->buffering_samples = worst + worst / 64 + times->chunk_samples;
    times->hop_samples = (size_t)ceil((double)facts->hop_samples * host_per_model);
    times->burst_samples = most_hops * times->hop_samples;
}

static bool find_times(struct chain *chain, struct failure *why) {
    const struct facts *facts = &chain->stream.model->facts;
    double model_rate = (double)facts->sample_rate;
    if (chain->host_rate == model_rate) {
        chain->times = (struct chain_times){facts->hop_samples, facts->hop_samples + facts->lookahead_samples,
                                            facts->hop_samples, facts->hop_samples};
        return true;
    }
    soxr_t to_model, from_model;
    bool good = open_both(chain->host_rate, model_rate, 1, &to_model, &from_model, why);
    chain->times.chunk_samples = CONVERSION_CHUNK;
    if (good)
        measure(to_model, from_model, facts, chain->host_rate, &chain->times);
    soxr_delete(to_model);
    soxr_delete(from_model);
    return good;
}

bool chain_open(struct chain *chain, struct model *model, double host_rate, chain_sink *sink, void *context,
                struct failure *why) {
    memset(chain, 0, sizeof *chain);
    chain->host_rate = host_rate;
    chain->sink = sink;
    chain->context = context;
    chain->early = model->facts.lookahead_samples;
    if (!stream_open(&chain->stream, model, why) || !find_times(chain, why))
        return false;
    for (size_t i = 0; i < 2; i++)
        chain->converted[i] = calloc(model->channels * CONVERTED, sizeof(float));
    if (!chain->converted[0] || !chain->converted[1])
        return fail(why, "no memory for the rate conversion");
    return chain_reset(chain, why);
}

void chain_close(struct chain *chain) {
    stream_close(&chain->stream);
    soxr_delete(chain->to_model);
    soxr_delete(chain->from_model);
    free(chain->converted[0]);
    free(chain->converted[1]);
}

bool chain_reset(struct chain *chain, struct failure *why) {
    const struct facts *facts = &chain->stream.model->facts;
    stream_reset(&chain->stream);
    chain->collected = 0;
    chain->early = facts->lookahead_samples;
    /* Made anew: soxr_clear of libsoxr 0.1.3 forgets the rates. */
    double model_rate = (double)facts->sample_rate;
    soxr_delete(chain->to_model);
    soxr_delete(chain->from_model);
    chain->to_model = chain->from_model = NULL;
    chain->broken = chain->host_rate != model_rate &&
                    !open_both(chain->host_rate, model_rate, chain->stream.model->channels, &chain->to_model,
                               &chain->from_model, why);
    return !chain->broken;
}

/* Convert `count` samples of each row and hand on what comes out. */
static bool convert(struct chain *chain, soxr_t converter, float *converted, const float *const *rows, size_t count,
                    bool (*take)(struct chain *, const float *const *, size_t, struct failure *),
                    struct failure *why) {
    size_t channels = chain->stream.model->channels, done, used;
    const float *source[MAX_CHANNELS];
    float *target[MAX_CHANNELS];
    bool good = true;
    for (size_t channel = 0; channel < channels; channel++) {
        source[channel] = rows[channel];
        target[channel] = converted + channel * CONVERTED;
    }
    do {
        soxr_error_t error = soxr_process(converter, source, count, &used, target, CONVERTED, &done);
        if (error) {
            chain->broken = true; /* what came later would lie in the wrong place */
            return fail(why, "the rate conversion failed: %s", error);
        }
        for (size_t channel = 0; channel < channels; channel++)
            source[channel] += used;
        count -= used;
        good = take(chain, (const float *const *)target, done, why) && good;
    } while (count || done == CONVERTED);
    return good;
}

static bool give(struct chain *chain, const float *const *rows, size_t count, struct failure *why) {
    (void)why;
    if (count)
        chain->sink(chain->context, rows, count);
    return true;
}

/* The hop that is full: through the model, and on to the host. */
static bool finish_hop(struct chain *chain, struct failure *why) {
    struct stream *stream = &chain->stream;
    size_t hop = stream->model->facts.hop_samples;
    size_t dropped = chain->early < hop ? chain->early : hop;
    const float *rows[MAX_CHANNELS];
    bool good = stream_run(stream, why);
    for (size_t channel = 0; channel < stream->model->channels; channel++)
        rows[channel] = stream->result + channel * hop + dropped;
    chain->early -= dropped;
    chain->collected = 0;
    if (!chain->from_model)
        return give(chain, rows, hop - dropped, why) && good;
    return convert(chain, chain->from_model, chain->converted[1], rows, hop - dropped, give, why) && good;
}

/* Samples at the model's rate into the hop in the making. */
static bool collect(struct chain *chain, const float *const *rows, size_t count, struct failure *why) {
    struct stream *stream = &chain->stream;
    size_t hop = stream->model->facts.hop_samples, at = 0;
    bool good = true;
    while (at < count) {
        size_t part = count - at < hop - chain->collected ? count - at : hop - chain->collected;
        for (size_t channel = 0; channel < stream->model->channels; channel++)
            memcpy(stream->audio + channel * hop + chain->collected, rows[channel] + at, part * sizeof(float));
        at += part;
        chain->collected += part;
        if (chain->collected == hop)
            good = finish_hop(chain, why) && good;
    }
    return good;
}

bool chain_feed(struct chain *chain, const float *const *rows, const float *controls, struct failure *why) {
    const struct facts *facts = &chain->stream.model->facts;
    if (chain->broken)
        return fail(why, "the rate conversion failed");
    memcpy(chain->stream.controls, controls, facts->control_count * sizeof(float));
    if (!chain->to_model)
        return collect(chain, rows, chain->times.chunk_samples, why);
    return convert(chain, chain->to_model, chain->converted[0], rows, chain->times.chunk_samples, collect, why);
}

#include "chain.h"

#include <math.h>
#include <string.h>

/* Host samples that are fed at once at other rates: a constant, so that blocks of any size sound the same. */
enum { CONVERSION_CHUNK = 8 };

/* As realtime/live/rates.py: 121 dB, flat to 85 % of the lower rate's band and 2 dB down at 90 %. The best one is flat to
 * 93 %, as the one of `deshift process`, for 4 ms more at 44.1 kHz and four times the work. */
enum { CONVERSION_QUALITY = SRC_SINC_MEDIUM_QUALITY };

static size_t quotient_up(size_t count, size_t of) {
    return (count + of - 1) / of;
}

/* How far the result lags behind at most. After F host samples, in whole chunks, the model's side has had
 * (F - look ahead) * ratio samples or more; all but a hop less one sample have gone through the model, whose first
 * `lookahead_samples` results were dropped; and of those x results (x - look ahead) * ratio or more came back. Up to a
 * chunk less one sample more may wait to be fed. */
static void find_times(struct chain *chain) {
    const struct facts *facts = &chain->stream.model->facts;
    struct chain_times *times = &chain->times;
    size_t hop = facts->hop_samples, lookahead = facts->lookahead_samples;
    if (!chain->converts) {
        *times = (struct chain_times){hop, hop + lookahead, hop, hop};
        return;
    }
    const struct converter *to_model = &chain->to_model, *from_model = &chain->from_model;
    size_t model_lag = hop - 1 + lookahead + from_model->look_ahead_samples;
    size_t model_chunk = (size_t)ceil(CONVERSION_CHUNK * to_model->ratio);
    times->chunk_samples = CONVERSION_CHUNK;
    times->buffering_samples = CONVERSION_CHUNK - 1 + to_model->look_ahead_samples +
                               (size_t)ceil((double)model_lag * from_model->ratio);
    times->hop_samples = (size_t)ceil((double)hop * from_model->ratio);
    times->burst_samples = quotient_up(model_chunk, hop) * times->hop_samples;
}

static bool open_converters(struct chain *chain, double host_rate, struct failure *why) {
    const struct model *model = chain->stream.model;
    double model_rate = (double)model->facts.sample_rate;
    chain->converts = host_rate != model_rate;
    return !chain->converts ||
           (converter_open(&chain->to_model, host_rate, model_rate, model->channels, CONVERSION_QUALITY, why) &&
            converter_open(&chain->from_model, model_rate, host_rate, model->channels, CONVERSION_QUALITY, why));
}

bool chain_open(struct chain *chain, struct model *model, double host_rate, chain_sink *sink, void *context,
                struct failure *why) {
    memset(chain, 0, sizeof *chain);
    chain->sink = sink;
    chain->context = context;
    chain->early = model->facts.lookahead_samples;
    if (!stream_open(&chain->stream, model, why) || !open_converters(chain, host_rate, why))
        return false;
    find_times(chain);
    return true;
}

void chain_close(struct chain *chain) {
    stream_close(&chain->stream);
    converter_close(&chain->to_model);
    converter_close(&chain->from_model);
}

void chain_reset(struct chain *chain) {
    stream_reset(&chain->stream);
    chain->collected = 0;
    chain->early = chain->stream.model->facts.lookahead_samples;
    chain->broken = false;
    if (chain->converts) {
        converter_reset(&chain->to_model);
        converter_reset(&chain->from_model);
    }
}

/* Convert `count` samples of each row and hand on what comes out. */
static bool convert(struct chain *chain, struct converter *converter, const float *const *rows, size_t count,
                    bool (*take)(struct chain *, const float *const *, size_t, struct failure *),
                    struct failure *why) {
    size_t part, done;
    bool good = true;
    for (size_t at = 0; at < count && !chain->broken; at += part) {
        const float *source[MAX_CHANNELS], *converted[MAX_CHANNELS];
        part = count - at < CONVERTER_PIECE ? count - at : CONVERTER_PIECE;
        for (size_t channel = 0; channel < converter->channels; channel++) {
            source[channel] = rows[channel] + at;
            converted[channel] = converter->rows + channel * converter->most;
        }
        if (converter_run(converter, source, part, &done, why)) {
            good = take(chain, converted, done, why) && good;
        } else {
            chain->broken = true; /* what came later would lie in the wrong place */
            good = false;
        }
    }
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
    if (!chain->converts)
        return give(chain, rows, hop - dropped, why) && good;
    return convert(chain, &chain->from_model, rows, hop - dropped, give, why) && good;
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
    if (!chain->converts)
        return collect(chain, rows, chain->times.chunk_samples, why);
    return convert(chain, &chain->to_model, rows, chain->times.chunk_samples, collect, why);
}

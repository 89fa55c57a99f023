#include "model.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static const float INAUDIBLE = 1e-10F; /* -200 dB */

struct Model {
    const OrtApi *api;
    OrtEnv *environment;
    OrtSession *session;
    OrtIoBinding *bindings[2]; /* read one buffer of each state and write the other; the reverse */
    int turn;
    Facts facts;
    Graph graph;
    size_t muted;
};

/* "1" where 8-bit sums would saturate: on x64 without VNNI. Elsewhere that takes a third of the speed for nothing. */
static const char *precision(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vnni") ? "0" : "1";
#else
    return "0";
#endif
}

static bool open_session(Model *model, const char *path, size_t channels, Error *error) {
    const OrtApi *api = model->api;
    OrtSessionOptions *options = NULL;
    const char *what = "ONNX Runtime cannot open it";
    bool is_open =
        worked(api, api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "c_host", &model->environment), what, error) &&
        worked(api, api->CreateSessionOptions(&options), what, error) &&
        worked(api, api->SetIntraOpNumThreads(options, 1), what, error) && /* a hop is too short to share */
        worked(api, api->AddSessionConfigEntry(options, "session.x64quantprecision", precision()), what, error) &&
        worked(api, api->AddFreeDimensionOverrideByName(options, "channels", (int64_t)channels), what, error) &&
        worked(api, api->CreateSession(model->environment, path, options, &model->session), what, error);
    if (options != NULL)
        api->ReleaseSessionOptions(options);
    return is_open;
}

/* What one turn reads and writes: bound once, so that a hop allocates and copies nothing. */
static bool bind(Model *model, int turn, Error *error) {
    const OrtApi *api = model->api;
    if (!worked(api, api->CreateIoBinding(model->session, &model->bindings[turn]), "no binding", error))
        return false;
    OrtIoBinding *binding = model->bindings[turn];
    const Buffer *audio = &model->graph.audio, *audio_out = &model->graph.audio_out;
    bool is_bound = worked(api, api->BindInput(binding, audio->name, audio->value), audio->name, error) &&
                    worked(api, api->BindOutput(binding, audio_out->name, audio_out->value), audio_out->name, error);
    for (size_t index = 0; is_bound && index < model->graph.control_count; index++) {
        const Buffer *control = &model->graph.controls[index];
        is_bound = worked(api, api->BindInput(binding, control->name, control->value), control->name, error);
    }
    for (size_t index = 0; is_bound && index < model->graph.state_count; index++) {
        const Buffer *read = &model->graph.states[index].read, *written = &model->graph.states[index].written;
        OrtValue *from = turn == 0 ? read->value : written->value, *to = turn == 0 ? written->value : read->value;
        is_bound = worked(api, api->BindInput(binding, read->name, from), read->name, error) &&
                   worked(api, api->BindOutput(binding, written->name, to), written->name, error);
    }
    return is_bound;
}

Model *model_open(const char *path, size_t channels, Error *error) {
    Model *model = calloc(1, sizeof *model);
    if (model == NULL || channels < 1 || channels > MAX_CHANNELS) {
        fail(error, model == NULL ? "out of memory" : "a model runs 1 to 8 channels");
        free(model);
        return NULL;
    }
    model->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    Error reason = {""};
    bool is_open = model->api != NULL || fail(&reason, "this ONNX Runtime is older than the header it was built with");
    is_open = is_open && open_session(model, path, channels, &reason) &&
              facts_read(model->api, model->session, &model->facts, &reason) &&
              graph_open(&model->graph, model->api, model->session, channels, &model->facts, &reason) &&
              bind(model, 0, &reason) && bind(model, 1, &reason);
    if (!is_open || !model_run(model, &reason)) { /* the first run allocates, and shows a graph that cannot run */
        fail(error, "%s: %s", path, reason.line);
        model_close(model);
        return NULL;
    }
    model_reset(model);
    return model;
}

void model_close(Model *model) {
    if (model == NULL)
        return;
    for (int turn = 0; turn < 2; turn++)
        if (model->bindings[turn] != NULL)
            model->api->ReleaseIoBinding(model->bindings[turn]);
    graph_free(&model->graph);
    facts_free(&model->facts);
    if (model->session != NULL)
        model->api->ReleaseSession(model->session);
    if (model->environment != NULL)
        model->api->ReleaseEnv(model->environment);
    free(model);
}

const Facts *model_facts(const Model *model) { return &model->facts; }

size_t model_muted(const Model *model) { return model->muted; }

bool model_set_control(Model *model, const char *name, double value, Error *error) {
    for (size_t index = 0; index < model->facts.control_count; index++) {
        const Control *control = &model->facts.controls[index];
        if (strcmp(control->name, name) != 0)
            continue;
        if (!(value >= control->minimum && value <= control->maximum)) /* NaN is refused, too */
            return fail(error, "control %s takes %g ... %g, not %g", name, control->minimum, control->maximum, value);
        model->graph.controls[index].data[0] = (float)value;
        return true;
    }
    return fail(error, "the model has no control %s", name);
}

/* One channel of a buffer; the rows lie one after the other. */
static float *row_of(const Model *model, const Buffer *buffer, size_t channel) {
    return buffer->data + channel * (buffer->count / model->graph.channels);
}

static void silence_row(const Model *model, const Buffer *buffer, size_t channel) {
    memset(row_of(model, buffer, channel), 0, buffer->count / model->graph.channels * sizeof *buffer->data);
}

static void reset_channel(Model *model, size_t channel) {
    for (size_t index = 0; index < model->graph.state_count; index++) {
        silence_row(model, &model->graph.states[index].read, channel);
        silence_row(model, &model->graph.states[index].written, channel);
    }
}

void model_reset(Model *model) {
    for (size_t channel = 0; channel < model->graph.channels; channel++)
        reset_channel(model, channel);
    model->muted = 0;
}

float *model_input(Model *model, size_t channel) { return row_of(model, &model->graph.audio, channel); }

const float *model_output(const Model *model, size_t channel) {
    return row_of(model, &model->graph.audio_out, channel);
}

static void clean_input(Model *model) {
    for (size_t index = 0; index < model->graph.audio.count; index++) {
        float size = fabsf(model->graph.audio.data[index]);
        if (!(size >= INAUDIBLE && size <= FLT_MAX)) /* NaN is neither */
            model->graph.audio.data[index] = 0.0F;
    }
}

static void clean_output(Model *model) {
    size_t hop = model->graph.audio_out.count / model->graph.channels;
    for (size_t channel = 0; channel < model->graph.channels; channel++) {
        const float *row = row_of(model, &model->graph.audio_out, channel);
        size_t finite = 0;
        while (finite < hop && isfinite(row[finite]))
            finite++;
        if (finite == hop)
            continue;
        silence_row(model, &model->graph.audio_out, channel);
        reset_channel(model, channel);
        model->muted++;
    }
}

bool model_run(Model *model, Error *error) {
    clean_input(model);
    OrtStatus *status = model->api->RunWithBinding(model->session, NULL, model->bindings[model->turn]);
    if (!worked(model->api, status, "ONNX Runtime cannot run it", error))
        return false;
    model->turn = 1 - model->turn;
    clean_output(model);
    return true;
}

#include "stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool make_value(struct stream *stream, const struct tensor *tensor, float *numbers, OrtValue **value,
                       struct failure *why) {
    const struct model *model = stream->model;
    return model_good(model,
                      model->api->CreateTensorWithDataAsOrtValue(
                          model->memory, numbers, tensor->numbers * sizeof *numbers, tensor->sizes, tensor->rank,
                          ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, value),
                      why);
}

static float *memory_of(struct stream *stream, const struct tensor *tensor, float *audio, size_t turn) {
    if (tensor->role == ROLE_AUDIO)
        return audio;
    return tensor->role == ROLE_CONTROL ? &stream->controls[tensor->index] : stream->states[turn][tensor->index];
}

/* The values of one turn: its states are read, the other turn's are written. */
static bool make_turn(struct stream *stream, size_t turn, struct failure *why) {
    const struct model *model = stream->model;
    for (size_t i = 0; i < model->input_count; i++)
        if (!make_value(stream, &model->inputs[i], memory_of(stream, &model->inputs[i], stream->audio, turn),
                        &stream->inputs[turn][i], why))
            return false;
    for (size_t i = 0; i < model->output_count; i++)
        if (!make_value(stream, &model->outputs[i], memory_of(stream, &model->outputs[i], stream->result, 1 - turn),
                        &stream->outputs[turn][i], why))
            return false;
    return true;
}

static bool allocate_turn(struct stream *stream, size_t turn) {
    const struct model *model = stream->model;
    stream->states[turn] = calloc(model->state_count + 1, sizeof(float *));
    stream->inputs[turn] = calloc(model->input_count, sizeof(OrtValue *));
    stream->outputs[turn] = calloc(model->output_count, sizeof(OrtValue *));
    if (!stream->states[turn] || !stream->inputs[turn] || !stream->outputs[turn])
        return false;
    for (size_t i = 0; i < model->input_count; i++) {
        const struct tensor *tensor = &model->inputs[i];
        if (tensor->role == ROLE_STATE) {
            stream->states[turn][tensor->index] = calloc(tensor->numbers, sizeof(float));
            if (!stream->states[turn][tensor->index])
                return false;
        }
    }
    return true;
}

static bool allocate(struct stream *stream) {
    const struct facts *facts = &stream->model->facts;
    size_t numbers = stream->model->channels * facts->hop_samples;
    stream->audio = calloc(numbers, sizeof(float));
    stream->result = calloc(numbers, sizeof(float));
    stream->controls = calloc(facts->control_count + 1, sizeof(float));
    if (!stream->audio || !stream->result || !stream->controls)
        return false;
    for (size_t i = 0; i < facts->control_count; i++)
        stream->controls[i] = facts->controls[i].initial;
    return allocate_turn(stream, 0) && allocate_turn(stream, 1);
}

static bool run_once(struct stream *stream, struct failure *why) {
    const struct model *model = stream->model;
    size_t turn = stream->turn;
    stream->turn = 1 - turn;
    return model_good(model,
                      model->api->Run(model->session, NULL, model->input_names,
                                      (const OrtValue *const *)stream->inputs[turn], model->input_count,
                                      model->output_names, model->output_count, stream->outputs[turn]),
                      why);
}

bool stream_open(struct stream *stream, struct model *model, struct failure *why) {
    memset(stream, 0, sizeof *stream);
    stream->model = model;
    if (!allocate(stream))
        return fail(why, "no memory for its states");
    if (!make_turn(stream, 0, why) || !make_turn(stream, 1, why) || !run_once(stream, why) || !run_once(stream, why))
        return false;
    stream_reset(stream);
    return true;
}

static void release(const OrtApi *api, OrtValue **values, size_t count) {
    for (size_t i = 0; values && i < count; i++)
        if (values[i])
            api->ReleaseValue(values[i]);
    free(values);
}

void stream_close(struct stream *stream) {
    const struct model *model = stream->model;
    for (size_t turn = 0; model && turn < 2; turn++) {
        release(model->api, stream->inputs[turn], model->input_count);
        release(model->api, stream->outputs[turn], model->output_count);
        for (size_t i = 0; stream->states[turn] && i < model->state_count; i++)
            free(stream->states[turn][i]);
        free(stream->states[turn]);
    }
    free(stream->audio);
    free(stream->result);
    free(stream->controls);
    memset(stream, 0, sizeof *stream);
}

/* States of channels never touch, so that one can start over alone. */
static void reset_channel(struct stream *stream, size_t channel) {
    const struct model *model = stream->model;
    for (size_t i = 0; i < model->input_count; i++) {
        const struct tensor *tensor = &model->inputs[i];
        size_t numbers = tensor->numbers / model->channels;
        for (size_t turn = 0; tensor->role == ROLE_STATE && turn < 2; turn++)
            memset(stream->states[turn][tensor->index] + channel * numbers, 0, numbers * sizeof(float));
    }
}

void stream_reset(struct stream *stream) {
    for (size_t channel = 0; channel < stream->model->channels; channel++)
        reset_channel(stream, channel);
}

static bool is_finite(const float *samples, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(samples[i]))
            return false;
    return true;
}

bool stream_run(struct stream *stream, struct failure *why) {
    size_t hop = stream->model->facts.hop_samples;
    bool ran = run_once(stream, why), good = ran;
    for (size_t channel = 0; channel < stream->model->channels; channel++) {
        float *row = stream->result + channel * hop;
        if (ran && is_finite(row, hop))
            continue;
        if (ran)
            good = fail(why, "the model gave samples that are not finite");
        memset(row, 0, hop * sizeof *row);
        reset_channel(stream, channel);
    }
    return good;
}

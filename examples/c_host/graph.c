#include "graph.h"

#include <stdlib.h>
#include <string.h>

static const int64_t MOST_STATE_SAMPLES = INT64_C(1) << 26;

bool worked(const OrtApi *api, OrtStatus *status, const char *what, Error *error) {
    if (status == NULL)
        return true;
    fail(error, "%s: %.300s", what, api->GetErrorMessage(status));
    api->ReleaseStatus(status);
    return false;
}

static bool read_shape(const Graph *graph, const OrtTypeInfo *type, Buffer *buffer, Error *error) {
    const OrtApi *api = graph->api;
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    if (!worked(api, api->CastTypeInfoToTensorInfo(type, &tensor), buffer->name, error))
        return false;
    if (tensor == NULL || !worked(api, api->GetTensorElementType(tensor, &element), buffer->name, error) ||
        element != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
        return fail(error, "graph input or output '%s' must be a float32 tensor", buffer->name);
    if (!worked(api, api->GetDimensionsCount(tensor, &buffer->rank), buffer->name, error))
        return false;
    if (buffer->rank < 1 || buffer->rank > MOST_DIMENSIONS)
        return fail(error, "'%s' has %zu dimensions, this host takes 1 to %d", buffer->name, buffer->rank,
                    MOST_DIMENSIONS);
    return worked(api, api->GetDimensions(tensor, buffer->shape, buffer->rank), buffer->name, error);
}

/* Name, type and shape of one graph input or output. The name is the caller's to free, also after a failure. */
static bool describe(const Graph *graph, bool is_input, size_t index, Buffer *buffer, Error *error) {
    const OrtApi *api = graph->api;
    OrtTypeInfo *type = NULL;
    OrtStatus *status = is_input ? api->SessionGetInputName(graph->session, index, graph->allocator, &buffer->name)
                                 : api->SessionGetOutputName(graph->session, index, graph->allocator, &buffer->name);
    if (!worked(api, status, "no name", error))
        return false;
    status = is_input ? api->SessionGetInputTypeInfo(graph->session, index, &type)
                      : api->SessionGetOutputTypeInfo(graph->session, index, &type);
    if (!worked(api, status, buffer->name, error))
        return false;
    bool is_good = read_shape(graph, type, buffer, error);
    api->ReleaseTypeInfo(type);
    return is_good;
}

/* The channels of an output may still have their name, which ONNX Runtime gives as -1. */
static bool has_shape(const Buffer *buffer, const int64_t *shape, size_t rank) {
    bool is_same = buffer->rank == rank && (buffer->shape[0] == shape[0] || buffer->shape[0] == -1);
    for (size_t index = 1; is_same && index < rank; index++)
        is_same = buffer->shape[index] == shape[index];
    return is_same;
}

static bool allocate(Graph *graph, Buffer *buffer, Error *error) {
    buffer->count = 1;
    for (size_t index = 0; index < buffer->rank; index++) {
        if (buffer->shape[index] < 1 || buffer->shape[index] > MOST_STATE_SAMPLES / (int64_t)buffer->count)
            return fail(error, "'%s' has a dimension that is not fixed, not positive or too large", buffer->name);
        buffer->count *= (size_t)buffer->shape[index];
    }
    buffer->data = calloc(buffer->count, sizeof *buffer->data);
    if (buffer->data == NULL)
        return fail(error, "out of memory for '%s'", buffer->name);
    OrtStatus *status = graph->api->CreateTensorWithDataAsOrtValue(
        graph->memory, buffer->data, buffer->count * sizeof *buffer->data, buffer->shape, buffer->rank,
        ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &buffer->value);
    return worked(graph->api, status, buffer->name, error);
}

/* Move a described buffer to its place, with memory. */
static bool take(Graph *graph, Buffer *from, Buffer *to, Error *error) {
    if (to->name != NULL)
        return fail(error, "two graph inputs or outputs are called '%s'", from->name);
    *to = *from;
    from->name = NULL;
    return allocate(graph, to, error);
}

static bool take_audio(Graph *graph, const Facts *facts, Buffer *from, Buffer *to, Error *error) {
    const int64_t shape[] = {(int64_t)graph->channels, 1, facts->hop_samples};
    if (!has_shape(from, shape, 3))
        return fail(error, "'%s' must have the shape [channels, 1, %lld]", from->name, (long long)shape[2]);
    from->shape[0] = shape[0];
    return take(graph, from, to, error);
}

static bool take_control(Graph *graph, const Facts *facts, Buffer *from, Error *error) {
    for (size_t index = 0; index < graph->control_count; index++) {
        const Control *control = &facts->controls[index];
        if (strcmp(from->name + strlen("control_"), control->name) != 0)
            continue;
        if (from->rank != 1 || from->shape[0] != 1)
            return fail(error, "'%s' must have the shape [1]", from->name);
        Buffer *buffer = &graph->controls[index];
        if (!take(graph, from, buffer, error))
            return false;
        buffer->data[0] = control->value;
        return true;
    }
    return fail(error, "graph input '%s' is no control of the metadata", from->name);
}

static bool take_state(Graph *graph, Buffer *from, Error *error) {
    if (from->shape[0] != (int64_t)graph->channels)
        return fail(error, "'%s' must have the channels as its first dimension", from->name);
    return take(graph, from, &graph->states[graph->state_count++].read, error);
}

static bool take_input(Graph *graph, const Facts *facts, Buffer *input, Error *error) {
    if (strcmp(input->name, "audio") == 0)
        return take_audio(graph, facts, input, &graph->audio, error);
    if (strncmp(input->name, "state_", strlen("state_")) == 0)
        return take_state(graph, input, error);
    if (strncmp(input->name, "control_", strlen("control_")) == 0)
        return take_control(graph, facts, input, error);
    return fail(error, "graph input '%s' is none that the format knows", input->name);
}

static bool take_output(Graph *graph, const Facts *facts, Buffer *output, Error *error) {
    if (strcmp(output->name, "audio_out") == 0)
        return take_audio(graph, facts, output, &graph->audio_out, error);
    for (size_t index = 0; index < graph->state_count; index++) {
        State *state = &graph->states[index];
        bool is_next = strncmp(output->name, "next_", strlen("next_")) == 0;
        if (!is_next || strcmp(output->name + strlen("next_"), state->read.name + strlen("state_")) != 0)
            continue;
        if (!has_shape(output, state->read.shape, state->read.rank))
            return fail(error, "'%s' must have the shape of '%s'", output->name, state->read.name);
        output->shape[0] = state->read.shape[0];
        return take(graph, output, &state->written, error);
    }
    return fail(error, "graph output '%s' is none that the format knows", output->name);
}

static bool take_all(Graph *graph, const Facts *facts, bool are_inputs, size_t count, Error *error) {
    for (size_t index = 0; index < count; index++) {
        Buffer buffer = {0};
        bool is_good = describe(graph, are_inputs, index, &buffer, error);
        if (is_good)
            is_good = are_inputs ? take_input(graph, facts, &buffer, error) : take_output(graph, facts, &buffer, error);
        if (buffer.name != NULL)
            graph->allocator->Free(graph->allocator, buffer.name);
        if (!is_good)
            return false;
    }
    return true;
}

/* Nothing that must be there is missing. */
static bool check_complete(const Graph *graph, const Facts *facts, Error *error) {
    if (graph->audio.name == NULL || graph->audio_out.name == NULL)
        return fail(error, "graph %s is missing", graph->audio.name == NULL ? "input 'audio'" : "output 'audio_out'");
    for (size_t index = 0; index < graph->control_count; index++)
        if (graph->controls[index].name == NULL)
            return fail(error, "graph input 'control_%s' is missing", facts->controls[index].name);
    for (size_t index = 0; index < graph->state_count; index++)
        if (graph->states[index].written.name == NULL)
            return fail(error, "graph output 'next_%s' is missing", graph->states[index].read.name + strlen("state_"));
    return true;
}

static bool take_graph(Graph *graph, const Facts *facts, Error *error) {
    size_t input_count = 0, output_count = 0;
    if (!worked(graph->api, graph->api->SessionGetInputCount(graph->session, &input_count), "no inputs", error) ||
        !worked(graph->api, graph->api->SessionGetOutputCount(graph->session, &output_count), "no outputs", error))
        return false;
    graph->control_count = facts->control_count;
    graph->controls = calloc(graph->control_count + 1, sizeof *graph->controls);
    graph->states = calloc(input_count + 1, sizeof *graph->states);
    if (graph->controls == NULL || graph->states == NULL)
        return fail(error, "out of memory");
    return take_all(graph, facts, true, input_count, error) && take_all(graph, facts, false, output_count, error) &&
           check_complete(graph, facts, error);
}

bool graph_open(Graph *graph, const OrtApi *api, OrtSession *session, size_t channels, const Facts *facts,
                Error *error) {
    memset(graph, 0, sizeof *graph);
    graph->api = api;
    graph->session = session;
    graph->channels = channels;
    return worked(api, api->GetAllocatorWithDefaultOptions(&graph->allocator), "no memory", error) &&
           worked(api, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &graph->memory), "no memory",
                  error) &&
           take_graph(graph, facts, error);
}

static void free_buffer(Graph *graph, Buffer *buffer) {
    if (buffer->value != NULL)
        graph->api->ReleaseValue(buffer->value);
    if (buffer->name != NULL)
        graph->allocator->Free(graph->allocator, buffer->name);
    free(buffer->data);
}

void graph_free(Graph *graph) {
    free_buffer(graph, &graph->audio);
    free_buffer(graph, &graph->audio_out);
    for (size_t index = 0; graph->controls != NULL && index < graph->control_count; index++)
        free_buffer(graph, &graph->controls[index]);
    for (size_t index = 0; index < graph->state_count; index++) {
        free_buffer(graph, &graph->states[index].read);
        free_buffer(graph, &graph->states[index].written);
    }
    free(graph->controls);
    free(graph->states);
    if (graph->memory != NULL)
        graph->api->ReleaseMemoryInfo(graph->memory);
}

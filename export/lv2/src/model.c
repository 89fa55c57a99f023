#define _GNU_SOURCE /* strdup under -std=c11 */
#include "model.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One for each open file and channel count; `lock` guards the list and the environment. */
struct shared {
    struct model model;
    struct stat identity;
    size_t users;
    struct shared *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *opened;
static OrtEnv *environment; /* one a process: its users are the entries of `opened` */

bool model_good(const struct model *model, OrtStatus *status, struct failure *why) {
    if (!status)
        return true;
    fail(why, "ONNX Runtime cannot run it: %.300s", model->api->GetErrorMessage(status));
    for (char *at = why->text; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    model->api->ReleaseStatus(status);
    return false;
}

static bool open_environment(struct model *model, struct failure *why) {
    const OrtApiBase *base = OrtGetApiBase();
    model->api = base->GetApi(ORT_API_VERSION);
    if (!model->api)
        return fail(why, "ONNX Runtime %s, which this process has loaded, is older than the plugin needs (1.%d)",
                    base->GetVersionString(), ORT_API_VERSION);
    if (environment)
        return true;
    /* Fatal alone: what goes wrong is reported here, in one line, not on the host's terminal. */
    return model_good(model, model->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "deshift", &environment), why);
}

/* "1" where 8-bit sums would saturate: on x64 without VNNI. Elsewhere that takes a third of the speed for nothing. */
static const char *precision(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vnni") ? "0" : "1";
#else
    return "0";
#endif
}

static bool set_options(const struct model *model, OrtSessionOptions *options, struct failure *why) {
    const OrtApi *api = model->api;
    /* One thread: the worker itself, whose priority is known. A pool that spins starves the host. */
    return model_good(model, api->SetIntraOpNumThreads(options, 1), why) &&
           model_good(model, api->SetInterOpNumThreads(options, 1), why) &&
           model_good(model, api->SetSessionExecutionMode(options, ORT_SEQUENTIAL), why) &&
           model_good(model, api->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"), why) &&
           model_good(model, api->AddSessionConfigEntry(options, "session.x64quantprecision", precision()), why) &&
           model_good(model, api->AddFreeDimensionOverrideByName(options, "channels", (int64_t)model->channels), why);
}

static bool open_session(struct model *model, const struct onnx_file *file, struct failure *why) {
    OrtSessionOptions *options = NULL;
    if (!model_good(model, model->api->CreateSessionOptions(&options), why))
        return false;
    bool good = set_options(model, options, why) &&
                model_good(model,
                           model->api->CreateSessionFromArray(environment, file->bytes, file->count, options,
                                                              &model->session),
                           why) &&
                model_good(model,
                           model->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &model->memory),
                           why);
    model->api->ReleaseSessionOptions(options);
    return good;
}

/* Sizes of a tensor, its first one taken for the channels where it is symbolic. */
static bool read_sizes(const struct model *model, const OrtTypeInfo *type, struct tensor *tensor, struct failure *why) {
    const OrtTensorTypeAndShapeInfo *info = NULL;
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    if (!model_good(model, model->api->CastTypeInfoToTensorInfo(type, &info), why) || !info)
        return fail(why, "graph tensor %s is no tensor of float32", tensor->name);
    if (!model_good(model, model->api->GetTensorElementType(info, &element), why) ||
        !model_good(model, model->api->GetDimensionsCount(info, &tensor->rank), why))
        return false;
    if (element != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || tensor->rank < 1 || tensor->rank > MAX_RANK)
        return fail(why, "graph tensor %s must be float32, of 1 to %d dimensions", tensor->name, MAX_RANK);
    if (!model_good(model, model->api->GetDimensions(info, tensor->sizes, tensor->rank), why))
        return false;
    tensor->numbers = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (i == 0 && tensor->sizes[0] < 0)
            tensor->sizes[0] = (int64_t)model->channels;
        if (tensor->sizes[i] < 1 || tensor->sizes[i] > (1 << 26) || tensor->numbers > (1u << 26))
            return fail(why, "graph tensor %s has a size that is not fixed, or too large", tensor->name);
        tensor->numbers *= (size_t)tensor->sizes[i];
    }
    return true;
}

static bool read_tensor(const struct model *model, bool is_input, size_t index, struct tensor *tensor,
                        struct failure *why) {
    const OrtApi *api = model->api;
    OrtAllocator *allocator = NULL;
    OrtTypeInfo *type = NULL;
    char *name = NULL;
    if (!model_good(model, api->GetAllocatorWithDefaultOptions(&allocator), why) ||
        !model_good(model,
                    is_input ? api->SessionGetInputName(model->session, index, allocator, &name)
                             : api->SessionGetOutputName(model->session, index, allocator, &name),
                    why))
        return false;
    tensor->name = strdup(name);
    bool good = tensor->name || fail(why, "no memory");
    good = model_good(model, api->AllocatorFree(allocator, name), why) && good;
    good = good && model_good(model,
                              is_input ? api->SessionGetInputTypeInfo(model->session, index, &type)
                                       : api->SessionGetOutputTypeInfo(model->session, index, &type),
                              why);
    good = good && read_sizes(model, type, tensor, why);
    if (type)
        api->ReleaseTypeInfo(type);
    return good;
}

static bool read_tensors(struct model *model, bool is_input, struct failure *why) {
    size_t *count = is_input ? &model->input_count : &model->output_count, found = 0;
    OrtStatus *status = is_input ? model->api->SessionGetInputCount(model->session, &found)
                                 : model->api->SessionGetOutputCount(model->session, &found);
    struct tensor *tensors = NULL;
    const char **names = NULL;
    if (!model_good(model, status, why))
        return false;
    tensors = calloc(found ? found : 1, sizeof *tensors);
    names = calloc(found ? found : 1, sizeof *names);
    *(is_input ? &model->inputs : &model->outputs) = tensors;
    *(is_input ? &model->input_names : &model->output_names) = names;
    if (!tensors || !names)
        return fail(why, "no memory");
    for (*count = 0; *count < found; ++*count) {
        if (!read_tensor(model, is_input, *count, &tensors[*count], why)) {
            free(tensors[*count].name);
            return false;
        }
        names[*count] = tensors[*count].name;
    }
    return true;
}

static struct tensor *find(struct tensor *tensors, size_t count, const char *prefix, const char *name) {
    size_t length = strlen(prefix);
    for (size_t i = 0; i < count; i++)
        if (!strncmp(tensors[i].name, prefix, length) && !strcmp(tensors[i].name + length, name))
            return &tensors[i];
    return NULL;
}

static bool has_shape(const struct tensor *tensor, const int64_t *sizes, size_t rank) {
    return tensor->rank == rank && !memcmp(tensor->sizes, sizes, rank * sizeof *sizes);
}

static bool check_audio(struct model *model, struct failure *why) {
    int64_t sizes[3] = {(int64_t)model->channels, 1, (int64_t)model->facts.hop_samples};
    struct tensor *input = find(model->inputs, model->input_count, "", "audio");
    struct tensor *output = find(model->outputs, model->output_count, "", "audio_out");
    if (!input || !output || !has_shape(input, sizes, 3) || !has_shape(output, sizes, 3))
        return fail(why, "graph input audio and output audio_out must have the shape [channels, 1, %zu]",
                    model->facts.hop_samples);
    input->role = output->role = ROLE_AUDIO;
    return true;
}

static bool check_state(struct model *model, struct tensor *state, struct failure *why) {
    const char *key = state->name + strlen("state_");
    struct tensor *next = find(model->outputs, model->output_count, "next_", key);
    if (!next || !has_shape(next, state->sizes, state->rank) || state->sizes[0] != (int64_t)model->channels)
        return fail(why, "graph input %s needs an output next_%s of the same shape, [channels, …]", state->name, key);
    state->role = next->role = ROLE_STATE;
    state->index = next->index = model->state_count++;
    return true;
}

static bool check_control(struct model *model, struct tensor *tensor, struct failure *why) {
    int64_t one = 1;
    for (size_t i = 0; i < model->facts.control_count; i++)
        if (!strcmp(model->facts.controls[i].name, tensor->name + strlen("control_"))) {
            tensor->role = ROLE_CONTROL;
            tensor->index = i;
            return has_shape(tensor, &one, 1) || fail(why, "graph input %s must have the shape [1]", tensor->name);
        }
    return fail(why, "graph input %s is not in the metadata's controls", tensor->name);
}

static bool check_graph(struct model *model, struct failure *why) {
    size_t controls = 0;
    if (!check_audio(model, why))
        return false;
    for (size_t i = 0; i < model->input_count; i++) {
        struct tensor *tensor = &model->inputs[i];
        if (!strncmp(tensor->name, "state_", strlen("state_"))) {
            if (!check_state(model, tensor, why))
                return false;
        } else if (!strncmp(tensor->name, "control_", strlen("control_"))) {
            if (!check_control(model, tensor, why))
                return false;
            controls++;
        } else if (strcmp(tensor->name, "audio")) {
            return fail(why, "graph input %s is not one that the format knows", tensor->name);
        }
    }
    if (controls != model->facts.control_count)
        return fail(why, "the metadata has controls that the graph has not");
    if (model->output_count != 1 + model->state_count)
        return fail(why, "the graph has outputs that the format does not know");
    return true;
}

static bool load(struct model *model, const char *path, struct failure *why) {
    struct onnx_file file;
    bool good = onnx_file_read(&file, path, why) && facts_read(&model->facts, &file, why) &&
                open_environment(model, why) && open_session(model, &file, why) && read_tensors(model, true, why) &&
                read_tensors(model, false, why) && check_graph(model, why);
    onnx_file_forget(&file);
    return good;
}

static void unload(struct model *model) {
    for (size_t i = 0; i < model->input_count; i++)
        free(model->inputs[i].name);
    for (size_t i = 0; i < model->output_count; i++)
        free(model->outputs[i].name);
    free(model->inputs);
    free(model->outputs);
    free(model->input_names);
    free(model->output_names);
    if (model->memory)
        model->api->ReleaseMemoryInfo(model->memory);
    if (model->session)
        model->api->ReleaseSession(model->session);
    if (environment && !opened) {
        model->api->ReleaseEnv(environment);
        environment = NULL;
    }
}

static bool is_same_file(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

static struct shared *open_new(const char *path, const struct stat *identity, size_t channels, struct failure *why) {
    struct shared *fresh = calloc(1, sizeof *fresh);
    if (!fresh) {
        fail(why, "no memory");
        return NULL;
    }
    fresh->identity = *identity;
    fresh->model.channels = channels;
    if (!load(&fresh->model, path, why)) {
        unload(&fresh->model);
        free(fresh);
        return NULL;
    }
    fresh->next = opened;
    opened = fresh;
    return fresh;
}

struct model *model_open(const char *path, size_t channels, struct failure *why) {
    struct stat identity;
    struct shared *found;
    if (stat(path, &identity)) {
        fail(why, "there is no such file");
        return NULL;
    }
    pthread_mutex_lock(&lock);
    for (found = opened; found; found = found->next)
        if (found->model.channels == channels && is_same_file(&found->identity, &identity))
            break;
    if (!found)
        found = open_new(path, &identity, channels, why);
    if (found)
        found->users++;
    pthread_mutex_unlock(&lock);
    return found ? &found->model : NULL;
}

void model_close(struct model *model) {
    struct shared *entry = (struct shared *)model; /* the model is its first member */
    pthread_mutex_lock(&lock);
    if (--entry->users == 0) {
        struct shared **link = &opened;
        while (*link != entry)
            link = &(*link)->next;
        *link = entry->next;
        unload(model);
        free(entry);
    }
    pthread_mutex_unlock(&lock);
}

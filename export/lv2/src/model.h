/* An opened plugin file. Instances of the same file and channel count share one, and with it the weights. */
#ifndef DESHIFT_MODEL_H
#define DESHIFT_MODEL_H

#include <onnxruntime_c_api.h>

#include "facts.h"

enum { MAX_CHANNELS = 2, MAX_RANK = 8 };

enum role { ROLE_AUDIO, ROLE_STATE, ROLE_CONTROL };

/* An input or output of the graph, the channels written in. */
struct tensor {
    char *name;
    enum role role;
    size_t index; /* of a control: in the facts; of a state: among the states, in the order of the inputs */
    size_t rank;
    int64_t sizes[MAX_RANK];
    size_t numbers; /* the product of the sizes */
};

struct model {
    struct facts facts;
    size_t channels;
    const OrtApi *api;
    OrtSession *session;
    OrtMemoryInfo *memory;
    size_t input_count, output_count, state_count;
    struct tensor *inputs, *outputs;
    const char **input_names, **output_names;
};

/* Open the file, or share it with the instance that has it open. Thread-safe; never for the audio thread.
 * NULL, with one line, where the file cannot be trusted or ONNX Runtime cannot run it. */
struct model *model_open(const char *path, size_t channels, struct failure *why);
void model_close(struct model *model);

/* Whether ONNX Runtime was content; its page of words becomes one line. Takes over `status`. */
bool model_good(const struct model *model, OrtStatus *status, struct failure *why);

#endif

/* What a host must know of a model, out of its metadata: docs/plugin-format.md, "Metadata". */
#ifndef DESHIFT_FACTS_H
#define DESHIFT_FACTS_H

#include <stddef.h>

#include "onnx_file.h"

enum { MAX_CONTROLS = 64 };

struct control {
    char name[80];
    float minimum, maximum, initial;
};

/* Times in samples at `sample_rate`. The controls lie in the order of the metadata. */
struct facts {
    size_t sample_rate, hop_samples, lookahead_samples;
    size_t control_count;
    struct control controls[MAX_CONTROLS];
};

/* Refuses, with one line: a newer format, another kind than "stream", a pre-stage, damaged weights, missing keys. */
bool facts_read(struct facts *facts, const struct onnx_file *file, struct failure *why);

#endif

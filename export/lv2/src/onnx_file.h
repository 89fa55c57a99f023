/* A plugin file's bytes, checked before ONNX Runtime sees them: docs/plugin-format.md, "What a careful host does". */
#ifndef DESHIFT_ONNX_FILE_H
#define DESHIFT_ONNX_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

enum { MAX_METADATA = 64 };

struct span {
    const uint8_t *bytes;
    size_t count;
};

struct onnx_file {
    uint8_t *bytes;
    size_t count;
    struct span keys[MAX_METADATA], values[MAX_METADATA];
    size_t metadata_count;
    char weights_sha256[65];
};

/* Read the file, walk through it, hash its weights. Forget it in any case afterwards. */
bool onnx_file_read(struct onnx_file *file, const char *path, struct failure *why);
void onnx_file_forget(struct onnx_file *file);

/* A metadata value as a text of its own, to be freed; NULL where there is none. */
char *onnx_file_metadata(const struct onnx_file *file, const char *key);

#endif

#define _GNU_SOURCE /* strndup under -std=c11 */
#include "onnx_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

/* Field numbers of onnx.proto3 (github.com/onnx/onnx, Apache-2.0). */
enum { MODEL_GRAPH = 7, MODEL_METADATA = 14, MODEL_FUNCTIONS = 25 };
enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_SPARSE_INITIALIZER = 15 };
enum { NODE_OPERATOR = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_TENSOR = 5, ATTRIBUTE_GRAPH = 6, ATTRIBUTE_TENSORS = 10, ATTRIBUTE_GRAPHS = 11 };
enum { TENSOR_EXTERNAL_DATA = 13, TENSOR_DATA_LOCATION = 14 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { LARGEST_BYTES = 2147483647 }; /* the limit of Protocol Buffers themselves */

/* One field of a message: a number, or a run of bytes (protobuf.dev/programming-guides/encoding). */
struct field {
    uint32_t number;
    uint64_t value;
    struct span payload;
};

static bool take_number(struct span *rest, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->count; shift += 7) {
        uint8_t byte = *rest->bytes++;
        rest->count--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool take_bytes(struct span *rest, uint64_t count, struct span *taken) {
    if (count > rest->count)
        return false;
    *taken = (struct span){rest->bytes, (size_t)count};
    rest->bytes += count;
    rest->count -= (size_t)count;
    return true;
}

static bool take_field(struct span *rest, struct field *field) {
    uint64_t tag, length;
    *field = (struct field){0, 0, {NULL, 0}};
    if (!take_number(rest, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return false;
    field->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return take_number(rest, &field->value);
    case 1:
        return take_bytes(rest, 8, &field->payload);
    case 2:
        return take_number(rest, &length) && take_bytes(rest, length, &field->payload);
    case 5:
        return take_bytes(rest, 4, &field->payload);
    default:
        return false;
    }
}

static bool equals(struct span span, const char *text) {
    return span.count == strlen(text) && !memcmp(span.bytes, text, span.count);
}

static bool damaged(struct failure *why) {
    return fail(why, "not an ONNX file, or cut short: fetch or export it again");
}

static bool check_tensor(struct span tensor, struct failure *why) {
    struct field field;
    while (tensor.count) {
        if (!take_field(&tensor, &field))
            return damaged(why);
        if (field.number == TENSOR_EXTERNAL_DATA || (field.number == TENSOR_DATA_LOCATION && field.value))
            return fail(why, "refused: it points to weights in other files; a plugin file is one file");
    }
    return true;
}

static bool check_attribute(struct span attribute, struct failure *why) {
    struct field field;
    while (attribute.count) {
        if (!take_field(&attribute, &field))
            return damaged(why);
        if (field.number == ATTRIBUTE_GRAPH || field.number == ATTRIBUTE_GRAPHS)
            return fail(why, "refused: control flow in the graph");
        if ((field.number == ATTRIBUTE_TENSOR || field.number == ATTRIBUTE_TENSORS) &&
            !check_tensor(field.payload, why))
            return false;
    }
    return true;
}

static bool check_operator(struct span name, struct failure *why) {
    static const char *const refused[] = {
        "If",           "Loop",             "Scan",          "SequenceMap",       "NonZero",     "Unique",
        "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli",
        "Compress",     "NonMaxSuppression"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (equals(name, refused[i]))
            return fail(why, "refused: the graph has a %s, which a plugin file may not have", refused[i]);
    return true;
}

static bool check_node(struct span node, struct failure *why) {
    struct field field;
    while (node.count) {
        if (!take_field(&node, &field))
            return damaged(why);
        if (field.number == NODE_OPERATOR && !check_operator(field.payload, why))
            return false;
        if (field.number == NODE_DOMAIN && field.payload.count && !equals(field.payload, "ai.onnx"))
            return fail(why, "refused: operators outside standard ONNX, of domain %.*s", (int)field.payload.count,
                        (const char *)field.payload.bytes);
        if (field.number == NODE_ATTRIBUTE && !check_attribute(field.payload, why))
            return false;
    }
    return true;
}

static bool check_graph(struct span graph, struct sha256 *hash, struct failure *why) {
    struct field field;
    while (graph.count) {
        if (!take_field(&graph, &field))
            return damaged(why);
        if (field.number == GRAPH_SPARSE_INITIALIZER)
            return fail(why, "refused: it has sparse weights, which the format does not know");
        if (field.number == GRAPH_NODE && !check_node(field.payload, why))
            return false;
        if (field.number == GRAPH_INITIALIZER) {
            if (!check_tensor(field.payload, why))
                return false;
            sha256_add(hash, field.payload.bytes, field.payload.count);
        }
    }
    return true;
}

static bool keep_metadata(struct onnx_file *file, struct span entry, struct failure *why) {
    struct field field;
    struct span key = {NULL, 0}, value = {NULL, 0};
    while (entry.count) {
        if (!take_field(&entry, &field))
            return damaged(why);
        if (field.number == ENTRY_KEY)
            key = field.payload;
        if (field.number == ENTRY_VALUE)
            value = field.payload;
    }
    if (file->metadata_count == MAX_METADATA)
        return fail(why, "refused: more than %d metadata entries", MAX_METADATA);
    file->keys[file->metadata_count] = key;
    file->values[file->metadata_count++] = value;
    return true;
}

static bool walk(struct onnx_file *file, struct failure *why) {
    struct span rest = {file->bytes, file->count};
    struct field field;
    struct sha256 hash;
    bool has_graph = false;
    sha256_start(&hash);
    while (rest.count) {
        if (!take_field(&rest, &field))
            return damaged(why);
        if (field.number == MODEL_FUNCTIONS)
            return fail(why, "refused: it has model-local functions");
        if (field.number == MODEL_METADATA && !keep_metadata(file, field.payload, why))
            return false;
        if (field.number == MODEL_GRAPH && !check_graph(field.payload, &hash, why))
            return false;
        has_graph |= field.number == MODEL_GRAPH;
    }
    sha256_finish(&hash, file->weights_sha256);
    return has_graph || damaged(why);
}

static bool read_bytes(struct onnx_file *file, FILE *source, struct failure *why) {
    if (fseek(source, 0, SEEK_END))
        return fail(why, "cannot be read: %s", strerror(errno));
    long count = ftell(source);
    if (count < 1 || count > LARGEST_BYTES)
        return damaged(why);
    rewind(source);
    file->count = (size_t)count;
    file->bytes = malloc(file->count);
    if (!file->bytes)
        return fail(why, "no memory for its %zu bytes", file->count);
    if (fread(file->bytes, 1, file->count, source) != file->count)
        return fail(why, "cannot be read to its end");
    return true;
}

bool onnx_file_read(struct onnx_file *file, const char *path, struct failure *why) {
    memset(file, 0, sizeof *file);
    FILE *source = fopen(path, "rb");
    if (!source)
        return fail(why, "cannot be read: %s", strerror(errno));
    bool good = read_bytes(file, source, why);
    if (fclose(source) && good)
        good = fail(why, "cannot be read: %s", strerror(errno));
    return good && walk(file, why);
}

void onnx_file_forget(struct onnx_file *file) {
    free(file->bytes);
    memset(file, 0, sizeof *file);
}

char *onnx_file_metadata(const struct onnx_file *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++)
        if (equals(file->keys[i], key))
            return strndup((const char *)file->values[i].bytes, file->values[i].count);
    return NULL;
}

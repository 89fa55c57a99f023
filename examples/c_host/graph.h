/* The inputs and outputs of a plugin file's graph: checked against the metadata, each with memory of our own. */
#ifndef DESHIFT_GRAPH_H
#define DESHIFT_GRAPH_H

#include "facts.h"

enum { MOST_DIMENSIONS = 16 };

/* A float32 buffer that ONNX Runtime reads or writes in place; but for controls the first dimension is the channels. */
typedef struct {
    char *name; /* of the graph's input or output */
    int64_t shape[MOST_DIMENSIONS];
    size_t rank, count;
    float *data;
    OrtValue *value;
} Buffer;

/* A state is read from one buffer and written to the other, and with the next hop the other way round. */
typedef struct {
    Buffer read, written;
} State;

typedef struct {
    const OrtApi *api;
    OrtSession *session;
    OrtAllocator *allocator;
    OrtMemoryInfo *memory;
    size_t channels, control_count, state_count;
    Buffer audio, audio_out;
    Buffer *controls; /* in the order of the metadata */
    State *states;
} Graph;

/* Check everything and allocate it, set to zero but for the controls. Free it afterwards, after a failure too. */
bool graph_open(Graph *graph, const OrtApi *api, OrtSession *session, size_t channels, const Facts *facts,
                Error *error);
void graph_free(Graph *graph);

/* Whether a call of ONNX Runtime worked; if not, the line says what did not, and why. Releases the status. */
bool worked(const OrtApi *api, OrtStatus *status, const char *what, Error *error);

#endif

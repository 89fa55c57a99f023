/* What a plugin file says of itself: the part of its metadata that this host needs, checked. */
#ifndef DESHIFT_FACTS_H
#define DESHIFT_FACTS_H

#include <onnxruntime_c_api.h>

#include "error.h"

enum { LONGEST_CONTROL_NAME = 64 };

typedef struct {
    char name[LONGEST_CONTROL_NAME + 1];
    double minimum, maximum;
    float value; /* the default, until somebody turns the knob */
} Control;

/* All times in samples of one channel, at `sample_rate` Hz. */
typedef struct {
    int64_t sample_rate;
    int64_t hop_samples;
    int64_t lookahead_samples;
    int64_t latency_samples;
    Control *controls;
    size_t control_count;
} Facts;

/* Read and check the metadata of an open session. Free the facts afterwards, after a failure too. */
bool facts_read(const OrtApi *api, OrtSession *session, Facts *facts, Error *error);
void facts_free(Facts *facts);

#endif

/* One stream through a model: audio and states in, audio and next states out, a hop a call. */
#ifndef DESHIFT_STREAM_H
#define DESHIFT_STREAM_H

#include "model.h"

struct stream {
    struct model *model;
    float *audio, *result; /* [channels][hop]: fill the one, run, read the other */
    float *controls;       /* [control_count]: set before a run */
    float **states[2];     /* read and written in turn; each [state_count] of [channels][…] */
    OrtValue **inputs[2], **outputs[2];
    size_t turn;
};

/* Allocates all that a hop needs and runs once each way, since the first runs of a session allocate. */
bool stream_open(struct stream *stream, struct model *model, struct failure *why);
void stream_close(struct stream *stream);

/* All states to zero. */
void stream_reset(struct stream *stream);

/* One hop. False, with a line, where the model failed or gave what is not finite: then `result` is silence for the
 * channels concerned and their states are zero again. */
bool stream_run(struct stream *stream, struct failure *why);

#endif

/* A streaming plugin file in ONNX Runtime: one hop in, one hop out, states carried in between. */
#ifndef DESHIFT_MODEL_H
#define DESHIFT_MODEL_H

#include "facts.h"

enum { MAX_CHANNELS = 8 };

typedef struct Model Model;

/* Open a plugin file for 1 to 8 channels, started from silence. NULL, with one line, where it cannot be used. */
Model *model_open(const char *path, size_t channels, Error *error);
void model_close(Model *model);

const Facts *model_facts(const Model *model);

/* Turn a knob, from the next hop on. */
bool model_set_control(Model *model, const char *name, double value, Error *error);

/* Back to silence; the knobs stay where they are. */
void model_reset(Model *model);

/* The hop to fill before `model_run`, and its result: `hop_samples` samples of one channel, until the next call. */
float *model_input(Model *model, size_t channel);
const float *model_output(const Model *model, size_t channel);

/* Run one hop. Input samples that are not finite, or inaudible, count as 0. A channel whose result is not finite is
 * silent for this hop and starts over. Neither is an error; `model_muted` counts the latter. */
bool model_run(Model *model, Error *error);
size_t model_muted(const Model *model);

#endif

/* How the worker's thread runs: beside the audio thread's priority, without denormal numbers. */
#ifndef DESHIFT_PRIORITY_H
#define DESHIFT_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"

/* The calling thread takes denormal numbers as zero, read and written. */
void priority_flush_denormals(void);

/* The calling thread's id, as the kernel counts. */
int priority_thread(void);

/* Give the calling thread the policy of `thread`, one notch below where that is a real-time one. Does nothing where
 * `thread` is 0 or gone; reports, once, where the system does not allow it. */
void priority_follow(const struct report *report, int thread, bool *has_complained);

int64_t priority_now_ns(void);

/* Sleep for a moment where the calling thread has worked for long since `*last_rest_ns`: a limit on real-time threads
 * (RLIMIT_RTTIME, which PipeWire and rtkit set to 200 ms) kills a process whose thread never does. */
void priority_rest(int64_t *last_rest_ns);

#endif

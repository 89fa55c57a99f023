/* Why something could not be done: one line for a musician, kept by the caller. */
#ifndef DESHIFT_FAILURE_H
#define DESHIFT_FAILURE_H

#include <stdbool.h>

struct failure {
    char text[512];
};

/* Write the line and return false, so that a check can end with `return fail(…)`. */
__attribute__((format(printf, 2, 3))) bool fail(struct failure *why, const char *format, ...);

#endif

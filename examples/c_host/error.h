/* What went wrong, as one line for a person. Every function that can fail takes one and returns false or NULL. */
#ifndef DESHIFT_ERROR_H
#define DESHIFT_ERROR_H

#include <stdbool.h>

typedef struct {
    char line[512];
} Error;

/* Write the line, without control characters: names out of a file must not move the cursor. Returns false always. */
bool fail(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

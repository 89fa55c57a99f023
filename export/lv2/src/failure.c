#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

bool fail(struct failure *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(why->text, sizeof why->text, format, arguments) < 0)
        why->text[0] = '\0';
    va_end(arguments);
    return false;
}

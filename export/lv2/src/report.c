#include "report.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static void to_log(const struct report *report, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report->log->vprintf(report->log->handle, report->error_type, format, arguments);
    va_end(arguments);
}

void report_line(const struct report *report, const char *text) {
    if (report->log)
        to_log(report, "deshift: %s: %s\n", report->bundle, text);
    else
        fprintf(stderr, "deshift: %s: %s\n", report->bundle, text);
}

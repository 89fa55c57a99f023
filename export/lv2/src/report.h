/* One line to the musician: through the host's LV2 log where it has one, else on the terminal. Never from run(). */
#ifndef DESHIFT_REPORT_H
#define DESHIFT_REPORT_H

#include <lv2/log/log.h>

struct report {
    LV2_Log_Log *log; /* NULL: the terminal */
    LV2_URID error_type;
    const char *bundle;
};

void report_line(const struct report *report, const char *text);

#endif

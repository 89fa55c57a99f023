#define _GNU_SOURCE /* SCHED_RESET_ON_FORK, syscall */
#include "priority.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined __SSE__
#include <xmmintrin.h>
#endif

static const int64_t longest_work_ns = 80000000;

void priority_flush_denormals(void) {
#if defined __SSE__
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ: Intel's manual, volume 1, 10.2.3 */
#elif defined __aarch64__
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | (1u << 24))); /* FZ: Arm's manual, FPCR */
#endif
}

int priority_thread(void) {
    return (int)syscall(SYS_gettid);
}

/* What `thread` has, one notch lower; false where it is gone. */
static bool notch_below(int thread, int *policy, struct sched_param *parameters) {
    *policy = sched_getscheduler(thread);
    if (*policy < 0 || sched_getparam(thread, parameters))
        return false;
    *policy &= ~SCHED_RESET_ON_FORK;
    if (*policy != SCHED_FIFO && *policy != SCHED_RR)
        *policy = SCHED_OTHER; /* there is no notch below */
    else if (parameters->sched_priority > sched_get_priority_min(*policy))
        parameters->sched_priority--;
    return true;
}

void priority_follow(const struct report *report, int thread, bool *has_complained) {
    struct sched_param wanted = {0}, present = {0};
    int policy;
    if (!thread || !notch_below(thread, &policy, &wanted) || sched_getparam(0, &present))
        return;
    if ((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == policy && present.sched_priority == wanted.sched_priority)
        return;
    if (sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &wanted) && !*has_complained) {
        char text[200];
        snprintf(text, sizeof text, "its thread runs at ordinary priority (%s): expect misses under load",
                 strerror(errno));
        report_line(report, text);
        *has_complained = true;
    }
}

int64_t priority_now_ns(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void priority_rest(int64_t *last_rest_ns) {
    const struct timespec moment = {0, 50000};
    if (priority_now_ns() - *last_rest_ns < longest_work_ns)
        return;
    nanosleep(&moment, NULL);
    *last_rest_ns = priority_now_ns();
}

"""What the engine asks of the system for its threads: priority, and an interpreter that does not pause."""

from __future__ import annotations

import gc
import os
import sys
import threading

FEEDER_PRIORITY = 4  # before all ordinary threads; sound servers give their clients 5 and more
WORKER_PRIORITY = 3  # below the feeder, so that a slow model never delays a block that is ready
SWITCH_SECONDS = 0.0005
NICE = -11


def raise_priority(level: int) -> str:
    """Ask the system for real-time scheduling of the calling thread, else for a better place; says what was granted.

    Linux grants it to root and to users with an rtprio limit: on most systems the group "audio" or "realtime".
    """
    if hasattr(os, "sched_setscheduler"):
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
            return f"real-time {level}"
        except PermissionError:
            pass  # the next best is tried, and what was granted is reported
    if sys.platform == "linux":  # elsewhere the nice value is that of the whole process
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            return f"nice {NICE}"
        except PermissionError:
            pass
    return "normal"


def calm_interpreter() -> None:
    """For the engine's own process: no pauses of the garbage collector, and short turns between threads.

    The audio path makes no reference cycles; the few that commands leave behind stay until the process ends.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(SWITCH_SECONDS)

"""How long the screen's thread is busy at a stretch: the promise is 16 ms at most. Linux."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pytest
from PyQt6.QtCore import QObject, Qt, pyqtSignal

LIMIT_MS = 16.0
KNOCK_EVERY_S = 0.002
LATE_S, MOST_LATE = 0.015, 3
STARVED = 2  # of the time by the clock: a thread that got less of the processor is charged with others' work as well


@dataclass(frozen=True)
class Busy:
    """The longest stretch since the last look, how many were over the limit, and where the screen was then.

    CPU time is the app's own doing; wall time has what other programs took from it as well.
    """

    knocks: int
    longest_cpu_ms: float
    longest_wall_ms: float
    over_limit: int
    places: tuple[str, ...]
    late: int  # knocks that were late themselves: the machine had no time even for a thread that only waits

    @property
    def held(self) -> bool:
        """Whether nothing was over the limit. Skips the test where the machine was too busy to tell."""
        if self.over_limit and self.late >= MOST_LATE:
            pytest.skip(f"the machine had no time: {self.late} of {self.knocks} knocks were late")
        return not self.over_limit


class Watchdog(QObject):
    """Knocks at the screen's thread every 2 ms, and measures what that thread computes before it answers.

    Made on the screen's thread; a context manager.
    """

    _knock = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._screen = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._screen)
        self._answered, self._over = threading.Event(), threading.Event()
        self._answer = (0.0, 0.0)
        self._forget()
        self._knock.connect(self._take, type=Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(2.0)

    def look(self) -> Busy:
        """What was measured since the last look."""
        busy = Busy(self._knocks, self._cpu_ms, self._wall_ms, self._count, tuple(self._places), self._late)
        self._forget()
        return busy

    def _forget(self) -> None:
        self._knocks, self._cpu_ms, self._wall_ms, self._count = 0, 0.0, 0.0, 0
        self._places: list[str] = []
        self._late = 0

    def _take(self) -> None:
        self._answer = time.clock_gettime(self._clock), time.perf_counter()
        self._answered.set()

    def _watch(self) -> None:
        slept_s = time.perf_counter()
        while not self._over.wait(KNOCK_EVERY_S):
            cpu_s, wall_s = time.clock_gettime(self._clock), time.perf_counter()
            self._late += wall_s - slept_s > KNOCK_EVERY_S + LATE_S
            self._answered.clear()
            self._knock.emit()
            place = ""
            while not self._answered.wait(KNOCK_EVERY_S) and not self._over.is_set():
                if not place and 1000 * (time.clock_gettime(self._clock) - cpu_s) > LIMIT_MS / 2:
                    place = self._where()
            if not self._over.is_set():
                self._note(1000 * (self._answer[0] - cpu_s), 1000 * (self._answer[1] - wall_s), place)
            slept_s = time.perf_counter()

    def _note(self, cpu_ms: float, wall_ms: float, place: str) -> None:
        self._knocks += 1
        self._cpu_ms, self._wall_ms = max(self._cpu_ms, cpu_ms), max(self._wall_ms, wall_ms)
        if cpu_ms > LIMIT_MS and wall_ms < STARVED * cpu_ms:
            self._count += 1
            self._places.append(f"{cpu_ms:.0f} ms: {place}")

    def _where(self) -> str:
        frame = sys._current_frames().get(self._screen)
        steps = traceback.extract_stack(frame)[-4:] if frame else []
        return " > ".join(f"{step.filename.rpartition('/')[2]}:{step.lineno} {step.name}" for step in steps)

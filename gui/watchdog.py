"""How long the screen's thread is busy at a stretch: the promise is 16 ms at most."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PyQt6.QtCore import QAbstractEventDispatcher, QObject

LIMIT_MS = 16.0


@dataclass(frozen=True)
class Busy:
    """The longest stretch since the last look, and how many were over the limit.

    CPU time is the app's own doing; wall time has what other programs took from it as well.
    """

    stretches: int
    longest_cpu_ms: float
    longest_wall_ms: float
    over_limit: int


class Watchdog(QObject):
    """Measures every turn of the event loop, from waking up until it waits again. Belongs to the screen's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        dispatcher = QAbstractEventDispatcher.instance()
        if dispatcher is None:
            raise RuntimeError("make the application first: its event loop is what is measured")
        self._woke: tuple[float, float] | None = None
        self._forget()
        dispatcher.awake.connect(self._awake)
        dispatcher.aboutToBlock.connect(self._sleeps)

    def look(self) -> Busy:
        """What was measured since the last look."""
        busy = Busy(self._stretches, self._cpu_ms, self._wall_ms, self._over)
        self._forget()
        return busy

    def _forget(self) -> None:
        self._stretches, self._cpu_ms, self._wall_ms, self._over = 0, 0.0, 0.0, 0

    def _awake(self) -> None:
        if self._woke is None:
            self._woke = time.thread_time(), time.perf_counter()

    def _sleeps(self) -> None:
        if self._woke is None:
            return
        cpu_s, wall_s = self._woke
        self._woke = None
        cpu_ms = 1000 * (time.thread_time() - cpu_s)
        self._stretches += 1
        self._cpu_ms = max(self._cpu_ms, cpu_ms)
        self._wall_ms = max(self._wall_ms, 1000 * (time.perf_counter() - wall_s))
        self._over += cpu_ms > LIMIT_MS

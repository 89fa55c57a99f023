"""A progress line on the terminal: seconds of audio done, how many times faster than real time, and how long yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class FileProgress:
    """Progress over files of these lengths in seconds. It draws on stderr, and only where that is a terminal."""

    def __init__(self, seconds: Sequence[float]) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} s, {task.fields[speed]:.1f} × real time, left"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._lengths = list(seconds)
        self._task = self._progress.add_task("", total=max(sum(seconds), 1e-3), speed=0.0)
        self._file, self._before, self._started = 0, 0.0, time.perf_counter()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def starts(self, name: str) -> Callable[[float], None]:
        """The next file begins; call the result with its seconds done so far."""
        self._progress.update(self._task, description=name)
        return self._update

    def _update(self, seconds: float) -> None:
        done = self._before + min(seconds, self._lengths[self._file])
        speed = done / max(time.perf_counter() - self._started, 1e-9)
        self._progress.update(self._task, completed=done, speed=speed)

    def ends(self) -> None:
        """The file that began last is done, or failed."""
        self._before += self._lengths[self._file]
        self._file += 1
        self._progress.update(self._task, completed=self._before)

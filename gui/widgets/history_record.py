"""What the history strip remembers: the moments of the last quarter of an hour, and marks with their causes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

MarkKind = Literal["miss", "restart", "swap", "lost", "note"]
MINUTES = (1, 5, 15)
MOMENTS_PER_SECOND = 4
KEPT_MOMENTS = 60 * max(MINUTES) * MOMENTS_PER_SECOND
KEPT_MARKS = 512


@dataclass(frozen=True)
class Mark:
    """Something happened."""

    at_s: float
    kind: MarkKind
    words: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(MarkKind):
            raise ValueError(f"a mark of kind {self.kind!r}: choose one of {', '.join(get_args(MarkKind))}")


@dataclass(frozen=True)
class Moment:
    """One look at the session. Levels are peaks in dBFS, the load is in percent of a hop; None leaves a gap."""

    at_s: float
    input_db: float | None = None
    output_db: float | None = None
    load_percent: float | None = None
    marks: tuple[Mark, ...] = ()


class Record:
    """The moments of the last quarter of an hour, and their marks; the oldest ones go."""

    def __init__(self) -> None:
        self._values = np.full((KEPT_MOMENTS, 4), np.nan)
        self._count = 0
        self.marks: deque[Mark] = deque(maxlen=KEPT_MARKS)

    def append(self, moment: Moment) -> None:
        """Take one more."""
        figures = (moment.at_s, moment.input_db, moment.output_db, moment.load_percent)
        self._values[self._count % KEPT_MOMENTS] = [np.nan if value is None else value for value in figures]
        self._count += 1
        self.marks.extend(moment.marks)

    def since(self, at_s: float) -> NDArray[np.float64]:
        """``(N, 4)``, oldest first: time in s, input dBFS, output dBFS, load in percent."""
        turn = self._count % KEPT_MOMENTS if self._count > KEPT_MOMENTS else 0
        values = np.roll(self._values, -turn, axis=0)[: min(self._count, KEPT_MOMENTS)]
        return values[values[:, 0] >= at_s]

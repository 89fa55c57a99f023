"""What a simulation found: misses and what explains them, latencies, notes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from realtime.live.exchange import Misses
from realtime.live.simulated import Scenario

APART_SECONDS = 1.0  # misses of one cause that are closer are reported as one
CAUSES = {
    "late_model": "late_frames",
    "input_overflow": "overflow_frames",
    "device_gap": "gap_frames",
    "interpreter_stall": "stall_frames",
}


@dataclass(frozen=True)
class Missed:
    """Misses of one cause that came close together. `explained_by`: the event of the script, or nothing."""

    cause: str
    from_s: float
    to_s: float
    count: int
    frames: int
    explained_by: str


@dataclass(frozen=True)
class Reading:
    """One moment: the latency as planned and as measured in the sound (None: not found in it), and the rest."""

    at_s: float
    state: str
    planned_ms: float
    measured_ms: float | None
    drift_ppm: float
    input_fill_ms: float
    output_fill_ms: float


@dataclass(frozen=True)
class Outcome:
    """What a simulation found.

    `steps_s`: when the output stepped faster than the sound and fades can; None: not watched. `notes`: states,
    warnings and faults when they first appeared.
    """

    seconds: float
    misses: tuple[Missed, ...]
    readings: tuple[Reading, ...]
    steps_s: tuple[float, ...] | None
    notes: tuple[tuple[float, str], ...]
    hops: int
    callbacks: int
    muted_blocks: int
    swaps: int

    @property
    def unexplained(self) -> int:
        """Misses that no event of the script explains."""
        return sum(missed.count for missed in self.misses if not missed.explained_by)

    def to_json_object(self) -> dict[str, Any]:
        """For JSON: the same simulation gives the same text."""
        return {**asdict(self), "unexplained": self.unexplained}


class MissLog:
    """Turns the engine's counts into a list: what was missed when, and which event explains it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._entries: list[Missed] = []
        self._open: dict[str, int] = {}
        self._past = Misses()

    def begin(self) -> None:
        """Another engine counts from zero."""
        self._past = Misses()

    def look(self, time_s: float, misses: Misses) -> None:
        """Take the counts as they are now."""
        if misses == self._past:
            return
        for cause, frames_name in CAUSES.items():
            count = getattr(misses, cause) - getattr(self._past, cause)
            frames = getattr(misses, frames_name) - getattr(self._past, frames_name)
            if count or frames:
                self._add(cause, round(time_s, 6), count, frames)
        self._past = misses

    def _add(self, cause: str, time_s: float, count: int, frames: int) -> None:
        last = self._entries[self._open[cause]] if cause in self._open else None
        explaining = [event for event in self._scenario.events if event.explains(cause, time_s)]
        text = f"{explaining[-1].kind} at {explaining[-1].at_s:g} s" if explaining else ""
        if last is not None and (not count or (time_s - last.to_s < APART_SECONDS and last.explained_by == text)):
            grown = replace(last, to_s=time_s, count=last.count + count, frames=last.frames + frames)
            self._entries[self._open[cause]] = grown
            return
        self._open[cause] = len(self._entries)
        self._entries.append(Missed(cause, time_s, time_s, count, frames, text))

    @property
    def misses(self) -> tuple[Missed, ...]:
        """In order of time."""
        return tuple(self._entries)

"""What the host says of a session, over all the engine processes that it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from realtime.live.exchange import KEPT_EVENTS, Event, Misses
from realtime.live.status import SILENT, State, Status
from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.levels import Bandwidth, Levels
from realtime.quality.readouts import LevelReadouts, PitchReadouts, Readouts, ReferenceReadouts


@dataclass(frozen=True)
class LiveStatus:
    """One moment of a session.

    Args:
        engine: its counters are those of the whole session, its times for a hop those of the newest process.
        quality: of what is heard; None before the first figures, and where they are switched off.
        quality_ages_s: how old its expensive parts are, by name.
        restarts: how often the engine's process was replaced.
        lost_s: time without sound since the start: device or process gone.
        note: what the host is doing about it, or did a moment ago; empty, or a sentence.
        failed: the host gave up; the note says why.
    """

    engine: Status
    quality: Readouts | None = None
    quality_ages_s: Mapping[str, float] = field(default_factory=dict)
    restarts: int = 0
    lost_s: float = 0.0
    note: str = ""
    failed: bool = False

    def to_json_object(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "engine": self.engine.to_json_object(),
            "quality": None if self.quality is None else self.quality.as_dict(),
            "quality_ages_s": dict(self.quality_ages_s),
            "restarts": self.restarts,
            "lost_s": self.lost_s,
            "note": self.note,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Recorded:
    """A recording that ended: its files, none where nothing was kept, and what went wrong, if anything."""

    files: tuple[str, ...]
    seconds: float
    dropped_frames: int = 0
    error: str | None = None

    def __str__(self) -> str:
        """One line."""
        lost = f", {self.dropped_frames} frames lost" if self.dropped_frames else ""
        kept = f"recorded {self.seconds:.1f} s{lost}: {', '.join(self.files)}" if self.files else "nothing was recorded"
        return kept if self.error is None else f"{self.error} ({kept})"


@dataclass(frozen=True)
class Carried:
    """The counters of the engine processes that ended."""

    misses: Misses = field(default_factory=Misses)
    events: tuple[Event, ...] = ()
    elapsed_s: float = 0.0
    callbacks: int = 0
    input_overflows: int = 0
    output_underflows: int = 0
    gaps: int = 0
    hops: int = 0
    limited_hops: int = 0
    muted_blocks: int = 0
    swaps: int = 0

    def and_(self, status: Status) -> Carried:
        """With one more process that ended."""
        later = tuple(Event(self.elapsed_s + event.at_s, event.cause) for event in status.events)
        return Carried(
            events=(self.events + later)[-KEPT_EVENTS:],
            misses=_sum(self.misses, status.misses),
            elapsed_s=self.elapsed_s + status.elapsed_s,
            callbacks=self.callbacks + status.device.callbacks,
            input_overflows=self.input_overflows + status.device.input_overflows,
            output_underflows=self.output_underflows + status.device.output_underflows,
            gaps=self.gaps + status.device.gaps,
            hops=self.hops + status.speed.hops,
            limited_hops=self.limited_hops + status.limited_hops,
            muted_blocks=self.muted_blocks + status.muted_blocks,
            swaps=self.swaps + status.swaps,
        )

    def under(self, status: Status) -> Status:
        """A status whose counters begin where those of the ended processes stopped."""
        total = self.and_(status)
        device = replace(
            status.device,
            callbacks=total.callbacks,
            input_overflows=total.input_overflows,
            output_underflows=total.output_underflows,
            gaps=total.gaps,
        )
        return replace(
            status,
            device=device,
            misses=total.misses,
            events=total.events,
            elapsed_s=total.elapsed_s,
            speed=replace(status.speed, hops=total.hops),
            limited_hops=total.limited_hops,
            muted_blocks=total.muted_blocks,
            swaps=total.swaps,
        )


def without_sound(status: Status, state: State, message: str) -> Status:
    """The same engine, when its process does not run: no levels, nothing in its rings."""
    return replace(
        status,
        state=state,
        message=message,
        input_level=SILENT,
        output_level=SILENT,
        input_fill_ms=0.0,
        output_fill_ms=0.0,
        warnings=(),
    )


def _sum(one: Misses, other: Misses) -> Misses:
    first, second = asdict(one), asdict(other)
    return Misses(**{name: first[name] + second[name] for name in first})


def readouts_from_json(values: Mapping[str, Any]) -> Readouts:
    """Read what `Readouts.as_dict` wrote."""
    levels = values["levels"]
    return Readouts(
        levels=LevelReadouts(
            Levels(**levels["input"]),
            Levels(**levels["output"]),
            Bandwidth(**levels["input_bandwidth"]),
            Bandwidth(**levels["output_bandwidth"]),
        ),
        pitch=PitchReadouts(**values["pitch"]),
        consistency=ConsistencyReadouts(**values["consistency"]),
        reference=ReferenceReadouts(**values["reference"]),
        notes=tuple(values["notes"]),
    )

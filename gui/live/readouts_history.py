"""What the history strip is told: each status as a moment, and what went wrong since the last one as marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gui.live import wording
from gui.widgets.history_record import Mark, MarkKind, Moment
from realtime.live.host_status import LiveStatus

RISING_S = 10.0
AGAIN_S = 30.0  # before the same note is marked once more: a warning may come and go
LONGEST_DELAY_S = 2.0  # between an event and the look that finds it


class Rising:
    """Whether a count went up within the last ten seconds."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._rose_at_s = float("-inf")

    def update(self, count: int, now_s: float) -> bool:
        """Take the count at a time. The first one is no rise, and a lower one begins anew."""
        before, self._count = self._count, count
        if before is not None and count > before:
            self._rose_at_s = now_s
        elif before is not None and count < before:
            self._rose_at_s = float("-inf")
        return now_s - self._rose_at_s < RISING_S


class Chronicle:
    """Turns statuses into moments. A new session, told by counters that fall, begins anew."""

    def __init__(self) -> None:
        self._before: LiveStatus | None = None
        self._said_at_s: dict[str, float] = {}

    def look(self, status: LiveStatus, now_s: float) -> Moment:
        """The moment of a status, with marks for what happened since the one before. `now_s` only goes up."""
        engine = status.engine
        before = self._before
        if before is not None and _is_another_session(before, status):
            before = None
            self._said_at_s.clear()
        marks = [*self._events(before, status, now_s), *self._turns(before, status, now_s)]
        self._before = status
        alive = engine.state == "running"
        hop_ms = None if engine.latency is None else engine.latency.hop_ms
        return Moment(
            at_s=now_s,
            input_db=engine.input_level.peak_db if alive else None,
            output_db=engine.output_level.peak_db if alive else None,
            load_percent=wording.load_percent(engine.speed, hop_ms) if alive else None,
            marks=tuple(marks),
        )

    def _events(self, before: LiveStatus | None, status: LiveStatus, now_s: float) -> Iterable[Mark]:
        """One mark for each cause of the misses that are new."""
        old = Counter(before.engine.events if before else ())
        new = list((Counter(status.engine.events) - old).elements())
        for cause, count in Counter(event.cause for event in new).items():
            first_s = min(event.at_s for event in new if event.cause == cause)
            delay_s = max(0.0, status.engine.elapsed_s - first_s)  # played sound lags where the device stood still
            delay_s = min(LONGEST_DELAY_S, delay_s) if before else delay_s
            yield Mark(now_s - delay_s, "miss", f"{count} × {cause}" if count > 1 else cause)

    def _turns(self, before: LiveStatus | None, status: LiveStatus, now_s: float) -> Iterable[Mark]:
        """Marks for the session's own turns, and for each sentence that is new."""
        engine = status.engine
        restarted = status.restarts > (before.restarts if before else 0)
        state_before = before.engine.state if before else "prepared"
        lost = engine.state in ("lost", "failed") and engine.state != state_before
        returned = engine.state == "running" and state_before == "lost"
        if engine.swaps > (before.engine.swaps if before else 0):
            yield from self._once("swap", f"changed to {', '.join(engine.chain)}", now_s)
        kind: MarkKind = "lost" if lost else "restart" if restarted or returned else "note"
        old = wording.sentences(before) if before else ()
        new = [sentence for sentence in wording.sentences(status) if sentence not in old]
        if not new and (lost or restarted):
            new = ["the sound stopped" if lost else "the engine was replaced"]
        for sentence in new:
            yield from self._once(kind, sentence, now_s)

    def _once(self, kind: MarkKind, words: str, now_s: float) -> Iterable[Mark]:
        recent = {known: at_s for known, at_s in self._said_at_s.items() if now_s - at_s < AGAIN_S}
        if kind in ("note", "swap") and words in recent:
            return
        self._said_at_s = {**recent, words: now_s}
        yield Mark(now_s, kind, wording.printable(words))


def _is_another_session(before: LiveStatus, now: LiveStatus) -> bool:
    return now.restarts < before.restarts or now.engine.elapsed_s < before.engine.elapsed_s - 1

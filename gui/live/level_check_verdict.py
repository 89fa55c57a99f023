"""Whether a microphone's level is right: from the peaks of the last seconds to a sentence. No Qt."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from realtime.live.meters import Level

Kind = Literal["waiting", "good", "quiet", "loud", "silence"]
SILENCE_DB = -80.0  # dBFS; the noise of an open microphone lies above it, a muted one below
QUIET_DB = -30.0
LOUD_DB = -3.0  # the next louder word clips
WINDOW_SECONDS = 3.0
LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """A kind, and the sentence for it."""

    kind: Kind
    text: str


def judge(peak_db: float, clipped: int, seconds: float) -> Verdict:
    """What a level is, and what to do about it.

    Args:
        peak_db: the highest peak heard, in dBFS.
        clipped: samples at or beyond full scale.
        seconds: for how long was listened.
    """
    if clipped > 0:
        return Verdict("loud", "Too loud: clipping. Lower the microphone's gain.")
    if seconds < LEAST_SECONDS:
        return Verdict("waiting", "Listening: speak or play as loud as you will.")
    reached = f"peaks reach {peak_db:.0f} dBFS".replace("-", "−")
    if peak_db < SILENCE_DB:
        return Verdict("silence", "Silence: is the microphone muted, or another one chosen?")
    if peak_db < QUIET_DB:
        return Verdict("quiet", f"Too quiet: {reached}. Raise the microphone's gain.")
    if peak_db > LOUD_DB:
        return Verdict("loud", f"Too loud: {reached}. Lower the microphone's gain a little.")
    return Verdict("good", f"Good: {reached}.")


class Listened:
    """The levels of the last three seconds, as a verdict."""

    def __init__(self) -> None:
        self._levels: deque[tuple[float, Level]] = deque()
        self._began_s: float | None = None

    def add(self, level: Level, now_s: float) -> Verdict:
        """Take a level; the verdict on all that are still counted."""
        if self._began_s is None:
            self._began_s = now_s
        self._levels.append((now_s, level))
        while now_s - self._levels[0][0] > WINDOW_SECONDS:
            self._levels.popleft()
        first = self._levels[0][1].clipped if self._levels[0][0] > self._began_s else 0
        clipped = max(0, level.clipped - first)
        return judge(max(one.peak_db for _, one in self._levels), clipped, now_s - self._began_s)

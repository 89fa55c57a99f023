"""How often the spectrograms are drawn: as often as the machine has time for, since the sound comes first."""

from __future__ import annotations

from dataclasses import dataclass

RATES = (30, 15, 8, 4)  # frames a second
PERIOD_S = 1.0  # what is judged at once
MOST_SHARE = 0.2  # of the time between two frames may go into one
LATE = 1.3  # times the interval that frames may lie apart on average
BUSY_RTF = 0.8  # of the engine
CALM_PERIODS = 5  # before it is drawn oftener again
MOST_CALM_PERIODS = 60  # after it had to be slowed down soon after that, again and again
SOON_PERIODS = 3


@dataclass(frozen=True)
class Load:
    """What the engine told last: its real-time factor and how many hops it missed so far."""

    rtf: float
    misses: int


class Pace:
    """Told of each frame and of the engine's load; `frames_per_second` halves under load, and recovers slowly.

    Args:
        now_s: the time of the first frame's beginning, of any steady clock.
    """

    def __init__(self, now_s: float) -> None:
        self._step = 0
        self._misses: int | None = None
        self._engine_busy = False
        self._calm = 0
        self._needed = CALM_PERIODS
        self._since_faster: int | None = None
        self._begin(now_s)

    @property
    def frames_per_second(self) -> int:
        """One of `RATES`."""
        return RATES[self._step]

    @property
    def text(self) -> str:
        """The rate, and why it is low where it is."""
        return f"{self.frames_per_second} fps" + (": sound comes first" if self._step else "")

    def frame(self, now_s: float, spent_s: float) -> None:
        """A frame ended at `now_s` and took `spent_s` in all."""
        self._frames += 1
        self._spent_s += spent_s
        elapsed_s = now_s - self._began_s
        if elapsed_s < PERIOD_S:
            return
        interval_s = elapsed_s / self._frames
        late = interval_s > LATE / self.frames_per_second
        dear = self._spent_s / self._frames > MOST_SHARE / self.frames_per_second
        self._judge(late or dear or self._engine_busy)
        self._begin(now_s)

    def load(self, load: Load) -> None:
        """What the engine says, about once a second. The first count of misses is only remembered."""
        missed = self._misses is not None and load.misses > self._misses
        self._misses = load.misses
        self._engine_busy = missed or load.rtf > BUSY_RTF

    def interrupted(self, now_s: float) -> None:
        """Nothing was drawn up to `now_s` on purpose: that is not late."""
        self._begin(now_s)

    def new_session(self) -> None:
        """The engine counts from 0 again."""
        self._misses, self._engine_busy = None, False

    def _begin(self, now_s: float) -> None:
        self._began_s, self._frames, self._spent_s = now_s, 0, 0.0

    def _judge(self, busy: bool) -> None:
        if self._since_faster is not None:
            self._since_faster += 1
        if busy:
            self._slow_down()
            return
        self._calm += 1
        if self._since_faster is not None and self._since_faster > self._needed:
            self._needed, self._since_faster = CALM_PERIODS, None  # it lasted
        if self._step and self._calm >= self._needed:
            self._step, self._calm, self._since_faster = self._step - 1, 0, 0

    def _slow_down(self) -> None:
        self._calm = 0
        if self._since_faster is not None and self._since_faster <= SOON_PERIODS:
            self._needed = min(2 * self._needed, MOST_CALM_PERIODS)
        self._since_faster = None
        self._step = min(self._step + 1, len(RATES) - 1)

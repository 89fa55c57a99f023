"""The thread between the C rings of the sound device and the engine's `Exchange`.

The device's callback is C and only meets two C rings, so whatever holds the Python interpreter costs the device nothing
until a ring runs dry or full. This thread empties the one, fills the other, conceals what would be late for the next
callback, and puts both timelines right after it was held up itself: the n-th frame recorded stays the n-th of the
output, later by what the `Exchange` began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

import numpy as np

from realtime.live.device import DeviceError, Exchange
from realtime.live.lanes import Lane, Pulse
from realtime.live.threads import FEEDER_PRIORITY, raise_priority

GUARD_S = 0.001  # before the next callback: the time to conceal in
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.0003, 0.004
START_SECONDS = 10.0


class Timelines:
    """Keep the n-th frame recorded the n-th of the output, whatever was lost on the way.

    With one clock the frames recorded and played are equal in number, exactly, as both begin in the same callback. With
    two they drift, so a loss shows as a step of more than a block against the difference usual before.
    """

    def __init__(self, exchange: Exchange, capture: Lane, play: Lane, one_clock: bool, rates: tuple[int, int]) -> None:
        self._exchange, self._capture, self._play = exchange, capture, play
        self._one_clock, self._ratio = one_clock, rates[1] / rates[0]
        self._usual: float | None = 0.0 if one_clock else None
        self._made_up = 0.0  # output frames slipped, less those of silence put in for lost input
        self._broken = False
        self._last = (0.0, 0)  # difference and frames played, of the turn before
        self._silence = np.zeros((1024, capture.channels), dtype=np.float32)

    def slip_early(self) -> None:
        """The play action ended: what was recorded since will not be played; later corrections are mostly nothing."""
        if self._usual is not None:
            self._make_up(self._difference() - self._usual)
        self._broken = True

    def capture_broke(self) -> None:
        """The capture action ended: recorded frames were lost."""
        self._broken = True

    def correct(self, at_once_frames: int) -> None:
        """Make up for what was lost, as soon as both directions move again; `at_once_frames` is two clocks' jitter."""
        if self._one_clock and not self._broken:
            return
        difference, played = self._difference(), self._play.frames
        settled = played != self._last[1] and (not self._one_clock or difference == self._last[0])
        self._last = (difference, played)
        if not settled:  # between the two halves of a callback the difference is a block too large
            return
        if self._usual is None:
            self._usual = difference
        elif self._broken:
            self._broken = False
            step = difference - self._usual
            if self._one_clock or abs(step) > at_once_frames:
                self._make_up(step)
        else:
            self._usual += 0.01 * (difference - self._usual)

    def _difference(self) -> float:
        return self._capture.frames * self._ratio - self._play.frames - self._made_up

    def _make_up(self, frames: float) -> None:
        whole = round(frames)
        if whole > 0:
            self._exchange.slip(whole)
        missing = round(-whole / self._ratio)
        while missing > 0:
            self._exchange.capture(self._silence[: min(missing, len(self._silence))])
            missing -= len(self._silence)
        self._made_up += whole


class Feeder(threading.Thread):
    """Moves frames until `ask_to_stop`.

    Args:
        exchange: the engine's side.
        capture, play: the lanes, not yet begun; `one_clock` if one callback serves both.
        rates: input and output, in Hz.
        block_frames: the most the device is expected to move at once.
        launch: starts the streams, after both lanes were begun.
        most_queued_frames: to keep for a device that does not play; what is in its ring cannot be taken back.
    """

    def __init__(
        self,
        exchange: Exchange,
        capture: Lane,
        play: Lane,
        one_clock: bool,
        rates: tuple[int, int],
        block_frames: int,
        launch: Callable[[], None],
        most_queued_frames: int,
    ) -> None:
        super().__init__(name="sound device feeder", daemon=True)
        self._exchange, self._capture, self._play, self._launch = exchange, capture, play, launch
        self._timelines = Timelines(exchange, capture, play, one_clock, rates)
        self._rates, self._block_frames = rates, block_frames
        self._most_queued_frames = most_queued_frames
        self._stop_asked, self._launched = threading.Event(), threading.Event()
        self._start_error: Exception | None = None
        now_s = perf_counter()
        self._heard = Pulse(rates[0], block_frames, now_s)
        self._played = self._heard if one_clock else Pulse(rates[1], block_frames, now_s)
        self.stalls = 0
        self.priority = "normal"
        self.error: str | None = None

    def begin(self) -> None:
        """Start the thread, and wait until the streams were launched: from it, so that it is there for the first block.

        Raises: what `launch` raises; DeviceError where it takes longer than 10 s.
        """
        self.start()
        if not self._launched.wait(START_SECONDS):
            raise DeviceError(f"the sound system did not start the device within {START_SECONDS:g} s; restart it")
        if self._start_error is not None:
            raise self._start_error

    def _prepare(self) -> None:
        """Fill the play ring with what the engine begins with, begin both lanes, launch."""
        self._give(self._block_frames)
        self._capture.begin()
        self._play.begin()
        self._launch()
        self._heard.seen_s = self._played.seen_s = perf_counter()

    def run(self) -> None:
        """Launch, then the loop; an error ends it and is kept."""
        self.priority = raise_priority(FEEDER_PRIORITY)
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001  # `begin` raises it where it can be caught
            self._start_error = error
            return
        finally:
            self._launched.set()
        try:
            while not self._stop_asked.is_set():
                self._exchange.wait_output(self._turn())
        except BaseException as error:
            self.error = f"the thread that feeds the sound device ended: {type(error).__name__}: {error}"
            raise

    def ask_to_stop(self) -> None:
        """`run` returns within a block."""
        self._stop_asked.set()

    @property
    def gaps(self) -> int:
        """Times that no callback came."""
        return self._heard.gaps + (self._played.gaps if self._played is not self._heard else 0)

    @property
    def heartbeat_age_s(self) -> float:
        """Since the later of the two directions last moved."""
        return perf_counter() - min(self._heard.seen_s, self._played.seen_s)

    @property
    def at_once_frames(self) -> int:
        """The most frames the device took at once."""
        return max(self._heard.at_once_frames, self._played.at_once_frames)

    def _turn(self) -> float:
        """Move what there is; returns the seconds until something else may be there."""
        now_s = perf_counter()
        if self._is_idle(now_s):
            self._look(now_s)
            return self._pause_s(now_s, self._conceal_s() if self._play.waiting < self._played.at_once_frames else None)
        self._capture.take(self._exchange.capture)
        now_s = perf_counter()
        self._look(now_s)
        self._restart()
        waiting = self._play.waiting
        needed = self._played.at_once_frames
        conceal_s = self._conceal_s()
        at_deadline = now_s >= conceal_s
        if at_deadline and waiting < needed and self._capture.frames != self._heard.frames:
            return 0.0  # the callback came just now: its frames are taken before anything is concealed
        self._give(needed - waiting if at_deadline else 0)
        waiting = self._play.waiting
        self._exchange.device_queue_frames = waiting
        self._exchange.device_played_at_s = self._played.seen_s
        self._timelines.correct(needed)
        return self._pause_s(perf_counter(), conceal_s if waiting < needed and not at_deadline else None)

    def _is_idle(self, now_s: float) -> bool:
        """Whether there is nothing to move and nothing to conceal yet: half of all turns, which should cost little."""
        if self._capture.waiting or self._exchange.ready_frames:
            return False
        return now_s < self._conceal_s() or self._play.waiting >= self._played.at_once_frames

    def _conceal_s(self) -> float:
        """When to fill the play ring at any rate: just before the callback that would find it dry."""
        return self._played.due_s - min(GUARD_S, self._played.at_once_frames / self._rates[1] / 2)

    def _give(self, least_frames: int) -> None:
        """All that is processed, and `least_frames` at any rate: then the exchange conceals."""
        wanted = min(self._exchange.ready_frames, self._most_queued_frames - self._play.waiting)
        frames = min(max(wanted, least_frames), self._play.room)
        if frames > 0:
            self._play.give(frames, self._exchange.play)

    def _look(self, now_s: float) -> None:
        self._capture.look()
        self._heard.see(self._capture.frames, self._capture.largest_block_frames, now_s)
        if self._played is not self._heard:
            self._play.look()
            self._played.see(self._play.frames, self._play.largest_block_frames, now_s)

    def _restart(self) -> None:
        """Begin again what the callback gave up, because this thread came too late."""
        capture_ended, play_ended = self._capture.ended(), self._play.ended()
        if not (capture_ended or play_ended):
            return
        self.stalls += 1
        if capture_ended:
            self._capture.begin()
            self._timelines.capture_broke()
        if play_ended:
            self._timelines.slip_early()
            self._give(self._played.at_once_frames)
            self._play.begin()

    def _pause_s(self, now_s: float, deadline_s: float | None) -> float:
        """Until a little before the next callback, or until a concealment; in short steps once it is due."""
        step_s = min(max(self._block_frames / self._rates[0] / 8, SHORTEST_WAIT_S), 0.001)
        until_s = min(self._heard.due_s, self._played.due_s) - step_s
        if deadline_s is not None:
            until_s = min(until_s, deadline_s)
        return min(max(until_s - now_s, step_s), LONGEST_WAIT_S)

"""Where the sound card and the model meet: captured frames in, processed ones out, and what is late is concealed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np

from realtime.live.concealer import Concealer
from realtime.live.ring import Ring
from realtime.plugins.base import Samples

Concealment = Literal["dry", "silence"]
CONCEALMENTS: tuple[Concealment, ...] = ("dry", "silence")
RING_SECONDS = 2.0
STARVED_SECONDS = 0.05
KEPT_EVENTS = 32


@dataclass(frozen=True)
class Misses:
    """What was concealed or lost since the start, by cause: how often, and how many frames."""

    late_model: int = 0
    late_frames: int = 0
    input_overflow: int = 0
    overflow_frames: int = 0
    device_gap: int = 0
    gap_frames: int = 0
    interpreter_stall: int = 0
    stall_frames: int = 0

    @property
    def total(self) -> int:
        """Events of every cause."""
        return self.late_model + self.input_overflow + self.device_gap + self.interpreter_stall


@dataclass(frozen=True)
class Event:
    """Something went wrong, so many seconds of played sound after the start."""

    at_s: float
    cause: str


class Exchange:
    """The two rings between the audio side and the worker, and the bookkeeping that holds the latency.

    The first `prefill_frames` that are played are silence: the time the worker has. From then on the n-th frame played
    is the processed form of captured frame n - `prefill_frames`. Frames that are late are replaced, and thrown away
    when they come, so the latency is the same again at once.

    One thread calls `capture`, `play` and `slip`, one other `input`, `output` and `wait_input`.

    Args:
        prefill_frames: of output, see `realtime.live.plan`.
        content_delay_frames: how much later than that a sound leaves the chain: its lookahead and windows.
        hop_frames: input frames that make a hop; fewer waiting than these, and a miss is not the model's.
        ratio: output rate / input rate.
        one_clock: a frame is played for each one captured, from the first on; else what was captured before the first
            play is skipped.
        clock: seconds; tells how far the device is within its blocks.
    """

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        rate: int,
        prefill_frames: int,
        content_delay_frames: int = 0,
        hop_frames: int = 1,
        ratio: float = 1.0,
        concealment: Concealment = "dry",
        one_clock: bool = True,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.input_channels, self.output_channels = input_channels, output_channels
        self.concealment = concealment
        self.dry_gain = 1.0  # of a dry concealment; 0 where the captured sound must not be heard
        self.replaced_samples = 0  # of the input: NaN or infinite, taken as 0
        self.busy = False  # the worker is inside a hop
        self.device_queue_frames = 0  # what the audio side took and the device did not play yet
        self.device_played_at_s: float | None = None  # when the device last took frames from its queue
        self.hop_frames = hop_frames
        self.input = Ring(max(int(RING_SECONDS * rate), 4 * hop_frames), input_channels)
        self.output = Ring(max(int(RING_SECONDS * rate * max(1.0, ratio)), 4 * prefill_frames), output_channels)
        self._ratio, self._prefill, self._content_delay = ratio, prefill_frames, content_delay_frames
        self._one_clock, self._rate = one_clock, rate
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._plans: deque[tuple[int, int, int]] = deque()  # both from the worker, taken over by `play`
        self._skips: deque[int] = deque()
        self._clock, self._captured_at_s, self._given_at_s = clock, 0.0, 0.0
        self._starved_frames = self.realignments = 0
        self._debt = 0  # processed frames to throw away; below zero: frames to conceal before the next one
        self._captured = self._played = self._slipped = 0
        self._concealed = Concealer(self.input.capacity, output_channels, rate)
        self._missing = False
        self._late = [0, 0]
        self._overflow = [0, 0]
        self._gap = [0, 0]
        self._stall = [0, 0]
        self._input_ready, self._output_ready = threading.Lock(), threading.Lock()
        self.output.write_silence(prefill_frames)

    # -- the audio side

    def capture(self, block: Samples) -> None:
        """Hand captured frames ``(N, Cin)`` to the worker; what does not fit is counted and lost."""
        if not np.isfinite(block).all():  # once inside, it would stay in levels and states
            self.replaced_samples += int(np.count_nonzero(~np.isfinite(block)))
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        self._concealed.remember(block)
        self._captured += len(block)
        self._captured_at_s = self._clock()
        lost = len(block) - self.input.write(block)
        if lost:
            self._overflow[0] += 1
            self._happened("input overflow")
            before = round(self._overflow[1] * self._ratio)  # rounded as a sum, or a long overflow would add up halves
            self._overflow[1] += lost
            self._debt -= round(self._overflow[1] * self._ratio) - before
        if self._starved_frames:
            self._end_starvation()
        _signal(self._input_ready)

    @property
    def ready_frames(self) -> int:
        """Processed frames that `play` can give without concealing."""
        return 0 if self._debt < 0 else max(0, self.output.readable - self._debt)

    def play(self, out: Samples) -> None:
        """Fill ``(N, Cout)``: processed frames as far as they are there, a concealment for the rest."""
        self._correct()
        before_s, self._given_at_s = self._given_at_s, self._clock()
        own_seconds = 2 * len(out) / (self._rate * self._ratio)  # large blocks come seldom
        if self._played and not self._one_clock and self._given_at_s - before_s > max(STARVED_SECONDS, own_seconds):
            queued = self.device_played_at_s is not None  # then these frames stay in flight for now
            self._build_up(0 if queued else len(out))  # the output stood still while the input went on
        if self._played == 0 and self._captured and not self._one_clock:
            self._debt += round(self.in_flight_frames) - len(out) - self._prefill  # heard before the output began
        position = self._played + self._slipped - self._prefill - self._content_delay
        paid = min(len(out), max(0, -self._debt))  # for a capture that overflowed, a new plan: no miss
        if paid:
            self._debt += paid
            self._concealed.fill(self._gain, position, out[:paid])
        if self._debt > 0:
            self._debt -= self.output.skip(self._debt)
        ready = paid + min(len(out) - paid, self.ready_frames)
        if ready > paid:
            self._concealed.leave(self._gain, position + paid, out[paid:ready], self.output)
        if ready < len(out):
            self._missed(len(out) - ready)
            self._concealed.fill(self._gain, position + ready, out[ready:])
        self._missing = ready < len(out)
        self._played += len(out)

    def _missed(self, frames: int) -> None:
        self._debt += frames
        late = self.busy or self.input.readable >= self.hop_frames
        cause = self._late if late else self._gap
        if not self._missing:
            cause[0] += 1
            self._happened("late model" if late else "device gap")
        cause[1] += frames
        if not (late or self._one_clock):
            self._starved_frames += frames

    @property
    def _gain(self) -> float:
        return self.dry_gain if self.concealment == "dry" else 0.0

    def _end_starvation(self) -> None:
        """Captured sound is there again. After a real gap the latency is built up anew; a late block needs nothing."""
        if self._starved_frames > STARVED_SECONDS * self._rate * self._ratio:
            self._build_up(0)
        self._starved_frames = 0

    def _build_up(self, leaving_frames: int) -> None:
        """The planned latency again, once so many frames more have left: what is processed is old, and is dropped."""
        self.output.skip(self.output.readable)
        self._debt = 0
        self._debt += round(self.in_flight_frames) - leaving_frames - self._prefill
        self.realignments += 1
        self._concealed.splice()

    def slip(self, frames: int) -> None:
        """The device captured `frames` more than it played, because nobody fed it: as many processed ones are skipped.

        Below zero, as many are inserted. Counted as a stall of the interpreter.
        """
        self._debt += frames
        self._slipped += frames
        self._stall[0] += 1
        self._happened("interpreter stall")
        self._stall[1] += abs(frames)
        if frames > 0:
            self._concealed.was_silent()

    def wait_output(self, timeout_s: float) -> bool:
        """Wait until the worker wrote something; False when the time is over."""
        return self._output_ready.acquire(timeout=timeout_s)

    # -- the worker's side

    def wait_input(self, timeout_s: float) -> bool:
        """Wait until something was captured; False when the time is over."""
        return self._input_ready.acquire(timeout=timeout_s)

    def wake(self) -> None:
        """End the other side's `wait_input` early."""
        _signal(self._input_ready)

    def finished(self) -> None:
        """Say that processed frames were written to `output`."""
        _signal(self._output_ready)

    # -- both

    @property
    def in_flight_frames(self) -> float:
        """Output frames between capture and the device, its queue included, without what the worker holds.

        Both sides move a block at a time, and their difference is a staircase whose steps slide against each other. The
        times of the last blocks tell how far each device is within its next one, which takes the steps out. Source:
        Adriaensen, Controlling adaptive resampling, Linux Audio Conference 2012.
        """
        played_at_s = self._given_at_s if self.device_played_at_s is None else self.device_played_at_s
        within_blocks = (played_at_s - self._captured_at_s) * self._rate * self._ratio
        waiting = self.input.readable * self._ratio + self.output.readable - self._debt + self.device_queue_frames
        return waiting + within_blocks

    @property
    def prefill_frames(self) -> int:
        """Output frames by which sound leaves later than it came, beside the chain's own delay."""
        return self._prefill

    def _happened(self, cause: str) -> None:
        self._events.append(Event(self._played / (self._rate * self._ratio), cause))

    @property
    def events(self) -> tuple[Event, ...]:
        """The last misses, oldest first."""
        return tuple(self._events)

    def misses(self) -> Misses:
        """The counts so far."""
        return Misses(*self._late, *self._overflow, *self._gap, *self._stall)

    def replan(self, prefill_frames: int, content_delay_frames: int, hop_frames: int) -> None:
        """Go over to another latency: the difference is skipped or concealed once, and not counted as a miss."""
        self._plans.append((prefill_frames, content_delay_frames, hop_frames))

    def skip(self, frames: int) -> None:
        """Throw away as many processed frames, or conceal as many below zero: they will never come, or too late."""
        self._skips.append(frames)

    def _correct(self) -> None:
        before = self._debt
        while self._plans:
            prefill = self._prefill
            self._prefill, self._content_delay, self.hop_frames = self._plans.popleft()
            self._debt += prefill - self._prefill
        while self._skips:
            self._debt += self._skips.popleft()
        if self._debt > before:
            self._concealed.splice()


def _signal(lock: threading.Lock) -> None:
    """Set a flag that one other thread waits for. Releasing never blocks; a flag that is already up stays up."""
    if lock.locked():
        try:
            lock.release()
        except RuntimeError:  # another thread raised it at the same moment
            return

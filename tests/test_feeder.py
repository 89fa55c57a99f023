"""What the feeder rests on: C rings, the pulse of a callback, and timelines that losses do not shift. No sound card."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from realtime.live.feeder import Timelines
from realtime.live.lanes import Lane, Pulse


@given(st.lists(st.integers(0, 70), min_size=1, max_size=40), st.sampled_from([1, 2, 3]))
@settings(max_examples=60, deadline=None)
def test_frames_cross_a_c_ring_whole_and_in_order_whatever_the_blocks(blocks: list[int], channels: int) -> None:
    import rtmixer

    memory = np.zeros((64, channels), dtype=np.float32)
    ring = rtmixer.RingBuffer(4 * channels, buffer=memory)
    giving, taking = (Lane(None, ring, memory, lambda: None, recording) for recording in (False, True))
    numbers = iter(range(1, 10**6))
    given_rows, taken_rows, moved = [], [], 0

    def fill(out: NDArray[np.float32]) -> None:
        out[:] = np.array([[next(numbers)] * channels for _ in range(len(out))])
        given_rows.extend(out[:, 0])

    for count in blocks:
        free = giving.room
        giving.give(count, fill)
        assert giving.waiting == 64 - free + min(count, free)
        moved += min(count, free)
        waiting = taking.waiting
        assert taking.take(lambda block: taken_rows.extend(block.mean(axis=1))) == waiting
    assert taken_rows == given_rows == list(range(1, 1 + moved))


class Counting:
    """The frames a lane moved, as a test says, and the calls of an exchange."""

    def __init__(self) -> None:
        self.frames, self.channels = 0, 2
        self.slipped: list[int] = []
        self.silent_frames = 0

    def slip(self, frames: int) -> None:
        self.slipped.append(frames)

    def capture(self, block: NDArray[np.float32]) -> None:
        assert block.shape[1] == 2 and not block.any()
        self.silent_frames += len(block)


@pytest.mark.parametrize("lost", [1, 1024, 2500])
def test_lost_input_is_made_up_by_as_much_silence_and_only_once(lost: int) -> None:
    exchange, capture, play = Counting(), Counting(), Counting()
    timelines = Timelines(exchange, capture, play, True, (48_000, 48_000))  # type: ignore[arg-type]
    play.frames = lost
    timelines.capture_broke()
    for _ in range(5):
        capture.frames += 256
        play.frames += 256
        timelines.correct(256)
    assert exchange.silent_frames == lost
    assert exchange.slipped == []


def test_half_a_callback_is_not_taken_for_a_loss() -> None:
    exchange, capture, play = Counting(), Counting(), Counting()
    timelines = Timelines(exchange, capture, play, True, (48_000, 48_000))  # type: ignore[arg-type]
    timelines.capture_broke()
    capture.frames, play.frames = 512, 256  # the callback has moved the input, not yet the output
    timelines.correct(256)
    for _ in range(5):
        capture.frames += 256
        play.frames = capture.frames
        timelines.correct(256)
    assert exchange.slipped == []
    assert exchange.silent_frames == 0


class Clock:
    """A callback of `block` frames at 48 kHz, seen by a pulse every half millisecond."""

    def __init__(self, block: int, assumed_block: int | None = None) -> None:
        self.pulse = Pulse(48_000, assumed_block or block, 0.0)
        self.block, self.now_s, self.frames, self.next_s = block, 0.0, 0, 0.0

    def run(self, seconds: float, blocks_at_once: int = 1, late_s: float = 0.0) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            if self.now_s >= self.next_s + late_s:
                self.frames += self.block * blocks_at_once
                self.next_s += self.block * blocks_at_once / 48_000
            self.pulse.see(self.frames, self.block, self.now_s)
            self.now_s += 0.0005

    def stand_still(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.pulse.see(self.frames, self.block, self.now_s)
            self.now_s += 0.0005
        self.next_s = self.now_s


@pytest.mark.parametrize("block", [65, 128, 511, 1024, 8192])
def test_the_next_callback_is_expected_when_it_comes(block: int) -> None:
    clock = Clock(block)
    clock.run(2.0 + 20 * block / 48_000)
    assert clock.pulse.due_s == pytest.approx(clock.next_s, abs=0.001)


def test_one_late_callback_does_not_move_the_next() -> None:
    clock = Clock(256)
    clock.run(1.0)
    before = clock.frames
    while clock.frames == before:
        clock.run(0.0005, late_s=0.004)
    assert clock.pulse.due_s == pytest.approx(clock.next_s, abs=0.0012)


def test_a_gap_is_counted_once_however_long_it_lasts() -> None:
    clock = Clock(256)
    clock.run(0.5)
    clock.stand_still(0.2)
    assert (clock.pulse.gaps, clock.pulse.in_gap) == (0, False)
    clock.stand_still(2.0)
    assert (clock.pulse.gaps, clock.pulse.in_gap) == (1, True)
    clock.run(0.1)
    clock.stand_still(0.3)
    assert (clock.pulse.gaps, clock.pulse.in_gap) == (2, True)


def test_a_gap_of_large_blocks_is_eight_of_them() -> None:
    clock = Clock(8192)
    clock.run(2.0)
    clock.stand_still(6.5 * 8192 / 48_000)  # the last one came up to a block before
    assert clock.pulse.gaps == 0
    clock.stand_still(2 * 8192 / 48_000)
    assert clock.pulse.gaps == 1


def test_blocks_that_come_in_bursts_are_planned_for_and_single_ones_are_not() -> None:
    bursting, steady = Clock(64), Clock(64)
    bursting.run(1.0, blocks_at_once=8)
    assert bursting.pulse.at_once_frames == 512
    steady.run(1.0)
    steady.run(8 * 64 / 48_000 / 2, blocks_at_once=8)
    steady.run(1.0)
    assert steady.pulse.at_once_frames == 64

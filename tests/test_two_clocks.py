"""Input and output on clocks of their own: the latency starts where it was planned, and stays there."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.live.controls import Controls
from realtime.live.exchange import Exchange, Misses
from realtime.live.path import Path
from realtime.live.pipeline import Pipeline
from tests.live_parts import (
    SLOW,
    Clock,
    Later,
    numbered,
    plan_for,
    played,
    work,
)

RATE = 48_000
PLAIN = Controls(limiter=False)


def test_with_two_clocks_nobody_waits_for_what_was_captured_before_the_first_frame_was_played() -> None:
    exchange = Exchange(1, 1, SLOW, 10, one_clock=False, concealment="silence", clock=Clock())
    exchange.capture(numbered(0, 200))
    work(exchange)
    assert exchange.in_flight_frames == 210
    played(exchange, 5)
    assert exchange.in_flight_frames == 10
    exchange.capture(numbered(200, 20))
    work(exchange)
    np.testing.assert_array_equal(played(exchange, 10)[:, 0], np.arange(191, 201))


def two_clocks(exchange: Exchange, clock: Clock, from_s: float, to_s: float, rates: tuple[float, float]) -> list[float]:
    """Callbacks of 16 frames in and 24 out, each at its own times; the frames in flight after each of them."""
    seen, ends_in, ends_out = [], from_s + 16 / rates[0], from_s + 24 / rates[1]
    while min(ends_in, ends_out) < to_s:
        clock.now_s = min(ends_in, ends_out)
        if ends_in < ends_out:
            exchange.capture(np.zeros((16, 1), dtype=np.float32))
            work(exchange)
            ends_in += 16 / rates[0]
        else:
            played(exchange, 24)
            ends_out += 24 / rates[1]
        seen.append(exchange.in_flight_frames)
    return seen


def test_with_two_clocks_the_frames_in_flight_move_with_the_drift_and_not_with_the_blocks() -> None:
    clock = Clock()
    exchange = Exchange(1, 1, SLOW, 100, one_clock=False, concealment="silence", clock=clock)
    seen = two_clocks(exchange, clock, 0.0, 200.0, (SLOW * 1.0005, SLOW))[2:]
    drift = np.polyfit(np.arange(len(seen)), seen, 1)
    assert drift[0] * len(seen) == pytest.approx(200 * SLOW * 0.0005, rel=0.05)  # 30 frames
    assert np.abs(np.polyval(drift, np.arange(len(seen))) - seen).max() < 0.1  # blocks of 16 and 24 do not show


@pytest.mark.parametrize("gone_s, realignments", [(0.04, 0), (1.0, 1), (30.0, 1)])
def test_with_two_clocks_the_latency_is_built_up_anew_after_the_input_was_gone(
    gone_s: float, realignments: int
) -> None:
    clock = Clock()
    exchange = Exchange(1, 1, SLOW, 100, one_clock=False, concealment="silence", clock=clock)
    before = two_clocks(exchange, clock, 0.0, 2.0, (SLOW, SLOW))
    assert before[1:] == pytest.approx([100] * (len(before) - 1), abs=1)
    for _ in range(round(gone_s * SLOW / 20)):  # the output goes on
        clock.now_s += 20 / SLOW
        played(exchange, 20)
    after = two_clocks(exchange, clock, clock.now_s, clock.now_s + 2.0, (SLOW, SLOW))
    assert exchange.realignments == realignments
    if realignments:
        assert after[1:] == pytest.approx([100] * (len(after) - 1), abs=1)


def test_two_clocks_start_where_they_were_planned_and_a_new_plan_is_no_drift() -> None:
    now_s = 0.0
    path = Path(Later(512))
    plan = plan_for(path, RATE, RATE, 128, two_clocks=True)
    sizes = (1, 1, RATE, plan.prefill_frames, plan.content_delay_frames, plan.hop_frames)
    exchange = Exchange(*sizes, concealment="silence", one_clock=False, clock=lambda: now_s)
    pipeline, seen, out = Pipeline(exchange, path, plan, PLAIN, steered=True), [], np.zeros((128, 1), np.float32)
    for turn in range(4000):
        now_s = turn * 128 / RATE
        if turn == 2000:
            pipeline.replan(plan_for(path, RATE, RATE, 256, two_clocks=True))
        exchange.capture(np.zeros((128, 1), dtype=np.float32))
        exchange.play(out)
        while pipeline.step():
            pass
        seen.append(pipeline.ppm)
    assert exchange.misses() == Misses()
    assert pipeline.plan.prefill_frames > plan.prefill_frames
    assert np.abs(seen).max() < 120  # what the resampler holds; 500 frames of error would be 1000 ppm


@pytest.mark.parametrize("stood_s, realignments", [(0.0, 0), (1.0, 1), (30.0, 1)])
def test_the_latency_is_built_up_anew_after_the_output_stood_still(stood_s: float, realignments: int) -> None:
    clock = Clock()
    exchange = Exchange(1, 1, SLOW, 100, one_clock=False, concealment="silence", clock=clock)
    two_clocks(exchange, clock, 0.0, 2.0, (SLOW, SLOW))
    for _ in range(round(stood_s * SLOW / 16)):
        clock.now_s += 16 / SLOW
        exchange.capture(np.zeros((16, 1), dtype=np.float32))
        work(exchange)
    after = two_clocks(exchange, clock, clock.now_s, clock.now_s + 2.0, (SLOW, SLOW))
    assert exchange.realignments == realignments
    assert not realignments or after[-10:] == pytest.approx([100] * 10, abs=1)


class Machine:
    """Two devices of 8 kHz and blocks of 256, in time that passes at once, and a pipeline that is never late."""

    def __init__(self, fast_ppm: float) -> None:
        rate, block, self.clock = 8000, 256, Clock()
        path = Path(Later(256, sample_rate=rate))
        self.plan = plan_for(path, rate, rate, block, two_clocks=True)
        sizes = (1, 1, rate, self.plan.prefill_frames, self.plan.content_delay_frames, self.plan.hop_frames)
        self.exchange = Exchange(*sizes, concealment="silence", one_clock=False, clock=self.clock)
        self.pipeline = Pipeline(self.exchange, path, self.plan, PLAIN, steered=True)
        self._every_s = block / rate / (1 + fast_ppm * 1e-6), block / rate
        self._due_s = [0.001, 0.017]
        self._block = np.zeros((block, 1), dtype=np.float32)

    def run(self, callbacks: int, input_runs: bool = True) -> float:
        """Returns the mean of the frames in flight over the last quarter."""
        in_flight = []
        for _ in range(callbacks):
            side = int(self._due_s[1] < self._due_s[0])
            self.clock.now_s = self._due_s[side]
            self._due_s[side] += self._every_s[side]
            if side:
                self.exchange.play(self._block.copy())
            elif input_runs:
                self.exchange.capture(self._block)
            while self.pipeline.step():
                pass
            in_flight.append(self.exchange.in_flight_frames)
        return float(np.mean(in_flight[-callbacks // 4 :]))


@pytest.mark.parametrize("fast_ppm", [-400.0, 400.0])
def test_two_clocks_are_held_together_by_the_rate_and_nothing_is_missed(fast_ppm: float) -> None:
    machine = Machine(fast_ppm)
    in_flight = machine.run(8000)
    assert machine.exchange.misses() == Misses()
    assert machine.pipeline.ppm == pytest.approx(-fast_ppm, abs=25)
    assert in_flight == pytest.approx(machine.plan.prefill_frames, abs=256)


@pytest.mark.parametrize("off_frames", [-1000, 1000])
def test_two_clocks_that_start_far_apart_are_brought_together_at_once(off_frames: int) -> None:
    machine = Machine(0.0)
    machine.run(4)
    machine.exchange.skip(-off_frames)  # unknown to the control
    machine.run(120)  # two seconds
    assert machine.run(40) == pytest.approx(machine.plan.prefill_frames, abs=256)
    assert abs(machine.pipeline.ppm) < 1000  # by the rate alone it would stand at its limit of 2000 for a minute


def test_after_the_input_was_gone_the_correction_goes_on_where_it_was() -> None:
    machine = Machine(400.0)
    machine.run(6000)
    machine.run(200, input_runs=False)  # three seconds
    in_flight = machine.run(100)
    assert machine.exchange.realignments == 1
    assert machine.pipeline.ppm == pytest.approx(-400, abs=60)
    assert in_flight == pytest.approx(machine.plan.prefill_frames, abs=256)

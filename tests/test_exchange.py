"""Captured frames in, processed ones out: who is played when, what stands in for late frames, and what is counted."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.exchange import Exchange, Misses
from tests.live_parts import (
    SLOW,
    Clock,
    numbered,
    played,
    work,
)
from tests.signals import noise


class Timeline:
    """The reference: a list of all that was ever given to the output, and by how much its beginning was moved."""

    def __init__(self, prefill: int) -> None:
        self.entries: list[float] = [0.0] * prefill
        self.moved = self.played = 0
        self.next = 0  # the first entry that was not passed yet

    def play(self, count: int) -> list[float | None]:
        """What `count` frames must be: None for a concealment."""
        heard: list[float | None] = []
        self.next = max(self.next, min(self.played - self.moved, len(self.entries)))
        for _ in range(count):
            index = self.played - self.moved
            ready = self.next <= index < len(self.entries)
            heard.append(self.entries[index] if ready else None)
            self.next = max(self.next, min(index + 1, len(self.entries)))
            self.played += 1
        return heard

    @property
    def ready(self) -> int:
        index = self.played - self.moved
        return max(0, len(self.entries) - index) if index >= self.next else 0


STEP = st.one_of(
    st.tuples(st.sampled_from(["callback", "callback", "work", "work", "captured", "ready"]), st.integers(0, 70)),
    st.tuples(st.sampled_from(["replan", "replan", "slip", "skip", "lose"]), st.integers(-40, 40)),
)


@settings(max_examples=150, deadline=None)
@given(prefill=st.integers(0, 50), steps=st.lists(STEP, max_size=60))
def test_every_frame_is_played_in_its_place_or_concealed(prefill: int, steps: list[tuple[str, int]]) -> None:
    exchange = Exchange(1, 1, SLOW, prefill, 0, 5, concealment="silence", clock=Clock())
    model = Timeline(prefill)
    captured, owed_at, missing = 0, [0, 0], False

    def play(count: int) -> None:
        nonlocal missing
        behind = max(0, model.next - (model.played - model.moved))  # these were paid for
        heard, expected = played(exchange, count)[:, 0], model.play(count)
        for value, wanted in zip(heard, expected, strict=True):
            assert wanted is None or value == wanted
        owed = sum(wanted is None for wanted in expected) - min(behind, count)
        assert np.isfinite(heard).all() and owed >= 0
        owed_at[0] += owed > 0 and not missing
        owed_at[1] += owed
        missing = owed > 0

    def capture(count: int) -> None:
        nonlocal captured
        taken = min(count, exchange.input.writable)
        model.moved += count - taken
        exchange.capture(numbered(captured, count))
        captured += count

    for action, count in steps:
        if action == "callback":
            capture(count)
            play(count)
        elif action == "captured":
            capture(count)
        elif action == "work" and exchange.output.writable >= count:
            model.entries += [float(value) for value in work(exchange, count)[:, 0]]
        elif action == "ready":
            assert exchange.ready_frames == model.ready
            before = exchange.misses()
            play(exchange.ready_frames)
            assert exchange.misses() == before
        elif action == "replan":
            model.moved += abs(count) - prefill
            prefill = abs(count)
            exchange.replan(prefill, 0, 5)
            play(0)
            assert exchange.prefill_frames == prefill
        elif action in ("slip", "skip"):
            model.moved -= count
            exchange.slip(count) if action == "slip" else exchange.skip(count)
            play(0)
        else:  # the worker lost captured frames, and says so
            lost = exchange.input.skip(abs(count))
            model.moved += lost
            exchange.skip(-lost)
            play(0)
        in_flight = exchange.input.readable + len(model.entries) - (model.played - model.moved)
        assert exchange.in_flight_frames == in_flight
    misses = exchange.misses()
    assert misses.late_model + misses.device_gap == owed_at[0] and misses.late_frames + misses.gap_frames == owed_at[1]


@pytest.mark.parametrize("prefill, block", [(0, 1), (1, 65), (64, 64), (511, 512), (513, 511), (5000, 8193)])
def test_the_nth_frame_played_is_the_processed_form_of_captured_frame_n_minus_prefill(prefill: int, block: int) -> None:
    exchange, heard = Exchange(1, 1, 48_000, prefill), []
    for start in range(0, 40 * block, block):
        exchange.capture(numbered(start, block))
        work(exchange, gain=2)  # before it is played: nothing is ever late
        heard.append(played(exchange, block))
    whole, expected = np.concatenate(heard), np.zeros((40 * block, 1), dtype=np.float32)
    expected[prefill:] = 2 * numbered(0, max(0, 40 * block - prefill))
    np.testing.assert_array_equal(whole, expected)
    assert exchange.misses() == Misses()


@pytest.mark.parametrize("late_callbacks", [2, 3, 40])
def test_latency_is_the_same_again_at_once_after_a_late_stretch(late_callbacks: int) -> None:
    exchange, at = Exchange(1, 1, SLOW, 16, concealment="silence"), 0
    for turn in range(100):
        exchange.capture(numbered(at, 10))
        late = 30 <= turn < 30 + late_callbacks
        if not late:
            work(exchange)
        heard = played(exchange, 10)[:, 0]
        if 2 <= turn < 30 or turn >= 30 + late_callbacks:
            np.testing.assert_array_equal(heard, np.arange(at, at + 10) - 15)
        at += 10
    assert exchange.misses() == Misses(late_model=1, late_frames=10 * late_callbacks - 16)


def test_misses_are_counted_by_cause_and_noted_with_their_time() -> None:
    exchange = Exchange(1, 1, SLOW, 0, hop_frames=20, concealment="silence")
    exchange.capture(numbered(0, 20))
    played(exchange, 20)  # a hop waits, and nobody took it
    work(exchange)
    exchange.capture(numbered(20, 30))
    work(exchange)
    played(exchange, 30)
    exchange.capture(numbered(50, 10))
    played(exchange, 10)  # half a hop: the device asks for more than it gave
    played(exchange, 10)  # still the same event
    exchange.busy = True
    work(exchange)
    exchange.busy = False
    exchange.capture(numbered(60, 10))
    work(exchange)
    played(exchange, 0)
    exchange.busy = True
    played(exchange, 7)  # the worker holds it
    exchange.slip(-3)
    exchange.capture(numbered(70, 650))
    assert exchange.misses() == Misses(2, 27, 1, 50, 1, 20, 1, 3)
    assert exchange.misses().total == 5
    causes = [(round(event.at_s * SLOW), event.cause) for event in exchange.events]
    expected = [(0, "late model"), (50, "device gap"), (70, "late model"), (77, "interpreter stall")]
    assert causes == [*expected, (77, "input overflow")]


def test_the_events_are_the_last_ones_and_do_not_pile_up() -> None:
    exchange = Exchange(1, 1, SLOW, 0)
    for _ in range(1000):
        exchange.slip(1)
    assert len(exchange.events) == 32 and exchange.misses().interpreter_stall == 1000


def test_latency_returns_after_the_input_ring_ran_over() -> None:
    exchange, at = Exchange(1, 1, SLOW, 30, concealment="silence", clock=Clock()), 0
    for turn in range(400):
        exchange.capture(numbered(at, 10))
        heard = played(exchange, 10)[:, 0]
        at += 10
        if not 50 <= turn < 250:  # 2000 frames, of which the ring holds 600
            work(exchange)
    np.testing.assert_array_equal(heard, np.arange(at - 10, at) - 29)
    misses = exchange.misses()
    assert (misses.overflow_frames, misses.input_overflow, misses.late_model) == (1410, 141, 1)
    assert exchange.in_flight_frames == 30


def test_frames_lost_at_another_rate_do_not_add_up_to_a_shift() -> None:
    exchange = Exchange(1, 1, SLOW, 100, ratio=147 / 160, clock=Clock())
    exchange.capture(np.zeros((600, 1), dtype=np.float32))
    before = exchange.in_flight_frames
    for _ in range(10_000):
        exchange.capture(np.zeros((64, 1), dtype=np.float32))
    assert exchange.in_flight_frames - before == pytest.approx(640_000 * 147 / 160, abs=1)


def test_a_new_plan_is_no_miss_however_small_its_difference() -> None:
    exchange = Exchange(1, 1, SLOW, 20, concealment="silence")
    exchange.capture(numbered(0, 40))
    work(exchange)
    played(exchange, 30)
    exchange.replan(23, 4, 7)
    heard = played(exchange, 10)[:, 0]
    np.testing.assert_array_equal(heard[3:], np.arange(11, 18))
    assert exchange.misses() == Misses() and (exchange.prefill_frames, exchange.hop_frames) == (23, 7)


def test_a_skip_that_follows_a_new_plan_leaves_the_plan_in_force() -> None:
    exchange = Exchange(1, 1, SLOW, 20, clock=Clock())
    exchange.replan(50, 0, 9)
    exchange.skip(-5)
    played(exchange, 1)
    assert (exchange.prefill_frames, exchange.hop_frames) == (50, 9)
    assert exchange.in_flight_frames == 50 + 5 - 1


def test_what_a_device_delivers_that_is_no_number_is_silence() -> None:
    exchange, block = Exchange(1, 1, 48_000, 0), noise(64)[:, None]
    block[[3, 9, 30], 0] = np.nan, np.inf, -np.inf
    exchange.capture(block)
    assert np.isnan(block[3, 0])  # the caller's own block is left alone
    heard, frames = played(exchange, 64), work(exchange)
    assert np.isfinite(frames).all() and np.isfinite(heard).all() and exchange.replaced_samples == 3
    np.testing.assert_array_equal(frames, np.where(np.isfinite(block), block, 0))


# -- two threads


def test_a_thread_that_waits_is_woken_once_for_all_that_came_before() -> None:
    exchange = Exchange(1, 1, SLOW, 0)
    for signal, wait in (
        (lambda: exchange.capture(numbered(0, 1)), exchange.wait_input),
        (exchange.finished, exchange.wait_output),
    ):
        wait(0.01)
        assert not wait(0.01)
        signal()
        signal()
        assert wait(0.01) and not wait(0.01)
        threading.Timer(0.05, signal).start()
        began = time.monotonic()
        assert wait(10) and time.monotonic() - began < 5


def test_two_threads_keep_every_frame_in_its_place() -> None:
    exchange, prefill = Exchange(1, 1, SLOW, 250, concealment="silence"), 250
    ending, stop = time.monotonic() + 1.0, threading.Event()

    def worker() -> None:
        while not stop.is_set():
            exchange.wait_input(0.01)
            work(exchange, 37)
            exchange.finished()

    interval, wrong, at = sys.getswitchinterval(), 0, 0
    sizes = np.random.default_rng(0).integers(1, 60, 4096)
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=worker)
    thread.start()
    try:
        while time.monotonic() < ending:
            size = int(sizes[at % 4096])
            if exchange.input.readable > 400:  # a device waits for time to pass, here for the worker
                exchange.wait_output(0.01)
                continue
            exchange.capture(numbered(at, size))
            expected = np.maximum(0, np.arange(at, at + size) + 1 - prefill)
            wrong += int((played(exchange, size)[:, 0] != expected).sum())
            at += size
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    misses = exchange.misses()
    assert misses.input_overflow == 0 and at > 600
    assert wrong <= misses.late_frames + misses.gap_frames < at  # only what is said to be concealed is another frame

"""From one chain to another, or to larger blocks, while sound runs: no click, and exactly the new plan's latency."""

from __future__ import annotations

from itertools import cycle, repeat

import numpy as np
import pytest

from realtime.live.exchange import Exchange, Misses
from realtime.live.path import Path
from realtime.live.pipeline import Pipeline
from tests.live_parts import (
    RATE,
    Later,
    built,
    delayed,
    largest_step,
    plan_for,
    play_through,
)
from tests.signals import noise, tone

FADED_IN = 4800


def parts(
    exchange: Exchange, pipeline: Pipeline, audio: np.ndarray, block: int, changes: dict[int, tuple[Path, int]]
) -> np.ndarray:
    """Play all of `audio`; at the callbacks named, swap to another path, planned for blocks of so many frames."""
    heard, rate = [], pipeline.plan.input_rate
    for turn, at in enumerate(range(0, len(audio), block)):
        if turn in changes:
            path, planned_block = changes[turn]
            pipeline.swap(path, plan_for(path, rate, rate, planned_block))
        heard.append(play_through(exchange, pipeline, audio[at : at + block], [block]))
        assert not exchange.busy
    return np.concatenate(heard)


def best_delay(heard: np.ndarray, audio: np.ndarray) -> int:
    """By how many frames `heard` is later: the peak of the correlation."""
    size = 2 * len(heard)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(audio, size))
    return int(np.argmax(np.fft.irfft(product)[: len(heard)]))


def test_a_swap_is_a_crossfade_and_the_latency_becomes_that_of_the_new_path() -> None:
    audio = tone(100, 96_000)[:, None]
    exchange, pipeline = built(Path(Later(512, 480)), 128)
    heard = parts(exchange, pipeline, audio, 128, {200: (Path(Later(512, 960, gain=0.5)), 128)})
    assert pipeline.swaps == 1 and exchange.misses() == Misses()
    assert largest_step(heard[FADED_IN:]) < largest_step(audio) + 2 * 0.3 / 960  # 20 ms
    late = pipeline.plan.in_app_frames
    assert late == 128 + 512 - 128 + 960
    np.testing.assert_array_equal(heard[48_000:], 0.5 * audio[48_000 - late : -late])
    settling = slice(200 * 128, 200 * 128 + 4000)  # 0.1 s, in which the new one is not heard yet
    np.testing.assert_array_equal(heard[settling], delayed(audio.T, 512 + 480).T[settling])


@pytest.mark.parametrize("hop", [512, 480, 1024])
def test_a_second_swap_waits_for_the_first_and_nothing_jumps(hop: int) -> None:
    audio = tone(100, 96_000)[:, None]
    exchange, pipeline = built(Path(Later(512)), 128, deadline_ms=20)
    swaps = {200: (Path(Later(512, gain=0.5)), 128), 241: (Path(Later(hop, gain=0.25)), 128)}
    heard = parts(exchange, pipeline, audio, 128, swaps)
    assert pipeline.swaps == 2 and exchange.misses() == Misses()
    assert largest_step(heard[FADED_IN:]) < largest_step(audio) + 0.3 * 6 / 240
    late = pipeline.plan.in_app_frames
    np.testing.assert_array_equal(heard[72_000:], 0.25 * audio[72_000 - late : -late])


def test_another_hop_is_gone_over_to_in_silence() -> None:
    audio = tone(100, 96_000)[:, None]
    exchange, pipeline = built(Path(Later(512)), 128)
    heard = parts(exchange, pipeline, audio, 128, {200: (Path(Later(480, 96, gain=0.5)), 128)})
    assert pipeline.swaps == 1 and exchange.misses() == Misses()
    assert largest_step(heard[FADED_IN:]) < largest_step(audio) + 2 * 0.3 / 480
    late = pipeline.plan.in_app_frames
    assert exchange.prefill_frames == pipeline.plan.prefill_frames == 128 + 480 - 32
    np.testing.assert_array_equal(heard[48_000:], 0.5 * audio[48_000 - late : -late])


def test_a_swap_that_is_taken_back_while_it_fades_out_does_not_stay_silent() -> None:
    audio = tone(100, 48_000)[:, None]
    exchange, pipeline = built(Path(Later(64)), 64)
    swaps = {200: (Path(Later(100)), 64), 203: (Path(Later(64, gain=0.5)), 64)}
    heard = parts(exchange, pipeline, audio, 64, swaps)
    late = pipeline.plan.in_app_frames
    assert pipeline.swaps == 1 and late == 64
    np.testing.assert_array_equal(heard[36_000:], 0.5 * audio[36_000 - late : -late])


def test_twenty_swaps_with_resampling_leave_the_latency_where_it_was_planned() -> None:
    rate = 44_100
    audio = noise(12 * rate)[:, None]
    exchange, pipeline = built(Path(Later(512)), 128, rate)
    hops = cycle([480, 512])
    changes = {100 + 180 * turn: (Path(Later(next(hops))), 128) for turn in range(20)}
    heard = parts(exchange, pipeline, audio, 128, changes)
    assert pipeline.swaps == 20 and exchange.misses() == Misses()
    late = best_delay(heard[-rate:, 0], audio[-rate:, 0])
    assert late == pytest.approx(pipeline.plan.in_app_frames, abs=5)  # half a frame of rounding each, to and fro


def test_a_larger_block_is_another_latency_and_every_hop_runs_once() -> None:
    later = Later(512, 64)
    path, audio = Path(later), noise(96_000)[:, None]
    exchange, pipeline = built(path, 128)
    first = play_through(exchange, pipeline, audio[:32_000], repeat(128))
    pipeline.replan(plan_for(path, RATE, RATE, 320))
    second = play_through(exchange, pipeline, audio[32_000:], repeat(320))
    heard, late = np.concatenate([first, second]), 320 + 512 - 64 + 64
    assert pipeline.plan.in_app_frames == late and later.calls == pipeline.hops == 187
    np.testing.assert_array_equal(heard[48_000:], audio[48_000 - late : -late])
    assert exchange.misses().late_frames + exchange.misses().gap_frames <= 320  # before it was known


def test_a_larger_block_that_is_known_before_the_first_callback_costs_no_miss() -> None:
    path, audio = Path(Later(512)), noise(9600)[:, None]
    exchange, pipeline = built(path, 128)
    pipeline.replan(plan_for(path, RATE, RATE, 320))
    assert not pipeline.step()  # nothing was captured yet
    play_through(exchange, pipeline, audio, repeat(320))
    assert exchange.misses() == Misses()


@pytest.mark.parametrize("hop", [512, 480])
def test_a_swap_planned_before_the_blocks_grew_does_not_make_them_small_again(hop: int) -> None:
    path, other = Path(Later(512)), Path(Later(hop, 10))
    exchange, pipeline = built(path, 128)
    pipeline.swap(other, plan_for(other, RATE, RATE, 128))
    for _ in range(2):
        play_through(exchange, pipeline, noise(512)[:, None], [512])
    pipeline.replan(plan_for(path, RATE, RATE, 512))
    play_through(exchange, pipeline, noise(48_000)[:, None], repeat(512))
    assert pipeline.swaps == 1 and pipeline.path is other
    assert pipeline.plan == plan_for(other, RATE, RATE, 512)
    assert exchange.prefill_frames == pipeline.plan.prefill_frames

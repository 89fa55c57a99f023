"""Captured frames to hops and back: bit-exact and exactly as late as planned, whatever is changed on the way."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pytest

from realtime.live.controls import Controls
from realtime.live.exchange import Misses
from realtime.live.path import Path
from realtime.live.pipeline import Hop, Pipeline, fit_channels
from tests.live_parts import (
    PLAIN,
    RATE,
    Later,
    built,
    delayed,
    exchange_for,
    plan_for,
    play_through,
)
from tests.signals import chirp, noise

FADED_IN = 4800


# -- latency


@pytest.mark.parametrize(
    "block, hop, later",
    [(1, 512, 0), (16, 512, 100), (65, 64, 3), (128, 512, 0), (480, 512, 5000), (511, 513, 1), (8193, 512, 0)],
)
def test_equal_rates_are_a_bit_exact_delay_of_what_was_planned(block: int, hop: int, later: int) -> None:
    path, audio = Path(Later(hop, later)), noise(40_000)[:, None]
    exchange, pipeline = built(path, block)
    heard = play_through(exchange, pipeline, audio, repeat(block))
    expected = delayed(audio.T, pipeline.plan.in_app_frames).T
    start = pipeline.plan.in_app_frames + FADED_IN
    np.testing.assert_array_equal(heard[start:], expected[start:])
    assert exchange.misses() == Misses()
    assert pipeline.hops == (40_000 // hop) == pipeline.chain_times.count == pipeline.other_times.count


@pytest.mark.parametrize("rate", [44_100, 16_000, 96_000])
@pytest.mark.parametrize("block", [65, 128, 1000])
def test_other_rates_are_late_by_exactly_what_was_planned_and_miss_nothing(rate: int, block: int) -> None:
    path, audio = Path(Later(512, 480)), chirp(100, 4000, 2 * rate, rate)[:, None]
    exchange, pipeline = built(path, block, rate)
    heard = play_through(exchange, pipeline, audio, repeat(block))
    expected = delayed(audio.T, pipeline.plan.in_app_frames).T
    assert pipeline.plan.content_delay_frames == rate // 100
    inside = slice(pipeline.plan.in_app_frames + rate // 5, None)
    np.testing.assert_allclose(heard[inside], expected[inside], atol=2e-4)
    assert exchange.misses() == Misses()


def test_input_and_output_may_have_different_rates() -> None:
    path, audio = Path(Later(512)), chirp(100, 6000, 96_000, 96_000)[:, None]
    plan = plan_for(path, 96_000, 48_000, 128)
    exchange = exchange_for(plan)
    pipeline, heard = Pipeline(exchange, path, plan, PLAIN), np.zeros((48_000, 1), dtype=np.float32)
    for at in range(0, 48_000 - 127, 128):
        exchange.capture(audio[2 * at : 2 * at + 256])
        exchange.play(heard[at : at + 128])
        while pipeline.step():
            pass
    expected = delayed(audio[::2].T, plan.in_app_frames).T  # its band ends far below 24 kHz
    np.testing.assert_allclose(heard[9600:-128], expected[9600:-128], atol=2e-4)
    assert exchange.misses() == Misses()


def test_blocks_that_vary_are_as_late_as_planned_for_the_largest_one() -> None:
    path, audio, random = Path(Later(512)), noise(60_000)[:, None], np.random.default_rng(0)
    exchange, pipeline = built(path, 509)  # which shares no factor with the hop: nothing is saved
    heard = play_through(exchange, pipeline, audio, (int(size) for size in random.integers(1, 510, 10_000)))
    assert exchange.misses() == Misses()
    late = pipeline.plan.in_app_frames
    np.testing.assert_array_equal(heard[late + FADED_IN :], audio[FADED_IN:-late])


def test_without_a_hop_nothing_is_done() -> None:
    exchange, pipeline = built(Path(Later(512)), 128)
    assert not pipeline.step()
    exchange.capture(noise(511)[:, None])
    assert not pipeline.step() and pipeline.hops == 0 and not exchange.busy
    exchange.wait_output(0)
    exchange.capture(noise(1)[:, None])
    assert pipeline.step() and pipeline.hops == 1 and not exchange.busy and exchange.wait_output(0)
    assert not pipeline.step()


def test_the_worker_is_busy_while_the_chain_runs() -> None:
    class Asking(Later):
        def process(self, block: np.ndarray) -> np.ndarray:
            busy.append(exchange.busy)
            return super().process(block)

    busy: list[bool] = []
    exchange, pipeline = built(Path(Asking(64)), 64)
    play_through(exchange, pipeline, noise(640)[:, None], repeat(64))
    assert busy == [True] * 10


# -- channels


@pytest.mark.parametrize("have, want", [(1, 1), (1, 2), (1, 6), (2, 1), (2, 2), (6, 2), (2, 4)])
def test_channels_are_spread_averaged_cut_or_repeated(have: int, want: int) -> None:
    frames = noise(5 * have).reshape(5, have)
    fitted = fit_channels(frames, want)
    expected = {1: np.repeat(frames, want, axis=1) if have == 1 else frames.mean(axis=1, keepdims=True)}
    wider = frames[:, [min(column, have - 1) for column in range(want)]]
    np.testing.assert_allclose(fitted, expected[1] if 1 in (have, want) else wider, atol=1e-7)


@pytest.mark.parametrize("channels_in, channels, channels_out", [(1, 1, 2), (2, 1, 2), (1, 2, 2), (2, 2, 1), (2, 2, 2)])
def test_a_device_may_have_other_channels_than_the_chain(channels_in: int, channels: int, channels_out: int) -> None:
    path, audio = Path(Later(64, channels=channels)), noise(9600 * channels_in).reshape(-1, channels_in)
    plan = plan_for(path, RATE, RATE, 64)
    exchange = exchange_for(plan, channels_in, channels_out)
    heard = play_through(exchange, Pipeline(exchange, path, plan, PLAIN), audio, repeat(64))
    expected = delayed(fit_channels(fit_channels(audio, channels), channels_out).T, plan.in_app_frames).T
    np.testing.assert_allclose(heard[FADED_IN:], expected[FADED_IN:], atol=1e-7)


# -- what goes wrong


def test_when_nobody_played_for_longer_than_the_ring_lasts_the_latency_returns() -> None:
    path, audio = Path(Later(512)), noise(300_032)[:, None]
    exchange, pipeline = built(path, 512)
    first = play_through(exchange, pipeline, audio[:51_200], repeat(512))
    for at in range(51_200, 51_200 + 153_600, 512):
        exchange.capture(audio[at : at + 512])
        while pipeline.step():
            pass
    exchange.slip(153_600)
    assert len(first) == 51_200
    second = play_through(exchange, pipeline, audio[204_800:], repeat(512))
    late = pipeline.plan.in_app_frames
    np.testing.assert_array_equal(second[9600:], audio[204_800 + 9600 - late : -late])
    before = exchange.misses()
    exchange.capture(audio[:512])
    exchange.play(np.zeros((512, 1), dtype=np.float32))
    assert exchange.misses() == before


# -- controls, taps and the self-test


def test_the_input_gain_comes_before_the_chain_and_the_meters_see_both_sides() -> None:
    exchange, pipeline = built(Path(Later(64, gain=0.5)), 64, controls=Controls(input_gain_db=-20, limiter=False))
    heard = play_through(exchange, pipeline, np.full((48_000, 1), 0.8, dtype=np.float32), repeat(64))
    np.testing.assert_allclose(heard[FADED_IN:], 0.04, atol=1e-6)
    assert pipeline.input_meter.read().peak_db == pytest.approx(20 * np.log10(0.08), abs=0.01)
    assert pipeline.output_meter.read().peak_db == pytest.approx(20 * np.log10(0.04), abs=0.01)


@pytest.mark.parametrize(
    "controls, gain",
    [
        (Controls(), 1.0),
        (Controls(muted=True), 0.0),
        (Controls(input_gain_db=10, output_gain_db=-30), 0.1),
    ],
)
def test_a_concealment_obeys_the_knobs_at_once(controls: Controls, gain: float) -> None:
    exchange, pipeline = built(Path(Later(64)), 64)
    pipeline.controls = controls
    assert exchange.dry_gain == pytest.approx(gain)


class Count:
    """A source: a ramp that counts samples, and its negative as the reference."""

    def __init__(self) -> None:
        self.at = 0

    def read(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.arange(self.at, self.at + count, dtype=np.float32)[None] * np.float32(2**-20)
        self.at += count
        return numbers, -numbers


def test_a_self_test_is_heard_in_place_of_the_microphone_and_its_reference_is_aligned() -> None:
    path, kept = Path(Later(64, 100, gain=0.5), Later(64, 300)), []

    def tap(hop: Hop) -> None:
        assert hop.reference is not None
        kept.append([part.copy() for part in (hop.raw, hop.model, hop.heard, hop.reference)])

    plan = plan_for(path, RATE, RATE, 64)
    exchange = exchange_for(plan, concealment="dry")
    pipeline = Pipeline(exchange, path, plan, PLAIN, taps=[tap], source=Count())
    play_through(exchange, pipeline, noise(32_000)[:, None], repeat(64))
    raw, model, heard, reference = (np.concatenate(blocks, axis=1) for blocks in zip(*kept, strict=True))
    numbers = np.arange(32_000, dtype=np.float32)[None] * np.float32(2**-20)
    np.testing.assert_array_equal(raw, delayed(numbers, 300))
    np.testing.assert_array_equal(model, raw / 2)
    np.testing.assert_array_equal(reference, -raw)
    np.testing.assert_array_equal(heard[:, FADED_IN:], model[:, FADED_IN:])
    assert exchange.dry_gain == 0  # a late hop must not let the microphone through


def test_taps_see_every_hop_and_no_reference_without_a_source() -> None:
    path, seen = Path(Later(64)), []
    plan = plan_for(path, RATE, RATE, 64)
    exchange = exchange_for(plan)
    pipeline = Pipeline(exchange, path, plan, PLAIN, taps=[lambda hop: seen.append(hop.reference)])
    play_through(exchange, pipeline, noise(640)[:, None], repeat(64))
    assert seen == [None] * 10

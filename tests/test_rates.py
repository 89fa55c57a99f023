"""Rate conversion and the control of two clocks, against soxr, arithmetic, and clocks that run apart on paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.rates import LARGEST_CORRECTION_PPM, DriftControl, LiveResampler
from tests.signals import chirp, noise, tone

PAIRS = [(48_000, 44_100), (44_100, 48_000), (16_000, 48_000), (96_000, 48_000), (48_000, 16_000), (8_000, 192_000)]


def feed(resampler: LiveResampler, audio: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Blocks of these sizes, over and over."""
    ready, at, turn = [], 0, 0
    while at < len(audio):
        count = sizes[turn % len(sizes)]
        ready.append(resampler.process(audio[at : at + count]))
        at, turn = at + count, turn + 1
    return np.concatenate(ready)


@pytest.mark.parametrize("rate_in, rate_out", PAIRS)
def test_a_stream_is_what_soxr_makes_of_the_whole_with_no_delay_left(rate_in: int, rate_out: int) -> None:
    frames, top_hz = rate_in // 2, 0.35 * min(rate_in, rate_out)
    audio = np.stack([chirp(50, top_hz, frames, rate_in), tone(440, frames, rate_in)], axis=1)
    heard = feed(LiveResampler(rate_in, rate_out, 2), audio, [511, 1, 65, 513])
    expected = soxr.resample(audio, rate_in, rate_out, "VHQ")
    assert len(expected) - len(heard) < rate_out // 50
    inside = slice(rate_out // 50, len(heard) - rate_out // 50)  # both ring where the sound begins and ends
    np.testing.assert_allclose(heard[inside], expected[inside], atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(pair=st.sampled_from(PAIRS), sizes=st.lists(st.sampled_from([0, 1, 16, 65, 511, 513]), min_size=1, max_size=6))
def test_no_frame_is_lost_and_no_more_held_than_was_said(pair: tuple[int, int], sizes: list[int]) -> None:
    resampler, fed, given_frames = LiveResampler(*pair, 1), 0, 0
    lag = LiveResampler(*pair, 1).lag_frames(max(16, *sizes))
    for turn in range(150):
        count = sizes[turn % len(sizes)]
        given_frames += len(resampler.process(np.zeros((count, 1), dtype=np.float32)))
        fed += count
        held = fed - given_frames * pair[0] / pair[1]
        assert held <= lag
        assert resampler.held_frames == pytest.approx(held, abs=1e-6)


def test_how_a_stream_is_cut_does_not_change_it() -> None:
    audio = noise(20_000)[:, None]
    whole = LiveResampler(48_000, 44_100, 1).process(audio)
    cut = feed(LiveResampler(48_000, 44_100, 1), audio, [1, 65, 0, 511, 8193, 513])
    np.testing.assert_allclose(cut, whole[: len(cut)], atol=1e-5)
    assert len(whole) - len(cut) in (-1, 0, 1)


def test_equal_rates_pass_untouched() -> None:
    resampler, block = LiveResampler(48_000, 48_000, 2), noise(130).reshape(65, 2)
    assert resampler.process(block) is block
    assert resampler.lag_frames(512) == 0 and resampler.held_frames == 0


def test_looking_for_the_lag_leaves_nothing_behind() -> None:
    audio = noise(4800)[:, None]
    fresh, used = LiveResampler(48_000, 44_100, 1), LiveResampler(48_000, 44_100, 1)
    used.process(audio)
    assert used.lag_frames(0) > 0 and used.held_frames == 0
    np.testing.assert_array_equal(used.process(audio), fresh.process(audio))


@pytest.mark.parametrize("ppm", [-1500.0, 300.0, 1500.0])
def test_a_correction_makes_as_many_frames_more_and_no_click(ppm: float) -> None:
    resampler, audio = LiveResampler(48_000, 48_000, 1, steered=True), tone(1000, 96_000)[:, None]
    resampler.process(audio[:4800])
    resampler.steer(ppm)
    heard = feed(resampler, audio[4800:], [512])
    assert len(heard) == pytest.approx(91_200 * (1 + ppm * 1e-6), abs=2)
    # A sine of so many radians a frame has a known largest second difference; a click would stand out.
    radians = 2 * np.pi * 1000 / 48_000
    assert np.abs(np.diff(heard[:, 0], 2)).max() < 1.02 * 0.3 * radians**2


def test_a_correction_is_limited() -> None:
    resampler = LiveResampler(48_000, 48_000, 1, steered=True)
    resampler.steer(1e9)
    assert resampler.ppm == LARGEST_CORRECTION_PPM == 2000
    resampler.steer(-1e9)
    assert resampler.ppm == -2000
    assert LiveResampler(48_000, 44_100, 1).nominal_ratio == 44_100 / 48_000


# -- two clocks


def clocks(
    control: DriftControl,
    in_flight: float,
    drift_ppm: Callable[[float], float],
    seconds: float,
    jitter_frames: float = 0.0,
    rate: float = 48_000,
) -> tuple[np.ndarray, np.ndarray]:
    """The frames in flight between a source that is `drift_ppm` fast and the rate, as the control corrects it.

    Returns: the frames in flight and the correction, each after every 10 ms.
    """
    random, seen, found, ppm, hop_s = np.random.default_rng(0), [], [], 0.0, 0.01
    for turn in range(round(seconds / hop_s)):
        in_flight += rate * hop_s * ((1 + drift_ppm(turn * hop_s) * 1e-6) * (1 + ppm * 1e-6) - 1)
        ppm = control.update(in_flight + jitter_frames * random.standard_normal(), hop_s)
        seen.append(in_flight)
        found.append(ppm)
    return np.array(seen), np.array(found)


@pytest.mark.parametrize("drift_ppm", [-300.0, -20.0, 0.0, 300.0, 1500.0])
@pytest.mark.parametrize("off_frames", [-200.0, 0.0, 200.0])
def test_the_control_finds_the_drift_and_brings_the_frames_in_flight_to_their_target(
    drift_ppm: float, off_frames: float
) -> None:
    seen, found = clocks(DriftControl(48_000, 700.0), 700 + off_frames, lambda _: drift_ppm, 240)
    np.testing.assert_allclose(found[-1000:], 1e6 / (1 + drift_ppm * 1e-6) - 1e6, atol=1)
    np.testing.assert_allclose(seen[-1000:], 700, atol=1)


def test_jitter_is_smoothed_and_a_slow_change_is_followed() -> None:
    seen, found = clocks(DriftControl(48_000, 700.0), 700, lambda at_s: 100 + 0.5 * at_s, 300, jitter_frames=100)
    late = slice(12_000, None)
    # A ramp of 0.5 ppm a second is 0.024 frames/s²; an integral gain of 0.1²/4 holds it with 9.6 frames of error.
    assert np.abs(seen[late] - 700).max() < 9.6 + 12
    assert np.abs(found[late] + 100 + 0.5 * 0.01 * np.arange(12_000, 30_000)).max() < 60
    assert np.abs(np.diff(found)).max() < 40  # nobody hears steps of a hundredth of a percent


def test_the_control_stays_within_the_limit_and_recovers_from_it() -> None:
    control = DriftControl(48_000, 700.0)
    _, found = clocks(control, 50_000, lambda _: 0.0, 100)
    assert found.min() == -LARGEST_CORRECTION_PPM
    control.jumped(-control.error_frames)
    seen, found = clocks(control, 700, lambda _: 0.0, 300)
    assert abs(found[-1]) < 2 and abs(seen[-1] - 700) < 1


def test_the_first_second_is_only_watched_and_its_mean_is_the_error() -> None:
    control = DriftControl(48_000, 700.0)
    for turn in range(99):
        assert control.update(690 + 20 * (turn % 2), 0.01) == 0 and control.settling
    assert control.error_frames == 0
    control.update(1000.0, 0.02)
    assert not control.settling
    assert control.error_frames == pytest.approx((49 * 10 - 50 * 10 + 2 * 300) / 101, rel=0.01)


def test_a_restart_keeps_the_correction_that_was_found() -> None:
    control = DriftControl(48_000, 700.0)
    clocks(control, 700, lambda _: 300.0, 200)
    control.restart()
    assert control.settling and control.error_frames == 0
    assert control.update(700.0, 0.5) == pytest.approx(-300, abs=3)
    assert control.update(700.0, 0.6) == pytest.approx(-300, abs=3)
    assert control.update(700.0, 0.01) == pytest.approx(-300, abs=3)


def test_what_was_jumped_on_purpose_is_no_error() -> None:
    control = DriftControl(48_000, 700.0)
    for _ in range(1000):
        control.update(1200.0, 0.01)
    assert control.error_frames == pytest.approx(500)
    control.jumped(-500)
    assert control.error_frames == pytest.approx(0, abs=1e-6)

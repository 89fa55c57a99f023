"""What is heard in place of late frames: the captured sound where it belongs, or silence, and never a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.exchange import Exchange
from tests.live_parts import (
    SLOW,
    largest_step,
    played,
)
from tests.signals import noise, tone

LEVEL = 0.3


def through(exchange: Exchange, dry: np.ndarray, wet: np.ndarray, late: set[int], block: int) -> np.ndarray:
    """Callbacks that capture `dry` and are given `wet`, which comes in time but in the callbacks named."""
    heard, waiting = [], 0
    for turn, at in enumerate(range(0, len(dry) - block + 1, block)):
        exchange.capture(dry[at : at + block])
        exchange.input.clear()
        waiting += block
        if turn not in late:
            exchange.output.write(wet[at + block - waiting : at + block])
            waiting = 0
        heard.append(played(exchange, block))
    return np.concatenate(heard)


@settings(max_examples=60, deadline=None)
@given(
    block=st.sampled_from([16, 65, 128, 511, 1000]),
    late=st.sets(st.integers(0, 60), max_size=30),
    kind=st.sampled_from(["dry", "silence"]),
    frequency_hz=st.floats(50, 400),
    content_delay=st.sampled_from([0, 700]),
)
def test_concealment_begins_and_ends_without_a_step(
    block: int, late: set[int], kind: str, frequency_hz: float, content_delay: int
) -> None:
    exchange = Exchange(1, 2, 48_000, block, content_delay, concealment="dry" if kind == "dry" else "silence")
    dry, wet = tone(100, 61 * block, level=LEVEL)[:, None], tone(frequency_hz, 61 * block, level=LEVEL)[:, None]
    heard = through(exchange, dry, np.repeat(wet, 2, axis=1), late, block)
    # A jump of up to twice the level is spread: it decays by 5 / 240 a frame, and the fade back moves by 1 / 240.
    spread = 2 * LEVEL * (1 - math.exp(-5 / 240)) + 2 * LEVEL / 240
    assert largest_step(heard) < max(largest_step(dry), largest_step(wet)) + 2 * spread < 0.06


@pytest.mark.parametrize("slipped", [0, 100])
@pytest.mark.parametrize("channels_in, channels_out", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_dry_concealment_is_the_captured_sound_where_it_belongs(
    slipped: int, channels_in: int, channels_out: int
) -> None:
    exchange = Exchange(channels_in, channels_out, 48_000, 256, 40)
    dry = noise(9000 * channels_in).reshape(-1, channels_in)
    exchange.capture(dry[:slipped])
    if slipped:
        exchange.slip(slipped)
    heard = []
    for at in range(slipped, 9000 - 128, 128):
        exchange.capture(dry[at : at + 128])
        heard.append(played(exchange, 128))
    whole = np.concatenate(heard)
    expected = dry if channels_in == channels_out else np.repeat(dry.mean(axis=1, keepdims=True), channels_out, axis=1)
    # Frame n of the output belongs to captured frame n - 256 - 40, and to as many later as were slipped.
    settled = 4000
    start = settled + slipped - 296
    np.testing.assert_allclose(whole[settled:], expected[start : start + len(whole) - settled], atol=1e-6)


@pytest.mark.parametrize("block", [1, 65, 511, 2999, 8193])
def test_a_concealment_is_the_same_however_it_is_cut(block: int) -> None:
    dry, wet, heard = tone(100, 3000)[:, None], tone(250, 1000)[:, None], []
    for size in (3000, block):
        exchange = Exchange(1, 1, 48_000, 300, 40)
        exchange.capture(dry)
        exchange.output.write(wet)
        exchange.replan(400, 40, 1)  # first 100 frames that were paid for, then what is there, then a miss
        parts = [played(exchange, min(size, 3000 - at)) for at in range(0, 3000, size)]
        heard.append(np.concatenate(parts))
    np.testing.assert_allclose(heard[1], heard[0], atol=2e-6)
    np.testing.assert_allclose(heard[0][700:1400], wet[300:], atol=1e-6)
    np.testing.assert_allclose(heard[0][2900:], dry[2460:2560], atol=1e-5)


@pytest.mark.parametrize("concealing", [False, True])
@pytest.mark.parametrize("action", ["shorter", "longer", "skip", "slip"])
def test_a_jump_in_time_is_faded_over(action: str, concealing: bool) -> None:
    exchange, sound = Exchange(1, 1, 48_000, 480), tone(100, 9600)[:, None]
    exchange.capture(sound)
    exchange.output.write(sound[: 480 if concealing else 9600])
    before = played(exchange, 1600)
    if action in ("shorter", "longer"):
        exchange.replan(360 if action == "shorter" else 600, 0, 1)
    elif action == "skip":
        exchange.skip(120)  # a quarter of a period: from the middle to the peak
    else:
        exchange.slip(120)
        before = np.zeros_like(before)  # nobody fed the device, so that it played silence
    heard = np.concatenate([before[-1:], played(exchange, 1600)])
    assert largest_step(heard) < largest_step(sound) + 2 * LEVEL * (5 + 1) / 240


def test_silence_is_silent_once_it_has_faded() -> None:
    exchange = Exchange(1, 1, 48_000, 0, concealment="silence")
    dry = noise(64 * 100)[:, None]
    heard = through(exchange, dry, dry, set(range(50, 100)), 64)
    assert heard[50 * 64 : 50 * 64 + 10].any() and not heard[50 * 64 + 1200 :].any()


def test_a_gain_of_the_host_holds_for_the_dry_sound_too_and_a_mute_is_silent() -> None:
    exchange, dry = Exchange(1, 1, 48_000, 0), tone(100, 48_000)[:, None]
    exchange.dry_gain = 0.5
    heard = [through(exchange, dry[:9720], dry[:9720], set(range(50, 300)), 40)]
    np.testing.assert_allclose(heard[0][7200:], 0.5 * dry[7200:9720], atol=1e-6)
    exchange.dry_gain = 0.0  # at a peak of the wave
    heard.append(through(exchange, dry[9720:19320], dry, set(range(300)), 40))
    assert not heard[1][40:].any()
    exchange.dry_gain = 1.0
    heard.append(through(exchange, dry[19320:28920], dry, set(range(300)), 40))
    np.testing.assert_allclose(heard[2][40:], dry[19360:28920], atol=1e-6)
    assert largest_step(np.concatenate(heard)) < largest_step(dry) + 0.3 / 40


def test_a_gain_set_before_a_concealment_holds_from_its_beginning() -> None:
    exchange, dry = Exchange(1, 1, 48_000, 0), tone(100, 9600)[:, None]
    exchange.dry_gain = 0.5
    np.testing.assert_allclose(through(exchange, dry, dry, {0}, 9600)[1500:], 0.5 * dry[1500:], atol=1e-6)


def test_the_captured_sound_is_kept_however_it_wraps_around() -> None:
    exchange, dry = Exchange(1, 1, SLOW, 20), noise(3003)[:, None]
    heard = through(exchange, dry, dry, set(range(429)), 7)
    np.testing.assert_allclose(heard[40:], dry[20:-20], atol=1e-6)


def test_where_nothing_was_captured_yet_a_dry_concealment_is_silent() -> None:
    exchange, dry = Exchange(1, 1, SLOW, 0), noise(700)[:, None]
    through(exchange, dry, dry, set(range(70)), 10)
    assert not played(exchange, 50)[5:].any()


def test_captured_sound_that_is_no_longer_kept_is_replaced_by_silence() -> None:
    exchange, dry = Exchange(1, 1, SLOW, 650), noise(3000)[:, None]  # two seconds are kept, which are 600 frames
    heard = through(exchange, dry, dry, set(range(300)), 10)
    assert not heard.any()


def test_a_concealment_before_the_first_captured_frame_is_silence_and_then_fades_in() -> None:
    exchange, dry = Exchange(1, 1, 48_000, 0, 100), tone(100, 4800)[:, None] + np.float32(0.5)
    heard = through(exchange, dry, dry, set(range(100)), 48)
    assert not heard[:100].any() and largest_step(heard) < largest_step(dry) + 0.8 / 240
    np.testing.assert_allclose(heard[340:], dry[240:-100], atol=1e-6)

"""What is heard: knobs without clicks, a limiter that only limits, levels that match, knobs that refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.mixer import Delay, Glide, Mixer
from tests.live_parts import (
    delayed,
    largest_step,
)
from tests.signals import noise, tone

RATE = 48_000
CEILING = 10 ** (-1 / 20)
PLAIN = Controls(limiter=False, level_match=False)


def hops(audio: np.ndarray, hop: int) -> list[np.ndarray]:
    """``(C, N)`` or ``(N,)`` in whole hops."""
    rows = np.atleast_2d(audio)
    return [rows[:, at : at + hop].copy() for at in range(0, rows.shape[1] - hop + 1, hop)]


def level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


# -- gains and delays


@settings(max_examples=60, deadline=None)
@given(
    hop=st.sampled_from([1, 64, 65, 511, 512, 1024]),
    targets=st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0]), min_size=1, max_size=12),
    held=st.integers(1, 12),
)
def test_a_gain_never_moves_faster_than_from_one_to_the_other_in_10_ms_or_a_hop(
    hop: int, targets: list[float], held: int
) -> None:
    glide, gains, block = Glide(1.0, hop, RATE), [], np.ones((2, hop), dtype=np.float32)
    for target in targets:
        for _ in range(held):
            block[:] = 1
            glide.apply(block, target)
            gains.append(block[0].copy())
            np.testing.assert_array_equal(block[0], block[1])
    whole = np.concatenate([[1.0], *gains])
    assert np.abs(np.diff(whole)).max() <= 2.0 / max(hop, 480) * 1.001 + 2e-6
    assert whole.min() >= 0 and whole.max() <= 2


@pytest.mark.parametrize("hop", [64, 480, 512])
def test_a_gain_arrives_exactly_after_10_ms_and_then_costs_no_bit(hop: int) -> None:
    glide, audio = Glide(0.0, hop, RATE), noise(hop)[None]
    for _ in range(-(-480 // hop)):
        assert glide.value < 1
        glide.apply(audio.copy(), 1.0)
    assert glide.value == 1.0
    heard = audio.copy()
    glide.apply(heard, 1.0)
    np.testing.assert_array_equal(heard, audio)
    for _ in range(-(-480 // hop)):
        glide.apply(heard, 0.0)
    glide.apply(heard, 0.0)
    assert glide.value == 0.0 and not heard.any()


def test_a_gain_goes_in_a_straight_line() -> None:
    glide, blocks = Glide(0.0, 120, RATE), []
    for _ in range(4):
        block = np.ones((1, 120), dtype=np.float32)
        glide.apply(block, 0.5)
        blocks.append(block)
    np.testing.assert_allclose(np.concatenate(blocks, axis=1)[0], 0.5 * np.arange(1, 481) / 480, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 65, 511, 8193])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_delay_is_exact(samples: int, channels: int) -> None:
    audio, delay = noise(channels * 64 * 200).reshape(channels, -1), Delay(samples, 64, channels)
    heard = [delay.process(block).copy() for block in hops(audio, 64)]
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), delayed(audio, samples))


# -- the mixer


def mix(
    mixer: Mixer,
    sources: tuple[np.ndarray, np.ndarray | None, np.ndarray],
    controls: Controls,
    hop: int = 512,
) -> np.ndarray:
    raw, inverse, model = sources
    inverses = [None] * (raw.shape[-1] // hop) if inverse is None else hops(inverse, hop)
    blocks = zip(hops(raw, hop), inverses, hops(model, hop), strict=True)
    return np.concatenate([mixer.process(*block, controls).copy() for block in blocks], axis=1)


def sources(seconds: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frames = int(seconds * RATE / 512) * 512
    return tone(100, frames, level=0.1), tone(150, frames, level=0.4), tone(220, frames, level=0.2)


@pytest.mark.parametrize("listen, index", [("raw", 0), ("inverse", 1), ("model", 2)])
def test_each_source_is_heard_bit_for_bit_when_it_is_chosen(listen: Any, index: int) -> None:
    mixer, three = Mixer(512, RATE, 1), sources()
    heard = mix(mixer, three, Controls(listen=listen, level_match=False))
    np.testing.assert_array_equal(heard[0, 4096:], three[index][4096 : heard.shape[1]])


def test_bypass_is_the_raw_input_as_it_came_whatever_is_listened_to() -> None:
    mixer, three = Mixer(512, RATE, 1), sources()
    heard = mix(mixer, three, Controls(listen="inverse", bypass=True, mix=0.3, level_match=True))
    np.testing.assert_array_equal(heard[0, 4096:], three[0][4096 : heard.shape[1]])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mix_goes_from_raw_to_de_shifted(share: float) -> None:
    raw, inverse, model = sources()
    heard = mix(Mixer(512, RATE, 1), (raw, inverse, model), Controls(mix=share))
    expected = (1 - share) * raw + share * model
    np.testing.assert_allclose(heard[0, 4096:], expected[4096:], atol=1e-6)


@pytest.mark.parametrize("listen, index", [("raw", 0), ("inverse", 1)])
def test_the_sources_are_brought_to_the_level_of_the_model(listen: Any, index: int) -> None:
    three = sources(12.0)
    heard = mix(Mixer(512, RATE, 1), three, Controls(listen=listen))
    assert abs(level_db(three[index]) - level_db(three[2])) > 5.9
    assert level_db(heard[0, -48_000:]) == pytest.approx(level_db(three[2][-48_000:]), abs=0.2)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_matching_changes_a_level_by_12_db_at_most(factor: float) -> None:
    raw = tone(100, 48_128, level=0.002 * factor)
    model = tone(220, 48_128, level=0.2 if factor < 1 else 0.002)
    mixer = Mixer(512, RATE, 1)
    heard = mix(mixer, (raw if factor > 1 else raw * 500, None, model), Controls(listen="raw", limiter=False))
    change_db = level_db(heard[0, 24_000:]) - level_db((raw if factor > 1 else raw * 500)[24_000:])
    assert change_db == pytest.approx(12.04 if factor < 1 else -12.04, abs=0.01)


def test_a_pause_does_not_unlearn_the_level() -> None:
    mixer, three = Mixer(512, RATE, 1), sources(6.0)
    mix(mixer, three, Controls(listen="raw"))
    learned = mixer.match(0)
    silence = np.zeros(10 * 48_128, dtype=np.float32)
    mix(mixer, (silence, silence, silence), Controls(listen="raw"))
    assert mixer.match(0) == learned == pytest.approx(2.0, rel=0.02)


def test_a_model_that_says_nothing_does_not_mute_the_raw_input() -> None:
    raw, _, model = sources(4.0)
    heard = mix(Mixer(512, RATE, 1), (raw, None, 0 * model), Controls(listen="raw"))
    np.testing.assert_array_equal(heard[0, 4096:], raw[4096:])


@settings(max_examples=25, deadline=None)
@given(
    hop=st.sampled_from([64, 512]),
    changes=st.lists(
        st.sampled_from(
            [
                ("listen", "raw"),
                ("listen", "inverse"),
                ("listen", "model"),
                ("bypass", True),
                ("bypass", False),
                ("muted", True),
                ("muted", False),
                ("mix", 0.0),
                ("mix", 0.7),
                ("output_gain_db", -20.0),
                ("output_gain_db", 6.0),
                ("level_match", False),
                ("limiter", False),
                ("limiter", True),
            ]
        ),
        max_size=20,
    ),
)
def test_no_knob_clicks(hop: int, changes: list[tuple[str, Any]]) -> None:
    frames = 4096 * (len(changes) + 1)
    three = tuple(tone(frequency_hz, frames, level=0.25) for frequency_hz in (100, 150, 220))
    mixer, controls, heard = Mixer(hop, RATE, 1), Controls(), []
    for turn, change in enumerate([("mix", 1.0), *changes]):
        controls = controls.change(*change)
        part = slice(4096 * turn, 4096 * turn + 4096)
        heard.append(mix(mixer, (three[0][part], three[1][part], three[2][part]), controls, hop))
    whole = np.concatenate([np.zeros(1), np.concatenate(heard, axis=1)[0]])
    # The loudest wave at twice its level moves by 0.0144 a sample; the gains, in 10 ms or a hop, by as much again.
    assert largest_step(whole) < 2 * 0.25 * 2 * np.pi * 220 / RATE + 6 * 0.5 / 480


def test_the_sound_fades_in_over_50_ms() -> None:
    ones = np.ones(9600, dtype=np.float32) * 0.5
    heard = mix(Mixer(480, RATE, 1), (ones, None, ones), PLAIN, 480)[0]
    assert abs(heard[0]) < 1e-4 and (np.diff(heard) >= -1e-7).all()
    assert 0.45 < heard[1200] / 0.5 < 0.55 and heard[2300] < 0.5 and heard[2400] == 0.5
    at_once = mix(Mixer(480, RATE, 1, fade_in=False), (ones, None, ones), PLAIN, 480)[0]
    assert at_once[480] == 0.5


def test_a_mute_comes_to_silence_and_says_so() -> None:
    mixer, three = Mixer(64, RATE, 1), sources()
    mix(mixer, three, PLAIN, 64)
    assert not mixer.faded_out
    part = tuple(source[:1024] for source in three)
    heard = mix(mixer, (part[0], part[1], part[2]), PLAIN.change("muted", True), 64)
    assert mixer.faded_out and not heard[0, 512:].any()


@pytest.mark.parametrize("fade_in", [True, False])
def test_what_is_muted_from_the_start_is_silent_from_the_start(fade_in: bool) -> None:
    assert not mix(Mixer(64, RATE, 1, fade_in), sources(), PLAIN.change("muted", True), 64).any()


def test_the_output_gain_is_in_decibels_and_the_limiter_is_on_by_default() -> None:
    raw, _, model = sources()
    quiet = mix(Mixer(512, RATE, 1), (raw, None, model), Controls(output_gain_db=-20))
    np.testing.assert_allclose(quiet[0, 4096:], 0.1 * model[4096:], atol=1e-6)
    loud = mix(Mixer(512, RATE, 1), (raw, None, model), Controls(output_gain_db=24))
    assert np.abs(loud).max() <= np.float32(CEILING)
    open_end = mix(Mixer(512, RATE, 1), (raw, None, model), Controls(output_gain_db=24, limiter=False))
    assert np.abs(open_end).max() > 3

"""The limiter and the knobs: nothing passes the ceiling, nothing below it changes, nonsense is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.mixer import Limiter, from_db
from tests.live_parts import (
    largest_step,
)
from tests.signals import noise, tone

RATE = 48_000
CEILING = 10 ** (-1 / 20)


def hops(audio: np.ndarray, hop: int) -> list[np.ndarray]:
    """``(C, N)`` or ``(N,)`` in whole hops."""
    rows = np.atleast_2d(audio)
    return [rows[:, at : at + hop].copy() for at in range(0, rows.shape[1] - hop + 1, hop)]


def test_the_limiter_holds_while_it_is_loud_and_lets_go_in_a_fifth_of_a_second() -> None:
    hop, limiter = 480, Limiter(480, RATE)
    audio = np.concatenate([np.full(4800, 2.0), np.full(96_000, 0.2)]).astype(np.float32)
    heard = np.concatenate([limiter.process(block) or block for block in hops(audio, hop)], axis=1)[0]
    np.testing.assert_allclose(heard[hop:4800], CEILING, rtol=1e-6)
    assert limiter.limited_hops == 10
    gain = heard[4800:] / 0.2
    held = CEILING / 2
    expected = 1 - (1 - held) * np.exp(-np.arange(1, 101) / 100 / 0.2)  # a hop lasts 10 ms
    np.testing.assert_allclose(gain[hop - 1 : 48_000 : hop], expected, rtol=0.002)
    np.testing.assert_array_equal(heard[-4800:], audio[-4800:])


def test_the_limiter_is_down_when_the_peak_comes_and_leaves_no_step() -> None:
    limiter, audio = Limiter(512, RATE), tone(200, 512 * 40, level=0.5)
    audio[512 * 10 : 512 * 20] *= np.hanning(5120) * 4 + 1
    heard = np.concatenate([limiter.process(block) or block for block in hops(audio, 512)], axis=1)[0]
    gain = heard[np.abs(audio) > 0.05] / audio[np.abs(audio) > 0.05]
    # Down by at most a fifth of its range within the rise of a wave, up by 1 - exp(-10.67 / 200) of it in a hop.
    assert np.abs(np.diff(gain)).max() < 0.06
    assert largest_step(heard) < largest_step(audio)


def test_the_limiter_does_not_flatten_a_peak_in_the_middle_of_a_hop() -> None:
    block = np.zeros((1, 512), dtype=np.float32)
    block[0, 90:111] = 2 * np.hanning(21)
    Limiter(512, RATE).process(block)
    assert block[0].argmax() == 100 and block[0, 100] == pytest.approx(CEILING)
    assert (block[0] > 0.999 * CEILING).sum() == 1


def test_switching_the_limiter_off_and_on_while_it_works_is_no_step() -> None:
    limiter, hop = Limiter(512, RATE), 512
    heard = []
    for turn in range(200):
        block = np.full((1, hop), 1.5, dtype=np.float32)
        limiter.process(block, active=turn < 5)
        heard.append(block)
    whole = np.concatenate(heard, axis=1)[0]
    assert np.abs(np.diff(whole[hop:])).max() < 1.5 * 0.41 * 0.06 / hop * 1.1
    np.testing.assert_array_equal(whole[-hop:], np.full(hop, 1.5, dtype=np.float32))
    assert limiter.limited_hops == 5


@settings(max_examples=80, deadline=None)
@given(
    hop=st.sampled_from([1, 64, 65, 512]),
    levels=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_the_ceiling_is_never_passed(hop: int, levels: list[float], seed: int) -> None:
    limiter, random = Limiter(hop, RATE), np.random.default_rng(seed)
    for level in levels:
        block = (level * random.standard_normal((2, hop))).astype(np.float32)
        sign = np.sign(block)
        limiter.process(block)
        assert np.abs(block).max() <= np.float32(CEILING) and np.isfinite(block).all()
        assert (np.sign(block) * sign >= 0).all()


@settings(max_examples=30, deadline=None)
@given(peak=st.floats(0.0, 0.89), hop=st.sampled_from([1, 65, 512]))
def test_below_the_ceiling_no_bit_changes(peak: float, hop: int) -> None:
    limiter, audio = Limiter(hop, RATE), np.clip(noise(20 * hop, level=1.0) * peak, -peak, peak)
    for block in hops(audio, hop):
        heard = block.copy()
        limiter.process(heard)
        np.testing.assert_array_equal(heard, block)
    assert limiter.limited_hops == 0


@pytest.mark.parametrize(
    "name, value, line",
    [
        ("listen", "dry", "listen must be one of model, inverse, raw, not 'dry'"),
        ("bypass", 1, "bypass must be true or false, not 1"),
        ("muted", "no", "muted must be true or false, not 'no'"),
        ("level_match", None, "level_match must be true or false"),
        ("limiter", 0.0, "limiter must be true or false"),
        ("mix", 1.01, "mix must lie within 0 … 1, not 1.01"),
        ("mix", float("nan"), "mix must lie within 0 … 1, not nan"),
        ("mix", True, "mix must lie within 0 … 1, not True"),
        ("input_gain_db", 25, "input_gain_db must lie within -60 … 24 dB, not 25"),
        ("output_gain_db", "3", "output_gain_db must lie within -60 … 24 dB, not '3'"),
        ("volume", 3, "there is no control 'volume'; there are: listen, bypass, muted, mix, input_gain_db"),
    ],
)
def test_a_knob_refuses_what_it_cannot_take_in_one_line(name: str, value: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        Controls().change(name, value)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_knob_turned_leaves_the_others_and_the_old_value() -> None:
    before = Controls(mix=0.5)
    after = before.change("output_gain_db", -60)
    assert (after.mix, after.output_gain_db, before.output_gain_db) == (0.5, -60, 0)
    assert from_db(-20) == pytest.approx(0.1) and from_db(0) == 1.0

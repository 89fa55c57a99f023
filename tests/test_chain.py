"""Chains: the sum of the latencies is what is measured, members come and go without a click, controls are found."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.contract import Control
from realtime.plugins.base import Stream
from realtime.plugins.chain import Chain, ChainError
from realtime.plugins.plugin_file import PluginFile
from tests import plugin_files as files
from tests.chain_parts import Scale, delayed, hops, loudest_step
from tests.plugin_files import RATE
from tests.signals import noise, tone


@settings(max_examples=20, deadline=None)
@given(
    members=st.lists(st.tuples(st.sampled_from([1, 48, 64, 128]), st.integers(0, 500)), max_size=4),
    block=st.integers(1, 700),
)
def test_stated_latency_is_the_measured_one(members: list[tuple[int, int]], block: int) -> None:
    stream = Stream(Chain([Scale(hop, delay) for hop, delay in members], sample_rate=RATE, channels=1))
    click = np.zeros((1, 4000), dtype=np.float32)
    click[0, 777] = 1
    heard = np.concatenate([stream.process(click[:, at : at + block]) for at in range(0, 4000, block)], axis=1)
    assert np.flatnonzero(heard[0]).tolist() == [777 + stream.latency_samples]
    hop = int(np.lcm.reduce([hop for hop, _ in members])) if members else 128
    assert stream.latency_samples == hop + sum(delay for _, delay in members)


def test_a_chain_of_plugin_files_is_the_product_of_its_members(tmp_path: Path) -> None:
    one_pole = PluginFile(files.one_pole_plugin(tmp_path / "pole.onnx"), channels=2)
    delay = PluginFile(files.delay_plugin(tmp_path / "delay.onnx", 100, hop_samples=96), channels=2)
    chain = Chain([one_pole, delay])
    assert (chain.hop_samples, chain.latency_samples, chain.channels) == (192, 292, 2)
    audio = np.stack([noise(192 * 20), noise(192 * 20, seed=1)])
    np.testing.assert_allclose(hops(chain, audio), delayed(files.one_pole_reference(audio), 100), atol=1e-6)


def test_a_chain_is_a_plugin_that_stands_in_a_chain() -> None:
    inner = Chain([Scale(64, 30, 0.5), Scale(32, 5, 0.5)])
    outer = Chain([inner, Scale(128, 7)])
    audio = noise(1280)[None]
    assert outer.latency_samples == 128 + 30 + 5 + 7
    np.testing.assert_allclose(hops(outer, audio), delayed(audio, 42) / 4, atol=1e-7)
    outer.set_control("0.1.gain", 1.0)
    assert inner.plugins[1].gain == 1.0


def test_an_empty_chain_changes_nothing() -> None:
    chain = Chain([], sample_rate=44_100, channels=3)
    audio = np.stack([noise(1280, seed) for seed in range(3)])
    np.testing.assert_array_equal(hops(chain, audio), audio)
    assert chain.latency_samples == chain.hop_samples and chain.sample_rate == 44_100 and chain.channels == 3
    with pytest.raises(ChainError, match="empty chain must be told"):
        Chain([])


@pytest.mark.parametrize(
    "other, line",
    [
        (Scale(rate=44_100), r"members 0 \(first\) and 1 \(second\).*sample rate differs, 48000 and 44100"),
        (Scale(channels=2), r"members 0 \(first\) and 1 \(second\).*number of channels differs, 1 and 2"),
        (Scale(hop=16_383), r"first 64, second 16383.*meet only every 1048512 samples.*16384"),
    ],
)
def test_members_that_cannot_be_joined_are_named_in_one_line(other: Scale, line: str) -> None:
    with pytest.raises(ChainError, match=line) as refused:
        Chain([Scale(), other], names=["first", "second"])
    assert "\n" not in str(refused.value)


def test_the_largest_hop_is_taken_and_the_next_is_not() -> None:
    assert Chain([Scale(hop=16_384), Scale(hop=2)]).hop_samples == 16_384
    with pytest.raises(ChainError, match="limit of 16384"):
        Chain([Scale(hop=16_384), Scale(hop=3)])


@pytest.mark.parametrize("given_rate, given_channels", [(44_100, 1), (RATE, 2)])
def test_a_rate_or_channels_that_the_members_do_not_have_are_refused(given_rate: int, given_channels: int) -> None:
    with pytest.raises(ChainError, match="is that of its members"):
        Chain([Scale()], sample_rate=given_rate, channels=given_channels)


@pytest.mark.parametrize("hop, delay", [(1, 3), (64, 0), (64, 100), (512, 512), (2048, 65)])
def test_a_bypass_is_a_crossfade_to_the_input_at_the_same_latency(hop: int, delay: int) -> None:
    chain, frames = Chain([Scale(hop, delay, gain=-1.0)]), 16_384
    audio = tone(100, 3 * frames)[None]
    heard = [hops(chain, audio[:, :frames])]
    chain.set_bypass(0, True)
    heard.append(hops(chain, audio[:, frames : 2 * frames]))
    chain.set_bypass("scale", False)
    heard.append(hops(chain, audio[:, 2 * frames :]))
    reference, whole, fade = delayed(audio, delay), np.concatenate(heard, axis=1), max(hop, 240 + hop)
    for start, sign in ((0, -1), (frames + fade, 1), (2 * frames + fade, -1)):
        stop = (start // frames + 1) * frames
        np.testing.assert_array_equal(whole[:, start:stop], sign * reference[:, start:stop])
    # From full scale one way to full scale the other way within the fade, and no faster anywhere.
    assert loudest_step(whole) < loudest_step(audio) + 2 * 0.3 / max(hop, 239)


def test_a_bypass_turned_as_a_control_is_the_same_crossfade_and_stays_out_of_the_values() -> None:
    chain, told, audio = Chain([Scale(64, 30, -1.0)]), Chain([Scale(64, 30, -1.0)]), tone(100, 12_800)[None]
    for name, value in (("0.bypass", 1.0), ("scale.bypass", 0.0), ("0.bypass", 1)):
        chain.set_control(name, value)
        told.set_bypass(0, bool(value))
        assert chain.bypassed == (bool(value),)
        np.testing.assert_array_equal(hops(chain, audio), hops(told, audio))
    with pytest.raises(ChainError, match=r"0.bypass takes 0 \(in\) or 1 \(out\), not 0.5"):
        chain.set_control("0.bypass", 0.5)
    assert chain.control_values(0) == {"gain": 1.0} and [control.name for control in chain.controls] == ["0.gain"]


def test_a_control_of_a_plugin_that_is_called_bypass_is_its_own() -> None:
    plugin = Scale()
    plugin.controls = (Control("bypass", "", 0.0, 4.0, 1.0),)
    chain = Chain([plugin])
    chain.set_control("0.bypass", 0.5)
    assert plugin.gain == 0.5 and chain.bypassed == (False,)


def test_a_bypassed_member_keeps_its_past_for_its_return() -> None:
    chain, never = Chain([Scale(64, 200)]), Chain([Scale(64, 200)])
    audio = noise(6400)[None]
    chain.set_bypass(0, True)
    first = hops(chain, audio[:, :3200])
    chain.set_bypass(0, False)
    np.testing.assert_allclose(
        np.concatenate([first, hops(chain, audio[:, 3200:])], axis=1), hops(never, audio), atol=1e-7
    )


def test_a_block_of_another_shape_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(1, 64\), not \(1, 65\)"):
        Chain([Scale()]).process(np.zeros((1, 65), dtype=np.float32))


def test_controls_are_reached_by_index_and_by_name() -> None:
    first, second = Scale(), Scale()
    chain = Chain([first, second], names=["octave v1.2", "octave"])
    assert [(c.name, c.member, c.minimum, c.maximum, c.default) for c in chain.controls] == [
        ("0.gain", "octave v1.2", 0, 4, 1),
        ("1.gain", "octave", 0, 4, 1),
    ]
    chain.set_control("0.gain", 2.0)
    chain.set_control("octave.gain", 3.0)
    assert (first.gain, second.gain) == (2.0, 3.0)
    chain.set_control("octave v1.2.gain", 0.5)
    assert (first.gain, second.gain) == (0.5, 3.0)
    assert chain.control_values(0) == {"gain": 0.5} and chain.control_values("octave") == {"gain": 3.0}


@pytest.mark.parametrize(
    "name, value, line",
    [
        ("2.gain", 1.0, "no control of this chain; write index.control or name.control, of: 0.gain, 1.gain"),
        ("gain", 1.0, "no control of this chain"),
        ("0.pitch", 1.0, "octave has no control 'pitch'; it has: gain"),
        ("octave.gain", 1.0, "more than one member of this chain is called 'octave'"),
        ("1.gain", 9.0, "gain takes 0 … 4, not 9"),
    ],
)
def test_a_control_that_is_not_there_is_refused_in_one_line(name: str, value: float, line: str) -> None:
    chain = Chain([Scale(), Scale()], names=["octave", "octave"])
    with pytest.raises(ValueError, match=line):
        chain.set_control(name, value)
    assert chain.control_values(1) == {"gain": 1.0}


@pytest.mark.parametrize("member", [1, -1, "1", "nobody"])
def test_a_member_that_is_not_there_is_refused(member: int | str) -> None:
    with pytest.raises(ChainError, match="its members are: 0 scale"):
        Chain([Scale()]).set_bypass(member, True)


def test_reset_goes_back_to_silence() -> None:
    bad = Scale(64, 77)
    chain, audio = Chain([bad, Scale(128, 3, 0.5)]), noise(1280)[None]
    first = hops(chain, audio)
    bad.wrong = "raise"
    hops(chain, audio)
    bad.wrong = ""
    chain.reset()
    np.testing.assert_array_equal(hops(chain, audio), first)


def test_results_are_not_overwritten_by_the_next_hop() -> None:
    chain, audio = Chain([Scale(gain=0.5)]), noise(64)[None]
    kept = chain.process(audio)
    copy, sent = kept.copy(), audio.copy()
    chain.process(-audio)
    np.testing.assert_array_equal(kept, copy)
    np.testing.assert_array_equal(audio, sent)


@pytest.mark.real_time
def test_a_chain_costs_little_beside_its_members() -> None:
    chain, block = Chain([Scale(512, 1024, channels=2), Scale(512, 0, channels=2)]), np.stack([noise(512)] * 2)
    times = []
    for _ in range(300):
        started = time.perf_counter()
        chain.process(block)
        times.append(time.perf_counter() - started)
    assert np.percentile(times, 10) < 0.01 * 512 / RATE  # 1 % of a hop, on the quickest tenth of the calls

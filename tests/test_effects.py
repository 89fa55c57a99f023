"""Effects of pedalboard: any block size gives the same samples, latency as measured, controls without clicks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pedalboard
import pytest

from realtime.plugins.base import Plugin, Stream
from realtime.plugins.chain import Chain
from realtime.plugins.effects import KINDS, Effect, EffectError
from realtime.plugins.vst3 import Vst3
from tests.signals import noise, tone

ROOT = Path(__file__).parents[1]
RATE = 48_000
TELLING = {  # parameters with which every effect does something to the noise below
    "gate": {"threshold_db": -20.0},
    "peak": {"gain_db": 9.0},
    "low_shelf": {"gain_db": 9.0},
    "high_shelf": {"gain_db": -9.0},
    "gain": {"gain_db": -7.0},
    "bitcrush": {"bit_depth": 4.0},
    "delay": {"delay_seconds": 0.01},
    "brickwall": {"ceiling_db": -20.0},
    "clipping": {"threshold_db": -25.0},
}


def sound(frames: int, channels: int = 1) -> np.ndarray:
    """Noise that swells, so that what follows the level has something to follow."""
    swell = 0.05 + np.abs(np.sin(np.arange(frames) / 3000))
    return np.stack([(noise(frames, seed) * swell).astype(np.float32) for seed in range(channels)])


def hops(plugin: Plugin, audio: np.ndarray) -> np.ndarray:
    hop = plugin.hop_samples
    ends = range(0, audio.shape[1] - hop + 1, hop)
    return np.concatenate([plugin.process(audio[:, at : at + hop]) for at in ends], axis=1)


def loudest_step(audio: np.ndarray) -> float:
    return float(np.abs(np.diff(audio)).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_an_effect_gives_what_the_library_gives_for_the_whole_file(kind: str, channels: int) -> None:
    parameters, audio = TELLING.get(kind, {}), sound(12_288, channels)
    given = {c.name: c.default for c in (*KINDS[kind].controls, *KINDS[kind].fixed)} | parameters
    whole = getattr(pedalboard, KINDS[kind].class_name)(**given).process(audio, RATE, buffer_size=1 << 20)
    assert np.abs(whole - audio).max() > 0.01
    for hop in (3, 64, 128, 4096):
        effect = Effect(kind, parameters, RATE, channels, hop)
        delay = effect.latency_samples - hop
        assert delay == (96 if kind == "brickwall" else 0)
        heard = hops(effect, audio)
        np.testing.assert_array_equal(heard[:, delay:], whole[:, : heard.shape[1] - delay])
        assert not heard[:, :delay].any()


@pytest.mark.parametrize("kind", KINDS)
def test_stated_latency_is_the_measured_one(kind: str) -> None:
    """A click through the effect: its first sample, and nothing before it, comes after the stated latency."""
    stream = Stream(Effect(kind, {"threshold_db": -100.0} if kind == "gate" else {}, RATE, 1, 65))
    click = np.zeros((1, 4000), dtype=np.float32)
    click[0, 1234] = 0.5
    first = np.flatnonzero(np.abs(stream.process(click)[0]) > 1e-6)[0]
    assert first == 1234 + stream.latency_samples


@pytest.mark.parametrize("kind", KINDS)
def test_reset_goes_back_to_silence(kind: str) -> None:
    effect, audio = Effect(kind, TELLING.get(kind, {}), RATE, 2), sound(4096, 2)
    first = hops(effect, audio)
    effect.reset()
    np.testing.assert_array_equal(hops(effect, audio), first)


@pytest.mark.parametrize(
    "kind, control, low, high",
    [
        ("gain", "gain_db", -60.0, 0.0),
        ("highpass", "cutoff_frequency_hz", 20.0, 5000.0),
        ("lowpass", "cutoff_frequency_hz", 50.0, 20_000.0),
        ("peak", "gain_db", -24.0, 24.0),
        ("high_shelf", "gain_db", -24.0, 0.0),
        ("compressor", "threshold_db", -60.0, 0.0),
        ("limiter", "threshold_db", -20.0, 0.0),
        ("gate", "threshold_db", -100.0, 0.0),
        ("brickwall", "ceiling_db", -30.0, 0.0),
        ("clipping", "threshold_db", -60.0, 0.0),
    ],
)
@pytest.mark.parametrize("hop", [16, 128, 2000])
@pytest.mark.parametrize("upward", [True, False])
def test_a_control_moves_without_a_click(
    kind: str, control: str, low: float, high: float, hop: int, upward: bool
) -> None:
    """The move comes at a peak of the tone, where it would be loudest: the library alone jumps by up to 0.3."""
    start, goal = (low, high) if upward else (high, low)
    half = 24_000 // hop * hop
    audio = tone(100, 60_000)[None, (120 - half) % 480 :][:, : 2 * half]
    effect = Effect(kind, {control: start}, RATE, 1, hop)
    first = hops(effect, audio[:, :half])
    effect.set_control(control, goal)
    heard = np.concatenate([first, hops(effect, audio[:, half:])], axis=1)
    steady = max(loudest_step(heard[:, half - 2400 : half]), loudest_step(heard[:, -2400:]))
    assert loudest_step(heard[:, half - 2 : half + 9600]) < steady + 0.03
    settled = hops(Effect(kind, {control: goal}, RATE, 1, hop), audio)
    np.testing.assert_allclose(heard[:, -2400:], settled[:, -2400:], atol=5e-3)


def test_a_control_that_turns_back_on_its_way_ends_where_it_was_last_set() -> None:
    effect, audio = Effect("gain", {"gain_db": 0.0}, RATE, 1), np.full((1, 12_800), 0.3, dtype=np.float32)
    ends = []
    for goal in (-40.0, 20.0, -6.0):
        effect.set_control("gain_db", goal)
        ends.append(hops(effect, audio[:, :512])[0, -1])
    assert 0.03 < ends[0] < 0.3 and ends[1] > 2 * ends[0]  # it turned round at once, a third of the way down
    hops(effect, audio)
    np.testing.assert_allclose(hops(effect, audio), audio * np.float32(10 ** (-6 / 20)), rtol=1e-5)
    assert effect.parameters == {"gain_db": -6.0}


def test_the_limiter_adds_gain_and_the_brickwall_does_not() -> None:
    """What the descriptions say of the two."""
    quiet, loud = tone(440, 48_000, level=0.03)[None], tone(440, 48_000, level=0.9)[None]
    gained = 20 * np.log10(np.abs(hops(Effect("limiter", {}, RATE, 1), quiet)[:, 24_000:]).max() / 0.03)
    assert gained > 4.7 and "4.75 dB" in KINDS["limiter"].description
    wall = Effect("brickwall", {"ceiling_db": -6.0}, RATE, 1)
    delay = wall.latency_samples - wall.hop_samples
    np.testing.assert_array_equal(hops(wall, quiet)[:, delay:], quiet[:, :-delay])
    assert np.abs(hops(wall, loud)).max() <= 10 ** (-6 / 20) * 1.0001
    assert np.abs(hops(wall, sound(48_000) * 30)).max() <= 10 ** (-6 / 20) * 1.0001


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("kind", ["highpass", "lowpass", "peak"])
def test_no_frequency_can_be_set_at_which_a_filter_explodes(rate: int, kind: str) -> None:
    effect = Effect(kind, {}, rate, 1)
    effect.set_control("cutoff_frequency_hz", effect.controls[0].maximum)
    assert np.abs(hops(effect, sound(9600))).max() < 2
    assert effect.controls[0].maximum < rate / 2


@pytest.mark.parametrize("channels, hop", [(1, 1), (2, 2), (8, 8), (1, 0), (0, 64)])
def test_a_hop_that_the_library_would_take_for_channels_is_refused(channels: int, hop: int) -> None:
    with pytest.raises(EffectError, match="hop must be longer than"):
        Effect("gain", {}, RATE, channels, hop)


@pytest.mark.parametrize(
    "kind, parameters, line",
    [
        ("pitch", {}, "there is no effect 'pitch'; the effects are: gate, highpass, "),
        ("gain", {"level": 1.0}, "gain has no parameter 'level'; it has: gain_db"),
        ("invert", {"level": 1.0}, "invert has no parameter 'level'; it has: none"),
        ("gain", {"gain_db": 99.0}, "gain: gain_db takes -60 … 24 dB, not 99.0"),
        ("gain", {"gain_db": float("nan")}, "gain: gain_db takes -60 … 24 dB, not nan"),
        ("gain", {"gain_db": "loud"}, "gain: gain_db takes -60 … 24 dB, not 'loud'"),
        ("brickwall", {"lookahead_ms": 0.0}, "brickwall: lookahead_ms takes 0.1 … 20 ms, not 0.0"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(kind: str, parameters: dict, line: str) -> None:
    with pytest.raises(EffectError, match=line) as refused:
        Effect(kind, parameters, RATE, 1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name, value", [("gain_db", 99.0), ("level", 0.0), ("gain_db", float("inf"))])
def test_a_bad_turn_is_refused_and_changes_nothing(name: str, value: float) -> None:
    effect = Effect("gain", {"gain_db": -6.0}, RATE, 1)
    with pytest.raises(EffectError, match="gain_db"):
        effect.set_control(name, value)
    assert effect.parameters == {"gain_db": -6.0}


def test_a_lookahead_is_not_turned_while_the_effect_runs() -> None:
    with pytest.raises(EffectError, match="no control 'lookahead_ms' to turn while it runs"):
        Effect("brickwall", {"lookahead_ms": 5.0}, RATE, 1).set_control("lookahead_ms", 1.0)
    assert Effect("brickwall", {"lookahead_ms": 5.0}, RATE, 1).latency_samples == 128 + 240


def test_without_pedalboard_one_line_says_what_to_install() -> None:
    statements = (
        "import sys; sys.modules['pedalboard'] = None\n"  # what an absent package looks like to import
        "from realtime.plugins.effects import Effect, EffectError\n"
        "try:\n    Effect('gain', {}, 48000, 1)\n"
        "except EffectError as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert 'pip install "deshift[effects]"' in ran.stdout and ran.stdout.count("\n") == 1, ran.stderr


@pytest.mark.real_time
def test_silence_after_sound_costs_no_more_than_a_hundredth_of_a_hop() -> None:
    """Denormal numbers in a fading tail would take the phaser six times as long."""
    for kind in KINDS:
        effect, silence = Effect(kind, {}, RATE, 2), np.zeros((2, 128), dtype=np.float32)
        hops(effect, sound(12_800, 2))
        for _ in range(4000):
            effect.process(silence)
        times = []
        for _ in range(100):
            started = time.perf_counter()
            effect.process(silence)
            times.append(time.perf_counter() - started)
        assert np.percentile(times, 10) < 0.01 * 128 / RATE, kind


def test_effects_stand_in_a_chain_with_their_controls() -> None:
    chain = Chain([Effect("highpass", {}, RATE, 2), Effect("brickwall", {}, RATE, 2)])
    assert chain.latency_samples == 128 + 96 and chain.names == ("highpass", "brickwall")
    chain.set_control("brickwall.ceiling_db", -20.0)
    assert np.abs(hops(chain, sound(48_000, 2) * 9)[:, 9600:]).max() <= 0.1001 and chain.faults == ()


VST3_FOLDERS = [os.environ.get("DESHIFT_TEST_VST3", ""), "/usr/lib/vst3", "/usr/local/lib/vst3"]


def vst3(name: str) -> Path:
    """A VST3 of Debian's zam-plugins, installed, or unpacked in the folder that DESHIFT_TEST_VST3 names."""
    path = next((Path(folder, name) for folder in VST3_FOLDERS if folder and Path(folder, name).exists()), None)
    if path is None:
        pytest.skip(f"{name} (Debian: zam-plugins) is not here; DESHIFT_TEST_VST3 can name its folder")
    return path


def test_a_vst3_states_the_latency_that_is_measured() -> None:
    stream = Stream(Vst3(vst3("ZaMaximX2.vst3"), {"threshold_db": 0.0}, RATE, 2))
    assert stream.latency_samples == 128 + 480
    click = np.zeros((2, 9600), dtype=np.float32)
    click[:, 3333] = 0.1
    assert int(np.argmax(np.abs(stream.process(click)[0]))) == 3333 + stream.latency_samples


@pytest.mark.parametrize("name, channels", [("ZamEQ2.vst3", 1), ("ZamEQ2.vst3", 2), ("ZamCompX2.vst3", 1)])
def test_a_vst3_for_other_channels_is_run_once_for_each_or_on_both_sides(name: str, channels: int) -> None:
    audio, path = sound(9600, channels), vst3(name)
    parameter = {"master_gain_db": -6.0} if name == "ZamEQ2.vst3" else {"threshold_db": 0.0}
    heard = {hop: hops(Vst3(path, parameter, RATE, channels, hop), audio) for hop in (64, 480)}
    assert heard[64].shape == audio.shape
    np.testing.assert_allclose(heard[64], heard[480], atol=1e-5)
    assert np.abs(heard[64]).max() > 0.05
    if channels == 2:
        alone = hops(Vst3(path, parameter, RATE, 1, 64), audio[1:])
        np.testing.assert_allclose(heard[64][1:], alone, atol=1e-6)


def test_controls_of_a_vst3_can_be_turned() -> None:
    plugin, audio = Vst3(vst3("ZamEQ2.vst3"), {}, RATE, 1), sound(19_200)
    control = next(control for control in plugin.controls if control.name == "master_gain_db")
    assert (control.unit, control.minimum, control.maximum) == ("dB", -12, 12)
    before = np.abs(hops(plugin, audio)).max()
    plugin.set_control("master_gain_db", -12.0)
    plugin.reset()
    assert 20 * np.log10(np.abs(hops(plugin, audio)).max() / before) == pytest.approx(-12, abs=0.5)
    with pytest.raises(EffectError, match="master_gain_db takes -12 … 12 dB"):
        plugin.set_control("master_gain_db", 13.0)


@pytest.mark.parametrize("parameters, line", [
    ({"volume": 1.0}, "has no parameter 'volume'; it has: .*master_gain_db"),
    ({"master_gain_db": 99.0}, "master_gain_db: .*out of range"),
])  # fmt: skip
def test_bad_parameters_of_a_vst3_are_refused_in_one_line(parameters: dict, line: str) -> None:
    with pytest.raises(EffectError, match=line) as refused:
        Vst3(vst3("ZamEQ2.vst3"), parameters, RATE, 1)
    assert "\n" not in str(refused.value)


def test_what_is_no_vst3_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.vst3").write_text("no machine code")
    for path, line in ((tmp_path / "text.vst3", "cannot be loaded as a VST3"), (tmp_path / "no.vst3", "no such VST3")):
        with pytest.raises(EffectError, match=line) as refused:
            Vst3(path, {}, RATE, 1)
        assert str(path) in str(refused.value) and "\n" not in str(refused.value)

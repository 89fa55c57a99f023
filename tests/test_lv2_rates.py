"""The LV2 plugin in a host whose rate is not the model's: the latency is a whole number of host samples, and exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deshift
from realtime.bundled import find_model
from tests.lv2_bundles import compiled, with_model
from tests.lv2_host import Heard, instance
from tests.plugin_files import delay_plugin, gain_plugin
from tests.signals import Audio, tone, voice

RATES = (44_100, 88_200, 96_000, 192_000, 22_050, 16_000)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("lv2") / "binary")


def _decibels(difference: Audio, of: Audio) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(difference**2)) / np.sqrt(np.mean(of**2)) + 1e-12))


def _shift_samples(heard: Audio, reference: Audio) -> float:
    """How much later `heard` is, to a fraction of a sample: the slope of the phase of the cross-spectrum."""
    window = np.hanning(len(heard))
    cross = np.fft.rfft(heard * window) * np.conj(np.fft.rfft(reference * window))
    strong = slice(1, len(cross) // 3)
    omega = 2 * np.pi * np.arange(len(cross)) / len(heard)
    weights = np.abs(cross[strong])
    phase = np.angle(cross[strong])
    return -float(np.sum(weights * phase * omega[strong]) / np.sum(weights * omega[strong] ** 2))


def _after_latency(heard: Heard, audio: Audio) -> tuple[Audio, Audio]:
    late = heard.latency_samples
    return heard.audio[0, late:], audio[: len(audio) - late]


@pytest.mark.parametrize("rate", RATES)
def test_the_bundled_model_sounds_as_deshift_process_at_any_rate(binary: Path, tmp_path: Path, rate: int) -> None:
    folder = with_model(binary, tmp_path / "voice.lv2")
    (folder / "model.onnx").write_bytes(find_model("voice_octave").read_bytes())
    audio = voice(rate, sample_rate=rate)
    with instance(folder, rate=rate, block=256) as plugin:
        heard = plugin.run(audio[None], [256])
    expected = deshift.load(folder / "model.onnx").process(audio, rate)
    ours, theirs = _after_latency(heard, expected)
    assert _decibels(ours - theirs, theirs) < -60
    assert (heard.misses, heard.faults) == (0, 0)


@pytest.mark.parametrize("rate", [*RATES, 8000, 48_001])
@pytest.mark.parametrize("delay", [0, 101], ids=["causal", "with lookahead"])
def test_the_reported_latency_is_exact_to_a_thousandth_of_a_sample(
    binary: Path, tmp_path: Path, rate: int, delay: int
) -> None:
    folder = with_model(binary, tmp_path / "aligned.lv2")
    (delay_plugin(folder / "model.onnx", delay) if delay else gain_plugin(folder / "model.onnx", gain=0.5))
    audio = voice(2 * rate, sample_rate=rate) + tone(0.21 * rate, 2 * rate, rate, 0.01)
    with instance(folder, rate=rate, block=64) as plugin:
        heard = plugin.run(audio[None], [64])
    ours, theirs = _after_latency(heard, audio)
    assert not heard.audio[0, : heard.latency_samples - rate // 50].any()  # the filters ring before an onset
    assert abs(_shift_samples(ours, theirs)) < 1e-3
    assert heard.misses == 0


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_blocks_of_any_size_give_the_same_samples_at_the_same_latency(binary: Path, tmp_path: Path, rate: int) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx", hop_samples=512)
    audio, heard = voice(rate // 2, sample_rate=rate)[None], []
    for sizes in ([1000], [1, 0, 65, 511, 513, 8193], [64]):
        with instance(folder, rate=rate, block=1000) as plugin:
            heard.append(plugin.run(audio, sizes))
    assert len({one.latency_samples for one in heard}) == 1
    np.testing.assert_array_equal(heard[1].audio, heard[0].audio)
    np.testing.assert_array_equal(heard[2].audio, heard[0].audio)
    assert [one.misses for one in heard] == [0, 0, 0]


def test_a_new_rate_while_another_instance_plays_disturbs_neither(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx", gain=1.0)
    audio = voice(30_000)[None]
    with instance(folder, block=64) as first:
        begun = first.run(audio[:, :15_000], [64])
        with instance(folder, rate=44_100, block=64) as second:
            other = second.run(audio, [64])
        rest = first.run(audio[:, 15_000:], [64])
    whole = np.concatenate([begun.audio, rest.audio], axis=1)
    np.testing.assert_allclose(whole[:, rest.latency_samples :], audio[:, : -rest.latency_samples], rtol=0, atol=1e-9)
    ours, theirs = _after_latency(other, audio[0])
    assert abs(_shift_samples(ours, theirs)) < 1e-3


def test_bypass_is_bit_equal_at_another_rate_too(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx")
    audio = voice(20_000)[None]
    with instance(folder, rate=44_100, block=64) as plugin:
        plugin.set(enabled=0)
        heard = plugin.run(audio, [65])
    np.testing.assert_array_equal(heard.audio[:, heard.latency_samples :], audio[:, : -heard.latency_samples])


def test_a_second_activation_sounds_like_the_first_at_another_rate(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx")
    audio = voice(20_000)[None]
    with instance(folder, rate=44_100, block=64) as plugin:
        first = plugin.run(audio, [65])
        plugin.deactivate()
        plugin.activate()
        np.testing.assert_array_equal(plugin.run(audio, [512]).audio, first.audio)

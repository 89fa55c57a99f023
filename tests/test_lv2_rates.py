"""The LV2 plugin in a host whose rate is not the model's: the latency is a whole number of host samples, and exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deshift
from realtime.bundled import find_model
from tests.lv2_bundles import compiled, with_model
from tests.lv2_host import Heard, Instance, instance
from tests.plugin_files import delay_plugin, gain_plugin
from tests.signals import Audio, chirp, tone, voice

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


def _below(edge_hz: float, audio: Audio, rate: int) -> Audio:
    """Without what lies above the edge: a raised cosine that ends 5 % above it, in the spectrum of the whole."""
    spectrum, frequency_hz = np.fft.rfft(audio), np.fft.rfftfreq(len(audio), 1 / rate)
    kept = np.clip(1 - (frequency_hz - edge_hz) / (0.05 * edge_hz), 0, 1)
    filtered: Audio = np.fft.irfft(spectrum * (0.5 - 0.5 * np.cos(np.pi * kept)), len(audio)).astype(np.float32)
    return filtered


def _differs_decibels(folder: Path, audio: Audio, rate: int) -> float:
    with instance(folder, rate=rate, block=256) as plugin:
        heard = plugin.run(audio[None], [256])
    assert (heard.misses, heard.faults) == (0, 0)
    ours, theirs = _after_latency(heard, deshift.load(folder / "model.onnx").process(audio, rate))
    return _decibels(ours - theirs, theirs)


@pytest.fixture
def voice_octave(binary: Path, tmp_path: Path) -> Path:
    folder = with_model(binary, tmp_path / "voice.lv2")
    (folder / "model.onnx").write_bytes(find_model("voice_octave").read_bytes())
    return folder


@pytest.mark.parametrize("rate", RATES)
def test_the_bundled_model_sounds_as_deshift_process_at_any_rate(voice_octave: Path, rate: int) -> None:
    edge_hz = 0.42 * min(rate, 48_000)  # where the converters' own filters begin: 18.5 kHz at 44.1
    assert _differs_decibels(voice_octave, _below(edge_hz, voice(rate, sample_rate=rate), rate), rate) < -60


@pytest.mark.parametrize("rate", RATES)
def test_where_the_input_reaches_the_edge_of_the_band_the_converters_filters_are_heard(
    voice_octave: Path, rate: int
) -> None:
    """They begin at 85 % of the band and those of `deshift process` at 93 %: breath at 20 kHz is softer."""
    assert -40 < _differs_decibels(voice_octave, voice(rate, sample_rate=rate), rate) < -30


@pytest.mark.parametrize(
    "rate, most_ms",
    [(44_100, 25), (88_200, 24), (96_000, 24), (192_000, 24), (22_050, 39), (16_000, 50)],
)
def test_another_rate_adds_little_to_two_hops_or_a_hop_and_a_block(
    voice_octave: Path, rate: int, most_ms: float
) -> None:
    with instance(voice_octave, rate=rate, block=512) as plugin:
        latency_ms = 1000 * plugin.run(np.zeros((1, 1), np.float32), [1]).latency_samples / rate
    wait_ms = 1000 * max(512 / rate, 512 / 48_000)  # two hops are 21.3 ms; a long block comes in the place of one
    assert 1000 * 512 / 48_000 + wait_ms < latency_ms < most_ms


@pytest.mark.parametrize("rate", RATES)
def test_a_sound_comes_back_as_it_went_in_however_often_the_converters_buffers_turn(
    binary: Path, tmp_path: Path, rate: int
) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx", gain=1.0, hop_samples=512)
    audio = chirp(50, 0.35 * min(rate, 48_000), 6 * rate, rate)
    with instance(folder, rate=rate, block=512) as plugin:
        heard = plugin.run(audio[None], [778, 408, 65])
    inside = slice(rate // 50, -rate // 50)  # the filters ring where the sound begins and ends
    ours, theirs = (part[inside] for part in _after_latency(heard, audio))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


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
    ringing = int(100 * max(1, rate / 48_000))  # the filters' before an onset: what they look ahead
    assert not heard.audio[0, : heard.latency_samples - ringing].any()
    assert abs(_shift_samples(ours, theirs)) < 1e-3
    assert heard.misses == 0


@pytest.mark.parametrize("rate", [*RATES, 8000, 48_001])
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


def test_two_channels_at_another_rate_are_two_single_ones(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "delay.lv2")
    delay_plugin(folder / "model.onnx", 101)
    audio = np.stack([voice(20_000, sample_rate=44_100), tone(700, 20_000, 44_100)])
    with instance(folder, 2, rate=44_100, block=64) as plugin:
        both = plugin.run(audio, [65])
    for channel in range(2):
        with instance(folder, rate=44_100, block=64) as plugin:
            alone = plugin.run(audio[channel : channel + 1], [65])
        assert alone.latency_samples == both.latency_samples
        np.testing.assert_allclose(both.audio[channel], alone.audio[0], rtol=0, atol=1e-6)


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


def test_a_rate_beyond_what_can_be_converted_makes_no_instance_and_one_line(
    binary: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx", sample_rate=1000)
    Instance(folder, rate=256_000).close()
    capfd.readouterr()
    with pytest.raises(RuntimeError, match="instantiate gave NULL"):
        Instance(folder, rate=257_000)
    (line,) = capfd.readouterr().err.splitlines()
    assert "no rate conversion from 257000 to 1000 Hz" in line

"""Models behind the vocoder: what shifts back is the host's own code in time, and no such model is run without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.contract import ContractError
from realtime.evaluate.systems import PluginSystem
from realtime.live.assemble import load_chain
from realtime.live.settings import LiveSettings
from realtime.model import load_model
from realtime.plugins.base import Samples, Stream
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.preset_entries import ModelEntry, PresetError, VocoderEntry
from realtime.plugins.presets import Preset
from realtime.plugins.prestage import aligned
from realtime.plugins.vocoder import Vocoder
from realtime.quality.prestage import PRESTAGES, PrestageError, prestage_delay, shift_back
from tests import plugin_files as files
from tests.signals import SAMPLE_RATE, chirp, click, noise, voice

RECIPE = {"name": "restore", "prestage": "vocoder1024"}


def streamed(audio: Samples, semitones: float, window: int = 1024, block: int = 513) -> Samples:
    """``(C, N)`` as a host hears it: through the plugin in blocks of any size, its stated latency taken off."""
    stream = Stream(Vocoder(SAMPLE_RATE, len(audio), semitones, window))
    fed = np.pad(audio, ((0, 0), (0, window)))
    heard = [stream.process(fed[:, at : at + block]) for at in range(0, fed.shape[1], block)]
    return np.concatenate(heard, axis=1)[:, window:]


@settings(max_examples=10, deadline=None)
@given(
    frames=st.sampled_from([1, 65, 511, 513, 8193]),
    channels=st.integers(1, 2),
    semitones=st.floats(-12, 12),
    prestage=st.sampled_from(sorted(PRESTAGES)),
)
def test_what_training_shifts_back_is_bit_for_bit_what_the_host_streams(
    frames: int, channels: int, semitones: float, prestage: str
) -> None:
    audio = noise(frames * channels, frames).reshape(channels, frames)
    expected = streamed(audio, -semitones, PRESTAGES[prestage])
    assert np.array_equal(shift_back(audio, semitones, prestage), expected)


def test_nothing_in_is_nothing_out() -> None:
    assert shift_back(np.zeros((1, 0), np.float32), 12, "vocoder1024").shape == (1, 0)


@pytest.mark.parametrize("prestage", sorted(PRESTAGES))
@pytest.mark.parametrize(
    "audio", [chirp(100, 9000, 8193), click(2001, 8193), voice(8193)], ids=["chirp", "click", "voice"]
)
def test_what_was_not_shifted_keeps_its_place_to_the_sample(audio: Samples, prestage: str) -> None:
    heard = shift_back(audio[None], 0.0, prestage)[0]
    assert np.argmax(np.correlate(heard, audio, "full")) == len(audio) - 1
    np.testing.assert_allclose(heard, audio, atol=1e-6)


@pytest.mark.parametrize("semitones", [12.1, -13.0, float("nan")])
def test_a_shift_beyond_the_vocoder_is_refused(semitones: float) -> None:
    with pytest.raises(PrestageError, match="-12 to 12 semitones"):
        shift_back(noise(100)[None], semitones, "vocoder1024")


def test_an_unknown_prestage_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PrestageError, match="unknown pre-stage 'echo': choose vocoder512, vocoder1024, vocoder2048"):
        prestage_delay("echo")


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """A model that halves what the vocoder gives it."""
    return files.gain_plugin(tmp_path / "halves.onnx", 0.5, hop_samples=512, recipe=RECIPE)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments])


def test_info_says_what_to_put_before_the_model(halves: Path) -> None:
    assert "put the vocoder (1024) at -12 semitones before it" in command("info", halves).output
    facts = json.loads(command("info", halves, "--json").output)
    assert (facts["recipe"]["prestage"], facts["latency_samples"]) == ("vocoder1024", 512)


def test_info_says_nothing_of_the_kind_of_a_model_that_takes_the_shifted_sound(tmp_path: Path) -> None:
    assert "before it" not in command("info", files.gain_plugin(tmp_path / "bare.onnx")).output


@pytest.mark.parametrize("kind", ["stream", "offline"])
@pytest.mark.parametrize("frames", [0, 1, 65, 511, 513, 8193])
def test_a_recording_goes_through_the_vocoder_and_the_model_and_keeps_its_place(
    tmp_path: Path, kind: str, frames: int
) -> None:
    path = files.gain_plugin(tmp_path / "halves.onnx", 0.5, hop_samples=512, recipe=RECIPE, kind=kind)
    audio = np.stack([voice(frames, 150), noise(frames)])
    heard = deshift.load(path).process(audio.T, SAMPLE_RATE).T
    assert heard.shape == audio.shape
    np.testing.assert_allclose(heard, 0.5 * streamed(audio, -12.0), atol=1e-6)


def test_a_member_that_fails_ends_the_recording_instead_of_leaving_the_raw_sound_in_it(halves: Path) -> None:
    plugin = PluginFile(halves)

    def fail(block: Samples) -> Samples:
        raise RuntimeError("out of memory")

    plugin.process = fail  # type: ignore[method-assign]
    with pytest.raises(ContractError, match=r"test plugin failed: .*out of memory"):
        aligned(plugin).process(noise(513)[None])


def test_a_second_recording_starts_from_silence(halves: Path) -> None:
    model, audio = deshift.load(halves), voice(9000)
    first = model.process(audio, SAMPLE_RATE)
    assert np.array_equal(model.process(audio, SAMPLE_RATE), first)


def test_a_stream_and_a_live_chain_have_the_latency_of_both_and_sound_alike(halves: Path) -> None:
    stream = load_model(halves).stream()
    assert stream.latency_samples == 512 + prestage_delay("vocoder1024") == 1408
    audio = voice(20_000)
    heard = stream.process(audio)
    np.testing.assert_allclose(heard[1408:], 0.5 * streamed(audio[None], -12.0)[0, :-1408], atol=1e-6)
    chain = load_chain(LiveSettings(model=str(halves), compare=True))
    assert chain.chain.names == ("vocoder", "test plugin")
    assert chain.chain.latency_samples == 1408
    assert chain.facts is not None and chain.inverse is not None
    assert np.array_equal(Stream(chain.chain).process(audio), heard)


def test_the_vocoder_shifts_back_by_the_middle_of_a_trained_range(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "range.onnx", hop_samples=512, recipe=RECIPE, shift_semitones=(-2.0, 7.0))
    chain = load_chain(LiveSettings(model=str(path))).chain
    assert chain.control_values("vocoder") == {"semitones": -2.5}


def test_evaluate_tells_the_vocoder_each_shift_and_counts_both_latencies(halves: Path) -> None:
    system, audio = PluginSystem(halves, "halves"), voice(9000)
    assert system.latency_ms == pytest.approx(1000 * 1408 / SAMPLE_RATE)
    assert "behind the host's vocoder (1024)" in system.about
    for semitones in (12.0, -5.0, 12.0):
        restored = system.restore(audio, semitones)
        assert restored is not None
        np.testing.assert_allclose(restored, 0.5 * streamed(audio[None], -semitones)[0], atol=1e-6)
    assert system.restore(audio, 13.0) is None


def test_a_preset_that_would_run_the_model_without_a_vocoder_is_refused(halves: Path) -> None:
    model, vocoder = ModelEntry(str(halves)), VocoderEntry()
    for entries in ((model,), (model, vocoder)):
        with pytest.raises(
            PresetError, match=r"plugins\[0\]\.model: .*put the vocoder \(1024\) at -12 semitones before"
        ):
            Preset("bare", entries).build()
    chain = Preset("whole", (vocoder, model)).build()
    assert chain.latency_samples == 1408


@pytest.mark.parametrize("prestage", ["echo", "vocoder", "vocoder0", 3, ["vocoder1024"]])
def test_a_file_with_a_prestage_of_another_kind_is_refused(tmp_path: Path, prestage: Any) -> None:
    with pytest.raises(ContractError, match=r"there is no pre-stage .*: update deshift"):
        files.gain_plugin(tmp_path / "odd.onnx", recipe={"prestage": prestage})


@pytest.mark.parametrize(
    "changes, told",
    [({"shift_semitones": (14.0, 16.0)}, "takes -15"), ({"recipe": {"prestage": "vocoder999"}}, "no window of 999")],
)
def test_a_vocoder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = files.gain_plugin(tmp_path / "far.onnx", hop_samples=512, **({"recipe": RECIPE} | changes))
    with pytest.raises(ContractError, match=told) as caught:
        load_model(path).process(noise(100), SAMPLE_RATE)
    assert "\n" not in str(caught.value)
    with pytest.raises(ContractError, match=told):
        load_chain(LiveSettings(model=str(path)))

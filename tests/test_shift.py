"""The shift to undo: told on the command line, in Python and live, and whatever follows it follows its value of now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import deshift
from realtime.contract import ContractError, Control
from realtime.evaluate.systems import PluginSystem
from realtime.live.assemble import load_chain
from realtime.live.path import Path as LivePath
from realtime.live.settings import LiveSettings
from realtime.plugins.base import Samples
from realtime.plugins.preset_entries import EffectEntry, ModelEntry, VocoderEntry
from realtime.plugins.presets import Preset, save_preset
from realtime.plugins.vocoder import Vocoder
from realtime.quality.pitch import f0_track
from realtime.quality.prestage import shift_back
from realtime.shift import ShiftError, set_shift, shift_control, undone_shift
from realtime.trust import read_plugin_file
from realtime.validate_parts import BareGraph
from realtime.validate_stream import check_states
from tests import plugin_files as files
from tests.signals import SAMPLE_RATE, noise, voice

LARGEST_SHARE = 1e-4  # of the power: between the vocoder in float32 and that of numpy


@pytest.fixture
def undoes(tmp_path: Path) -> Path:
    """A model that undoes what it is told to, and halves it."""
    return files.undoing_plugin(tmp_path / "undoes.onnx", 0.5)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments])


def undone(audio: Samples, semitones: float) -> Samples:
    """What the model must give of ``(N,)``: numpy's vocoder, times a half."""
    return 0.5 * shift_back(audio[None], semitones, "vocoder1024")[0]


def is_alike(heard: Samples, expected: Samples) -> bool:
    """Whether the difference lies 40 dB below."""
    power, rest = (float(np.sum(np.square(part, dtype=np.float64))) for part in (expected, heard - expected))
    return heard.shape == expected.shape and rest <= LARGEST_SHARE * power


# -- Python


@pytest.mark.parametrize("samples", [0, 1, 65, 511, 513, 8193])
@pytest.mark.parametrize("semitones", [12.0, -5.0, 0.0])
def test_a_model_undoes_what_it_was_told_and_keeps_its_place(undoes: Path, samples: int, semitones: float) -> None:
    audio = voice(samples, 200)
    heard = deshift.load(undoes, semitones=semitones).process(audio, SAMPLE_RATE)
    assert heard.shape == audio.shape
    assert is_alike(heard, undone(audio, semitones))


def test_another_shift_is_told_later_and_a_new_recording_starts_from_silence(undoes: Path) -> None:
    model, audio = deshift.load(undoes, semitones=-7), voice(9000)
    first = model.process(audio, SAMPLE_RATE)
    model.set_shift(12)
    assert is_alike(model.process(audio, SAMPLE_RATE), undone(audio, 12))
    assert model.undone_shift == (12, 12)
    model.set_shift(-7)
    assert np.array_equal(model.process(audio, SAMPLE_RATE), first)


def test_a_stream_begins_with_the_told_shift_and_is_turned_by_its_plugin(undoes: Path) -> None:
    audio, latency = voice(20_000), 1408
    stream = deshift.load(undoes, semitones=12).stream()
    assert stream.latency_samples == latency
    heard = stream.process(audio)[latency:]
    assert is_alike(heard, undone(audio, 12)[:-latency])
    turned = deshift.load(undoes, semitones=0).stream()
    turned.plugin.set_control("semitones", 12)  # type: ignore[attr-defined]
    assert np.array_equal(turned.process(audio)[latency:], heard)


def test_what_is_not_told_is_refused_before_it_silently_does_nothing(undoes: Path) -> None:
    model = deshift.load(undoes)
    for use in (lambda: model.process(noise(100), SAMPLE_RATE), model.stream):
        with pytest.raises(
            ShiftError, match=r"undoes must be told the shift to undo, -12 … \+12 .*semitones=N"
        ) as told:
            use()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("semitones", [12.5, -13.0, float("nan"), float("inf")])
def test_a_shift_out_of_range_is_answered_with_the_range(undoes: Path, semitones: float) -> None:
    with pytest.raises(ShiftError, match=r"undoes shifts of -12 … \+12 semitones, not"):
        deshift.load(undoes, semitones=semitones)


def test_a_model_of_one_shift_takes_none_and_says_which_it_undoes(tmp_path: Path) -> None:
    model = deshift.load(files.gain_plugin(tmp_path / "one.onnx"))
    with pytest.raises(ShiftError, match=r"takes no shift to undo: it undoes what it was trained for, \+12 semitones"):
        model.set_shift(12)
    assert (model.untold, model.undone_shift) == ("", (12, 12))


def test_a_default_other_than_0_needs_no_word(tmp_path: Path) -> None:
    control = Control("semitones", "semitones", -12.0, 12.0, 7.0)
    model = deshift.load(files.undoing_plugin(tmp_path / "seven.onnx", controls=(control,)))
    audio = voice(9000)
    assert (model.untold, model.undone_shift) == ("", (7, 7))
    assert is_alike(model.process(audio, SAMPLE_RATE), 2 * undone(audio, 7))


def test_a_whole_file_model_is_told_too(tmp_path: Path) -> None:
    nodes = [files.helper.make_node("Mul", ["audio", "control_semitones"], ["audio_out"])]
    model = files.make_model(nodes, [], hop="samples", controls=("semitones",))
    controls = (Control("semitones", "semitones", -12.0, 12.0, 0.0),)
    facts = files.make_facts(model, kind="offline", controls=controls)
    path, audio = files.save(tmp_path / "whole.onnx", model, facts.to_metadata()), noise(700)
    loaded = deshift.load(path, semitones=2)
    np.testing.assert_allclose(loaded.process(audio, SAMPLE_RATE), 2 * audio, atol=1e-6)
    loaded.set_shift(-3)
    np.testing.assert_allclose(loaded.process(audio, SAMPLE_RATE), -3 * audio, atol=1e-6)


# -- the file


def test_a_file_whose_vocoder_stood_outside_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"made by an earlier deshift.*export it again"):
        files.gain_plugin(tmp_path / "old.onnx", recipe={"prestage": "vocoder1024"})


def test_states_are_checked_with_the_controls_at_their_ends_too(undoes: Path) -> None:
    file = read_plugin_file(undoes)
    check = check_states(file, BareGraph(file, 1))  # at 0 semitones alone, no state of either direction is heard
    assert check.passed and {"state_vocoder_up_power", "state_vocoder_down_power"} <= {
        s.input_name for s in file.states
    }
    result = command("info", undoes, "--validate")
    assert "controls at their ends too; without effect: none" in result.output and result.exit_code == 0


def test_info_says_that_a_control_tells_the_shift(undoes: Path) -> None:
    assert "-12 … +12 semitones, as its control semitones tells it" in command("info", undoes).output


def test_evaluate_tells_each_interval_and_counts_the_files_own_latency(undoes: Path) -> None:
    system, audio = PluginSystem(undoes, "undoes"), voice(9000)
    assert system.latency_ms == pytest.approx(1000 * 1408 / SAMPLE_RATE)
    for semitones in (12.0, -5.0, 12.0):
        restored = system.restore(audio, semitones)
        assert restored is not None
        assert is_alike(restored, undone(audio, semitones))
    assert system.restore(audio, 13.0) is None


# -- process


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "voice.wav", voice(24_000), SAMPLE_RATE, subtype="FLOAT")
    return tmp_path / "voice.wav"


def preset_of(path: Path, *entries: Any) -> Path:
    save_preset(path, Preset("test", entries, path.parent))
    return path


def test_process_undoes_the_shift_that_it_is_told_live_too(undoes: Path, recording: Path) -> None:
    audio = soundfile.read(recording, dtype="float32")[0]
    chain = preset_of(recording.with_name("chain.json"), EffectEntry("gain"), ModelEntry(str(undoes)))
    for ways in (("-m", undoes), ("-m", undoes, "--as-live"), ("--preset", chain)):
        result = command("process", recording, *ways, "--semitones", "-5", "--overwrite")
        assert result.exit_code == 0, result.output
        heard = soundfile.read(recording.with_name("voice_deshifted.wav"), dtype="float32")[0]
        faded = slice(2000, None)  # a live session fades in
        assert is_alike(heard[faded], undone(audio, -5)[faded])


def test_process_says_what_to_type_where_the_shift_was_not_told(undoes: Path, recording: Path) -> None:
    chain = preset_of(recording.with_name("chain.json"), ModelEntry(str(undoes)))
    for ways in (("-m", undoes), ("-m", undoes, "--as-live"), ("--preset", chain)):
        result = command("process", recording, *ways)
        assert result.exit_code == 1 and len(result.output.splitlines()) == 1
        assert "must be told the shift to undo" in result.output and "add --semitones N, 12 for" in result.output
    assert not recording.with_name("voice_deshifted.wav").exists()


def test_a_preset_that_tells_the_shift_needs_no_option(undoes: Path, recording: Path) -> None:
    chain = preset_of(recording.with_name("chain.json"), ModelEntry(str(undoes), {"semitones": -5.0}))
    assert command("process", recording, "--preset", chain).exit_code == 0


@pytest.mark.parametrize(
    "entry, told",
    [
        (
            lambda folder: ModelEntry(str(files.gain_plugin(folder / "a.onnx"))),
            "takes no shift to undo: it undoes what",
        ),
        (lambda folder: VocoderEntry(), "this chain takes no shift to undo: it undoes none"),
    ],
)
def test_a_chain_without_the_control_takes_no_semitones(tmp_path: Path, recording: Path, entry: Any, told: str) -> None:
    chain = preset_of(tmp_path / "chain.json", entry(tmp_path))
    result = command("process", recording, "--preset", chain, "--semitones", 12)
    assert result.exit_code == 1 and len(result.output.splitlines()) == 1 and told in result.output


def test_the_option_explains_itself_where_the_model_does_not_reach_so_far(undoes: Path, recording: Path) -> None:
    result = command("process", recording, "-m", undoes, "--semitones", 13)
    assert result.exit_code == 1 and "undoes shifts of -12 … +12 semitones, not +13" in result.output


def test_silence_is_rendered_to_the_same_length_whatever_is_undone(undoes: Path) -> None:
    assert not deshift.load(undoes, semitones=12).process(np.zeros((1000, 2), np.float32), 44_100).any()


# -- what follows


def test_the_inverse_follows_the_control_from_hop_to_hop(undoes: Path) -> None:
    loaded = load_chain(LiveSettings(model=str(undoes), semitones=12, compare=True))
    assert isinstance(loaded.inverse, Vocoder)
    assert loaded.inverse.semitones == -12
    told = loaded.to_json_object()
    assert (told["shift_control"], told["undone_semitones"]) == ("0.semitones", [12, 12])
    path = LivePath(loaded.chain, loaded.inverse)
    path.set_control("0.semitones", -5)
    assert loaded.inverse.semitones == 5
    path.set_control("0.bypass", 1)
    assert loaded.inverse.semitones == 5
    audio = voice(48_000 // 512 * 512, 180)
    heard = np.concatenate([np.stack([r[0] for r in path.process(hop)]) for hop in np.split(audio[None], 93, 1)], 1)
    raw, inverse = (f0_track(row[4096:], SAMPLE_RATE).f0_hz for row in heard[:2])
    voiced = np.isfinite(raw) & np.isfinite(inverse)
    assert np.median(12 * np.log2(inverse[voiced] / raw[voiced])) == pytest.approx(5, abs=0.2)


def test_a_vocoder_of_the_chain_with_a_control_of_the_same_name_is_not_taken_for_it(undoes: Path) -> None:
    preset = Preset("both", (VocoderEntry(-3.0), ModelEntry(str(undoes), {"semitones": 4.0})))
    chain = preset.build()
    control = shift_control(chain)
    assert control is not None and control.name == "1.semitones"
    set_shift(chain, 7)
    assert undone_shift(chain) == (7, 7) and chain.control_values(0) == {"semitones": -3.0}


def test_a_models_of_a_range_without_control_is_undone_in_its_middle(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "range.onnx", hop_samples=512, shift_semitones=(-2.0, 7.0))
    inverse = load_chain(LiveSettings(model=str(path), compare=True)).inverse
    assert inverse is not None and inverse.semitones == -2.5

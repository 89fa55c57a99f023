"""`deshift process`: files and folders in, files of the same length, rate and channels out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from click.testing import CliRunner, Result

import deshift
from tests import plugin_files as files
from tests import signals

RATE = files.RATE


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments])


def summary(*arguments: object) -> dict:
    return json.loads(command("process", "--json", *arguments).stdout)


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = {".ogg": "OGG", ".opus": "OGG", ".aif": "AIFF"}.get(path.suffix.lower())
    subtype = subtype or {".ogg": "VORBIS", ".opus": "OPUS"}.get(path.suffix.lower())
    soundfile.write(path, audio, rate, subtype, format=form)
    return path


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def stereo(frames: int, rate: int = RATE) -> np.ndarray:
    return np.stack([signals.tone(440, frames, rate), signals.chirp(100, 3000, frames, rate)], axis=1)


def snr_db(heard: np.ndarray, expected: np.ndarray) -> float:
    error = np.sum(np.square(heard - expected, dtype=np.float64))
    return float(10 * np.log10(np.sum(np.square(expected, dtype=np.float64)) / max(error, 1e-30)))


@pytest.fixture(scope="module")
def delay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that waits 1000 samples and changes nothing: the result must be the input itself."""
    return files.delay_plugin(tmp_path_factory.mktemp("model") / "delay.onnx", 1000)


@pytest.fixture(scope="module")
def gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.gain_plugin(tmp_path_factory.mktemp("model") / "gain.onnx", 0.5)


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193, 70_001])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_the_result_is_delay_compensated_to_the_sample(tmp_path: Path, delay: Path, frames: int, subtype: str) -> None:
    source = write(tmp_path / "in.wav", stereo(frames), subtype=subtype)
    assert command("process", source, "-m", delay).exit_code == 0
    np.testing.assert_allclose(read(tmp_path / "in_deshifted.wav"), read(source), rtol=0, atol=1e-9)
    assert soundfile.info(tmp_path / "in_deshifted.wav").subtype == subtype


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 96000, 192_000])
def test_any_rate_comes_back_at_its_own_rate_and_place(tmp_path: Path, delay: Path, rate: int) -> None:
    audio = signals.harmonic(220, 2 * rate // 3 + 7, rate)
    source = write(tmp_path / "in.wav", audio, rate, "FLOAT")
    assert command("process", source, "-m", delay).exit_code == 0
    heard, edge = read(tmp_path / "in_deshifted.wav"), rate // 50
    assert heard.shape == audio.shape
    assert snr_db(heard[edge:-edge], audio[edge:-edge]) > 80


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_every_channel_is_processed_by_itself(tmp_path: Path, channels: int) -> None:
    model = files.one_pole_plugin(tmp_path / "one_pole.onnx")
    audio = np.stack([signals.noise(3000, seed) for seed in range(channels)], axis=1)
    source = write(tmp_path / "in.wav", audio, subtype="FLOAT")
    assert command("process", source, "-m", model).exit_code == 0
    heard = soundfile.read(tmp_path / "in_deshifted.wav", dtype="float32", always_2d=True)[0]
    np.testing.assert_allclose(heard, files.one_pole_reference(audio.T).T, atol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.AIF", "ä ö 音.wav"])
@pytest.mark.parametrize("frames", [1, 8193, 48_000])
def test_every_format_keeps_length_rate_channels_and_sample_type(
    tmp_path: Path, delay: Path, name: str, frames: int
) -> None:
    source = write(tmp_path / "möglich" / name, stereo(frames))
    done = command("process", source, "-m", delay)
    assert done.exit_code == 0, done.output
    before = soundfile.info(source)
    target = source.with_name(f"{source.stem}_deshifted{source.suffix}")
    after, heard = soundfile.info(target), read(target)
    assert heard.shape == (frames, 2)
    assert (after.frames, after.samplerate, after.channels) == (before.frames, before.samplerate, before.channels)
    assert (after.format, after.subtype) == (before.format, before.subtype)
    if frames == 48_000:
        assert snr_db(heard, read(source)) > 15  # coded twice, but at the same place: half a wave off would be below 0


def test_an_offline_model_gives_what_the_whole_file_at_once_would(tmp_path: Path) -> None:
    model = files.centred_plugin(tmp_path / "centred.onnx")
    audio = signals.noise(300_001)
    source = write(tmp_path / "in.wav", audio, subtype="FLOAT")
    assert command("process", source, "-m", model).exit_code == 0
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    whole = session.run(None, {"audio": np.pad(audio, (0, -len(audio) % 8))[None, None]})[0][0, 0, : len(audio)]
    np.testing.assert_allclose(read(tmp_path / "in_deshifted.wav"), whole, atol=1e-6)


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_the_mix_is_aligned_with_the_original(tmp_path: Path, delay: Path, mix: float, rate: int) -> None:
    audio = signals.harmonic(300, rate // 2, rate)
    source = write(tmp_path / "in.wav", audio, rate, "FLOAT")
    assert command("process", source, "-m", delay, "--mix", mix).exit_code == 0
    assert snr_db(read(tmp_path / "in_deshifted.wav")[999:-999], audio[999:-999]) > 80
    if mix == 0:
        np.testing.assert_array_equal(read(tmp_path / "in_deshifted.wav"), audio)


def test_the_mix_weighs_original_and_result(tmp_path: Path, gain: Path) -> None:
    audio = signals.noise(1000)
    source = write(tmp_path / "in.wav", audio, subtype="FLOAT")
    assert command("process", source, "-m", gain, "--mix", 0.5).exit_code == 0
    np.testing.assert_allclose(read(tmp_path / "in_deshifted.wav"), 0.75 * audio, rtol=1e-6)


def test_a_mix_beyond_one_is_refused(tmp_path: Path, gain: Path) -> None:
    assert "0<=x<=1" in command("process", "x.wav", "-m", gain, "--mix", 1.5).output


def test_a_folder_is_searched_and_its_structure_kept(tmp_path: Path, gain: Path) -> None:
    for name in ("b.wav", "deep/er/a.flac", "deep/a.wav"):
        write(tmp_path / "in" / name, signals.tone(440, 1000))
    (tmp_path / "in/notes.txt").write_text("not audio")
    done = summary(tmp_path / "in", "-m", gain, "-o", tmp_path / "out")
    assert (done["processed"], done["failed"]) == (3, 0)
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"b_deshifted.wav", "deep/er/a_deshifted.flac", "deep/a_deshifted.wav"}


def test_own_results_are_not_processed_again(tmp_path: Path, gain: Path) -> None:
    write(tmp_path / "a.wav", signals.tone(440, 1000))
    assert summary(tmp_path, "-m", gain)["processed"] == 1
    again = summary(tmp_path, "-m", gain, "--overwrite")
    assert [Path(entry["input"]).name for entry in again["files"]] == ["a.wav"]


def test_nothing_is_overwritten_unless_told(tmp_path: Path, gain: Path) -> None:
    source = write(tmp_path / "a.wav", signals.tone(440, 1000))
    (tmp_path / "a_deshifted.wav").write_bytes(b"precious")
    done = command("process", source, "-m", gain)
    assert done.exit_code == 1
    assert "a_deshifted.wav: exists already; --overwrite replaces it" in done.stderr
    assert (tmp_path / "a_deshifted.wav").read_bytes() == b"precious"
    assert command("process", source, "-m", gain, "--overwrite").exit_code == 0
    assert len(read(tmp_path / "a_deshifted.wav")) == 1000


def test_the_input_is_never_replaced_by_its_own_result(tmp_path: Path, gain: Path) -> None:
    source = write(tmp_path / "a.wav", signals.tone(440, 1000))
    before = source.read_bytes()
    done = command("process", source, "-m", gain, "-o", source, "--overwrite")
    assert done.exit_code == 1 and "would replace the input" in done.stderr
    assert source.read_bytes() == before


def test_two_inputs_with_one_target_do_not_replace_each_other(tmp_path: Path, gain: Path) -> None:
    for folder in ("x", "y"):
        write(tmp_path / folder / "a.wav", signals.tone(440, 1000))
    done = summary(tmp_path / "x", tmp_path / "y", tmp_path / "x", "-m", gain, "-o", tmp_path / "out", "--overwrite")
    assert (done["processed"], done["failed"]) == (1, 1)
    assert "would replace that of" in done["files"][1]["error"]


@pytest.mark.parametrize("target, format, subtype", [("b.flac", "FLAC", "PCM_24"), ("b.ogg", "OGG", "VORBIS")])
def test_the_target_s_name_decides_its_format(
    tmp_path: Path, delay: Path, target: str, format: str, subtype: str
) -> None:
    source = write(tmp_path / "a.wav", signals.tone(440, 1000), subtype="FLOAT")
    assert command("process", source, "-m", delay, "-o", tmp_path / "new" / target).exit_code == 0
    written = soundfile.info(tmp_path / "new" / target)
    assert (written.format, written.subtype, written.frames) == (format, subtype, 1000)


def test_the_command_prints_how_fast_it_was(tmp_path: Path, gain: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, signals.tone(440, 48_000))
    done = command("process", tmp_path, "-m", gain)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("× real time" in line and "1.00 s in" in line for line in lines[:2])
    assert lines[2].startswith("2 files done, 0 failed: 2.00 s in")
    assert done.stderr == ""


def test_the_json_summary_has_every_file_and_nothing_else_is_on_stdout(tmp_path: Path, gain: Path) -> None:
    write(tmp_path / "a.wav", signals.tone(440, 24_000))
    (tmp_path / "b.wav").write_bytes(b"not audio at all")
    done = summary(tmp_path, "-m", gain)
    assert (done["model"], done["processed"], done["failed"]) == ("test plugin", 1, 1)
    good, bad = done["files"]
    assert good["input"].endswith("a.wav") and good["output"].endswith("a_deshifted.wav") and good["error"] is None
    assert good["seconds"] == 0.5 and good["warnings"] == []
    assert (
        good["realtime_factor"] == pytest.approx(good["processing_seconds"] / 0.5, abs=1e-5) and good["realtime_factor"]
    )
    assert bad["output"] is None and "not an audio file" in bad["error"]


def test_clipped_samples_are_counted_and_told(tmp_path: Path) -> None:
    model = files.gain_plugin(tmp_path / "loud.onnx", 4.0)
    audio = np.array([0.2, 0.25, 0.3, -0.3, 0.9], dtype=np.float32)
    done = summary(write(tmp_path / "a.wav", audio), "-m", model)
    assert done["files"][0]["warnings"] == ["3 samples were beyond full scale and were clipped (PCM_16)"]
    assert np.abs(read(tmp_path / "a_deshifted.wav") - [0.8, 1, 1, -1, 1]).max() < 1e-4
    done = summary(write(tmp_path / "b.wav", audio, subtype="FLOAT"), "-m", model)
    assert done["files"][0]["warnings"] == []


def test_results_have_the_permissions_of_any_new_file(tmp_path: Path, gain: Path) -> None:
    source = write(tmp_path / "a.wav", signals.tone(440, 100))
    (tmp_path / "new").touch()
    assert command("process", source, "-m", gain).exit_code == 0
    assert (tmp_path / "a_deshifted.wav").stat().st_mode == (tmp_path / "new").stat().st_mode

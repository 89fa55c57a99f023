"""Bad input: each gets one clear line that names the file, nothing is lost, and the other files are still processed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from click.testing import CliRunner, Result

import deshift
from tests import plugin_files as files
from tests import signals

RATE = files.RATE
FRAMES = 200_000


def process(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, ["process", *(str(argument) for argument in arguments)])


def the_line(done: Result) -> str:
    """The one line that a failing command prints, and only that."""
    assert done.exit_code == 1, done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and done.stdout == "", done.output
    return lines[0]


def the_warning(done: Result) -> str:
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[1].startswith("  warning: "), done.output
    return lines[1].removeprefix("  warning: ")


def audio_file(path: Path, frames: int = FRAMES, channels: int = 1, rate: int = RATE) -> Path:
    audio = np.stack([signals.voice(frames, 150 + 20 * channel, rate) for channel in range(channels)], axis=1)
    form, subtype = {".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}.get(path.suffix, (None, None))
    soundfile.write(path, audio, rate, subtype, format=form)
    return path


@pytest.fixture(scope="module")
def gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.gain_plugin(tmp_path_factory.mktemp("model") / "gain.onnx", 0.5)


def test_a_missing_file_is_named(tmp_path: Path, gain: Path) -> None:
    assert the_line(process(tmp_path / "none.wav", "-m", gain)).endswith("none.wav: no such file or folder")


def test_a_folder_without_audio_is_named(tmp_path: Path, gain: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert f"{tmp_path}: no audio files in this folder (wav, flac, " in the_line(process(tmp_path, "-m", gain))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_an_empty_file_is_named(tmp_path: Path, gain: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert the_line(process(tmp_path / name, "-m", gain)).endswith(f"{name}: the file is empty (0 bytes)")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("content", [b"x", b"hello world\n" * 100, b"RIFF\0\0\0\0WAVE", bytes(5000)])
def test_a_file_that_is_not_audio_is_named(tmp_path: Path, gain: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert "a.wav: not an audio file that can be read" in the_line(process(tmp_path / "a.wav", "-m", gain))


@pytest.mark.parametrize("bytes_kept", [44, 46])
def test_a_file_that_ends_with_its_header_is_named(tmp_path: Path, gain: Path, bytes_kept: int) -> None:
    source = audio_file(tmp_path / "a.wav", channels=2)
    source.write_bytes(source.read_bytes()[:bytes_kept])
    assert "a.wav: there is no audio in it, or none that can be read" in the_line(process(source, "-m", gain))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_a_truncated_file_is_processed_as_far_as_it_goes_and_told(tmp_path: Path, gain: Path, suffix: str) -> None:
    source = audio_file(tmp_path / f"a.{suffix}")
    whole = soundfile.read(source, dtype="float32")[0]
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    told = the_warning(process(source, "-m", gain))
    assert "cut short" in told and "s of audio could be read, and all of that was processed" in told
    heard = soundfile.read(tmp_path / f"a_deshifted.{suffix}", dtype="float32")[0]
    assert 0.3 * FRAMES < len(heard) < 0.8 * FRAMES
    if suffix in ("wav", "flac", "aiff"):
        assert np.abs(heard - 0.5 * whole[: len(heard)]).max() < 1e-4


def test_a_header_that_claims_more_than_there_is_is_told(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / "a.wav", frames=1000)
    data = bytearray(source.read_bytes())
    assert data[36:40] == b"data"
    data[40:44] = (1 << 30).to_bytes(4, "little")
    source.write_bytes(data)
    assert "its header is wrong: it claims more audio than there is" in the_warning(process(source, "-m", gain))
    assert soundfile.info(tmp_path / "a_deshifted.wav").frames == 1000


def test_a_wav_written_to_a_pipe_claims_no_length_and_gets_no_warning(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / "a.wav", frames=1000)
    data = bytearray(source.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    source.write_bytes(data)
    done = process(source, "-m", gain)
    assert done.exit_code == 0 and "warning" not in done.output
    assert soundfile.info(tmp_path / "a_deshifted.wav").frames == 1000


def test_an_mp3_without_a_length_header_gets_no_warning(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / "a.mp3", frames=48_000)
    data = source.read_bytes()
    first = data.find(b"\xff\xfb")
    second = data.find(b"\xff\xfb", first + 4)
    assert b"Xing" in data[first:second] or b"Info" in data[first:second]
    source.write_bytes(data[second:])
    done = process(source, "-m", gain)
    assert done.exit_code == 0 and "warning" not in done.output
    assert soundfile.info(tmp_path / "a_deshifted.mp3").frames == len(soundfile.read(source)[0])


def test_samples_that_are_not_finite_are_replaced_counted_and_told(tmp_path: Path) -> None:
    model = files.one_pole_plugin(tmp_path / "one_pole.onnx")
    audio = signals.noise(70_000)
    clean = audio.copy()
    audio[[0, 100, 65_537]], clean[[0, 100, 65_537]] = [np.nan, np.inf, -np.inf], 0
    soundfile.write(tmp_path / "a.wav", audio, RATE, "FLOAT")
    assert the_warning(process(tmp_path / "a.wav", "-m", model)) == "3 samples were NaN or infinite and were taken as 0"
    heard = soundfile.read(tmp_path / "a_deshifted.wav", dtype="float32")[0]
    np.testing.assert_allclose(heard, files.one_pole_reference(clean[None])[0], atol=1e-6)


def test_a_model_that_gives_nan_is_told(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Sqrt", ["audio"], ["audio_out"])]  # NaN below 0, and 0 in silence
    model = files.make_model(nodes, [])
    path = files.save(tmp_path / "root.onnx", model, files.make_facts(model).to_metadata())
    soundfile.write(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 640, dtype=np.float32), RATE, "FLOAT")
    assert "the model gave NaN or infinite samples in 5 blocks: muted" in the_warning(
        process(tmp_path / "a.wav", "-m", path)
    )
    assert np.isfinite(soundfile.read(tmp_path / "a_deshifted.wav")[0]).all()


def test_a_target_that_cannot_be_made_is_named(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / "a.wav", frames=100)
    (tmp_path / "file").write_text("no folder")
    assert "b.wav: cannot be written: " in the_line(process(source, "-m", gain, "-o", tmp_path / "file" / "b.wav"))
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_name_too_long_for_the_disk_is_told(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / ("a" * 245 + ".wav"), frames=100)
    assert "File name too long" in the_line(process(source, "-m", gain))


@pytest.mark.parametrize(
    "target, told",
    [
        ("b.m4a", "cannot write .m4a files, only wav, flac, "),
        ("b.opus", "Opus takes 8, 12, 16, 24, 48 kHz, not 44100 Hz"),
    ],
)
def test_a_format_that_cannot_be_written_is_told(tmp_path: Path, gain: Path, target: str, told: str) -> None:
    source = audio_file(tmp_path / "a.wav", frames=100, rate=44_100)
    assert told in the_line(process(source, "-m", gain, "-o", tmp_path / target))
    assert not (tmp_path / target).exists()


@pytest.mark.parametrize(
    "channels, rate, told", [(3, 48_000, "MP3 takes 1 or 2 channels, not 3"), (1, 96_000, "MP3 takes 8, 11.025, ")]
)
def test_what_mp3_cannot_hold_is_told(tmp_path: Path, gain: Path, channels: int, rate: int, told: str) -> None:
    source = audio_file(tmp_path / "a.wav", frames=100, channels=channels, rate=rate)
    assert told in the_line(process(source, "-m", gain, "-o", tmp_path / "b.mp3"))


def test_more_than_eight_channels_are_told(tmp_path: Path, gain: Path) -> None:
    source = audio_file(tmp_path / "a.wav", frames=100, channels=9)
    assert "a.wav: it has 9 channels; 1 to 8 can be processed" in the_line(process(source, "-m", gain))


def test_a_pipe_is_not_waited_for(tmp_path: Path, gain: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert "a.wav: not a regular file" in the_line(process(tmp_path / "a.wav", "-m", gain))


def test_several_inputs_need_a_folder(tmp_path: Path, gain: Path) -> None:
    sources = [audio_file(tmp_path / name, frames=100) for name in ("a.wav", "b.wav")]
    assert "-o must name a folder, not a file" in the_line(process(*sources, "-m", gain, "-o", tmp_path / "c.wav"))
    assert "-o must name a folder, not a file" in the_line(process(tmp_path, "-m", gain, "-o", sources[0]))


def test_one_input_does_not_replace_another(tmp_path: Path, gain: Path) -> None:
    first, second = (audio_file(tmp_path / name, frames=100) for name in ("a.wav", "a_deshifted.wav"))
    kept = second.read_bytes()
    done = process(first, second, "-m", gain, "--overwrite")
    assert "a.wav: the result would replace the input" in done.stderr
    assert second.read_bytes() == kept and (tmp_path / "a_deshifted_deshifted.wav").exists()


def test_a_folder_run_goes_on_past_bad_files(tmp_path: Path, gain: Path) -> None:
    for name in ("a.wav", "c.flac"):
        audio_file(tmp_path / name, frames=1000)
    (tmp_path / "b.wav").write_bytes(b"not audio")
    (tmp_path / "d.wav").symlink_to(tmp_path / "gone.wav")
    done = process(tmp_path, "-m", gain)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].startswith("2 files done, 2 failed")
    assert len(done.stderr.splitlines()) == 2
    assert {path.name for path in tmp_path.glob("*_deshifted.*")} == {"a_deshifted.wav", "c_deshifted.flac"}


def without_key(path: Path) -> None:
    model = files.gain_model()
    metadata = files.make_facts(model).to_metadata()
    del metadata["licence"]
    files.save(path, model, metadata)


def without_metadata(path: Path) -> None:
    path.write_bytes(files.gain_model().SerializeToString())


def from_the_future(path: Path) -> None:
    model = files.gain_model()
    files.save(path, model, files.make_facts(model).to_metadata() | {"format_version": "2", "news": "x"})


def with_other_states(path: Path) -> None:
    model = files.delay_model(100)
    model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = 7
    files.save(path, model, files.make_facts(model, lookahead_samples=100).to_metadata())


def with_weights_elsewhere(path: Path) -> None:
    model = files.gain_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../../../etc/passwd"), ("length", "4")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    files.save(path, model, files.make_facts(model).to_metadata())


def cut_short(path: Path) -> None:
    files.gain_plugin(path)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda path: path.write_bytes(b"PK\x03\x04 not a model"), "not an ONNX file"),
        (lambda path: path.touch(), "not an ONNX file: it is empty"),
        (lambda path: path.mkdir(), "this is a folder, not a plugin file"),
        (lambda path: None, "no such plugin file"),
        (cut_short, "cut short"),
        (without_metadata, "an ONNX file, but not a deshift plugin file: metadata missing: format_version, name"),
        (without_key, "metadata missing: licence"),
        (from_the_future, "made by a newer deshift (format 2, this one reads 1): update deshift"),
        (with_other_states, "'next_line' must have the shape [channels, 1, 100], not [channels, 1, 7]"),
        (with_weights_elsewhere, "refused: it points to weights in other files (external data)"),
    ],
)
@pytest.mark.parametrize("verb", ["process", "info"])
def test_a_model_that_cannot_be_trusted_gets_one_line(tmp_path: Path, make, told: str, verb: str) -> None:
    model, source = tmp_path / "model.onnx", audio_file(tmp_path / "a.wav", frames=100)
    make(model)
    arguments = [str(source), "-m", str(model)] if verb == "process" else [str(model)]
    line = the_line(CliRunner().invoke(deshift.main, [verb, *arguments]))
    assert line.startswith(f"Error: {model}: ") and told in line
    assert not (tmp_path / "a_deshifted.wav").exists()


def test_a_file_larger_than_two_gibibytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big.onnx").open("wb") as big:
        big.truncate(1 << 31)  # sparse: it takes no room
    done = CliRunner().invoke(deshift.main, ["info", str(tmp_path / "big.onnx")])
    assert "larger than 2 GiB" in the_line(done)

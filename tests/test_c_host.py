"""examples/c_host, written from docs/plugin-format.md alone: it gives what `deshift process` does, refuses the rest."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from numpy.typing import NDArray
from onnx import helper

import deshift
from realtime.bundled import bundled_models
from realtime.contract import Control
from tests import plugin_files as files
from tests.signals import noise, voice

ROOT = Path(__file__).parents[1]
RATE = files.RATE
node = helper.make_node


@pytest.fixture(scope="module")
def package() -> Path:
    """An ONNX Runtime C package."""
    made = ROOT / ".cache/onnxruntime"
    ran = subprocess.run(
        ["sh", str(ROOT / "scripts/onnxruntime_package.sh"), str(made)], capture_output=True, text=True
    )
    if ran.returncode == 3:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stderr
    return made


def build(folder: Path, package: Path, *options: str) -> Path:
    for program in ("cmake", "cc"):
        if shutil.which(program) is None:
            pytest.skip(f"the C host is not built here: {program} is missing")
    place = ["-S", str(ROOT / "examples/c_host"), "-B", str(folder), f"-DONNXRUNTIME_DIR={package}"]
    for command in (["cmake", *place, "-DWARNINGS_ARE_ERRORS=ON", *options], ["cmake", "--build", str(folder)]):
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "c_host"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """The program, built without a warning."""
    return build(tmp_path_factory.mktemp("c_host"), package)


@pytest.fixture(scope="module")
def checked_host(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """The program, which stops at the first wrong access, overflow or leak."""
    return build(tmp_path_factory.mktemp("checked_host"), package, "-DSANITIZE=ON")


def run(host: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(host), *map(str, arguments)], capture_output=True, text=True, timeout=120)


def streamed(host: Path, model: Path, audio: NDArray[np.float32], folder: Path, *options: str) -> NDArray[np.float32]:
    """Through the program and two float32 WAV files: ``(N, C)`` -> ``(N, C)``."""
    heard_at, result_at = folder / "in.wav", folder / "out.wav"
    soundfile.write(heard_at, audio, RATE, subtype="FLOAT")
    ran = run(host, model, heard_at, result_at, *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    info = soundfile.info(result_at)
    assert (info.subtype, info.samplerate) == ("FLOAT", RATE)
    heard: NDArray[np.float32] = soundfile.read(result_at, dtype="float32", always_2d=True)[0]
    assert not list(folder.glob("*.part"))
    return heard


def channels_of(samples: int, channels: int) -> NDArray[np.float32]:
    rows = [voice(samples + 7, f0_hz=140 + 50 * channel)[:samples] for channel in range(channels)]
    return np.stack(rows, axis=1).astype(np.float32)


@pytest.mark.parametrize("name", sorted(bundled_models()))
@pytest.mark.parametrize("samples, channels", [(0, 1), (1, 1), (511, 2), (513, 1), (8193, 2)])
def test_a_bundled_file_gives_what_process_gives(
    host: Path, tmp_path: Path, name: str, samples: int, channels: int
) -> None:
    audio, model = channels_of(samples, channels), bundled_models()[name]
    told = bool(deshift.load(model).facts.controls)
    heard = streamed(host, model, audio, tmp_path, *(["--control", "semitones=12"] if told else []))
    assert heard.shape == audio.shape
    expected = deshift.load(model, semitones=12 if told else None).process(audio, RATE)
    np.testing.assert_allclose(heard, expected, atol=1e-6)


def test_the_program_gives_what_the_command_line_gives(host: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    model, wav = bundled_models()["voice_octave"], tmp_path / "in.wav"
    heard = streamed(host, model, channels_of(4000, 1), tmp_path)
    arguments = ["process", str(wav), "-o", str(tmp_path / "command.wav"), "-m", str(model)]
    assert CliRunner().invoke(deshift.main, arguments).exit_code == 0
    assert soundfile.info(tmp_path / "command.wav").subtype == "FLOAT"
    np.testing.assert_allclose(heard[:, 0], soundfile.read(tmp_path / "command.wav", dtype="float32")[0], atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 65, 513])
@pytest.mark.parametrize("delay", [1, 64, 100, 1000])
def test_the_lookahead_is_dropped_whatever_its_length(host: Path, tmp_path: Path, samples: int, delay: int) -> None:
    audio = noise(samples)[:, None]
    np.testing.assert_array_equal(
        streamed(host, files.delay_plugin(tmp_path / "delay.onnx", delay), audio, tmp_path), audio
    )


def odd_plugin(path: Path) -> Path:
    """y[n] = gain * x[n] + offset * (what two states of odd shapes have counted up to), in hops of 65 samples."""
    nodes = [
        node("Mul", ["audio", "control_gain"], ["loud"]),
        node("Add", ["state_deep", "one"], ["next_deep"]),
        node("Add", ["state_flat", "one"], ["next_flat"]),
        node("ReduceMean", ["state_deep", "deep_axes"], ["deep"], keepdims=0),
        node("ReduceMean", ["state_flat", "flat_axes"], ["flat"], keepdims=0),
        node("Add", ["deep", "flat"], ["count"]),
        node("Unsqueeze", ["count", "flat_axes_2"], ["count_3"]),
        node("Mul", ["count_3", "control_offset"], ["steps"]),
        node("Add", ["loud", "steps"], ["audio_out"]),
    ]
    axes = {"deep_axes": [1, 2, 3, 4], "flat_axes": [1], "flat_axes_2": [1, 2]}
    weights = [files.weight(name, places, np.int64) for name, places in axes.items()] + [files.weight("one", [1.0])]
    model = files.make_model(nodes, weights, {"deep": (3, 1, 2, 5), "flat": (7,)}, 65, ("offset", "gain"))
    controls = (Control("gain", "", 0.0, 4.0, 0.5), Control("offset", "V/hop", -1.0, 1.0, 0.125))
    facts = files.make_facts(model, hop_samples=65, controls=controls, recipe={"prestage": None, "n": [1, {"a": "\n"}]})
    return files.save(path, model, facts.to_metadata())


@pytest.mark.parametrize("options, gain, offset", [((), 0.5, 0.125), (("gain=2", "offset=-5e-1"), 2.0, -0.5)])
def test_controls_and_states_of_odd_shapes_go_their_way(
    host: Path, tmp_path: Path, options: tuple[str, ...], gain: float, offset: float
) -> None:
    audio = channels_of(300, 3)
    words = [word for option in options for word in ("--control", option)]
    heard = streamed(host, odd_plugin(tmp_path / "odd.onnx"), audio, tmp_path, *words)
    steps = 2 * offset * (np.arange(300) // 65)
    np.testing.assert_allclose(heard, gain * audio + steps[:, None], atol=1e-6)


def log_plugin(path: Path) -> Path:
    """y = log(x + 1) + the hops before: not finite where x < -1; the count shows which row was started over."""
    nodes = [
        node("Add", ["audio", "one"], ["above"]),
        node("Log", ["above"], ["logarithm"]),
        node("Add", ["state_hops", "one"], ["next_hops"]),
        node("Add", ["logarithm", "state_hops"], ["audio_out"]),
    ]
    model = files.make_model(nodes, [files.weight("one", [1.0])], {"hops": (1, 1)})
    return files.save(path, model, files.make_facts(model).to_metadata())


def test_what_is_not_finite_is_silence_and_starts_its_channel_over(host: Path, tmp_path: Path) -> None:
    audio = np.zeros((4 * files.HOP, 2), dtype=np.float32)
    audio[5], audio[70, 0], audio[130, 1] = np.nan, -2.0, 1e-11
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")
    ran = run(host, log_plugin(tmp_path / "log.onnx"), tmp_path / "in.wav", tmp_path / "out.wav")
    assert ran.returncode == 0 and ran.stderr.startswith("c_host: warning: 1 hops")
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0].reshape(4, files.HOP, 2)
    assert heard[:, :, 0].tolist() == [[value] * files.HOP for value in (0, 0, 0, 1)]  # the second hop is muted
    assert heard[:, :, 1].tolist() == [[value] * files.HOP for value in (0, 1, 2, 3)]


def test_what_is_inaudible_counts_as_silence(host: Path, tmp_path: Path) -> None:
    audio = np.array([[5e-11], [-5e-11], [2e-10], [1e-40]], dtype=np.float32)
    heard = streamed(host, files.gain_plugin(tmp_path / "gain.onnx", gain=1e10), audio, tmp_path)
    np.testing.assert_allclose(heard[:, 0], [0, 0, 2, 0], rtol=1e-6)


def extensible(audio: NDArray[np.float32]) -> bytes:
    """A WAVE_FORMAT_EXTENSIBLE file of 24 bits with chunks of odd lengths before its samples."""
    channels = audio.shape[1]
    whole = (audio.astype(np.float64) * (1 << 23)).astype("<i4")
    data = b"".join(value.tobytes()[:3] for value in whole.reshape(-1))
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, channels, RATE, RATE * 3 * channels, 3 * channels, 24, 22, 24, 0) + guid
    chunks = struct.pack("<4sI3sx", b"LIST", 3, b"odd") + struct.pack("<4sI", b"fmt ", len(form) + 1) + form + bytes(2)
    return struct.pack("<4sI4s", b"RIFF", 0, b"WAVE") + chunks + struct.pack("<4sI", b"data", len(data)) + data


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "extensible"])
def test_every_sample_type_is_read_as_an_independent_reader_does(host: Path, tmp_path: Path, subtype: str) -> None:
    audio, wav = channels_of(130, 8), tmp_path / "in.wav"
    if subtype == "extensible":
        wav.write_bytes(extensible(audio))
    else:
        soundfile.write(wav, audio, RATE, subtype=subtype)
    assert run(host, files.gain_plugin(tmp_path / "gain.onnx", gain=1.0), wav, tmp_path / "out.wav").returncode == 0
    heard, expected = (soundfile.read(path, dtype="float32")[0] for path in (tmp_path / "out.wav", wav))
    np.testing.assert_array_equal(heard, expected)


def test_a_file_can_be_put_in_its_own_place(host: Path, tmp_path: Path) -> None:
    wav = tmp_path / "same.wav"
    soundfile.write(wav, noise(1000), RATE, subtype="FLOAT")
    before = soundfile.read(wav, dtype="float32")[0]
    assert run(host, files.gain_plugin(tmp_path / "gain.onnx"), wav, wav).returncode == 0
    np.testing.assert_array_equal(soundfile.read(wav, dtype="float32")[0], before * np.float32(0.5))


def changed(path: Path, **facts: str) -> Path:
    model = files.gain_model()
    return files.save(path, model, files.make_facts(model).to_metadata() | facts)


def missing(path: Path, key: str) -> Path:
    model = files.gain_model()
    metadata = files.make_facts(model).to_metadata()
    del metadata[key]
    return files.save(path, model, metadata)


def graph(path: Path, damage: Callable[[onnx.ModelProto], None]) -> Path:
    model = files.delay_model(100)
    damage(model)
    return files.save(path, model, files.make_facts(model, lookahead_samples=100).to_metadata())


def renamed_next(model: onnx.ModelProto) -> None:
    model.graph.output[1].name = model.graph.node[2].output[0] = "next_other"


def dropped_next(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def shorter_next(model: onnx.ModelProto) -> None:
    model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = 99
    model.graph.initializer[3].CopyFrom(files.weight("end", [files.HOP + 99], np.int64))


def unknown_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(files.tensor("noise", 1))


def half_precision(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


BAD_MODELS: dict[str, Callable[[Path], Path]] = {
    "format version 2 is newer than this host": lambda path: changed(path, format_version="2"),
    "format_version must be a whole number": lambda path: changed(path, format_version="one"),
    "its kind is 'offline'": lambda path: files.gain_plugin(path, kind="offline"),
    "metadata missing: format_version": lambda path: missing(path, "format_version"),
    "metadata missing: certificate": lambda path: missing(path, "certificate"),
    "hop_samples must be a whole number within 1": lambda path: changed(path, hop_samples="0"),
    "latency_samples must be hop_samples": lambda path: changed(path, latency_samples="65"),
    "'audio' must have the shape [channels, 1, 65]": lambda path: changed(path, hop_samples="65", latency_samples="65"),
    "made by an earlier deshift, whose vocoder was not in the file": lambda path: changed(
        path, recipe='{"prestage": "vocoder1024"}'
    ),
    "recipe is not the JSON object": lambda path: changed(path, recipe="{" * 100_000),
    "controls is not the JSON list": lambda path: changed(path, controls='[{"name": "x",}]'),
    "graph input 'control_x' is missing": lambda path: changed(
        path, controls='[{"name": "x", "unit": "", "minimum": 0, "maximum": 1, "default": 0}]'
    ),
    "x must have minimum <= default <= maximum": lambda path: changed(
        path, controls='[{"name": "x", "unit": "", "minimum": 0, "maximum": 1, "default": 2}]'
    ),
    "graph output 'next_other' is none": lambda path: graph(path, renamed_next),
    "'next_line' must have the shape of 'state_line'": lambda path: graph(path, shorter_next),
    "graph output 'next_line' is missing": lambda path: graph(path, dropped_next),
    "graph input 'noise' is none": lambda path: graph(path, unknown_input),
    "must be a float32 tensor": lambda path: graph(path, half_precision),
    "ONNX Runtime cannot open it": lambda path: path.write_bytes(b"none") and path,
}


@pytest.mark.parametrize("told", BAD_MODELS)
def test_a_model_that_cannot_be_run_is_refused_in_one_line(checked_host: Path, tmp_path: Path, told: str) -> None:
    soundfile.write(tmp_path / "in.wav", noise(100), RATE)
    path = BAD_MODELS[told](tmp_path / "bad.onnx")
    ran = run(checked_host, path, tmp_path / "in.wav", tmp_path / "out.wav")
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith(f"c_host: {path}: ") and told in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.onnx", "in.wav"]


def wav_bytes(
    tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, frame: int = 2, size: int = 8
) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * frame, frame, bits)
    return struct.pack("<4sI4s", b"RIFF", 44, b"WAVE") + form + struct.pack("<4sI", b"data", size) + bytes(8)


BAD_WAVS = {
    "not a WAV file": b"RIFFxxxxAVI ",
    "no samples in it": wav_bytes()[:36],
    "cut short: 4294967295 bytes": wav_bytes(size=0xFFFFFFFF),
    "its last frame is not whole": wav_bytes(size=7),
    "no format before the samples": wav_bytes()[:12] + wav_bytes()[36:],
    "format of 4 bytes": b"",
    "samples of format 85 with 0 bits": wav_bytes(tag=85, bits=0),
    "samples of format 1 with 8 bits": wav_bytes(bits=8, frame=1),
    "9 channels": wav_bytes(channels=9, frame=18, size=0),
    "0 channels": wav_bytes(channels=0, frame=0, size=0),
    "the header contradicts itself": wav_bytes(frame=65535),
    "the input has 44100 Hz and the model 48000": wav_bytes(rate=44_100),
}
BAD_WAVS["a format too short"] = BAD_WAVS.pop("format of 4 bytes") + wav_bytes()[:16] + bytes([4, 0, 0, 0]) + bytes(24)


@pytest.mark.parametrize("told", BAD_WAVS)
def test_a_wav_file_that_makes_no_sense_is_refused_in_one_line(checked_host: Path, tmp_path: Path, told: str) -> None:
    (tmp_path / "in.wav").write_bytes(BAD_WAVS[told])
    model = files.gain_plugin(tmp_path / "gain.onnx")
    ran = run(checked_host, model, tmp_path / "in.wav", tmp_path / "out.wav")
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1, ran.stderr
    assert told in ran.stderr and not (tmp_path / "out.wav").exists()


def test_wrong_arguments_are_refused_in_one_line(host: Path, tmp_path: Path) -> None:
    wav, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(wav, noise(100), RATE)
    odd = odd_plugin(tmp_path / "odd.onnx")
    assert run(host).returncode == 2
    for words, told in {
        ("--control", "gain=5"): "control gain takes 0 ... 4, not 5",
        ("--control", "gain=nan"): "control gain takes",
        ("--control", "gain=1x"): "'1x' is no number",
        ("--control", "level=1"): "the model has no control level",
        ("--control", "gain"): "it is NAME=VALUE",
        ("--control",): "usage: ",
        ("--loud", "1"): "usage: ",
    }.items():
        ran = run(host, odd, wav, out, *words)
        assert ran.returncode == 1 and told in ran.stderr and ran.stderr.count("\n") == 1
    assert "No such file" in run(host, odd, tmp_path / "none.wav", out).stderr
    assert "none.onnx" in run(host, tmp_path / "none.onnx", wav, out).stderr
    assert "No such file" in run(host, odd, wav, tmp_path / "none" / "out.wav").stderr
    (tmp_path / "folder").mkdir()
    assert "cannot be written" in run(host, odd, wav, tmp_path / "folder").stderr
    assert not list(tmp_path.glob("*.part")) and not out.exists()


def test_nothing_leaks_and_nothing_is_read_beyond_its_end(checked_host: Path, tmp_path: Path) -> None:
    """AddressSanitizer with its leak check, UndefinedBehaviorSanitizer: the program fails where they find something."""
    audio = channels_of(1000, 2)
    model = odd_plugin(tmp_path / "odd.onnx")
    np.testing.assert_array_equal(
        streamed(checked_host, model, audio, tmp_path), deshift.load(model).process(audio, RATE)
    )
    heard = streamed(checked_host, bundled_models()["voice_octave"], audio, tmp_path)
    assert heard.shape == audio.shape


def test_an_absent_package_is_named_by_cmake(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("the C host is not built here: cmake is missing")
    place = ["-S", str(ROOT / "examples/c_host"), "-B", str(tmp_path), f"-DONNXRUNTIME_DIR={tmp_path}/none"]
    ran = subprocess.run(["cmake", *place], capture_output=True, text=True)
    assert ran.returncode != 0 and "name an unpacked ONNX Runtime release with -DONNXRUNTIME_DIR" in ran.stderr.replace(
        "\n  ", " "
    )


def test_the_package_script_keeps_what_it_made_and_touches_nothing_else(package: Path, tmp_path: Path) -> None:
    script, made_at = str(ROOT / "scripts/onnxruntime_package.sh"), (package / "made-from").stat().st_mtime_ns
    again = subprocess.run(["sh", script, str(package)], capture_output=True, text=True)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (package / "made-from").stat().st_mtime_ns == made_at
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    refused = subprocess.run(["sh", script, str(tmp_path)], capture_output=True, text=True)
    assert refused.returncode == 1 and "name another folder" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_package_that_cannot_be_had_is_one_sentence_and_exit_code_3(tmp_path: Path) -> None:
    script, environment = str(ROOT / "scripts/onnxruntime_package.sh"), {**os.environ, "VENV": str(tmp_path / "none")}
    ran = subprocess.run(
        ["sh", script, str(tmp_path / "package")], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 3 and ran.stdout == "" and ran.stderr.count("\n") == 1
    assert "there is no Python environment" in ran.stderr and not list(tmp_path.iterdir())

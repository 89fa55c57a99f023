"""`deshift process --as-live` and `--preset`: the live path's samples in a file, and every mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import deshift
from realtime.live.as_live import LiveModel
from tests import plugin_files as files
from tests.signals import SAMPLE_RATE, noise


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, ["process", *map(str, arguments)])


def rendered(model: LiveModel, audio: np.ndarray, rate: int, mix: float = 1.0) -> np.ndarray:
    renderer = model.renderer(audio.shape[1], rate, mix)
    return np.concatenate([renderer.process(audio.T), renderer.finish()], axis=1).T


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return files.gain_plugin(tmp_path / "half.onnx", 0.5)


@pytest.fixture
def preset(tmp_path: Path, half: Path) -> Path:
    plugins = [{"kind": "model", "model": half.name}, {"kind": "model", "model": half.name}]
    path = tmp_path / "quarter.json"
    path.write_text(json.dumps({"format": 1, "name": "quarter", "plugins": plugins}))
    return path


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2)])
def test_a_file_holds_the_samples_of_the_live_path(rate: int, channels: int, tmp_path: Path, half: Path) -> None:
    audio = np.stack([noise(30_011, seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "in.wav", audio, rate, subtype="FLOAT")
    result = command("--as-live", "-m", half, "--mix", 0.5, "--json", "-o", tmp_path / "out.wav", tmp_path / "in.wav")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "test plugin"
    heard, found = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert found == rate
    np.testing.assert_array_equal(heard, rendered(LiveModel(str(half)), audio, rate, 0.5))
    assert np.abs(heard[:100]).max() < 0.02  # the fade-in of a session's start


def test_a_preset_is_rendered_as_live_and_gives_its_name(tmp_path: Path, preset: Path) -> None:
    audio = noise(30_000)
    soundfile.write(tmp_path / "in.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    result = command("--preset", preset, "--json", "-o", tmp_path / "out.wav", tmp_path / "in.wav")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "quarter"
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    np.testing.assert_allclose(heard[6000:], 0.25 * audio[6000:], atol=1e-7)


def test_several_files_are_rendered_and_one_with_too_many_channels_fails_alone(tmp_path: Path, half: Path) -> None:
    for name, channels in (("a", 1), ("b", 3), ("c", 2)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros((5000, channels)), SAMPLE_RATE)
    result = command("--as-live", "-m", half, "-o", tmp_path / "out", *(tmp_path / f"{name}.wav" for name in "abc"))
    assert result.exit_code == 1
    assert "a live session has one or two channels, not 3" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_deshifted.wav", "c_deshifted.wav"]
    assert "2 files done, 1 failed" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--preset", "{folder}/quarter.json", "-m", "x"], 2, "leave out either --preset or --model"),
        (["--preset", "{folder}/absent.json"], 1, "absent.json: cannot be read"),
        (["--as-live", "-m", "nobody"], 1, "nobody: no such plugin file"),
        (["--as-live", "-m", "{folder}/whole.onnx"], 1, "whole.onnx"),
    ],
)
def test_every_mistake_is_one_line(words: list[str], code: int, complaint: str, tmp_path: Path, preset: Path) -> None:
    files.centred_plugin(tmp_path / "whole.onnx")
    soundfile.write(tmp_path / "in.wav", noise(1000), SAMPLE_RATE)
    result = command(*(word.replace("{folder}", str(tmp_path)) for word in words), tmp_path / "in.wav")
    assert result.exit_code == code and complaint in result.stderr.splitlines()[-1]
    assert not (tmp_path / "in_deshifted.wav").exists()

"""`deshift info` and `deshift models`: what a plugin file says of itself, and which ones came with deshift."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import deshift
from realtime import bundled
from tests import plugin_files as files


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments])


@pytest.fixture
def delay(tmp_path: Path) -> Path:
    return files.delay_plugin(tmp_path / "delay.onnx", 1000)


def test_info_prints_every_fact(delay: Path) -> None:
    card = command("info", delay).output
    for told in ("test plugin", "CC0-1.0", "+12 semitones", "1064 samples (22.17 ms)", "48000 Hz", "stream_vs_offline"):
        assert told in card
    facts = json.loads(command("info", delay, "--json").output)
    assert (facts["latency_samples"], facts["shift_semitones"], facts["path"]) == (1064, [12.0, 12.0], str(delay))


def test_info_does_not_let_a_file_write_to_the_terminal(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "evil.onnx", training={"data\x1b[2J": "\x1b]0;title\x07"})
    assert "\x1b" not in command("info", path).output


def test_models_lists_what_is_bundled_and_marks_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.commands.FOLDER", tmp_path)
    assert "no model came with this installation" in command("models").output
    for name in ("big", "small"):
        files.gain_plugin(tmp_path / f"{name}.onnx")
    (tmp_path / bundled.DEFAULT_FILE).write_text("small\n")
    assert [line[:7] for line in command("models").output.splitlines()] == ["  big  ", "* small"]
    rows = json.loads(command("models", "--json").output)
    assert [(row["model"], row["default"]) for row in rows] == [("big", False), ("small", True)]


def test_a_long_list_is_counted_on_the_card_and_whole_in_json(tmp_path: Path) -> None:
    hashes = [f"{number:016x}" for number in range(546)]
    path = files.gain_plugin(tmp_path / "many.onnx", training={"source_hashes": hashes})
    card = command("info", path).output
    assert "546 entries" in card and hashes[100] not in card
    assert json.loads(command("info", path, "--json").output)["training"]["source_hashes"] == hashes

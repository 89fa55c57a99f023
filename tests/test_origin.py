"""Where weights came from: told by a run that starts from others, and by the file that is exported from it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from export.source import ever_heard, started_from
from tests import plugin_files as files
from training import checkpoint
from training.checkpoint import CheckpointError
from training.loop import Trainer


def test_a_run_and_its_file_remember_the_weights_they_started_from(
    make_trainer: Callable[..., Trainer], trained_run: Path, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path / "second")
    trainer.start_from(trained_run)
    first = checkpoint.load(checkpoint.of_run(trained_run)).facts
    assert trainer.origin is not None and trainer.origin["step"] == first["step"]
    told = {"file": trained_run.name, "steps": first["step"], "hours_of_training": first["seconds"] / 3600}
    assert started_from(trainer.origin) == [told]
    assert started_from({"file": "third.onnx", "origin": trainer.origin}) == [{"file": "third.onnx"}, told]
    assert started_from(None) == []


def test_what_earlier_runs_heard_is_heard_by_what_continues_them(
    make_trainer: Callable[..., Trainer], trained_run: Path, tmp_path: Path
) -> None:
    trainer = make_trainer(tmp_path / "second")
    trainer.start_from(trained_run)
    first = checkpoint.load(checkpoint.of_run(trained_run)).facts["data"]
    assert first["source_hashes"]
    later = {"pairs": {"shifters": ["rubberband"]}, "source_hashes": ["new", first["source_hashes"][0]]}
    shifters, hashes = ever_heard(later, {"file": "second", "data": later, "origin": trainer.origin})
    assert shifters == list(dict.fromkeys(["rubberband", *first["pairs"]["shifters"]]))
    assert hashes == list(dict.fromkeys([*later["source_hashes"], *first["source_hashes"]]))
    assert ever_heard(later, None) == (["rubberband"], later["source_hashes"])


def test_a_run_that_continues_a_plugin_file_remembers_what_that_has_heard(tmp_path: Path) -> None:
    training = {"source_hashes": ["a", "b"], "shifters": ["world"]}
    origin = checkpoint.read_origin(files.gain_plugin(tmp_path / "released.onnx", training=training))
    own = {"pairs": {"shifters": ["vocoder"]}, "source_hashes": ["c"]}
    assert ever_heard(own, origin) == (["vocoder", "world"], ["c", "a", "b"])
    assert started_from(origin) == [{"file": "released.onnx"}]
    files.save(tmp_path / "bare.onnx", files.gain_model(), {})
    assert ever_heard(own, checkpoint.read_origin(tmp_path / "bare.onnx")) == (["vocoder"], ["c"])
    files.save(tmp_path / "bad.onnx", files.gain_model(), {"training": "[1]"})
    with pytest.raises(CheckpointError, match=r"bad\.onnx: its facts on training are damaged"):
        checkpoint.read_origin(tmp_path / "bad.onnx")

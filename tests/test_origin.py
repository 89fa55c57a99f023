"""Where weights came from: told by a run that starts from others, and by the file that is exported from it."""

from collections.abc import Callable
from pathlib import Path

from export.source import started_from
from training import checkpoint
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

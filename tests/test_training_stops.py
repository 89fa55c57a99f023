"""Runs that stop, by a signal, a fault or a kill, and go on bit for bit without having lost work."""

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.runs import BEST, ignore, interrupt_at, lines
from training import checkpoint
from training.loop import LAST, Trainer
from training.recipes import find
from training.settings import TrainingError


def tensors(path: Path) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(path)
    parts = {"weights": saved.weights, "ema": saved.ema, "optimizer": saved.optimizer}
    return {f"{part}:{name}": value for part, group in parts.items() for name, value in group.items()}


def assert_equal_tensors(one: Path, other: Path) -> None:
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_a_resumed_run_ends_bit_for_bit_where_the_straight_one_does(make_trainer, tmp_path):
    settings = {"steps": 6, "validate_every": 3, "ema": 0.9, "rate_decay": True, "clip": 2.0}
    assert make_trainer(tmp_path / "straight", **settings).run(ignore)

    assert not make_trainer(tmp_path / "parted", **settings).run(interrupt_at(2))
    parted = make_trainer(tmp_path / "parted", **settings)
    parted.resume()
    assert parted.step == checkpoint.load(tmp_path / "parted" / LAST).facts["step"] < 6
    assert parted.run(ignore)

    for name in (LAST, BEST):
        assert_equal_tensors(tmp_path / "straight" / name, tmp_path / "parted" / name)
    assert lines(tmp_path / "straight", "train") == lines(tmp_path / "parted", "train")
    assert lines(tmp_path / "straight", "floor") == lines(tmp_path / "parted", "floor")
    one, other = (checkpoint.load(tmp_path / run / LAST).facts for run in ("straight", "parted"))
    for facts in (one, other):
        assert facts.pop("seconds") > 0
    assert one == other


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_two_steps_loses_no_step(make_trainer, tmp_path, number):
    trainer = make_trainer(tmp_path, steps=50, validate_every=50)

    def report(progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert not trainer.run(report)
    assert signal.getsignal(number) is before
    assert 3 <= trainer.step <= 4
    assert checkpoint.load(tmp_path / LAST).facts["step"] == trainer.step
    assert lines(tmp_path, "train")[-1]["step"] == trainer.step


def test_a_second_signal_ends_the_run_at_once(make_trainer, tmp_path):
    def report(progress) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    trainer = make_trainer(tmp_path, steps=50)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(report)
    assert trainer.step == 1


def test_resuming_a_finished_run_changes_nothing(make_trainer, tmp_path):
    assert make_trainer(tmp_path, steps=2).run(ignore)
    before = (tmp_path / LAST).read_bytes()
    again = make_trainer(tmp_path, steps=2)
    again.resume()
    assert again.run(interrupt_at(5))
    assert again.step == 2
    assert (tmp_path / LAST).read_bytes() == before
    assert [row["step"] for row in lines(tmp_path, "train")] == [1, 2]


def poison(trainer: Trainer, step: int):
    """Break a weight right after a step, as a hardware fault or a bad rate would."""

    def report(progress) -> None:
        if progress.step == step:
            with torch.no_grad():
                trainer.model.conv_in.weight[0, 0, 0] = float("nan")

    return report


def test_a_loss_that_is_no_number_stops_with_the_step_and_keeps_the_last_good_checkpoint(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=9, validate_every=2)
    with pytest.raises(TrainingError, match=r"step 4: the loss is nan; the last good checkpoint") as error:
        trainer.run(poison(trainer, 3))
    assert "\n" not in str(error.value)
    saved = checkpoint.load(tmp_path / LAST)
    assert saved.facts["step"] == 2
    assert all(torch.isfinite(value).all() for value in saved.weights.values())
    assert [row["step"] for row in lines(tmp_path, "train")] == [1, 2, 3]


def test_a_step_that_breaks_the_weights_is_not_saved_over_the_last_good_checkpoint(make_trainer, tmp_path):
    make_trainer(tmp_path, steps=9, validate_every=1).run(interrupt_at(1))
    good = checkpoint.load(tmp_path / LAST)
    trainer = make_trainer(tmp_path, steps=9, validate_every=1)
    trainer.resume()
    trainer.optimizers._rates["muon"] = 1e38  # the loss of this step is still a number, its weights are not
    with pytest.raises(TrainingError, match=f"step {trainer.step + 1}: the output of the model .*last good checkpoint"):
        trainer.run(ignore)
    kept = checkpoint.load(tmp_path / LAST)
    assert kept.facts["step"] == good.facts["step"]
    assert all(torch.equal(kept.weights[name], value) for name, value in good.weights.items())


def test_other_settings_recipes_or_data_cannot_resume_a_run(make_trainer, tmp_path):
    make_trainer(tmp_path, steps=1).run(ignore)
    for changes, told in (
        ({"steps": 1, "muon_lr": 1e-3, "clip": 1.0}, r"another settings \(muon_lr, clip differ\).*--init"),
        ({"steps": 2}, r"another settings \(steps differ\)"),
        ({"steps": 1, "recipe": find("light")}, r"another recipe \(name, channels, blocks.* differ\)"),
    ):
        with pytest.raises(TrainingError, match=told):
            make_trainer(tmp_path, **changes).resume()
    other = make_trainer(tmp_path, steps=1)
    other.facts = type(other.facts)(**{**vars(other.facts), "hours": 3.0})
    with pytest.raises(TrainingError, match=r"another data \(hours differ\)"):
        other.resume()


def test_a_half_written_last_line_of_the_metrics_does_not_stop_a_resumed_run(make_trainer, tmp_path):
    make_trainer(tmp_path, steps=4, validate_every=2).run(interrupt_at(1))
    step = checkpoint.load(tmp_path / LAST).facts["step"]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "kind": "train", "lo')  # killed in the middle of it
    again = make_trainer(tmp_path, steps=4, validate_every=2)
    again.resume()
    assert again.run(ignore)
    assert [row["step"] for row in lines(tmp_path, "train")] == [1, 2, 3, 4]
    assert step < 4


def test_a_run_killed_before_its_first_checkpoint_starts_its_metrics_anew(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=4, validate_every=100)
    with pytest.raises(TrainingError):
        trainer.run(poison(trainer, 1))
    assert not (tmp_path / LAST).exists()
    make_trainer(tmp_path, steps=1).run(ignore)
    assert [(row["kind"], row["step"]) for row in lines(tmp_path)] == [("floor", 0), ("train", 1), ("validation", 1)]

"""Runs with the adversarial stage: every term is told, a stopped run goes on bit for bit, and what starts from what."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import deshift
from realtime.quality.metrics import mel_distance
from tests.runs import BEST, ignore, interrupt_at, lines
from training import checkpoint
from training.checkpoint import CheckpointError
from training.loop import LAST
from training.settings import AdversarialSettings, TrainingError

SMALL = AdversarialSettings(width=2)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_stopped_adversarial_run_ends_bit_for_bit_where_the_straight_one_does(make_trainer, tmp_path, optimizer):
    settings = {"steps": 5, "validate_every": 3, "ema": 0.9, "rate_decay": True, "optimizer": optimizer}
    settings |= {"adversarial": SMALL, "muon_lr": 1e-3, "adamw_lr": 1e-4}
    assert make_trainer(tmp_path / "straight", **settings).run(ignore)

    assert not make_trainer(tmp_path / "parted", **settings).run(interrupt_at(2))
    parted = make_trainer(tmp_path / "parted", **settings)
    parted.resume()
    assert 2 <= parted.step < 5
    assert parted.run(ignore)

    for name in (LAST, BEST):
        one, other = (checkpoint.load(tmp_path / run / name) for run in ("straight", "parted"))
        for part in ("weights", "ema", "optimizer", "adversary"):
            left, right = getattr(one, part), getattr(other, part)
            assert left.keys() == right.keys()
            assert [key for key in left if not torch.equal(left[key], right[key])] == []
    assert lines(tmp_path / "straight", "train") == lines(tmp_path / "parted", "train")
    assert lines(tmp_path / "straight", "validation") == lines(tmp_path / "parted", "validation")


@pytest.fixture(scope="module")
def run(make_trainer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "adversarial"
    make_trainer(folder, steps=4, validate_every=2, ema=0.9, rate_decay=True, adversarial=SMALL).run(ignore)
    return folder


def test_the_metrics_tell_every_term(run):
    for row in lines(run, "train"):
        assert row["adversarial"] == pytest.approx(row["generator"] + 2 * row["features"], rel=1e-5)
        assert row["loss"] == pytest.approx(row["adversarial"] + 15 * row["mel"] + 10 * row["l1"], rel=1e-5)
        assert row["discriminator"] > 0 and row["discriminator_gradient_norm"] > 0
    assert [row["rate_factor"] for row in lines(run, "train")] == [1, 0.75, 0.5, 0.25]


def test_the_last_checkpoint_has_the_discriminators_and_the_best_has_the_model_alone(run):
    last, best = checkpoint.load(run / LAST), checkpoint.load(run / BEST)
    parts = {name.partition("/")[0] for name in last.adversary}
    assert parts == {"weights", "optimizer"}
    assert {name for name in last.adversary if name.startswith("optimizer/muon/")}
    assert all(value.isfinite().all() for value in last.adversary.values())
    assert last.facts["settings"]["adversarial"]["width"] == 2
    assert (best.adversary, best.optimizer, best.ema) == ({}, {}, {})
    assert best.weights.keys() == last.weights.keys()


def test_rates_of_both_sides_fall_together_and_adamw_has_the_stages_betas(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=2, rate_decay=True, adversarial=SMALL)
    trainer.run(ignore)
    for both, rates in ((trainer.optimizers, (5e-3, 5e-4)), (trainer.adversary.optimizers, (1e-3, 1e-4))):
        muon, adamw = (both._both[kind].param_groups[0] for kind in ("muon", "adamw"))
        assert (muon["lr"], adamw["lr"]) == pytest.approx((0.5 * rates[0], 0.5 * rates[1]))
        assert adamw["betas"] == (0.8, 0.99)


def test_the_last_checkpoint_starts_a_run_with_and_without_the_stage(make_trainer, run, tmp_path):
    last = checkpoint.load(run / LAST)
    plain = make_trainer(tmp_path, steps=1)
    plain.start_from(run / LAST)
    assert plain.adversary is None
    again = make_trainer(tmp_path, steps=1, adversarial=SMALL)
    again.start_from(run / LAST)
    for trainer in (plain, again):
        assert all(torch.equal(value, last.ema[name]) for name, value in trainer.model.state_dict().items())
    state = again.adversary.state()
    assert all(name.startswith("weights/") for name in state)  # the optimisers start anew
    assert all(torch.equal(value, last.adversary[name]) for name, value in state.items())


def test_a_run_without_discriminators_starts_the_stage_with_fresh_ones(make_trainer, run, trained_run, tmp_path):
    fresh = make_trainer(tmp_path, steps=1, adversarial=SMALL).adversary.state()
    for source in (trained_run, run):  # of `run` it is the best, which has none
        trainer = make_trainer(tmp_path, steps=1, adversarial=SMALL)
        trainer.start_from(source)
        assert all(torch.equal(value, fresh[name]) for name, value in trainer.adversary.state().items())


@pytest.mark.parametrize("changes", [{"adversarial": AdversarialSettings(width=3)}, {"optimizer": "adamw"}])
def test_discriminators_of_another_kind_do_not_start_a_run(make_trainer, run, tmp_path, changes):
    trainer = make_trainer(tmp_path, **({"steps": 1, "adversarial": SMALL} | changes))
    with pytest.raises(CheckpointError, match=r"another width or optimiser: give the same --discriminator-width"):
        trainer.start_from(run / LAST)


@pytest.mark.parametrize("changed", [None, AdversarialSettings(width=2, mel_weight=45)])
def test_a_run_goes_on_only_with_the_same_stage(make_trainer, run, changed):
    settings = {"steps": 4, "validate_every": 2, "ema": 0.9, "rate_decay": True}
    with pytest.raises(TrainingError, match=r"another settings \(adversarial differ\)"):
        make_trainer(run, adversarial=changed, **settings).resume()


def test_a_run_from_before_the_stage_was_there_still_goes_on(make_trainer, tmp_path):
    make_trainer(tmp_path, steps=3, validate_every=1).run(interrupt_at(1))
    saved = checkpoint.load(tmp_path / LAST)
    del saved.facts["settings"]["adversarial"]
    checkpoint.save(tmp_path / LAST, saved)
    again = make_trainer(tmp_path, steps=3, validate_every=1)
    again.resume()
    assert again.run(ignore)


def test_discriminators_that_break_down_stop_the_run_and_keep_the_last_good_checkpoint(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=9, validate_every=2, adversarial=SMALL)

    def poison(progress) -> None:
        if progress.step == 3:
            with torch.no_grad():
                next(trainer.adversary.discriminators.parameters()).fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"step 4: the loss is nan; the last good checkpoint"):
        trainer.run(poison)
    saved = checkpoint.load(tmp_path / LAST)
    assert saved.facts["step"] == 2
    assert all(value.isfinite().all() for value in saved.adversary.values())


def test_the_stage_improves_what_a_run_with_the_logs_losses_left(make_trainer, trained_run, tmp_path):
    trainer = make_trainer(tmp_path, steps=25, validate_every=25, adversarial=SMALL, l1_weight=0.0, muon_lr=1e-3)
    trainer.start_from(trained_run)
    (clip,) = trainer.clips
    with torch.no_grad():
        before = trainer.model(torch.from_numpy(clip.shifted)[None])[0].numpy()
    trainer.run(ignore)
    (row,) = lines(tmp_path, "validation")
    assert row["mel"] < mel_distance(before, clip.original, 48_000)


STAGE = ("--adversarial", "--discriminator-width", 2)


def test_the_command_starts_the_stage_from_a_run_with_its_own_defaults(train, trained_run, tmp_path):
    train(tmp_path / "run", "--steps", 1, *STAGE, "--init", trained_run / LAST, "--features-weight", 4)
    settings = checkpoint.load(tmp_path / "run" / LAST).facts["settings"]
    assert (settings["muon_lr"], settings["adamw_lr"], settings["l1_weight"]) == (1e-3, 1e-4, 0)
    wanted = {"width": 2, "muon_lr": 1e-3, "adamw_lr": 1e-4, "generator_weight": 1, "features_weight": 4}
    assert settings["adversarial"] == wanted | {"mel_weight": 15, "clip": 100}
    train(tmp_path / "plain", "--steps", 1, "--l1-weight", 3, "--init", tmp_path / "run" / LAST)
    settings = checkpoint.load(tmp_path / "plain" / LAST).facts["settings"]
    assert (settings["muon_lr"], settings["adamw_lr"], settings["l1_weight"]) == (5e-3, 5e-4, 3)
    assert settings["adversarial"] is None


def test_the_command_goes_on_with_the_stage(train, tmp_path):
    train(tmp_path / "run", "--steps", 2, *STAGE, "--time-limit", 0)
    told = lines(tmp_path / "run", "train")
    train(tmp_path / "run", "--steps", 2, *STAGE, "--resume")
    assert lines(tmp_path / "run", "train")[:1] == told
    assert checkpoint.load(tmp_path / "run" / LAST).facts["step"] == 2


@pytest.mark.parametrize(
    "extra, told",
    [
        ((*STAGE, "--precision", "bf16"), "the adversarial stage does not learn well in bf16: give --precision"),
        (("--discriminator-width", 2), "--discriminator-width belongs to the adversarial stage: give --adversarial"),
        (("--mel-weight", 1), "--mel-weight belongs to the adversarial stage: give --adversarial"),
        ((*STAGE, "--discriminator-muon-rate", 0), "the discriminators' muon_lr is 0.0"),
        ((*STAGE, "--discriminator-adamw-rate", "nan"), "the discriminators' adamw_lr is nan"),
        (("--adversarial", "--discriminator-width", 0), "the discriminators' width is 0: give 1 or more"),
        ((*STAGE, "--features-weight", -1), "features_weight is -1.0: give 0 (without that term) or more"),
        ((*STAGE, "--mel-weight", "inf"), "mel_weight is inf"),
        (("--l1-weight", -1), "l1_weight is -1.0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_made(train_words, tmp_path, extra, told):
    result = CliRunner().invoke(deshift.main, train_words(tmp_path / "run", *extra))
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith(f"Error: {told}")
    assert not (tmp_path / "run").exists()

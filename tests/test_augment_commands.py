"""`--augment` and `--gain-db` as options: told in checkpoints and plugin files, fixed in a run, refused when bad."""

import multiprocessing
from dataclasses import replace

import pytest

from export.source import read_source
from tests.runs import ignore, lines
from tests.test_compare_report import comparison
from training import checkpoint
from training.compare import Task, run_task
from training.compare_report import markdown
from training.pairs import PairSettings
from training.recipes import find
from training.settings import TrainingError, TrainSettings

WORDS = ("--steps", 1, "--augment", 0.5, "--gain-db", "-12..6")


@pytest.fixture(scope="module")
def augmented(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("augmented") / "run"
    train(folder, *WORDS)
    return folder


def test_checkpoints_and_plugin_files_say_how_pairs_and_crops_were_augmented(augmented, trained_run):
    facts = checkpoint.load(augmented / "last.safetensors").facts
    assert facts["data"]["pairs"]["augment"] == 0.5
    assert facts["settings"]["gain_db"] == [-12.0, 6.0]
    training = read_source(augmented).facts["training"]
    assert (training["augment"], training["settings"]["gain_db"]) == (0.5, [-12.0, 6.0])
    training = read_source(trained_run).facts["training"]
    assert (training["augment"], training["settings"]["gain_db"]) == (0.0, [0.0, 0.0])


def test_a_run_goes_on_with_the_same_augmentation_alone(train, augmented):
    assert "finished" in train(augmented, *WORDS, "--resume").output
    for words, told in (
        (("--steps", 1, "--augment", 0.5), "another settings (gain_db differ)"),
        (("--steps", 1, "--augment", 0.4, "--gain-db", "-12..6"), "another data (pairs differ)"),
    ):
        assert told in train(augmented, *words, "--resume", exit_code=1).output


def test_train_and_compare_learn_from_the_amplified_crops(train, augmented, make_trainer, tmp_path):
    train(tmp_path / "plain", "--steps", 1, "--augment", 0.5)
    assert lines(augmented, "train")[0]["loss"] != lines(tmp_path / "plain", "train")[0]["loss"]
    for name, gain_db in (("quiet", (-12.0, -6.0)), ("as_it_is", (0.0, 0.0))):
        trainer = make_trainer(tmp_path / "unused", steps=1, gain_db=gain_db)
        pairs = (trainer.crops.places(0)[0][0],)
        task = Task(find("tiny"), trainer.settings, trainer.facts, pairs, pairs, tmp_path / name, "cpu", 1)
        ours, theirs = multiprocessing.Pipe()
        run_task(task, theirs)
        assert ours.recv() == ("finished", "")
    (quiet,), (plain,) = (lines(tmp_path / name / "runs/tiny", "train") for name in ("quiet", "as_it_is"))
    assert quiet["loss"] != plain["loss"]


def without(facts, part, name):
    return {**facts, part: {key: value for key, value in facts[part].items() if key != name}}


def test_a_run_from_before_augmentation_is_resumed_and_exported(make_trainer, tmp_path):
    make_trainer(tmp_path, steps=2).run(ignore, time_limit=0)
    path = tmp_path / "last.safetensors"
    saved = checkpoint.load(path)
    old = without(saved.facts, "settings", "gain_db")
    old["data"] = without(old["data"], "pairs", "augment")
    checkpoint.save(path, replace(saved, facts=old))
    with pytest.raises(TrainingError, match=r"another settings \(gain_db differ\)"):
        make_trainer(tmp_path, steps=2, gain_db=(-6.0, 0.0)).resume()
    trainer = make_trainer(tmp_path, steps=2)
    trainer.resume()
    assert trainer.step == 1
    assert read_source(path).facts["training"]["augment"] == 0.0


@pytest.mark.parametrize(
    "words, told",
    [
        (("--gain-db", "6"), "'6' is no range like -12..6"),
        (("--gain-db", "a..b"), "'a..b' is no range like -12..6"),
        (("--augment", "1.5"), "1.5 is not in the range 0<=x<=1"),
    ],
)
def test_words_that_are_no_share_and_no_range_are_refused(train, tmp_path, words, told):
    assert told in train(tmp_path / "run", *words, exit_code=2).output


@pytest.mark.parametrize("ends", ["6..-6", "-90..0", "nan..0", "0..inf"])
def test_gains_that_are_none_are_refused(train, tmp_path, ends):
    result = train(tmp_path / "run", "--gain-db", ends, exit_code=1)
    assert "dB: give the lower end first, both within ±60 dB" in result.output
    assert not (tmp_path / "run").exists()


def test_a_comparison_tells_of_augmentation_where_there_was_some():
    assert "noise floor" not in markdown(comparison())
    told = markdown(comparison(pairs=PairSettings(augment=0.3)))
    assert "a share of 0.3 of the segments had a noise floor, as many a narrow band and a codec" in told
    loud = replace(comparison(), settings=TrainSettings(gain_db=(-12.0, 6.0)))
    assert "gains were drawn from -12 to 6 dB" in markdown(loud)

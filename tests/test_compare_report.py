"""The report of a comparison: table, curves and page from any figures, and what is read back from a run's folder."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compare_page import Page
from training.compare import Outcome, listened
from training.compare_files import Record, Run, read_run
from training.compare_page import page
from training.compare_report import Comparison, curves, markdown, table_csv
from training.pairs import PairSettings
from training.recipes import Recipe, find
from training.settings import DataFacts, TrainingError, TrainSettings
from training.validation import Scores


def comparison(*outcomes: Outcome, pairs: PairSettings | None = None) -> Comparison:
    facts = DataFacts(("voices",), "CC0-1.0", pairs or PairSettings(), 1.5, 0.1, ())
    return Comparison(TrainSettings(steps=2), facts, Scores(2.5, 3.5, -30.25), 2, ("one", "two"), outcomes)


def outcome_of(losses, validations=(), state="finished", reason="", name="tiny") -> Outcome:
    return Outcome(dataclasses.replace(find("tiny"), name=name), state, reason, Run(losses, validations, None))


@pytest.mark.parametrize("count", [0, 1, 65, 511, 513, 8193])
def test_the_curves_show_the_losses_as_a_moving_mean(count):
    values = np.random.default_rng(0).random(count)
    losses = tuple(zip(range(1, count + 1), values, strict=True))
    lines = curves(comparison(outcome_of(losses))).axes[0].get_lines()
    assert len(lines) == (1 if count else 0)
    for line in lines:
        steps, shown = line.get_data()
        width = count - len(steps) + 1
        assert (steps[-1], width) == (count, max(1, count // 50))
        assert shown[-1] == pytest.approx(values[-width:].mean())
        assert shown[0] == pytest.approx(values[:width].mean())


def test_the_curves_show_validation_figures_and_the_floor_as_a_line():
    scores = ((1, Scores(3.0, 4.0, -20.0)), (2, Scores(2.0, 3.0, -10.0)))
    _, stft, si_sdr = curves(comparison(outcome_of((), scores))).axes
    for axis, values, floor in ((stft, [3.0, 2.0], 2.5), (si_sdr, [-20.0, -10.0], -30.25)):
        mine, line = axis.get_lines()
        assert (list(mine.get_xdata()), list(mine.get_ydata())) == ([1, 2], values)
        assert set(line.get_ydata()) == {floor} and line.get_label() == "doing nothing"


def test_every_recipe_has_a_curve_that_looks_like_no_other():
    outcomes = [outcome_of(((1, 1.0), (2, 2.0)), name=f"r{index}") for index in range(24)]
    lines = curves(comparison(*outcomes)).axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 24


def test_a_reason_cannot_break_the_tables_or_the_page(tmp_path):
    reason = 'a | b <img src=x> "c", d\nnext'
    told = comparison(outcome_of((), state="failed", reason=reason))
    (line,) = [line for line in markdown(told).splitlines() if line.startswith("| tiny")]
    assert 'failed: a \\| b <img src=x> "c", d next |' in line
    assert next(iter(csv.DictReader(table_csv(told).splitlines(True))))["state"] == f"failed: {reason}"
    assert [picture["src"] for picture in Page(page(told, tmp_path)).all("img")] == ["curves.png"]


def test_the_notes_say_how_everything_was_trained():
    told = markdown(comparison(pairs=PairSettings(("rubberband", "vocoder"), semitone_range=(-12.0, 12.0))))
    for part in (
        "2 steps of 32 crops of 32768 samples",
        "seed 0",
        "1.50 h",
        "rubberband, vocoder",
        "-12 to +12 semitones",
    ):
        assert part in told
    assert "+8, +12 semitones" in markdown(comparison(pairs=PairSettings(semitones=(8.0, 12.0))))


def test_a_spectrogram_recipe_is_said_to_be_judged_on_shorter_clips():
    recipe = Recipe("small", (4, 8), (1,), 1, (2,), "spectrogram", kernels=(3,), mid_kernel=3)
    outcome = Outcome(recipe, "finished", "", Run((), (), None))
    assert "256 samples) shorter" in markdown(comparison(outcome))
    assert "shorter" not in markdown(comparison())


def test_figures_of_an_unfinished_run_are_told_with_their_step():
    scores = ((7, Scores(3.0, 4.0, -20.0)),)
    told = markdown(comparison(outcome_of((), scores, "stopped", "at step 9 of 20")))
    assert "| 3.000 | 4.000 | -20.0 dB | stopped: at step 9 of 20 (figures after step 7) |" in told


@given(st.integers(0, 200))
def test_a_few_clips_are_listened_to_and_each_is_another(count):
    chosen = listened(count)
    assert len(chosen) == len(set(chosen)) == min(4, count)
    assert all(0 <= index < count for index in chosen)


def test_a_log_that_a_killed_run_left_half_written_is_read_up_to_there(tmp_path):
    assert read_run(tmp_path) == Run((), (), None)
    first = json.dumps({"step": 1, "kind": "train", "loss": 2.0})
    (tmp_path / "metrics.jsonl").write_text(f"{first}\n{first[:15]}")
    assert read_run(tmp_path).losses == ((1, 2.0),)
    (tmp_path / "metrics.jsonl").write_text(f"{first[:15]}\n{first}\n")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl is damaged .*delete"):
        read_run(tmp_path)
    (tmp_path / "compare.json").write_text('{"asked": {}, "finished": fal')
    with pytest.raises(TrainingError, match=r"compare\.json is damaged .*delete"):
        Record.read(tmp_path)

"""The goals of a release, counted on cells and rows that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.evaluate.cells import Interval
from realtime.evaluate.figures import FIGURES
from realtime.evaluate.goals import Contender, Goal, goal_lines, goals, place_text
from realtime.evaluate.judge import Row
from realtime.evaluate.robustness import Trial
from realtime.evaluate.systems import HostVocoder, Nothing, PluginSystem, System
from realtime.evaluate.table import Line, Statistic
from tests import plugin_files as files

INTERVALS = (Interval(12.0), Interval(7.0))
AS_QUICK = "at least as good as the best DSP inverse of equal or lower latency"
ANY = "at least as good as the best DSP inverse of any latency"


def cell(damage: str, kind: str, interval: str = "+12", **mels: float) -> list[Line]:
    """A cell's lines: PESQ is what mel leaves of 5, so that one is better down and the other up."""
    return [
        Line(
            (damage, interval, kind),
            system.replace("_", "-"),
            1,
            {
                figure.key: Statistic(1, value if figure.key == "mel" else 5 - value, value, None, None)
                if figure.key in ("mel", "pesq")
                else None
                for figure in FIGURES
            },
            0.0,
            0.0,
            0,
        )
        for system, value in mels.items()
    ]


def row(system: str, kind: str, cents: float | None, **changes: object) -> Row:
    figures: dict[str, float | None] = {figure.key: None for figure in FIGURES} | {"f0_error_cents": cents}
    values = {"clip": "a", "kind": kind, "damage": "vocoder", "interval": "+12", "semitones": 12.0, "system": system}
    values |= {"figures": figures, "offset_samples": 0, "exact": True, "real_time_factor": 0.1}
    return Row(**(values | changes))  # type: ignore[arg-type]


class Judged:
    """A model of 22 ms, trained with two shifters at +12, beside the host's vocoders of 21 and 43 ms."""

    def __init__(self, folder: Path, trials: tuple[Trial, ...] = (), delay: int = 1000, megabytes: float = 1) -> None:
        path = files.delay_plugin(
            folder / "model.onnx", delay, training={"shifters": ["vocoder", "rubberband"]}, shift_semitones=(12, 12)
        )
        model = PluginSystem(path, "model")
        self.contender = Contender("model", model.facts, round(1e6 * megabytes), trials)
        self.systems: list[System] = [Nothing(), HostVocoder(1024), HostVocoder(2048), model]

    def goals(self, cells: list[Line], rows: list[Row] | None = None) -> dict[tuple[str, str], Goal]:
        found = goals(self.contender, cells, rows or [], self.systems, INTERVALS)
        return {(one.goal, one.figure): one for one in found}


def counts(goal: Goal) -> tuple[int, int]:
    return goal.reached, goal.places


def test_cells_are_counted_against_the_best_rival_of_each_group(tmp_path: Path) -> None:
    cells = [
        *cell("vocoder", "speech", nothing=3, vocoder_1024=1.5, vocoder_2048=1.0, model=1.2),
        *cell("vocoder", "singing", nothing=3, vocoder_1024=1.5, vocoder_2048=1.6, model=1.4),
        *cell("vocoder", "music", nothing=3, vocoder_1024=1.5, vocoder_2048=1.6, model=3.1),
        *cell("vocoder", "speech", "+7", nothing=3, vocoder_1024=1.5, vocoder_2048=1.6, model=9),  # not trained for
    ]
    found = Judged(tmp_path).goals(cells)
    for figure in ("mel", "PESQ-wb"):
        assert counts(found["better than nothing", figure]) == (2, 3)
        assert counts(found[AS_QUICK, figure]) == (2, 3)
        assert counts(found[ANY, figure]) == (1, 3)
    assert not found[ANY, "mel"].release
    assert found["better than nothing", "STOI"].met is None
    (short,) = found[AS_QUICK, "mel"].failures
    assert found[AS_QUICK, "mel"].worst == short
    assert place_text(short) == "vocoder +12 music: 3.1 against 1.5 of vocoder-1024"
    assert [one.where for one in found[ANY, "mel"].failures] == ["vocoder +12 music", "vocoder +12 speech"]


def test_a_tie_is_as_good_as_an_inverse_but_not_better_than_nothing(tmp_path: Path) -> None:
    found = Judged(tmp_path).goals(cell("vocoder", "speech", nothing=2, vocoder_1024=2, vocoder_2048=3, model=2))
    assert counts(found["better than nothing", "mel"]) == (0, 1)
    assert counts(found[AS_QUICK, "mel"]) == (1, 1)
    assert found[AS_QUICK, "mel"].worst is not None  # told even where the goal was reached


def test_the_worst_place_is_told_where_a_goal_was_reached_too(tmp_path: Path) -> None:
    cells = [*cell("vocoder", "music", nothing=3, model=1), *cell("vocoder", "speech", nothing=2, model=1.9)]
    goal = Judged(tmp_path).goals(cells)["better than nothing", "mel"]
    assert goal.met
    assert goal.worst is not None
    assert place_text(goal.worst) == "vocoder +12 speech: 1.9 against 2 of nothing"


@pytest.mark.parametrize("mel, mel_met, pesq_met", [(0.95, False, False), (0.89, True, False), (0.79, True, True)])
def test_ahead_is_ten_per_cent_of_mel_and_two_tenths_of_pesq(
    mel: float, mel_met: bool, pesq_met: bool, tmp_path: Path
) -> None:
    cells = cell("world", "speech", nothing=3, vocoder_1024=1.5, vocoder_2048=1.0, model=mel)
    found = {figure: goal for (name, figure), goal in Judged(tmp_path).goals(cells).items() if name.startswith("ahead")}
    assert set(found) == {"mel", "MR-STFT", "PESQ-wb"}
    assert (found["mel"].met, found["PESQ-wb"].met) == (mel_met, pesq_met)


def test_ahead_is_asked_in_mixed_and_unseen_cells_alone(tmp_path: Path) -> None:
    cells = cell("vocoder", "speech", nothing=3, vocoder_1024=1.5, vocoder_2048=1.0, model=1)
    judged = Judged(tmp_path)
    found = {name: goal for (name, figure), goal in judged.goals(cells).items() if figure == "mel"}
    (ahead,) = [goal for name, goal in found.items() if name.startswith("ahead")]
    assert ahead.places == 1
    path = files.delay_plugin(tmp_path / "matched.onnx", 1000, training={"shifters": ["vocoder"]})
    matched = Contender("model", PluginSystem(path, "model").facts, 1, ())
    for one in goals(matched, cells, [], judged.systems, INTERVALS):
        if one.goal.startswith("ahead"):
            assert one.met is None


def test_a_cell_in_which_a_model_gives_nothing_is_missed_not_left_out(tmp_path: Path) -> None:
    cells = cell("vocoder", "speech", nothing=3, vocoder_1024=1.5)
    goal = Judged(tmp_path).goals(cells)[AS_QUICK, "mel"]
    assert counts(goal) == (0, 1)
    assert place_text(goal.failures[0]) == "vocoder +12 speech: none against 1.5 of vocoder-1024"


def test_a_model_quicker_than_every_inverse_has_nothing_to_compare_with(tmp_path: Path) -> None:
    cells = cell("vocoder", "speech", nothing=3, vocoder_1024=1.5, model=1)
    found = Judged(tmp_path, delay=100).goals(cells)
    assert found[AS_QUICK, "mel"].met is None
    assert any("mel nothing to compare with" in line for line in goal_lines(list(found.values())))


def test_the_pitch_is_a_median_over_clips_and_a_lost_pitch_counts(tmp_path: Path) -> None:
    cells = cell("vocoder", "speech", nothing=3, model=1) + cell("vocoder", "music", nothing=3, model=1)
    errors: list[float | None] = [4.0, 8.0, None, None]
    rows = [row("nothing", "speech", 1200.0, clip=str(n)) for n in range(3)]  # the fourth has no pitch at all
    rows += [row("nothing", "speech", None, clip="3"), row("model", "music", 500.0)]
    rows += [row("model", "speech", error, clip=str(n)) for n, error in enumerate(errors)]
    key = ("pitch", "f0 error, cents (median)")
    goal = Judged(tmp_path).goals(cells, rows)[key]
    assert (goal.met, goal.places) == (True, 1)
    lost = [one for one in rows if not (one.system == "model" and one.clip == "0")]
    goal = Judged(tmp_path).goals(cells, lost)[key]  # 8 cents and one lost
    assert goal.met is False
    assert goal.failures[0].where == "mixed speech"


def test_speed_latency_size_and_robustness_are_goals_too(tmp_path: Path) -> None:
    cells = cell("vocoder", "speech", nothing=3, model=1)
    rows = [row("nothing", "speech", None), row("model", "speech", None, real_time_factor=0.3, offset_samples=480)]
    trial = Trial("model", "silence", -12.0, -60.0, -90.0, True, -80.0)
    found = Judged(tmp_path, (trial,), megabytes=21).goals(cells, rows)
    assert found["live", "latency, ms"].met
    assert place_text(found["live", "RTF, one core"].failures[0]) == "all cells: 0.3 against 0.25"
    assert place_text(found["size", "MB"].failures[0]) == "file: 21 against 20"
    assert place_text(found["robustness", "trials, dBFS"].failures[0]) == "silence at -12: -60 against -80"
    assert place_text(found["delay", "later than it states, ms (median)"].failures[0]) == "all cells: 10 against 3"
    slow = Judged(tmp_path, delay=2000).goals(cells, rows)
    assert ("live", "RTF, one core") not in slow
    assert slow["files", "RTF, one core"].met

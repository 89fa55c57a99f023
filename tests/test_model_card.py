"""The model's card: tables out of an evaluation's JSON and the file's facts, and nothing else."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

import deshift
from benchmarks import model_card
from benchmarks.card_released import MOST_BYTES, CardError, Found, released, text_of
from benchmarks.card_tables import tables
from realtime.bundled import bundled_models
from tests import plugin_files as files
from tests.signals import SAMPLE_RATE, harmonic, voice

FRAMES = 30_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and the evaluation of both."""
    folder = tmp_path_factory.mktemp("card")
    training = {"shifters": ["vocoder"], "steps": 1200, "hours_of_training": 1.5, "hours": 3.0, "residual": 0.6}
    files.delay_plugin(folder / "waits.onnx", 1000, training=training | {"started_from": [{"hours_of_training": 2.0}]})
    files.gain_plugin(folder / "quiet.onnx", 0.5)
    for kind, audio in (("speech", voice(FRAMES)), ("singing", harmonic(220, FRAMES))):
        (folder / kind).mkdir()
        soundfile.write(folder / kind / "a.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    options = ("--damage", "vocoder", "--semitones", "12", "--seconds", "0.6", "--json", folder / "found.json")
    arguments = ("evaluate", folder / "waits.onnx", folder / "quiet.onnx", "--data", folder, *options)
    result = CliRunner().invoke(deshift.main, [str(word) for word in arguments])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def evaluation(place: Path) -> Found:
    found: Found = json.loads((place / "found.json").read_text(encoding="utf-8"))
    return found


def write_card(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["model_card", *map(str, arguments)])
    model_card.main()


def row_of(text: str, first: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_tables_hold_what_was_measured_and_what_the_file_says(place: Path, evaluation: Found) -> None:
    for line in evaluation["summaries"]:
        line["figures"]["f0_error_cents"]["median"] *= 0.9  # two clips have their mean for a median
    found = released(evaluation, "waits")
    text = tables(found, model_card.facts_for(found, place))
    for line in evaluation["summaries"]:
        if (line["model"], line["kind"]) == ("waits", "all"):
            cells, figures = row_of(text, line["system"]), line["figures"]
            assert cells[3].split()[0] == f"{figures['mel']['mean']:.2f}"
            assert cells[5] == f"{figures['f0_error_cents']['median']:.1f}"
    means = {
        line["system"]: line["figures"]["pesq"]["mean"] for line in evaluation["cells"] if line["kind"] == "speech"
    }
    best = max(value for name, value in means.items() if name not in ("nothing", "waits", "quiet"))
    assert row_of(text, "speech")[4] == f"{means['waits']:.2f} / {means['nothing']:.2f} / {best:.2f}"
    assert row_of(text, "training")[1] == (
        "1,200 steps after 1 earlier runs; 3.5 hours of training in all; 3.0 hours of recordings; damage by vocoder; "
        "adds 0.6 of what it learnt to add"
    )
    assert row_of(text, "latency")[1].startswith("22.2 ms, algorithmic; hop 64 samples, lookahead 20.83 ms")
    assert row_of(text, "noise")[-1] == "passed"
    assert evaluation["command"] in text
    assert "quiet" not in text.replace(evaluation["command"], "")


def test_text_around_the_marks_stays_and_writing_again_changes_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card.md"
    marks = (model_card.begin_mark("quiet"), model_card.end_mark("quiet"))
    card.write_text(f"# Mine\n\nbefore\n\n{marks[0]}\nold\n{marks[1]}\n\nafter\n", encoding="utf-8")
    write_card(monkeypatch, place / "found.json", "--out", card, "--models", place)
    first = card.read_text(encoding="utf-8")
    assert first.startswith(f"# Mine\n\nbefore\n\n{marks[0]}\n")
    assert f"{marks[1]}\n\nafter\n\n## waits\n\n{model_card.begin_mark('waits')}" in first
    assert "old" not in first
    names = [place / f"{name}.evaluation.json" for name in ("quiet", "waits")]
    write_card(monkeypatch, *names, "--out", card, "--models", place)  # the released forms say the same
    assert card.read_text(encoding="utf-8") == first


def test_a_model_that_is_not_the_one_that_was_judged_is_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.gain_plugin(tmp_path / "quiet.onnx", 0.25)
    files.gain_plugin(tmp_path / "waits.onnx", 0.25)
    with pytest.raises(SystemExit, match=r"waits\.onnx: not the file that was judged, by its hash"):
        write_card(monkeypatch, place / "found.json", "--out", tmp_path / "card.md", "--models", tmp_path)
    assert not list(tmp_path.glob("*.json")) + list(tmp_path.glob("*.md"))


@pytest.mark.parametrize(
    "text, told",
    [("nothing", "cannot be read"), ("[]", "no evaluation of a model"), ('{"models": {"a": {}}}', "is missing")],
)
def test_what_is_no_evaluation_is_one_line(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=told):
        write_card(monkeypatch, tmp_path / "x.json", "--out", tmp_path / "card.md", "--models", tmp_path)


@pytest.mark.parametrize("marks", ["begin", "end", "end begin", "begin begin end"])
def test_marks_that_are_no_pair_are_refused(marks: str) -> None:
    places = {"begin": model_card.begin_mark("a"), "end": model_card.end_mark("a")}
    with pytest.raises(CardError, match="are not one pair"):
        model_card.filled("\n".join(places[word] for word in marks.split()), "a", "tables")


def whole_protocol(evaluation: Found) -> Found:
    """What one evaluation of everything would be as large as: 5 damages, 8 intervals, 4 kinds, 60 clips, all missed."""
    whole = copy.deepcopy(evaluation)
    cells = [line for line in whole["cells"] if line["kind"] == "speech"]
    whole["cells"] = [
        line | {"damage": f"signalsmith{damage}", "interval": f"{interval}", "kind": f"instrument{kind}"}
        for damage in range(5)
        for interval in range(8)
        for kind in range(4)
        for line in cells
    ]
    summaries = [line for line in whole["summaries"] if (line["model"], line["kind"]) == ("waits", "speech")]
    whole["summaries"] = [
        line | {"relation": f"unseen{place}", "kind": f"kind{kind}"}
        for place in range(4)
        for kind in range(5)
        for line in summaries
    ]
    failure = {"where": "signalsmith +12 instrument", "value": 1.234567, "bar": 1.234567, "rival": "Rubber Band R3"}
    for goal in whole["goals"]:
        goal["failures"] = [failure] * 160
    whole["robustness"] *= 3
    whole["clips"] = whole["clips"] * 30
    return whole


def test_an_evaluation_of_everything_fits_a_release_and_a_larger_one_is_refused(evaluation: Found) -> None:
    found = released(whole_protocol(evaluation), "waits")
    text = text_of(found)
    assert MOST_BYTES / 3 < len(text.encode()) <= MOST_BYTES
    assert json.loads(text) == found
    assert all(len(goal["failures"]) == 10 and goal["more_failures"] == 150 for goal in found["goals"])
    with pytest.raises(CardError, match="more than 200,000"):
        text_of(found | {"notes": found["notes"] + ["x" * MOST_BYTES]})


JUDGED = [path for path in bundled_models().values() if path.with_suffix(".evaluation.json").exists()]


def test_some_bundled_model_has_its_evaluation() -> None:
    assert JUDGED


@pytest.mark.parametrize("path", JUDGED, ids=lambda path: path.stem)
def test_the_card_says_of_a_bundled_model_what_its_evaluation_says(path: Path) -> None:
    evaluation, names = model_card.read_evaluation(path.with_suffix(".evaluation.json"))
    assert names == [path.stem]
    measured = tables(evaluation, model_card.facts_for(evaluation, path.parent))
    card = model_card.CARD.read_text(encoding="utf-8")
    assert model_card.filled(card, path.stem, measured) == card
    assert path.with_suffix(".evaluation.json").read_text(encoding="utf-8") == text_of(evaluation)

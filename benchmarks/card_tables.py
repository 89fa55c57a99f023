"""A released evaluation and its plugin file's facts as the tables of a model's card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from benchmarks.card_released import Found
from realtime.contract import Facts
from realtime.evaluate.goals import Place, place_text
from realtime.evaluate.robustness import HEADS, Trial, table_rows
from realtime.evaluate.systems import NOTHING
from realtime.evaluate.table import ALL_KINDS, latency_text

_MEAN, _MEDIAN, _LOW, _HIGH = 1, 2, 3, 4  # places in a summary's figures
_SHOWN = ("mel", "mr_stft", "f0_error_cents", "pesq", "stoi")
_UNKNOWN = "–"


def tables(found: Found, facts: Facts) -> str:
    """Everything between a section's marks: what the file is, what was measured, and how."""
    parts = [
        _facts_table(found, facts),
        _how(found),
        "### Goals\n",
        _goals(found),
        *(text for relation in _in_order(found, "relation") for text in _relation(found, relation)),
        "### Robustness\n",
        _robustness(found),
    ]
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)]) + "\n"


def _facts_table(found: Found, facts: Facts) -> str:
    file, training, recipe = found["file"], facts.training, facts.recipe
    low, high = facts.shift_semitones
    shift = f"{low:+g} semitones" if low == high else f"{low:+g} … {high:+g} semitones"
    controls = "; ".join(f"{one.name} {one.minimum:g} … {one.maximum:g} {one.unit}" for one in facts.controls)
    lookahead_ms = 1000 * facts.lookahead_samples / facts.sample_rate
    latency = latency_text(file["latency_ms"]) + (" ms" if file["latency_ms"] is not None else "")
    before = f", behind a vocoder in the same graph ({recipe['prestage']})" if recipe.get("prestage") else ""
    rows = [
        ("file", f"`{found['model']}.onnx`, {file['file_bytes'] / 1e6:.1f} MB, sha256 `{file['file_sha256']}`"),
        ("network", f"recipe `{recipe.get('name', 'unknown')}`, {facts.parameters:,} parameters{before}"),
        ("latency", f"{latency}, algorithmic; hop {facts.hop_samples} samples, lookahead {lookahead_ms:.2f} ms"),
        ("receptive field", f"{facts.receptive_field_samples / facts.sample_rate:.3f} s at {facts.sample_rate} Hz"),
        ("undoes", shift + (f"; controls: {controls}" if controls else "")),
        ("training", _training(training)),
        ("licence", facts.licence),
    ]
    return _table(("", ""), rows)


def _training(training: Any) -> str:
    shifters = training.get("shifters")
    before = training.get("started_from") or []
    spent = [run.get("hours_of_training") for run in ({**training}, *before)]
    hours = sum(each for each in spent if isinstance(each, int | float))
    earlier = f" after {len(before)} earlier runs" if before else ""
    parts = [
        f"{training['steps']:,} steps{earlier}" if isinstance(training.get("steps"), int) else "",
        f"{hours:.1f} hours of training in all" if hours else "",
        f"{training['hours']:.1f} hours of recordings" if isinstance(training.get("hours"), int | float) else "",
        f"damage by {', '.join(map(str, shifters))}" if isinstance(shifters, list) else "",
        f"adds {training['residual']:g} of what it learnt to add" if "residual" in training else "",
    ]
    return "; ".join(part for part in parts if part) or "the file does not say"


def _how(found: Found) -> str:
    kinds = [clip["kind"] for clip in found["clips"]]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    libraries = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    seconds = found["settings"]["seconds"]
    return (
        f"    {found['command']}\n\n"
        f"{len(kinds)} recordings ({counts}), at most {seconds:g} s of each. RTF is processor time on "
        f"{found['processor']}. {libraries}. Every cell is in `{found['model']}.evaluation.json` beside the model.\n"
    )


def _goals(found: Found) -> str:
    asked = [goal for goal in found["goals"] if goal["release"] and goal["met"] is not None]
    met = sum(goal["met"] for goal in asked)
    rows = []
    for goal in found["goals"]:
        worst = place_text(Place(**goal["worst"])) if goal["worst"] else ""
        count = f"{goal['reached']} of {goal['places']}" if goal["places"] else "nothing to compare with"
        name = goal["goal"] if goal["release"] else f"({goal['goal']})"
        rows.append((name, goal["figure"], count, worst))
    said = (
        f"Met in full: {met} of {len(asked)}. Counts are of cells (damage, interval, kind), as docs/evaluation.md says;"
    )
    return f"{said}\nwhat stands in brackets is no goal of its own.\n\n" + _table(
        ("goal", "figure", "reached", "worst"), rows
    )


def _relation(found: Found, relation: str) -> list[str]:
    lines = [line for line in found["summaries"] if line["relation"] == relation]
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    whole = ALL_KINDS if ALL_KINDS in kinds else kinds[0]
    latency = {system["name"]: latency_text(system["latency_ms"]) for system in found["systems"]}
    rows = [
        (line["system"], latency[line["system"]], f"{line['rtf']:.3f}", *(_shown(found, line, key) for key in _SHOWN))
        for line in lines
        if line["kind"] == whole
    ]
    heads = [_figure(found, key)["heading"] for key in _SHOWN]
    parts = [f"### Damage: {relation}\n", _table(("system", "latency, ms", "RTF", *heads), rows)]
    if len(kinds) > 1:
        rows = [
            _kind_row(found, [line for line in lines if line["kind"] == kind], kind) for kind in kinds if kind != whole
        ]
        said = "By kind: the model / nothing / the best inverse of any latency, for each figure anew.\n"
        parts += [said, _table(("kind", *heads), rows)]
    return parts


def _kind_row(found: Found, lines: Sequence[Found], kind: str) -> tuple[str, ...]:
    model, nothing = (
        next((line for line in lines if line["system"] == name), None) for name in (found["model"], NOTHING)
    )
    inverses = [line for line in lines if line["system"] not in (found["model"], NOTHING)]
    cells = []
    for key in _SHOWN:
        values = [value for line in inverses if (value := _value(found, line, key)) is not None]
        best = (min if _figure(found, key)["less_is_better"] else max)(values, default=None)
        parts = [_value(found, line, key) if line else None for line in (model, nothing)]
        cells.append(" / ".join(_digits(found, key, value) for value in (*parts, best)))
    return (kind, *cells)


def _shown(found: Found, line: Found, key: str) -> str:
    text = _digits(found, key, _value(found, line, key))
    values = line["figures"].get(key)
    if key in ("mel", "mr_stft") and values and values[_LOW] is not None:
        text += f" [{_digits(found, key, values[_LOW])}, {_digits(found, key, values[_HIGH])}]"
    return text


def _value(found: Found, line: Found, key: str) -> float | None:
    values = line["figures"].get(key)
    return None if values is None else values[_MEDIAN if _figure(found, key)["shows_median"] else _MEAN]


def _digits(found: Found, key: str, value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.{_figure(found, key)['digits']}f}"


def _figure(found: Found, key: str) -> Found:
    figure: Found = next(figure for figure in found["figures"] if figure["key"] == key)
    return figure


def _robustness(found: Found) -> str:
    names = {field.name for field in fields(Trial)}
    trials = [Trial(**{key: value for key, value in trial.items() if key in names}) for trial in found["robustness"]]
    shifts = [f"{each:+g}" for each in dict.fromkeys(trial.semitones for trial in trials) if each is not None]
    told = f", told to undo {', '.join(shifts)} semitones" if shifts else ""
    return f"The worst over all trials{told}.\n\n" + _table(HEADS, table_rows(trials))


def _in_order(found: Found, key: str) -> list[str]:
    return list(dict.fromkeys(line[key] for line in found["summaries"]))

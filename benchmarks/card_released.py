"""An evaluation of one model in the form that stands beside it: all that its card says, without the lines of clips."""

from __future__ import annotations

import json
from typing import Any

FORMAT = 1
MOST_BYTES = 200_000
MOST_FAILURES = 10  # of one goal in one figure, the worst; all of them are in what `deshift evaluate --json` writes
CELL_FIGURES = ("mel", "mr_stft", "f0_error_cents", "voicing_error", "pesq", "stoi")
_MEDIANS = ("f0_error_cents",)

Found = dict[str, Any]


class CardError(ValueError):
    """An evaluation that no card can be made of; the message is one line."""


def released(evaluation: Found, model: str) -> Found:
    """One model's part of what `deshift evaluate --json` wrote, figures to 5 digits. A released form passes as it is.

    Raises: CardError where it is neither, or does not hold that model.
    """
    if evaluation.get("format") == FORMAT and evaluation.get("model") == model:
        return evaluation
    try:
        others = set(evaluation["models"]) - {model}
        systems = [system for system in evaluation["systems"] if system["name"] not in others]
        names = [system["name"] for system in systems]
        return {
            "format": FORMAT,
            "model": model,
            "command": evaluation["command"],
            "file": evaluation["models"][model],
            "settings": evaluation["settings"],
            "versions": evaluation["versions"],
            "processor": evaluation["processor"],
            "clips": evaluation["clips"],
            "systems": systems,
            "figures": evaluation["figures"],
            "goals": [_goal(goal) for goal in evaluation["goals"] if goal["model"] == model],
            "robustness": [_rounded(trial) for trial in evaluation["robustness"] if trial["model"] == model],
            "summaries": [_summary(line) for line in evaluation["summaries"] if line["model"] == model],
            "cells": _cells(evaluation["cells"], names),
            "notes": evaluation["notes"],
        }
    except (KeyError, TypeError) as error:
        raise CardError(
            f"not an evaluation of {model} by this version of deshift evaluate: {error} is missing"
        ) from error


def text_of(found: Found) -> str:
    """A released form as JSON, one line for each of its entries' entries.

    Raises: CardError where it is larger than a release may carry.
    """
    lines = []
    for key, value in found.items():
        if isinstance(value, list):
            body = "[\n" + ",\n".join(_json(entry) for entry in value) + "\n]"
        elif isinstance(value, dict):
            body = "{\n" + ",\n".join(f"{_json(name)}:{_json(entry)}" for name, entry in value.items()) + "\n}"
        else:
            body = _json(value)
        lines.append(f"{_json(key)}:{body}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if len(text.encode()) > MOST_BYTES:
        raise CardError(
            f"{found['model']}: {len(text.encode()):,} bytes, more than {MOST_BYTES:,}: judge fewer intervals"
        )
    return text


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _goal(goal: Found) -> Found:
    """The worst failures alone, and how many more there are."""
    kept = goal["failures"][:MOST_FAILURES]
    more = len(goal["failures"]) - len(kept)
    told = {**{key: goal[key] for key in goal if key != "model"}, "failures": kept, "more_failures": more}
    return dict(_rounded(told))


def _summary(line: Found) -> Found:
    """Of each figure ``[clips, mean, median, low, high]``."""
    figures = {key: list(found.values()) for key, found in line["figures"].items() if found}
    kept = {key: line[key] for key in ("relation", "kind", "system", "rows", "rtf", "median_offset_ms")}
    return dict(_rounded({**kept, "figures": figures}))


def _cells(lines: list[Found], names: list[str]) -> Found:
    """``damage interval kind`` -> figure -> a value for each system, in their order: the mean, of cents the median."""
    cells: Found = {}
    for line in lines:
        if line["system"] not in names:
            continue
        cell = cells.setdefault(f"{line['damage']} {line['interval']} {line['kind']}", {})
        for key in CELL_FIGURES:
            found = line["figures"][key]
            if found:
                values = cell.setdefault(key, [None] * len(names))
                values[names.index(line["system"])] = _rounded(found["median" if key in _MEDIANS else "mean"])
    return cells

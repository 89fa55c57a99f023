"""An evaluation as files: every row as CSV, everything as JSON, each whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realtime.contract import Facts
from realtime.evaluate.cells import Interval, relation
from realtime.evaluate.clips import Clip
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.figures import FIGURES
from realtime.evaluate.goals import Goal
from realtime.evaluate.judge import Plan, Row
from realtime.evaluate.provenance import file_sha256, processor, versions
from realtime.evaluate.robustness import Trial
from realtime.evaluate.systems import System
from realtime.evaluate.table import Line


@dataclass(frozen=True)
class Evaluation:
    """All that was found: `models` are the facts by system name, `notes` what was left out and why.

    `command` is what to type to find it again.
    """

    command: str
    plan: Plan
    clips: tuple[Clip, ...]
    models: dict[str, Facts]
    systems: tuple[System, ...]
    rows: tuple[Row, ...]
    cells: tuple[Line, ...]
    summaries: tuple[Line, ...]
    trials: tuple[Trial, ...]
    goals: tuple[Goal, ...]
    notes: tuple[str, ...]


def rows_csv(evaluation: Evaluation) -> str:
    """One line for each clip, cell and system; an empty field where a figure says nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    relations = [f"relation_{name}" for name in evaluation.models]
    keys = [figure.key for figure in FIGURES]
    names = ("clip", "kind", "damage", "interval", "semitones", "system")
    writer.writerow([*names, *relations, *keys, "offset_samples", "offset_exact", "rtf"])
    intervals = {interval.label: interval for interval in evaluation.plan.intervals}
    for row in evaluation.rows:
        known = [relation(facts, row.damage, intervals[row.interval]) for facts in evaluation.models.values()]
        values = [row.figures[key] for key in keys]
        shown = ["" if value is None else f"{value:.6g}" for value in values]
        offset = "" if row.offset_samples is None else row.offset_samples
        start = (row.clip, row.kind, row.damage, row.interval, f"{row.semitones:g}", row.system)
        writer.writerow([*start, *known, *shown, offset, int(row.exact), f"{row.real_time_factor:.4f}"])
    return text.getvalue()


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation for programs, and for a model's card."""
    plan, intervals = evaluation.plan, evaluation.plan.intervals
    latencies = {system.name: system.latency_ms for system in evaluation.systems}
    paths = dict(zip(evaluation.models, plan.model_paths, strict=True))
    return {
        "command": evaluation.command,
        "versions": versions(),
        "processor": processor(),
        "settings": {
            "seconds": plan.seconds,
            "damages": list(plan.damages),
            "intervals": [interval.label for interval in intervals],
        },
        "clips": [{"name": clip.name, "kind": clip.kind, "hash": clip.content_hash} for clip in evaluation.clips],
        "models": {
            name: {**_model(paths[name], facts, plan.damages, intervals), "latency_ms": latencies[name]}
            for name, facts in evaluation.models.items()
        },
        "systems": [
            {"name": system.name, "latency_ms": system.latency_ms, "about": system.about}
            for system in evaluation.systems
        ],
        "figures": [asdict(figure) for figure in FIGURES],
        "summaries": [_line(line, ("model", "relation", "kind")) for line in evaluation.summaries],
        "cells": [_line(line, ("damage", "interval", "kind")) for line in evaluation.cells],
        "goals": [{**asdict(goal), "met": goal.met} for goal in evaluation.goals],
        "robustness": [{**asdict(trial), "passed": trial.passed} for trial in evaluation.trials],
        "notes": list(evaluation.notes),
    }


def _model(path: Path, facts: Facts, damages: Sequence[str], intervals: Sequence[Interval]) -> dict[str, Any]:
    relations = {name: {each.label: relation(facts, name, each) for each in intervals} for name in damages}
    return {
        "name": facts.name,
        "file_sha256": file_sha256(path),
        "file_bytes": path.stat().st_size,
        "weights_sha256": facts.weights_sha256,
        "shift_semitones": list(facts.shift_semitones),
        "relations": relations,
    }


def _line(line: Line, names: tuple[str, str, str]) -> dict[str, Any]:
    return {
        **dict(zip(names, line.group, strict=True)),
        "system": line.system,
        "rows": line.rows,
        "rtf": line.real_time_factor,
        "median_offset_ms": line.offset_ms,
        "offset_unknown": line.unplaced,
        "figures": {key: asdict(found) if found else None for key, found in line.statistics.items()},
    }


def json_text(evaluation: Evaluation) -> str:
    """`as_json` as text."""
    return json.dumps(as_json(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def check_target(path: Path, overwrite: bool) -> None:
    """See, before hours of work, that a file can be written there.

    Raises: EvaluateError where it exists, is a folder, or its folder is missing or cannot be written to.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        why = "is a folder: name a file" if path.is_dir() else "exists already; --overwrite replaces it"
        raise EvaluateError(f"{path}: {why}")
    if not path.resolve().parent.is_dir() or not os.access(path.resolve().parent, os.W_OK):
        raise EvaluateError(f"{path}: no folder to write in: make {path.resolve().parent} first")


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the target, then rename.

    Raises: EvaluateError where the disk refuses.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise EvaluateError(f"{path}: cannot be written: {error.strerror or error}") from error

"""The plain answer: what a released model must reach, counted over the cells of one evaluation, failures by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from realtime.contract import Facts
from realtime.evaluate.cells import Interval, relation
from realtime.evaluate.figures import FIGURES, Figure
from realtime.evaluate.judge import Row
from realtime.evaluate.robustness import Trial
from realtime.evaluate.systems import NOTHING, Nothing, PluginSystem, System
from realtime.evaluate.table import Line

JUDGED = ("mel", "mr_stft", "pesq", "stoi")
MARGINS = {"mel": 0.9, "mr_stft": 0.9, "pesq": 0.2}  # of the best inverse: so much of it, or so much more
WITH_PITCH = ("speech", "singing")
MOST_CENTS = 10.0
MOST_DELAY_MS = 3.0  # beyond the stated latency; loudness places a sound to about 1 ms
LIVE_LATENCY_MS, LIVE_HOP_MS, LIVE_RTF, FILES_RTF = 32.0, 512 / 48, 0.25, 0.5
MOST_BYTES = 20e6

_BETTER = "better than nothing"
_AS_QUICK = "at least as good as the best DSP inverse of equal or lower latency"
_ANY = "at least as good as the best DSP inverse of any latency"
_AHEAD = "ahead of the best DSP inverse of any latency by 10 % (PESQ: 0.2) in mixed and unseen cells"
_AHEAD_IN = ("mixed", "unseen")


@dataclass(frozen=True)
class Place:
    """Where a goal was asked: `value` against `bar`, which `rival` sets. None where the model gave no figure."""

    where: str
    value: float | None
    bar: float
    rival: str = ""


@dataclass(frozen=True)
class Goal:
    """One goal in one figure.

    Attributes:
        reached: in how many places (cells, or groups of them) it was; places: where it could be asked.
        worst: the place that is furthest behind, or the least ahead where the goal was reached.
        failures: where it was missed, worst first.
        release: a goal of a release; else one that is told beside them.
    """

    model: str
    goal: str
    figure: str
    reached: int
    places: int
    worst: Place | None = None
    failures: tuple[Place, ...] = ()
    release: bool = True

    @property
    def met(self) -> bool | None:
        """Everywhere; None where there was nothing to ask."""
        return self.reached == self.places if self.places else None


@dataclass(frozen=True)
class Contender:
    """A model to be judged: its system's name, its file's facts and size, and what it was tried out with."""

    name: str
    facts: Facts
    file_bytes: int
    trials: tuple[Trial, ...]


def goals(
    model: Contender,
    cells: Sequence[Line],
    rows: Sequence[Row],
    systems: Sequence[System],
    intervals: Sequence[Interval],
) -> list[Goal]:
    """Every goal for one model. Cells of intervals that it was not trained for (*outside*) are not asked."""
    by_label = {interval.label: interval for interval in intervals}
    asked = {line.group: relation(model.facts, line.group[0], by_label[line.group[1]]) for line in cells}
    inside = {group: stands for group, stands in asked.items() if stands != "outside"}
    known = [line for line in cells if line.group in inside]
    own_rows = [row for row in rows if (row.damage, row.interval, row.kind) in inside]
    return [
        *_races(model, known, inside, systems),
        *_pitch(model, own_rows, inside),
        *_delay(model, own_rows),
        *_machine(model, own_rows, systems),
        _robust(model),
    ]


def goal_lines(found: Sequence[Goal]) -> list[str]:
    """One line for each model and goal: counts, and the worst failure of each figure."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in found:
        worst = f" (worst: {place_text(one.worst)})" if one.worst else ""
        lines.setdefault((one.model, one.goal), []).append(f"{one.figure} {count_text(one)}{worst}")
    return [f"{model}, {goal}: {'; '.join(told)}" for (model, goal), told in lines.items()]


def count_text(goal: Goal) -> str:
    """``3 of 20``."""
    return f"{goal.reached} of {goal.places}" if goal.places else "nothing to compare with"


def place_text(place: Place) -> str:
    """``vocoder +12 speech: 1.20 against 1.00 of Signalsmith``."""
    value = "none" if place.value is None else f"{place.value:.4g}"
    return f"{place.where}: {value} against {place.bar:.4g}{f' of {place.rival}' if place.rival else ''}"


def _races(
    model: Contender, cells: Sequence[Line], inside: dict[tuple[str, str, str], str], systems: Sequence[System]
) -> Iterator[Goal]:
    own = next(system.latency_ms for system in systems if system.name == model.name)
    inverses = [system for system in systems if not isinstance(system, Nothing | PluginSystem)]
    every = [one.name for one in inverses]
    as_quick = [one.name for one in inverses if own is None or (one.latency_ms is not None and one.latency_ms <= own)]
    ahead = [line for line in cells if inside[line.group] in _AHEAD_IN]
    races = ((_BETTER, cells, [NOTHING]), (_AS_QUICK, cells, as_quick), (_ANY, cells, every), (_AHEAD, ahead, every))
    for goal, places, rivals in races:
        for figure in FIGURES:
            if figure.key in (MARGINS if goal == _AHEAD else JUDGED):
                yield _race(model.name, goal, places, rivals, figure)


def _race(model: str, goal: str, cells: Sequence[Line], rivals: Sequence[str], figure: Figure) -> Goal:
    """The model's mean against the best mean of its rivals, cell by cell."""
    sign = 1 if figure.less_is_better else -1
    means: dict[tuple[str, str, str], dict[str, float]] = {}
    for line in cells:
        statistic = line.statistics[figure.key]
        means.setdefault(line.group, {}).update({line.system: statistic.mean} if statistic else {})
    places: list[tuple[float, bool, Place]] = []
    for group, found in means.items():
        values = [(sign * found[name], name) for name in rivals if name in found]
        if not values:
            continue
        best, rival = min(values)
        bar, value = sign * best, found.get(model)
        if goal == _AHEAD:
            bar = bar * MARGINS[figure.key] if figure.less_is_better else bar + MARGINS[figure.key]
        short = math.inf if value is None else sign * (value - bar)
        missed = short > 0 or (short == 0 and goal == _BETTER)
        places.append((short / abs(bar or 1), missed, Place(" ".join(group), value, bar, rival)))
    places.sort(key=lambda each: (-each[0], each[2].where))
    failures = tuple(place for _, missed, place in places if missed)
    reached, worst = len(places) - len(failures), places[0][2] if places else None
    return Goal(model, goal, figure.heading, reached, len(places), worst, failures, release=goal != _ANY)


def _pitch(model: Contender, rows: Sequence[Row], inside: dict[tuple[str, str, str], str]) -> Iterator[Goal]:
    """The median over clips; a clip whose pitch others bring back and the model does not counts as a miss."""
    pitched = {_asked(row) for row in rows if row.figures["f0_error_cents"] is not None}
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row.system == model.name and row.kind in WITH_PITCH and _asked(row) in pitched:
            stands = inside[row.damage, row.interval, row.kind]
            error = row.figures["f0_error_cents"]
            groups.setdefault(f"{stands} {row.kind}", []).append(math.inf if error is None else error)
    medians = {where: float(np.median(errors)) for where, errors in groups.items()}
    yield _at_most(model.name, "pitch", "f0 error, cents (median)", medians, MOST_CENTS)


def _delay(model: Contender, rows: Sequence[Row]) -> Iterator[Goal]:
    """How much later than its stated latency: measured, less what the damage alone is late."""
    late = {_asked(row): row.offset_samples for row in rows if row.system == NOTHING}
    apart = [
        (row.offset_samples - floor) / 48
        for row in rows
        if row.system == model.name and row.offset_samples is not None
        if (floor := late.get(_asked(row))) is not None
    ]
    found = {"all cells": float(np.median(apart))} if apart else {}
    yield _at_most(model.name, "delay", "later than it states, ms (median)", found, MOST_DELAY_MS)


def _machine(model: Contender, rows: Sequence[Row], systems: Sequence[System]) -> Iterator[Goal]:
    latency_ms = next(system.latency_ms for system in systems if system.name == model.name)
    factors = [row.real_time_factor for row in rows if row.system == model.name]
    speed = {"all cells": float(np.mean(factors))} if factors else {}
    hop_ms = 1000 * model.facts.hop_samples / model.facts.sample_rate
    if latency_ms is not None and latency_ms <= LIVE_LATENCY_MS and hop_ms <= LIVE_HOP_MS + 1e-9:
        yield _at_most(model.name, "live", "latency, ms", {"file": latency_ms}, LIVE_LATENCY_MS)
        yield _at_most(model.name, "live", "RTF, one core", speed, LIVE_RTF)
    else:
        yield _at_most(model.name, "files", "RTF, one core", speed, FILES_RTF)
    yield _at_most(model.name, "size", "MB", {"file": model.file_bytes / 1e6}, MOST_BYTES / 1e6)


def _robust(model: Contender) -> Goal:
    failures = []
    for trial in model.trials:
        if not trial.passed:
            at = "" if trial.semitones is None else f" at {trial.semitones:+g}"
            value, bar = (trial.peak_dbfs, trial.limit_dbfs) if trial.too_loud else (trial.tail_dbfs, trial.tail_limit)
            failures.append(Place(f"{trial.signal}{at}", value if trial.finite else None, bar))
    count, worst = len(model.trials), failures[0] if failures else None
    return Goal(model.name, "robustness", "trials, dBFS", count - len(failures), count, worst, tuple(failures))


def _at_most(model: str, goal: str, figure: str, values: dict[str, float], bar: float) -> Goal:
    ordered = sorted(values.items(), key=lambda item: -item[1])
    places = [Place(where, value if math.isfinite(value) else None, bar) for where, value in ordered]
    failures = tuple(place for place in places if place.value is None or place.value > bar)
    worst = places[0] if places else None
    return Goal(model, goal, figure, len(places) - len(failures), len(places), worst, failures)


def _asked(row: Row) -> tuple[str, str, str]:
    return row.clip, row.damage, row.interval

"""Rows to tables: mean, median and bootstrap interval of every cell, and of all cells that stand alike to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from realtime.contract import Facts
from realtime.evaluate.cells import RELATIONS, Interval, relation
from realtime.evaluate.figures import FIGURES, Figure
from realtime.evaluate.judge import Row
from realtime.evaluate.systems import System

ALL_KINDS = "all"
_RESAMPLES = 2000
_LOW, _HIGH = 2.5, 97.5  # per cent
_UNKNOWN = "–"


@dataclass(frozen=True)
class Statistic:
    """Of one figure over the clips that have it; `low` and `high` bound the mean with 95 %, None with one clip.

    A clip that was damaged in several ways counts once: with its mean over them, of a figure that is shown as a median
    with its median, so that one wrong octave stays one.
    """

    clips: int
    mean: float
    median: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """One line of a table: a system on a group of rows. `statistics` has None where no clip has that figure.

    Attributes:
        group: what the rows share: (damage, interval, kind) of a cell, (model, relation, kind) of a summary.
        offset_ms: median |delay| that was measured and taken off; None where none showed.
        unplaced: of how many rows the delay could not be measured; 0 was taken then.
    """

    group: tuple[str, str, str]
    system: str
    rows: int
    statistics: dict[str, Statistic | None]
    real_time_factor: float
    offset_ms: float | None
    unplaced: int


def statistic(values_by_clip: dict[str, list[float]], of_medians: bool = False) -> Statistic | None:
    """Mean, median and interval over clips; the resamples are drawn the same on each call.

    Args: of_medians: a clip with several values counts with their median, not their mean.
    """
    of_clip = np.median if of_medians else np.mean
    values = np.array([of_clip(values) for _, values in sorted(values_by_clip.items()) if values])
    if not len(values):
        return None
    mean, median = float(values.mean()), float(np.median(values))
    if len(values) == 1:
        return Statistic(1, mean, median, None, None)
    low, high = np.percentile(values[_draws(len(values))].mean(axis=1), [_LOW, _HIGH])
    return Statistic(len(values), mean, median, float(low), float(high))


@lru_cache(maxsize=64)
def _draws(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Which clips each resample takes: ``(resamples, count)``. Source: Efron, Bootstrap methods, 1979 (percentiles)."""
    return np.random.default_rng(count).integers(0, count, (_RESAMPLES, count))


def cell_lines(rows: Sequence[Row]) -> list[Line]:
    """One line for each damage, interval, kind and system, in the order of the rows."""
    return _lines(rows, lambda row: [(row.damage, row.interval, row.kind)])


def summary_lines(rows: Sequence[Row], models: dict[str, Facts], intervals: Sequence[Interval]) -> list[Line]:
    """For each model: its line and the baselines' over all cells of one relation and kind, and over all kinds.

    Without a model, the baselines over everything.
    """
    by_label = {interval.label: interval for interval in intervals}
    several = len({row.kind for row in rows}) > 1
    lines: list[Line] = []
    for model, facts in models.items():
        others = set(models) - {model}
        for wanted in RELATIONS:
            chosen = [
                row
                for row in rows
                if row.system not in others and relation(facts, row.damage, by_label[row.interval]) == wanted
            ]
            lines += _by_kind(chosen, model, wanted, several)
    return lines if models else _by_kind(rows, "no model", ALL_KINDS, several)


def _by_kind(rows: Sequence[Row], model: str, wanted: str, several: bool) -> list[Line]:
    def groups(row: Row) -> list[tuple[str, str, str]]:
        kinds = [ALL_KINDS, row.kind] if several else [row.kind]
        return [(model, wanted, kind) for kind in kinds]

    return _lines(rows, groups)


def _lines(rows: Sequence[Row], groups_of: Callable[[Row], Iterable[tuple[str, str, str]]]) -> list[Line]:
    gathered: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in rows:
        for group in groups_of(row):
            gathered.setdefault(group, {}).setdefault(row.system, []).append(row)
    return [_line(group, system, alike) for group, systems in gathered.items() for system, alike in systems.items()]


def _line(group: tuple[str, str, str], system: str, rows: list[Row]) -> Line:
    statistics = {}
    for figure in FIGURES:
        by_clip: dict[str, list[float]] = {}
        for row in rows:
            value = row.figures[figure.key]
            if value is not None:
                by_clip.setdefault(row.clip, []).append(value)
        statistics[figure.key] = statistic(by_clip, figure.shows_median)
    offsets = [abs(row.offset_samples) / 48 for row in rows if row.offset_samples is not None]
    return Line(
        group,
        system,
        len(rows),
        statistics,
        float(np.mean([row.real_time_factor for row in rows])),
        float(np.median(offsets)) if offsets else None,
        len(rows) - len(offsets),
    )


def shown_value(line: Line, figure: Figure) -> str:
    """What the table shows of a figure: the mean, the median of one in cents, – where there is none."""
    found = line.statistics[figure.key]
    if found is None:
        return _UNKNOWN
    return f"{found.median if figure.shows_median else found.mean:.{figure.digits}f}"


def shown_interval(line: Line, figure: Figure) -> str:
    """The bootstrap interval, ``[low, high]``; empty where there is none."""
    found = line.statistics[figure.key]
    if found is None or found.low is None or found.high is None:
        return ""
    return f"[{found.low:.{figure.digits}f}, {found.high:.{figure.digits}f}]"


def used_figures(lines: Sequence[Line]) -> list[Figure]:
    """The figures that some line has."""
    return [figure for figure in FIGURES if any(line.statistics[figure.key] is not None for line in lines)]


def markdown(lines: Sequence[Line], systems: Sequence[System]) -> str:
    """One table for each (first, second) of the groups: a heading, then kind, system, latency, speed and figures."""
    latency = {system.name: latency_text(system.latency_ms) for system in systems}
    figures, parts = used_figures(lines), []
    heads = ("kind", "clips", "system", "latency, ms", "RTF", "delay, ms", *(f.heading for f in figures))
    for first, second in dict.fromkeys(line.group[:2] for line in lines):
        parts.append(f"\n### {first}: {second}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
        for line in (line for line in lines if line.group[:2] == (first, second)):
            values = [f"{shown_value(line, figure)} {shown_interval(line, figure)}".strip() for figure in figures[:2]]
            values += [shown_value(line, figure) for figure in figures[2:]]
            texts = (line.group[2], clips_of(line), line.system, latency[line.system], f"{line.real_time_factor:.3f}")
            parts.append(f"| {' | '.join((*texts, delay_text(line), *values))} |")
    return "\n".join(parts) + "\n"


def clips_of(line: Line) -> str:
    """How many clips stand behind the first figure."""
    return str(max((found.clips for found in line.statistics.values() if found), default=0))


def latency_text(latency_ms: float | None) -> str:
    """Milliseconds, or that it needs the whole sound."""
    return "whole sound" if latency_ms is None else f"{latency_ms:.1f}"


def delay_text(line: Line) -> str:
    """The measured delay; with the number of rows where there was none to measure."""
    delay = _UNKNOWN if line.offset_ms is None else f"{line.offset_ms:.1f}"
    return f"{delay} ({line.unplaced} of {line.rows} unknown)" if line.unplaced else delay

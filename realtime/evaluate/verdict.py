"""The plain answer: in how many cells a model beats doing nothing, and the DSP inverses it has to compete with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.evaluate.figures import FIGURES, Figure
from realtime.evaluate.systems import NOTHING, System
from realtime.evaluate.table import Line

JUDGED = ("mel", "mr_stft", "pesq", "stoi")


@dataclass(frozen=True)
class Verdict:
    """A model against the best of some rivals in one figure.

    Attributes:
        rivals: ``nothing``, ``DSP of equal or lower latency`` or ``any DSP``.
        better: cells where the model's mean is at least as good; cells: where both have the figure.
    """

    model: str
    rivals: str
    figure: str
    better: int
    cells: int


def verdicts(cells: Sequence[Line], systems: Sequence[System], models: Sequence[str]) -> list[Verdict]:
    """Every model in every judged figure against each group of rivals."""
    found = []
    for model in models:
        for rivals, names in _rivals(systems, models, model).items():
            for figure in (figure for figure in FIGURES if figure.key in JUDGED):
                better, compared = _count(cells, model, names, figure)
                if compared:
                    found.append(Verdict(model, rivals, figure.heading, better, compared))
    return found


def verdict_lines(found: Sequence[Verdict]) -> list[str]:
    """One line for each model and group of rivals."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in found:
        lines.setdefault((one.model, one.rivals), []).append(f"{one.figure} {one.better} of {one.cells}")
    return [
        f"{model} at least as good as {rivals}, cells: {', '.join(told)}" for (model, rivals), told in lines.items()
    ]


def _rivals(systems: Sequence[System], models: Sequence[str], model: str) -> dict[str, list[str]]:
    own = next(system.latency_ms for system in systems if system.name == model)
    inverses = [system for system in systems if system.name not in (NOTHING, *models)]
    as_quick = [one.name for one in inverses if own is None or (one.latency_ms is not None and one.latency_ms <= own)]
    return {
        NOTHING: [NOTHING],
        "the best DSP inverse of equal or lower latency": as_quick,
        "the best DSP inverse of any latency": [one.name for one in inverses],
    }


def _count(cells: Sequence[Line], model: str, rivals: Sequence[str], figure: Figure) -> tuple[int, int]:
    better = compared = 0
    for group in dict.fromkeys(line.group for line in cells):
        means = {
            line.system: found.mean
            for line in cells
            if line.group == group and (found := line.statistics[figure.key]) is not None
        }
        values = [means[name] for name in rivals if name in means]
        if model in means and values:
            compared += 1
            best = min(values) if figure.less_is_better else max(values)
            better += means[model] <= best if figure.less_is_better else means[model] >= best
    return better, compared

"""A comparison as a table (Markdown, CSV) and as curves (PNG), beside the floor of doing nothing."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.augment import NO_GAIN_DB
from training.compare import Outcome
from training.geometry import parameter_count
from training.models import build
from training.recipes import Recipe
from training.recordings import write_whole
from training.settings import DataFacts, TrainSettings
from training.validation import Scores

HEADINGS = ("recipe", "parameters", "minutes", "peak memory", "MR-STFT", "mel", "SI-SDR", "state")
FLOOR = "doing nothing"
_CSV_COLUMNS = ("recipe", "state", "step", "parameters", "minutes", "peak_memory_bytes", "device", "mr_stft", "mel",
                "si_sdr_db")  # fmt: skip
# Okabe & Ito, Color Universal Design (2008), without the yellow that vanishes on white; dashes tell more apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Comparison:
    """All that the report shows. `clip_names` are those of the listened clips, in the order of their folders."""

    settings: TrainSettings
    facts: DataFacts
    floor: Scores
    validation_clips: int
    clip_names: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def parameters_of(recipe: Recipe) -> int:
    """Counted on a model without memory."""
    with torch.device("meta"):
        return parameter_count(build(recipe))


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The table below `HEADINGS`, as text: a row for each recipe, then the floor."""
    return [
        *(_row(outcome) for outcome in comparison.outcomes),
        (FLOOR, "0", "", "", *_figures(comparison.floor), ""),
    ]


def _row(outcome: Outcome) -> tuple[str, ...]:
    record = outcome.run.record
    told = _state(outcome)
    if outcome.state != "finished" and outcome.run.validations:
        told += f" (figures after step {outcome.run.validations[-1][0]})"
    return (
        outcome.recipe.name + (", causal" if outcome.recipe.causal else ""),
        f"{parameters_of(outcome.recipe):,}",
        f"{record.seconds / 60:.1f}" if record and record.seconds else "",
        f"{record.peak_memory_bytes / 1e6:,.0f} MB ({record.device})" if record and record.peak_memory_bytes else "",
        *_figures(outcome.run.scores),
        told,
    )


def _state(outcome: Outcome) -> str:
    return outcome.state if outcome.state == "finished" else f"{outcome.state}: {outcome.reason}"


def _figures(scores: Scores | None) -> tuple[str, str, str]:
    if scores is None:
        return "", "", ""
    return f"{scores.mr_stft:.3f}", f"{scores.mel:.3f}", f"{scores.si_sdr_db:.1f} dB"


def notes(comparison: Comparison) -> list[str]:
    """What one has to know to read the table, a sentence each."""
    settings, facts = comparison.settings, comparison.facts
    pairs, span = facts.pairs, facts.pairs.semitone_range
    shift = f"{span[0]:+g} to {span[1]:+g}" if span else ", ".join(f"{value:+g}" for value in pairs.semitones)
    told = [
        f"Every recipe: {settings.steps} steps of {settings.batch} crops of {settings.crop} samples, seed "
        f"{settings.seed}, on {facts.hours:.2f} h of recordings, shifted by {', '.join(pairs.shifters)}, "
        f"{shift} semitones.",
        f"MR-STFT and mel (lower is better) and SI-SDR (higher is better) are means over {comparison.validation_clips} "
        f"validation clips after the last step; “{FLOOR}” is the shifted input itself.",
        "Minutes count training steps. Peak memory is what torch allocated on a CUDA device, or the largest resident "
        "set of the run's own process on a CPU.",
    ]
    if pairs.augment or settings.gain_db != NO_GAIN_DB:
        low, high = settings.gain_db
        told.append(
            f"In training, a share of {pairs.augment:g} of the segments had a noise floor, as many a narrow band and a "
            f"codec; gains were drawn from {low:g} to {high:g} dB. The validation clips are as they were."
        )
    if any(outcome.recipe.kind == "spectrogram" for outcome in comparison.outcomes):
        told.append("Spectrogram models are judged on clips that are one hop (256 samples) shorter.")
    return told


def markdown(comparison: Comparison) -> str:
    """The table and its notes."""
    lines = [HEADINGS, ("---", *("---:",) * 6, "---"), *rows(comparison)]
    table = "".join("| " + " | ".join(_cell(text) for text in line) + " |\n" for line in lines)
    return f"# Comparison\n\n{table}\n" + "\n".join(notes(comparison)) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def table_csv(comparison: Comparison) -> str:
    """The table for programs: figures in full, an empty field for what is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for outcome in comparison.outcomes:
        record, step = outcome.run.record, outcome.run.validations[-1][0] if outcome.run.validations else ""
        spent: tuple[Any, ...] = (record.seconds / 60, record.peak_memory_bytes, record.device) if record else ("",) * 3
        name = outcome.recipe.name
        parameters, scores = parameters_of(outcome.recipe), _numbers(outcome.run.scores)
        writer.writerow([name, _state(outcome), step, parameters, *spent, *scores])
    writer.writerow([FLOOR, "", "", 0, "", "", "", *_numbers(comparison.floor)])
    return text.getvalue()


def _numbers(scores: Scores | None) -> tuple[Any, ...]:
    return (scores.mr_stft, scores.mel, scores.si_sdr_db) if scores else ("",) * 3


def curves(comparison: Comparison) -> Figure:
    """Training loss and validation figures by step, the floor as a line."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    loss, stft, si_sdr = figure.subplots(1, 3)
    for index, outcome in enumerate(comparison.outcomes):
        _draw_losses(loss, outcome, _style(index))
        _draw_scores(stft, outcome, index, lambda scores: scores.mr_stft)
        _draw_scores(si_sdr, outcome, index, lambda scores: scores.si_sdr_db)
    for axis, level in ((stft, comparison.floor.mr_stft), (si_sdr, comparison.floor.si_sdr_db)):
        axis.axhline(level, color="black", linewidth=1, label=FLOOR)
    titles = (
        "training loss (moving mean)",
        "validation MR-STFT, lower is better",
        "validation SI-SDR in dB, higher is better",
    )
    for axis, title in zip((loss, stft, si_sdr), titles, strict=True):
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*stft.get_legend_handles_labels(), fontsize="small", loc="outside lower center", ncols=8)
    return figure


def _style(index: int) -> dict[str, Any]:
    dashes = _DASHES[(index + index // len(_COLOURS)) % len(_DASHES)]
    return {"color": _COLOURS[index % len(_COLOURS)], "linestyle": dashes}


def _draw_losses(axis: Axes, outcome: Outcome, style: dict[str, Any]) -> None:
    if not outcome.run.losses:
        return
    steps, losses = (np.array(column, float) for column in zip(*outcome.run.losses, strict=True))
    width = max(1, len(losses) // 50)  # a batch's loss says more about the batch than about the model
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    axis.plot(steps[width - 1 :], smooth, **style)


def _draw_scores(axis: Axes, outcome: Outcome, index: int, figure_of: Callable[[Scores], float]) -> None:
    steps = [step for step, _ in outcome.run.validations]
    values = [figure_of(scores) for _, scores in outcome.run.validations]
    marker = _MARKERS[index % len(_MARKERS)]
    axis.plot(steps, values, label=outcome.recipe.name, marker=marker, markersize=4, **_style(index))


def write_report(comparison: Comparison, folder: Path) -> None:
    """``comparison.md``, ``comparison.csv`` and ``curves.png``, each whole or not at all."""
    write_whole(folder / "comparison.md", markdown(comparison).encode("utf-8", "replace"))
    write_whole(folder / "comparison.csv", table_csv(comparison).encode("utf-8", "replace"))
    picture = io.BytesIO()
    curves(comparison).savefig(picture, format="png", dpi=110)
    write_whole(folder / "curves.png", picture.getvalue())

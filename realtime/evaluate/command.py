"""The verb `deshift evaluate`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from realtime.evaluate.cells import DAMAGES, choose_damages, choose_intervals
from realtime.evaluate.charts import check_charts
from realtime.evaluate.clips import find_clips, refuse_heard
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.figures import missing_figures
from realtime.evaluate.goals import Contender, goal_lines, goals
from realtime.evaluate.judge import Plan, judge_all
from realtime.evaluate.output import Evaluation, check_target, json_text, rows_csv, write_whole
from realtime.evaluate.provenance import command_text
from realtime.evaluate.report import chart_png, page
from realtime.evaluate.robustness import robustness_table, try_out
from realtime.evaluate.systems import build_systems, open_models
from realtime.evaluate.table import cell_lines, markdown, summary_lines

INTERRUPTED = 130  # what a shell gives for Ctrl-C


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    models: tuple[str, ...]
    data: Path
    damages: tuple[str, ...]
    semitones: tuple[float, ...]
    blind: bool | None
    clips: int | None
    seconds: float
    workers: int


def _numbers(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[float, ...]:
    try:
        return tuple(float(word) for value in values for word in value.split(","))
    except ValueError as error:
        raise click.BadParameter("give intervals in semitones, such as --semitones 12,7,-5") from error


def _words(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for value in values for word in value.split(","))


FILE = click.Path(path_type=Path)


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]…")
@click.option("--data", type=FILE, metavar="DIR", help="Recordings that no model was trained with.")
@click.option("--robustness", is_flag=True, help="The checks with silence, squares, noise and NaN alone: no --data.")
@click.option(
    "--damage",
    "damages",
    multiple=True,
    callback=_words,
    metavar="NAME,…",
    help=f"Shifters to damage with: {', '.join(DAMAGES)}. All that are installed, if none is named.",
)
@click.option(
    "--semitones",
    multiple=True,
    callback=_numbers,
    metavar="N,…",
    help="Intervals. If none is named, the usual ones (12, 7, 4, -4, -5, -7, -12) that the models were trained for.",
)
@click.option(
    "--blind/--no-blind",
    default=None,
    help="One more interval: of each clip another, drawn from -12 to 12. On where no --semitones are named and a model "
    "covers it.",
)
@click.option("--clips", type=click.IntRange(1), metavar="N", help="At most N clips of each kind.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 600),
    default=8.0,
    show_default=True,
    help="At most so much of each clip, from its middle.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Clips judged at the same time.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Everything, for programs and model cards.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Every clip's figures, one line each.")
@click.option("--html", "html_file", type=FILE, metavar="FILE", help="A report with charts, sounds and spectrograms.")
@click.option("--png", "png_file", type=FILE, metavar="FILE", help="The chart of quality against latency.")
@click.option("--cells", "every_cell", is_flag=True, help="Print the table of every cell too.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist already.")
def evaluate(
    models: tuple[str, ...],
    data: Path | None,
    robustness: bool,
    damages: tuple[str, ...],
    semitones: tuple[float, ...],
    blind: bool | None,
    clips: int | None,
    seconds: float,
    workers: int,
    json_file: Path | None,
    csv_file: Path | None,
    html_file: Path | None,
    png_file: Path | None,
    every_cell: bool,
    overwrite: bool,
) -> None:
    """Judge models beside doing nothing and the best DSP inverses, on recordings they never heard.

    MODEL is a bundled model's name or a plugin file (.onnx); without one, the DSP inverses alone are judged. Every
    recording of DIR is shifted by every damage and interval, restored by every system, placed where it is found to lie,
    and compared with the original. Prints markdown: matched, mixed and unseen damage apart, as each model was trained.
    A recording that a model was trained with is refused. Every model is also tried out with silence, squares and NaN.
    docs/evaluation.md explains the figures.
    """
    targets = {"json": json_file, "csv": csv_file, "html": html_file, "png": png_file}
    if robustness:
        _robustness_alone(models, data is not None or any(targets.values()))
        return
    if data is None:
        raise click.UsageError("name the recordings to judge with: --data DIR (or --robustness, which needs none)")
    options = Options(models, data, damages, semitones, blind, clips, seconds, workers)
    try:
        _check_targets(targets, overwrite)
        found = _evaluate(options)
        click.echo(_told(found, every_cell))
        _write(found, targets)
    except EvaluateError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(INTERRUPTED)


def _robustness_alone(models: tuple[str, ...], more: bool) -> None:
    """Print the checks; leave with 1 where one failed, so that a script can hold a release to them."""
    if more or not models:
        raise click.UsageError("--robustness goes with models and nothing else; a whole evaluation includes it")
    try:
        trials = [trial for model in open_models(models) for trial in try_out(model.path)]
    except EvaluateError as error:
        raise click.ClickException(str(error)) from error
    click.echo(robustness_table(trials))
    if not all(trial.passed for trial in trials):
        sys.exit(1)


def _check_targets(targets: dict[str, Path | None], overwrite: bool) -> None:
    for path in targets.values():
        if path is not None:
            check_target(path, overwrite)
    if targets["html"] or targets["png"]:
        check_charts()


def _evaluate(options: Options) -> Evaluation:
    models = open_models(options.models)
    clips = find_clips(options.data, options.clips)
    refuse_heard(clips, models)
    facts = {model.path.stem: model.facts for model in models}
    damages, notes = choose_damages(options.damages)
    intervals = choose_intervals(options.semitones, options.blind, list(facts.values()))
    plan = Plan(tuple(model.path for model in models), damages, intervals, options.seconds)
    systems, absent = build_systems(plan.model_paths)
    trials = {model.path.stem: try_out(model.path) for model in models}
    judged = judge_all(plan, clips, options.workers, lambda line: click.echo(line, err=True))
    problems = [(clip, one.problem) for clip, one in zip(clips, judged, strict=True) if one.problem]
    rows = tuple(row for one in judged for row in one.rows)
    if not rows:
        raise EvaluateError(f"{options.data}: not one recording could be used: {problems[0][1]}")
    left_out = [f"left out: {problem.replace(str(clip.path), clip.name)}" for clip, problem in problems]
    cells = cell_lines(rows)
    contenders = [
        Contender(model.path.stem, model.facts, model.path.stat().st_size, tuple(trials[model.path.stem]))
        for model in models
    ]
    return Evaluation(
        _command(options),
        plan,
        tuple(clip for clip, one in zip(clips, judged, strict=True) if one.rows),
        facts,
        tuple(systems),
        rows,
        tuple(cells),
        tuple(summary_lines(rows, facts, intervals)),
        tuple(trial for one in contenders for trial in one.trials),
        tuple(goal for one in contenders for goal in goals(one, cells, rows, systems, intervals)),
        (*notes, *absent, *missing_figures(), *left_out),
    )


def _command(options: Options) -> str:
    told = {None: "", True: "--blind", False: "--no-blind"}[options.blind]
    listed: list[tuple[str, object]] = [
        ("--damage", ",".join(options.damages)),
        ("--semitones", ",".join(f"{each:g}" for each in options.semitones)),
        *([(told, True)] if told else []),
        ("--clips", options.clips),
        ("--seconds", f"{options.seconds:g}"),
    ]
    return command_text(options.models, options.data, listed)


def _told(found: Evaluation, every_cell: bool) -> str:
    parts = [markdown(found.summaries, found.systems)]
    if every_cell:
        parts.append(markdown(found.cells, found.systems))
    if found.trials:
        parts.append(robustness_table(found.trials))
    parts += [f"- {line}" for line in (*goal_lines(found.goals), *found.notes)]
    return "\n".join(parts)


def _write(found: Evaluation, targets: dict[str, Path | None]) -> None:
    makers = {
        "json": lambda: json_text(found).encode(),
        "csv": lambda: rows_csv(found).encode("utf-8", "replace"),
        "html": lambda: page(found).encode("utf-8", "replace"),
        "png": lambda: chart_png(found),
    }
    for name, path in targets.items():
        if path is not None:
            write_whole(path, makers[name]())
            click.echo(f"wrote {path}", err=True)

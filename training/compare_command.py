"""The verb that trains several recipes alike."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from training.checkpoint import CheckpointError
from training.commands import facts_of, pair_settings_for, pairs_for, settings_for, train
from training.compare import Outcome, Task, check, listened, train_alike
from training.compare_files import write_sound
from training.compare_page import write_page
from training.compare_report import Comparison, markdown, write_report
from training.machine import Machine
from training.pairs import PairsError
from training.recipes import find
from training.settings import TrainingError
from training.validation import Clip, fixed_clips, score

INTERRUPTED = 130  # what a shell gives for Ctrl-C
_VALIDATIONS = 10
_OF_ONE_RUN = {"recipe", "out", "steps", "validate_every", "time_limit", "init", "resume"}
_SHARED = [parameter for parameter in train.params if parameter.name not in _OF_ONE_RUN]


@click.command(params=_SHARED)
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE…")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the results.")
@click.option("--steps", type=click.IntRange(1), required=True, help="Of every recipe.")
@click.option("--validate-every", type=click.IntRange(1), help="Steps; saves too.  [default: a tenth of --steps]")
def compare(
    recipes: tuple[str, ...],
    out: Path,
    steps: int,
    validate_every: int | None,
    device: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Train each RECIPE alike: the same data, seed, steps and validation clips; then compare them.

    Writes into --out: index.html to listen to, comparison.md, comparison.csv, curves.png, and every run under runs/.
    The same command again goes on where it was stopped. A recipe that fails is a row with its reason; the exit code is
    then 1.

    \b
    deshift compare output13 output19 --steps 2000 --data voices --out compared
    """
    options |= {"steps": steps, "validate_every": validate_every or max(1, steps // _VALIDATIONS)}
    try:
        tasks, clips = _prepare(recipes, out, device, threads, options)
        outcomes = _train_and_report(tasks, clips)
    except (TrainingError, PairsError, CheckpointError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if len(outcomes) < len(tasks) or any(outcome.state == "stopped" for outcome in outcomes):
        click.echo("interrupted: what was trained is saved, the same command goes on", err=True)
        sys.exit(INTERRUPTED)
    if any(outcome.state == "failed" for outcome in outcomes):
        sys.exit(1)


def _prepare(
    names: tuple[str, ...], out: Path, device: str, threads: int | None, options: dict[str, Any]
) -> tuple[list[Task], tuple[Clip, ...]]:
    """What each run needs, and the validation clips; whatever can be refused is refused here."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("compare trains in one process: start it without torchrun")
    machine = Machine.join(device, threads)
    chosen = [find(name).as_causal() if options["causal"] else find(name) for name in names]
    settings = [settings_for(recipe, machine, options) for recipe in chosen]
    if len({recipe.prestage for recipe in chosen}) > 1:
        raise TrainingError(
            f"{', '.join(names)} do not hear the same: some have a pre-stage before them. Compare those with the same "
            "one, and judge the others by `deshift evaluate`"
        )
    pair_settings = pair_settings_for(chosen[0], options)
    training, validation = pairs_for(options, pair_settings, quiet=False)
    facts = facts_of(options, pair_settings, training, validation)
    tasks = [
        Task(recipe, each, facts, training.pairs, validation.pairs, out, device, threads)
        for recipe, each in zip(chosen, settings, strict=True)
    ]
    check(tasks)
    clips = fixed_clips(validation.pairs, settings[0])
    if not clips:
        raise TrainingError("the middle of every validation recording is silent: give other ones, or a longer crop")
    return tasks, clips


def _train_and_report(tasks: list[Task], clips: tuple[Clip, ...]) -> tuple[Outcome, ...]:
    folder, facts = tasks[0].folder, tasks[0].facts
    rate = facts.pairs.sample_rate
    (folder / "runs").mkdir(parents=True, exist_ok=True)  # first, as the mark of a comparison's folder
    shown = [clips[index] for index in listened(len(clips))]
    for place, clip in enumerate(shown, start=1):
        write_sound(folder, place, "input", clip.shifted, rate)
        write_sound(folder, place, "original", clip.original, rate)
    floor = score([clip.shifted for clip in clips], clips, rate)

    def begins(task: Task) -> None:
        number = tasks.index(task) + 1
        click.echo(f"recipe {number} of {len(tasks)}: {task.recipe.name}, {task.settings.steps} steps", err=True)

    def compared(outcomes: tuple[Outcome, ...]) -> Comparison:
        names = tuple(clip.name for clip in shown)
        return Comparison(tasks[0].settings, facts, floor, len(clips), names, outcomes)

    def told(outcomes: tuple[Outcome, ...]) -> None:
        write_report(compared(outcomes), folder)
        write_page(compared(outcomes), folder)
        if outcomes[-1].state != "finished":
            click.echo(f"{outcomes[-1].recipe.name} {outcomes[-1].state}: {outcomes[-1].reason}", err=True)

    outcomes = train_alike(tasks, begins, told)
    click.echo(markdown(compared(outcomes)))
    click.echo(f"Listen: {folder / 'index.html'}")
    return outcomes

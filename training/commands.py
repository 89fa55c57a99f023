"""The verbs that need torch: recipes, train."""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

from realtime.quality.metrics import MEL_WINDOWS
from realtime.quality.prestage import prestage_delay
from realtime.quality.shifters import SHIFTER_NAMES
from training.adversarial_options import adversarial_options, adversarial_settings, rates_and_l1_weight
from training.checkpoint import CheckpointError
from training.crops import Crops
from training.geometry import SAMPLE_RATE, Geometry, geometry, macs_per_second, parameter_count
from training.loop import LAST, Trainer
from training.machine import Machine
from training.models import build
from training.pairs import PairIndex, PairsError, PairSettings, make_pairs, split_validation
from training.recipes import RECIPES, Recipe, find
from training.reporting import ProgressLine, hours_and_minutes
from training.settings import DataFacts, TrainingError, TrainSettings
from training.spectrogram_unet import HOP as SPECTROGRAM_HOP
from training.validation import fixed_clips

DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "deshift" / "pairs"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of a table.")
@click.option("--causal", is_flag=True, help="Describe the causal form of every waveform recipe.")
def recipes(as_json: bool, causal: bool) -> None:
    """List the architectures that can be trained: the research log's 22, and our own."""
    chosen = [recipe.as_causal() if causal and recipe.kind == "waveform" else recipe for recipe in RECIPES]
    rows = [describe(recipe) for recipe in chosen]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for title in ("recipe", "kind", "parameters", "stride", "receptive field", "look-ahead", "GMAC/s", "latency"):
        table.add_column(title, justify="left" if title in ("recipe", "kind") else "right")
    for recipe, row in zip(chosen, rows, strict=True):
        table.add_row(
            recipe.name,
            f"{recipe.kind}{', causal' if recipe.causal else ''}",
            f"{row['parameters']:,}",
            str(row["total_stride"]),
            f"{row['receptive_field']:,}",
            f"{row['lookahead']:,}",
            f"{row['gmac_per_second']:.2f}",
            f"{row['algorithmic_latency_ms']:.2f} ms",
        )
    Console(width=max(100, Console().width)).print(table)
    click.echo(
        "Stride, receptive field and look-ahead in samples at 48 kHz; latency is algorithmic, pre-stage included."
    )


def describe(recipe: Recipe) -> dict[str, Any]:
    """What `deshift recipes` prints of one recipe; lengths in samples at 48 kHz."""
    with torch.device("meta"):
        parameters = parameter_count(build(recipe))
    facts: Geometry = geometry(recipe)
    latency = facts.latency + (prestage_delay(recipe.prestage) if recipe.prestage else 0)
    return {
        "name": recipe.name,
        "kind": recipe.kind,
        "causal": recipe.causal,
        "residual": recipe.residual,
        "prestage": recipe.prestage,
        "parameters": parameters,
        "total_stride": facts.total_stride,
        "receptive_field": facts.receptive_field,
        "lookahead": facts.lookahead,
        "gmac_per_second": macs_per_second(recipe) / 1e9,
        "algorithmic_latency": latency,
        "algorithmic_latency_ms": 1000 * latency / SAMPLE_RATE,
        "steps": recipe.steps,
        "note": recipe.note,
    }


def _semitones(context: click.Context, parameter: click.Parameter, text: str) -> dict[str, Any]:
    """ "12" or "8,10,12" is a set; "-12..12" a range."""
    del context, parameter
    try:
        if ".." in text:
            low, high = (float(part) for part in text.split(".."))
            return {"semitone_range": (low, high)}
        return {"semitones": tuple(float(part) for part in text.split(","))}
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is neither a list like 8,10,12 nor a range like -12..12") from error


def _gain_db(context: click.Context, parameter: click.Parameter, text: str) -> tuple[float, float]:
    """ "-12..6" """
    del context, parameter
    try:
        low, high = (float(part) for part in text.split(".."))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no range like -12..6") from error
    return low, high


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("recipe")
@click.option("--data", "folders", multiple=True, required=True, type=_FOLDER, help="Folder of recordings; repeatable.")
@click.option(
    "--validation", multiple=True, type=_FOLDER, help="Folder to validate on; else some recordings are held out."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the run.")
@click.option("--causal", is_flag=True, help="Left padding only, so that the model can stream.")
@click.option("--shifter", "shifters", multiple=True, type=click.Choice(SHIFTER_NAMES), default=["signalsmith"],
              show_default=True, help="What damages the pitch; repeatable.")  # fmt: skip
@click.option("--semitones", callback=_semitones, default="12", show_default=True, help="8,10,12 or -12..12")
@click.option("--augment", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of the segments "
              "with a noise floor, of those with a narrow band, and of those with a codec.")  # fmt: skip
@click.option("--gain-db", callback=_gain_db, default="0..0", show_default=True, help="Of each crop, drawn from here.")
@click.option("--data-licence", default="not stated", help="Licences of the recordings; goes into the model's card.")
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, help="Where the pairs are kept.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes that make pairs.")
@click.option("--steps", type=click.IntRange(1), help="[default: the recipe's]")
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True)
@click.option("--crop", type=click.IntRange(1), default=32_768, show_default=True, help="Samples of a training crop.")
@click.option("--optimizer", type=click.Choice(["muon", "adamw"]), default="muon", show_default=True)
@click.option("--muon-rate", type=float, help="Rate of the matrices.  [default: 0.005; with --adversarial 0.001]")
@click.option("--adamw-rate", type=float, help="Rate of the rest.  [default: 0.0005; with --adversarial 0.0001]")
@click.option("--l1-weight", type=float, help="Weight of the L1 term.  [default: 10; with --adversarial 0]")
@click.option("--rate-decay", is_flag=True, help="Lower both rates linearly to zero at the last step.")
@click.option(
    "--ema", type=float, default=0.0, show_default=True, help="Share that a running average of weights keeps."
)
@click.option("--clip", type=float, default=1e3, show_default=True, help="Limit of the gradient's norm.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "tf32", "bf16"]), default="tf32", show_default=True)
@click.option("--compile/--no-compile", "compiled", default=None, help="torch.compile  [default: on CUDA]")
@click.option("--validate-every", type=click.IntRange(1), default=1000, show_default=True, help="Steps; saves too.")
@click.option("--validation-clips", type=click.IntRange(1), default=32, show_default=True)
@click.option("--validation-crop", type=click.IntRange(1), default=131_072, show_default=True, help="Samples.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of torch.")
@click.option("--time-limit", type=float, help="Minutes; then save and stop, to be resumed.")
@click.option(
    "--init", type=click.Path(exists=True, path_type=Path), help="Start from a checkpoint, a run or an .onnx."
)
@click.option("--resume", is_flag=True, help="Go on where the run in --out stopped.")
@adversarial_options
def train(recipe: str, out: Path, device: str, threads: int | None, time_limit: float | None, **options: Any) -> None:
    """Train RECIPE on folders of recordings: pairs (shifted, original) are made once and cached.

    \b
    deshift train output11 --causal --data voices --out runs/mine
    deshift train output11 --causal --data voices --out runs/mine --resume
    """
    try:
        machine = Machine.join(device, threads)
        try:
            chosen = find(recipe).as_causal() if options["causal"] else find(recipe)
            trainer = prepare(chosen, machine, out, options)
            line = ProgressLine(quiet=not machine.leads)
            done = trainer.run(line.show, time_limit * 60 if time_limit is not None else None)
            line.close()
        finally:
            machine.leave()
    except (TrainingError, PairsError, CheckpointError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if machine.leads:
        state = "finished" if done else f"stopped at step {trainer.step}; go on with the same command and --resume"
        click.echo(f"{state}: {out} ({hours_and_minutes(trainer.seconds)} of training)")


def prepare(recipe: Recipe, machine: Machine, out: Path, options: dict[str, Any]) -> Trainer:
    """Pairs, clips and a trainer, ready to run. The leading process makes the pairs, the others find them made.

    Raises: TrainingError, PairsError, CheckpointError, ValueError: what cannot be, in one line.
    """
    settings = settings_for(recipe, machine, options)
    if options["resume"] and options["init"]:
        raise TrainingError("--resume goes on with a run's own weights, --init starts from others: give one of them")
    if (out / LAST).exists() and not options["resume"]:
        raise TrainingError(f"{out} holds a run already: give --resume to go on with it, or another --out")
    if options["resume"] and not (out / LAST).exists():
        raise TrainingError(f"{out} holds no run to resume: leave out --resume to start one")
    pair_settings = pair_settings_for(recipe, options)
    if not machine.leads:
        machine.wait_for_all()
    training, validation = pairs_for(options, pair_settings, quiet=not machine.leads)
    if machine.leads:
        machine.wait_for_all()
    out.mkdir(parents=True, exist_ok=True)
    facts = facts_of(options, pair_settings, training, validation)
    crops = Crops(training.pairs, settings.crop, settings.batch, settings.seed, settings.gain_db)
    trainer = Trainer(recipe, settings, facts, crops, fixed_clips(validation.pairs, settings), out, machine)
    if options["resume"]:
        trainer.resume()
    elif options["init"]:
        trainer.start_from(options["init"])
    return trainer


def pair_settings_for(recipe: Recipe, options: dict[str, Any]) -> PairSettings:
    """What the pairs of a recipe are made by."""
    shifters = tuple(options["shifters"])
    drawn = {"seed": options["seed"], "augment": options["augment"]}
    return PairSettings(shifters, prestage=recipe.prestage, **drawn, **options["semitones"])


def facts_of(
    options: dict[str, Any], pair_settings: PairSettings, training: PairIndex, validation: PairIndex
) -> DataFacts:
    """What the checkpoints say about the data."""
    return DataFacts(
        folders=tuple(folder.name for folder in options["folders"]),
        licences=options["data_licence"],
        pairs=pair_settings,
        hours=training.hours,
        validation_hours=validation.hours,
        source_hashes=training.source_hashes,
    )


def settings_for(recipe: Recipe, machine: Machine, options: dict[str, Any]) -> TrainSettings:
    """The options as settings. Raises: TrainingError for a crop that does not suit the recipe; ValueError."""
    compiled = options["compiled"]
    if compiled is None:  # run 1's compiled validation crashed in the log, and the spectrogram model stays uncompiled
        compiled = machine.device.type == "cuda" and recipe.kind == "waveform"
    stride = geometry(recipe).total_stride
    if recipe.kind == "waveform":
        for name in ("crop", "validation_crop"):
            if options[name] % stride:
                raise TrainingError(
                    f"--{name.replace('_', '-')} {options[name]} is no multiple of {recipe.name}'s {stride}"
                )
    shortest = MEL_WINDOWS[-1] // 2 + (SPECTROGRAM_HOP if recipe.kind == "spectrogram" else 0)
    if options["crop"] <= shortest:
        raise TrainingError(f"--crop {options['crop']} is too short for the loss: give more than {shortest} samples")
    same = ("batch", "crop", "optimizer", "rate_decay", "ema", "clip", "seed", "gain_db", "precision")
    of_validation = ("validate_every", "validation_clips", "validation_crop")
    return TrainSettings(
        steps=options["steps"] or recipe.steps,
        compile=compiled,
        adversarial=adversarial_settings(options),
        **rates_and_l1_weight(options),
        **{name: options[name] for name in (*same, *of_validation)},
    )


def pairs_for(options: dict[str, Any], settings: PairSettings, quiet: bool) -> tuple[PairIndex, PairIndex]:
    """Training and validation pairs, made or found; what was skipped is said on stderr.

    Validation pairs are never augmented, so that runs with and without it are judged on the same clips.
    """
    report = _silent if quiet else _report_pairs
    clean = dataclasses.replace(settings, augment=0.0)
    made = make_pairs(options["folders"], settings, options["cache"], options["workers"], report)
    if options["validation"]:
        held = make_pairs(options["validation"], clean, options["cache"], options["workers"], report)
        shared = set(made.source_hashes) & set(held.source_hashes)
        if shared:
            raise TrainingError(f"{len(shared)} recordings stand in --data and in --validation: take them out of one")
    else:
        made, held = split_validation(made)
        if settings.augment:
            chosen = held.source_hashes
            held = make_pairs(options["folders"], clean, options["cache"], options["workers"], report, chosen)
            held = dataclasses.replace(held, skipped=())  # told with the training recordings
    if not quiet:
        for skipped in (*made.skipped, *held.skipped):
            click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
        click.echo(f"{made.hours:.2f} h of recordings to train on, {held.hours:.2f} h to validate", err=True)
    return made, held


def _report_pairs(done: int, total: int) -> None:
    if sys.stderr.isatty() or done == total or done % 100 == 0:
        click.echo(f"\rpairs: {done} of {total}", err=True, nl=not sys.stderr.isatty() or done == total)


def _silent(done: int, total: int) -> None:
    del done, total

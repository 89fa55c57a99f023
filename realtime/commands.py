"""The verbs of the running half: process, info, models."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from realtime.bundled import FOLDER, bundled_models, default_name, find_model
from realtime.contract import ContractError, Facts
from realtime.files import FileModel, FileResult, Job, claimed_seconds, plan, process_file
from realtime.model import load_model
from realtime.plugins.provider_option import provider_option, warn_of_clash
from realtime.plugins.session import require_provider
from realtime.shift import EXAMPLE, ShiftError
from realtime.shift_option import semitones_option
from realtime.trust import read_plugin_file

INTERRUPTED = 130  # what a shell gives for Ctrl-C


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="IN…")
@click.option(
    "-o", "--output", metavar="OUT", help="The result's file for one IN; a folder for several, or for a folder."
)
@click.option(
    "-m", "--model", "model_name", metavar="NAME|PATH", help="A bundled model's name or a plugin file (.onnx)."
)
@click.option("--as-live", is_flag=True, help="Sample for sample what a live session gives; 1 or 2 channels.")
@click.option("--preset", metavar="FILE", help="A chain of plugins, as JSON, in place of a model; runs as live.")
@click.option(
    "--mix", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="0 is the original, 1 the model."
)
@click.option(
    "--threads", type=click.IntRange(0), default=1, show_default=True, help="Of the model; 0 takes all cores."
)
@semitones_option
@provider_option
@click.option("--overwrite", is_flag=True, help="Replace results that exist already.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def process(
    inputs: tuple[str, ...],
    output: str | None,
    model_name: str | None,
    as_live: bool,
    preset: str | None,
    mix: float,
    threads: int,
    semitones: float | None,
    provider: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """De-shift audio files, and all audio files in folders.

    Reads and writes wav, flac, ogg, opus, mp3 and aiff, 1 to 8 channels, any rate. The result has the input's length,
    rate, channels and sample type, and is called NAME_deshifted beside the input unless -o says otherwise. A bad file
    does not stop the others; the exit code is 1 if there was one. A model that undoes any shift must be told which:
    --semitones 12 for a sound that was raised by an octave.
    """
    if preset is not None and model_name is not None:
        raise click.UsageError("--preset names its own models: leave out either --preset or --model")
    warn_of_clash(provider)
    try:
        jobs = plan(inputs, output)
        model, name = _model_for(model_name, as_live, preset, threads, provider, semitones)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    results, interrupted = _process_all(jobs, model, mix, overwrite, quiet=as_json)
    if as_json:
        click.echo(json.dumps(_summary(results, name), indent=2))
    elif len(results) > 1:
        click.echo(_summary_line(results))
    if interrupted:
        click.echo("interrupted: no partial file was left behind", err=True)
        sys.exit(INTERRUPTED)
    if any(result.error for result in results):
        sys.exit(1)


def _model_for(
    name: str | None, as_live: bool, preset: str | None, threads: int, provider: str, semitones: float | None
) -> tuple[FileModel, str]:
    """What renders the files, and what it is called.

    Raises: ValueError, one line, where it cannot be loaded, or was not told the shift that it is to undo.
    """
    require_provider(provider)
    if as_live or preset is not None:
        from realtime.live.as_live import LiveModel  # the live engine's parts, only where they are wanted

        live = LiveModel(name, preset, threads, provider, semitones)
        model: FileModel = live
        called = live.name
    else:
        model = loaded = load_model(name or default_name(for_files=True), threads, provider, semitones)
        called = loaded.facts.name
    if model.untold:
        raise ShiftError(f"{model.untold}: add --semitones N, {EXAMPLE}")
    return model, called


def _process_all(
    jobs: list[Job], model: FileModel, mix: float, overwrite: bool, quiet: bool
) -> tuple[list[FileResult], bool]:
    """Every job in turn; also whether Ctrl-C ended it."""
    from realtime.progress import FileProgress

    results: list[FileResult] = []
    with FileProgress([0.0 if job.problem else claimed_seconds(job.input) for job in jobs]) as progress:
        try:
            for job in jobs:
                result = process_file(job, model, mix, overwrite, progress.starts(job.input.name))
                results.append(result)
                progress.ends()
                if not quiet:
                    _tell(result)
        except KeyboardInterrupt:
            return results, True
    return results, False


def _tell(result: FileResult) -> None:
    if result.error:
        click.echo(f"failed: {result.error}", err=True)
        return
    click.echo(f"{result.input} → {result.output}: {_speed(result.seconds, result.processing_seconds)}")
    for warning in result.warnings:
        click.echo(f"  warning: {warning}")


def _speed(seconds: float, processing_seconds: float) -> str:
    return f"{seconds:.2f} s in {processing_seconds:.2f} s, {seconds / max(processing_seconds, 1e-9):.1f} × real time"


def _summary_line(results: list[FileResult]) -> str:
    failed = sum(1 for result in results if result.error)
    seconds, spent = sum(r.seconds for r in results), sum(r.processing_seconds for r in results)
    return f"{len(results) - failed} files done, {failed} failed: {_speed(seconds, spent)}"


def _summary(results: list[FileResult], name: str) -> dict[str, Any]:
    files = [
        {
            "input": str(result.input),
            "output": None if result.output is None or result.error else str(result.output),
            "seconds": round(result.seconds, 6),
            "processing_seconds": round(result.processing_seconds, 6),
            "realtime_factor": round(result.realtime_factor, 6),
            "warnings": list(result.warnings),
            "error": result.error or None,
        }
        for result in results
    ]
    failed = sum(1 for result in results if result.error)
    return {"model": name, "processed": len(results) - failed, "failed": failed, "files": files}


@click.command()
@click.argument("model_name", metavar="MODEL")
@click.option("--validate", "checks", is_flag=True, help="Run it and measure its promises; exit code 1 if one fails.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(model_name: str, checks: bool, as_json: bool) -> None:
    """Print what a plugin file says of itself. MODEL is a bundled model's name or a plugin file (.onnx).

    With --validate, print what it was found to do instead: every check of a careful host, one line each.
    """
    try:
        if checks:
            _validate(model_name, as_json)
            return
        model = load_model(model_name)
    except ContractError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"path": str(model.path), **model.facts.to_json_object()}, indent=2))
    else:
        click.echo("\n".join(_card(model.facts)))


def _validate(model_name: str, as_json: bool) -> None:
    from realtime.validate import validate  # only where it is wanted

    report = validate(find_model(model_name))
    click.echo(json.dumps(report.to_json_object(), indent=2) if as_json else "\n".join(report.lines))
    if not report.passed:
        sys.exit(1)


LONGEST_LIST = 12  # of a fact on the card: the hashes of a few hundred recordings would bury the rest


def _card(facts: Facts) -> list[str]:
    def milliseconds(samples: int) -> str:
        return f"{samples} samples ({1000 * samples / facts.sample_rate:.2f} ms)"

    low, high = facts.shift_semitones
    shift = f"{low:+g} semitones" if low == high else f"{low:+g} … {high:+g} semitones"
    latency = milliseconds(facts.latency_samples) if facts.kind == "stream" else "does not stream: works on whole files"
    shift += ", as its control semitones tells it" if facts.shift_control is not None else ""
    lines = [
        f"{facts.name}: {facts.description}" if facts.description else facts.name,
        *_rows({"kind": facts.kind, "licence": facts.licence, "undoes a shift of": shift}),
        *_rows({"sample rate": f"{facts.sample_rate} Hz", "hop": milliseconds(facts.hop_samples)}),
        *_rows({"lookahead": milliseconds(facts.lookahead_samples), "algorithmic latency": latency}),
        *_rows({"receptive field": milliseconds(facts.receptive_field_samples)}),
        *_rows({"parameters": f"{facts.parameters:,}", "weights sha256": facts.weights_sha256}),
    ]
    for control in facts.controls:
        span = f"{control.minimum:g} … {control.maximum:g} {control.unit}, at first {control.default:g}"
        lines += _rows({f"control {control.name}": span})
    for title, part in (("recipe", facts.recipe), ("training", facts.training), ("certificate", facts.certificate)):
        lines += [f"{title}:", *_rows({_shown(key): _shown(value) for key, value in part.items()})]
    return lines


def _rows(entries: dict[str, str]) -> list[str]:
    return [f"  {key:<22} {value}" for key, value in entries.items()]


def _shown(value: object) -> str:
    """Text as it is where a terminal can show it, all else as JSON, which escapes what could rewrite the screen."""
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return f"{len(value)} entries (--json shows them)"
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def models(as_json: bool) -> None:
    """List the models that came with deshift; the default is marked with *."""
    try:
        found = {name: read_plugin_file(path).facts for name, path in bundled_models(FOLDER).items()}
        default = default_name(FOLDER) if found else ""
    except ContractError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        rows = [{"model": name, "default": name == default, **facts.to_json_object()} for name, facts in found.items()]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo("no model came with this installation: name a plugin file (.onnx) with --model")
    for name, facts in found.items():
        mark = "*" if name == default else " "
        click.echo(
            f"{mark} {name:<24} {facts.latency_ms:7.2f} ms  {facts.parameters:>12,} parameters  {facts.description}"
        )

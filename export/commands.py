"""The verb that writes plugin files."""

from pathlib import Path

import click

from export.graph import ExportError
from export.write import ExportSettings, export_run
from training.checkpoint import CheckpointError


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="FILE.onnx to write.")
@click.option(
    "--hop", type=click.IntRange(1), default=512, show_default=True, help="Samples of one step of the stream."
)
@click.option("--offline", is_flag=True, help="Write a whole-file graph, for models that look ahead.")
@click.option("--fp32", is_flag=True, help="Store weights as float32 instead of float16: twice the size.")
@click.option("--name", default="", help="[default: the recipe's name]")
@click.option("--description", default="", help="One line for the model's card.")
@click.option("--licence", default="NOASSERTION", show_default=True, help="SPDX expression for the weights.")
@click.option("--audio", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Recording to measure the certificate on.  [default: the run's own]")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FILE.onnx if it exists.")
def export(
    run: Path,
    out: Path,
    hop: int,
    offline: bool,
    fp32: bool,
    name: str,
    description: str,
    licence: str,
    audio: Path | None,
    overwrite: bool,
) -> None:
    """Write the model of a RUN folder, or of one checkpoint, as a plugin file.

    The file is run in ONNX Runtime against the model before it is written; beyond 1e-4 nothing is written.
    """
    if out.exists() and not overwrite:
        raise click.ClickException(f"{out} exists: give --overwrite to replace it")
    settings = ExportSettings(hop, offline, not fp32, name, description, licence)
    try:
        facts = export_run(run, out, settings, audio)
    except (ExportError, CheckpointError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    proof = facts.certificate
    window = facts.prestage_window_samples
    before = f"; before it runs the vocoder ({window}) at {facts.prestage_semitones:+g} semitones" if window else ""
    click.echo(
        f"{out}: {facts.kind}, {facts.parameters:,} parameters, {out.stat().st_size / 1e6:.1f} MB, "
        f"algorithmic latency {facts.latency_samples} samples ({facts.latency_ms:.2f} ms){before}\n"
        f"measured on {proof['seconds']:.1f} s of audio: stream against whole {proof['stream_vs_offline']:.1e}, "
        f"file against model {proof['torch_vs_onnx']:.1e}, rounding of stored weights {proof['weight_rounding']:.1e}, "
        f"output changes at most {proof['causality_samples']} samples ahead of the input"
    )

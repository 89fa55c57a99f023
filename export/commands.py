"""The verb that writes plugin files, and what other people's hosts load."""

import contextlib
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from export import readiness
from export.graph import ExportError
from export.write import ExportSettings, export_run
from realtime.contract import Facts
from training.checkpoint import CheckpointError

ERRORS = (ExportError, CheckpointError, ValueError, OSError)


@click.command(
    epilog="""Examples:

\b
  deshift export runs/voice -o voice.onnx              a run as a plugin file
  deshift export voice.onnx -o small.onnx --int8       the same model in 8 bit
  deshift export voice.onnx --lv2 voice.lv2            a plugin for Ardour, Reaper, Carla …
""",
)
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="FILE.onnx to write.")
@click.option(
    "--hop", type=click.IntRange(1), default=512, show_default=True, help="Samples of one step of the stream."
)
@click.option("--offline", is_flag=True, help="Write a whole-file graph, for models that look ahead.")
@click.option("--fp32", is_flag=True, help="Store weights as float32 instead of float16: twice the size.")
@click.option("--int8", is_flag=True, help="Large products in 8 bit: up to three times as fast, half the size.")
@click.option("--residual", type=click.FloatRange(0, 1), default=1.0, show_default=True,
              help="Share of what a restoring network adds to its input.")  # fmt: skip
@click.option("--name", default="", help="[default: the recipe's name, or the file's]")
@click.option("--description", default="", help="One line for the model's card.")
@click.option("--licence", default="", help="SPDX expression for the weights.  [default: NOASSERTION, or the file's]")
@click.option("--audio", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Recording to measure the certificate on.  [default: the run's own]")  # fmt: skip
@click.option("--no-tensorrt", is_flag=True, help="Do not try whether TensorRT would take it: saves some seconds.")
@click.option("--lv2", type=click.Path(path_type=Path), metavar="NAME.lv2", help="Also write an LV2 bundle, for DAWs.")
@click.option("--onnxruntime", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="ONNX Runtime C package that the bundle is built with.")  # fmt: skip
@click.option("--neutone", type=click.Path(path_type=Path), metavar="DIR", help="Also write a model for Neutone FX.")
@click.option("--neutone-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PYTHON",
              help="Of the Neutone SDK's own environment.")  # fmt: skip
@click.option("--anira", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.json",
              help="Also write what anira's loader reads (JUCE, C++).")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
def export(run: Path, out: Path | None, overwrite: bool, **options: Any) -> None:
    """Write the model of a RUN folder, of one checkpoint, or of a plugin file, as a plugin file.

    The file is run in ONNX Runtime against the model before it is written; beyond 1e-4 nothing is written. --lv2,
    --neutone and --anira write from that file what other hosts load; a RUN that is a plugin file needs no -o for that.
    """
    hosts = {key: options[key] for key in ("lv2", "neutone", "anira") if options[key] is not None}
    if out is None and not hosts:
        raise click.UsageError("nothing to write: give -o FILE.onnx, --lv2, --neutone or --anira")
    for target in (out, *hosts.values()):
        if target is not None and target.exists() and not overwrite:
            raise click.ClickException(f"{target} exists: give --overwrite to replace it")
    if "anira" in hosts and out is None and run.suffix.lower() != ".onnx":
        raise click.UsageError("--anira names a plugin file that stays: give -o FILE.onnx too")
    settings = ExportSettings(
        options["hop"], options["offline"], not options["fp32"], options["int8"],
        options["name"], options["description"], options["licence"], not options["no_tensorrt"],
        options["residual"],
    )  # fmt: skip
    try:
        with _plugin_file(run, out, settings, options["audio"]) as file:
            _write_for_hosts(file, hosts, options)
    except ERRORS as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _plugin_file(run: Path, out: Path | None, settings: ExportSettings, audio: Path | None) -> Iterator[Path]:
    """The file that the other formats are made of: the one written, RUN itself, or one that is gone afterwards."""
    if out is not None:
        click.echo(_told(out, export_run(run, out, settings, audio)))
        yield out
    elif run.suffix.lower() == ".onnx" and settings == ExportSettings(tensorrt=settings.tensorrt):
        yield run
    else:
        with tempfile.TemporaryDirectory(prefix="deshift-") as folder:
            file = Path(folder) / "model.onnx"
            click.echo(_told(file, export_run(run, file, settings, audio)))
            yield file


def _write_for_hosts(file: Path, hosts: dict[str, Path], options: dict[str, Any]) -> None:
    """Each is imported only where it is asked for."""
    if "lv2" in hosts:
        from export.lv2.bundle import write_bundle

        made = write_bundle(file, hosts["lv2"], options["onnxruntime"], overwrite=True)
        click.echo(f"{made.path}: LV2 bundle, {made.size_bytes / 1e6:.0f} MB; copy it to ~/.lv2 (docs/daw.md)")
        click.echo(f"  mono {made.mono_uri}\n  stereo {made.stereo_uri}")
    if "neutone" in hosts:
        from export.neutone import write_neutone

        report = write_neutone(file, hosts["neutone"], options["neutone_python"], overwrite=True)
        click.echo(f"{hosts['neutone']}: for Neutone FX; passed the SDK's own test (docs/neutone-anira.md)")
        click.echo("\n".join(_neutone_lines(report)))
    if "anira" in hosts:
        from export.anira import write_anira

        write_anira(file, hosts["anira"], overwrite=True)
        click.echo(f"{hosts['anira']}: for anira's JsonConfigLoader (docs/neutone-anira.md)")


def _neutone_lines(report: dict[str, Any]) -> list[str]:
    speed = [
        f"  {row['sample_rate']} Hz, blocks of {row['buffer_size']}: {row['times_real_time']:.1f} × real time"
        for row in report["speed"]
    ]
    delay = [
        f"  {row['sample_rate']} Hz, blocks of {row['buffer_size']}: {row['total_samples']} samples late"
        for row in report["delay"]
    ]
    return [*speed, *delay]


def _told(out: Path, facts: Facts) -> str:
    proof, prestage = facts.certificate, facts.recipe.get("prestage")
    before = f", of which {facts.lookahead_samples} are the vocoder's that is in it" if prestage else ""
    if prestage:
        before += f"; as the host's own to {proof['prestage_snr_db']:.0f} dB below the output"
    rounding = f"rounding of stored weights {proof['weight_rounding']:.1e}"
    if proof["quantisation_error"]:
        rounding = f"what 8 bit changes lies {proof['quantisation_snr_db']:.0f} dB below the output"
    missing = proof["tensorrt"] == readiness.NOT_CHECKED and importlib.util.find_spec(readiness.PACKAGE) is None
    untried = f" (to have it tried: {readiness.INSTALL})" if missing else ""
    return (
        f"{out}: {facts.kind}, {facts.parameters:,} parameters, {out.stat().st_size / 1e6:.1f} MB, "
        f"algorithmic latency {facts.latency_samples} samples ({facts.latency_ms:.2f} ms){before}\n"
        f"measured on {proof['seconds']:.1f} s of audio: stream against whole {proof['stream_vs_offline']:.1e}, "
        f"file against model {proof['torch_vs_onnx']:.1e}, {rounding}, "
        f"output changes at most {proof['causality_samples']} samples ahead of the input\n"
        f"TensorRT: {proof['tensorrt']}{untried}"
    )

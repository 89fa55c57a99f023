"""The verb `bench`: how fast a model is here, and which settings follow."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

import click

from realtime.bundled import find_model
from realtime.contract import ContractError, Facts
from realtime.live.bench import Bench, Row
from realtime.live.bench import bench as measure
from realtime.plugins.provider_option import warn_of_clash
from realtime.plugins.providers import PROVIDER_NAMES
from realtime.trust import read_plugin_file


@click.command(
    "bench",
    epilog="""Examples:

\b
  deshift bench                the default model
  deshift bench my_model.onnx --seconds 10 --json
  deshift bench --provider cuda --provider cpu
""",
)
@click.argument("model", required=False, metavar="[NAME|PATH]")
@click.option("--seconds", type=click.FloatRange(0.2, 60), default=3.0, show_default=True, help="Of sound, each way.")
@click.option(
    "--provider",
    "providers",
    type=click.Choice(PROVIDER_NAMES),
    multiple=True,
    help="Only this; may be given again.  [default: all that this ONNX Runtime was built with]",
)
@click.option("--channels", type=click.IntRange(1, 2), default=1, show_default=True, help="1 mono, 2 stereo.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def bench(model: str | None, seconds: float, providers: tuple[str, ...], channels: int, as_json: bool) -> None:
    """Measure a model on every provider and number of threads, and recommend settings for `live`."""
    warn_of_clash("all")
    try:
        file = read_plugin_file(find_model(model))
        found = measure(file, seconds, None, providers or None, channels)
    except ContractError as error:
        raise click.ClickException(str(error)) from error
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if as_json:
        facts = {"model": file.facts.name, "cores": os.cpu_count(), "load": load, **asdict(found)}
        facts["recommended"] = None if found.recommended is None else asdict(found.recommended)
        click.echo(json.dumps(facts, indent=2))
    else:
        _print(file.facts, found, load)
    if all(row.error for row in found.rows):
        sys.exit(1)


def _print(facts: Facts, found: Bench, load: float | None) -> None:
    hop_ms = 1000 * facts.hop_samples / facts.sample_rate
    click.echo(f"{facts.name}: a hop is {facts.hop_samples} samples = {hop_ms:.2f} ms")
    busy = "" if load is None else f", load {load:.1f} while measuring"
    click.echo(f"{os.cpu_count()} cores{busy}, priority: {found.priority}")
    click.echo("\n".join(_table(found)))


def _table(found: Bench) -> list[str]:
    lines = ["", f"{'provider':10} {'threads':>7} {'p50':>8} {'p99':>8} {'max':>8} {'RTF':>6}   ms a hop"]
    for row in found.rows:
        if row.error:
            reason = row.error.removeprefix(f"{row.provider} cannot run here: ")
            lines.append(f"{row.provider:10} cannot run here: {reason}")
        else:
            figures = f"{row.p50_ms:8.2f} {row.p99_ms:8.2f} {row.max_ms:8.2f} {row.rtf:6.3f}"
            lines.append(
                f"{row.provider:10} {row.threads:7d} {figures}{'   *' if row is found.best else ''}{_how(row)}"
            )
    best, recommended = found.best, found.recommended
    if best is None or recommended is None:
        return [
            *lines,
            "",
            _none_fast_enough(found),
        ]
    lines += [
        "",
        f"{'block':>5} {'deadline':>9} {'in the app':>11}   ms, run as marked above (*), at the model's own rate",
    ]
    for choice in found.choices:
        mark = "   *" if choice == recommended else ""
        lines.append(f"{choice.block_frames:5d} {choice.deadline_ms:9.1f} {choice.in_app_ms:11.2f}{mark}")
    threads = f" --threads {best.threads}" if best.threads != 1 else ""
    threads += f" --provider {best.provider}" if best.provider != "cpu" else ""
    return [
        *lines,
        "",
        *([found.reason] if found.reason else []),
        f"recommended: deshift live --block {recommended.block_frames} --deadline {recommended.deadline_ms:g}{threads}",
        "(a larger block costs device latency too; `deshift live --auto` tries on the device itself)",
    ]


def _how(row: Row) -> str:
    return "   one launch a hop (CUDA graph)" if row.cuda_graphs else ""


def _none_fast_enough(found: Bench) -> str:
    if all(row.error for row in found.rows):
        return "nothing ran: see the reasons above, and docs/providers.md"
    return "too slow for live use here: the slowest hops take longer than they last; take a smaller model"

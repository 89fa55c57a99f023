"""The verb `bench`: how fast a model is here, and which settings follow."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import click

from realtime.bundled import find_model
from realtime.contract import ContractError
from realtime.live.bench import Bench
from realtime.live.bench import bench as measure
from realtime.trust import read_plugin_file


@click.command(
    "bench",
    epilog="""Examples:

\b
  deshift bench                the default model
  deshift bench my_model.onnx --seconds 10 --json
""",
)
@click.argument("model", required=False, metavar="[NAME|PATH]")
@click.option("--seconds", type=click.FloatRange(0.2, 60), default=3.0, show_default=True, help="Of sound, each way.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def bench(model: str | None, seconds: float, as_json: bool) -> None:
    """Measure a model on every provider and number of threads, and recommend a block and a deadline for `live`."""
    try:
        file = read_plugin_file(find_model(model))
        found = measure(file, seconds)
    except ContractError as error:
        raise click.ClickException(str(error)) from error
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if as_json:
        facts = {"model": file.facts.name, "cores": os.cpu_count(), "load": load, **asdict(found)}
        facts["recommended"] = None if found.recommended is None else asdict(found.recommended)
        click.echo(json.dumps(facts, indent=2))
        return
    hop_ms = 1000 * file.facts.hop_samples / file.facts.sample_rate
    click.echo(f"{file.facts.name}: a hop is {file.facts.hop_samples} samples = {hop_ms:.2f} ms")
    busy = "" if load is None else f", load {load:.1f} while measuring"
    click.echo(f"{os.cpu_count()} cores{busy}, priority: {found.priority}")
    click.echo("\n".join(_table(found)))


def _table(found: Bench) -> list[str]:
    lines = ["", f"{'provider':10} {'threads':>7} {'p50':>8} {'p99':>8} {'max':>8} {'RTF':>6}   ms a hop"]
    for row in found.rows:
        if row.error:
            lines.append(
                f"{row.provider:10} cannot run here: its driver, its libraries or its device are missing (--json)"
            )
        else:
            figures = f"{row.p50_ms:8.2f} {row.p99_ms:8.2f} {row.max_ms:8.2f} {row.rtf:6.3f}"
            lines.append(f"{row.provider:10} {row.threads:7d} {figures}{'   *' if row is found.best else ''}")
    best, recommended = found.best, found.recommended
    if best is None or recommended is None:
        return [
            *lines,
            "",
            "too slow for live use on this CPU: the slowest hops take longer than they last; take a smaller model",
        ]
    lines += [
        "",
        f"{'block':>5} {'deadline':>9} {'in the app':>11}   ms, run as marked above (*), at the model's own rate",
    ]
    for choice in found.choices:
        mark = "   *" if choice == recommended else ""
        lines.append(f"{choice.block_frames:5d} {choice.deadline_ms:9.1f} {choice.in_app_ms:11.2f}{mark}")
    threads = f" --threads {best.threads}" if best.threads != 1 else ""
    return [
        *lines,
        "",
        f"recommended: deshift live --block {recommended.block_frames} --deadline {recommended.deadline_ms:g}{threads}",
        "(a larger block costs device latency too; `deshift live --auto` tries on the device itself)",
    ]

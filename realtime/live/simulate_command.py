"""The verb simulate: a scenario for the live engine, played without a sound card."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from realtime.live.outcome import Outcome, Reading
from realtime.live.script import KINDS, Script, read_script
from realtime.live.simulation import Simulation

MOST_LINES = 20  # of one kind in the summary; --json has all


def _help() -> str:
    return "\b\nKinds of events:\n" + "\n".join(f"  {name:<11} {kind.text}" for name, kind in KINDS.items())


@click.command(epilog=_help())
@click.argument("script_path", metavar="SCRIPT", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def simulate(script_path: str, as_json: bool) -> None:
    """Play a scenario through the live engine, on a simulated device and in virtual time.

    SCRIPT is a TOML file (docs/simulation.md, examples/*.toml). The same script gives the same result every time. The
    exit code is 1 where a miss occurred that no event of the script explains.
    """
    try:
        script = read_script(script_path)
        outcome = Simulation(script).run()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(outcome.to_json_object(), indent=2))
    else:
        click.echo("\n".join(summary(script, outcome)))
    if outcome.unexplained:
        sys.exit(1)


def summary(script: Script, outcome: Outcome) -> list[str]:
    """What was found, for a reader."""
    lines = [f"{outcome.seconds:g} s simulated: {outcome.hops} hops, {outcome.callbacks} callbacks"]
    lines += ["", "misses" if outcome.misses else "no misses"]
    for missed in outcome.misses[:MOST_LINES]:
        span = f"{missed.from_s:.3f} … {missed.to_s:.3f} s"
        why = missed.explained_by or "UNEXPLAINED"
        cause = missed.cause.replace("_", " ")
        lines.append(f"  {span:<24} {cause:<18} {missed.count:>4} times, {missed.frames} frames: {why}")
    lines += _rest(len(outcome.misses))
    lines += ["", "latency in the application    measured     planned", *_latencies(outcome.readings)]
    if not script.device.one_clock:
        lines += ["", f"clocks: {outcome.readings[-1].drift_ppm:+.0f} ppm found at the end"]
    lines += ["", _fills(outcome.readings)]
    if outcome.steps_s is not None:
        lines.append(
            f"steps in the output: {', '.join(f'{at:.3f} s' for at in outcome.steps_s[:MOST_LINES]) or 'none'}"
        )
    counts = {"hops muted for NaN or infinite samples": outcome.muted_blocks, "changes of the chain": outcome.swaps}
    lines += [f"{name}: {count}" for name, count in counts.items() if count]
    lines += [f"{at:.3f} s: {text}" for at, text in outcome.notes[:MOST_LINES]]
    lines += _rest(len(outcome.notes))
    return lines


def _rest(count: int) -> list[str]:
    return [f"  … and {count - MOST_LINES} more (--json shows them)"] if count > MOST_LINES else []


def _latencies(readings: tuple[Reading, ...]) -> list[str]:
    found = [reading for reading in readings if reading.measured_ms is not None]
    if not found:
        return ["  not measured: the input was not found in the output (a model changes it; a bypass does not)"]
    largest = max(found, key=lambda reading: reading.measured_ms or 0)
    rows = {"at the start": found[0], "largest": largest, "at the end": found[-1]}
    return [
        f"  {name:<12} ({row.at_s:>8.2f} s)  {row.measured_ms:>9.3f} ms {row.planned_ms:>9.3f} ms"
        for name, row in rows.items()
    ]


def _fills(readings: tuple[Reading, ...]) -> str:
    def span(name: str) -> str:
        values: list[Any] = [getattr(reading, name) for reading in readings]
        return f"{min(values):.1f} … {max(values):.1f} ms"

    return f"waiting: {span('input_fill_ms')} of input, {span('output_fill_ms')} of output"

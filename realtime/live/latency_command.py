"""The verb `latency-test`: the round trip, measured through a loop-back, beside the sum that the host reports."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from realtime.live.controls import Controls
from realtime.live.device_options import chosen_devices, device_options
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from realtime.live.status import Status

SETTLE_SECONDS = 0.5
ONE_SAMPLE_MS = 0.03  # by which the correlation's peak may be rounded


@click.command(
    "latency-test",
    epilog="""Examples:

\b
  deshift latency-test                         the devices used last
  deshift latency-test -i usb -o usb --block 128
  deshift latency-test --preset voice.json --json
""",
)
@device_options
@click.option("-m", "--model", metavar="NAME|PATH", help="A bundled model's name or a plugin file (.onnx).")
@click.option("--preset", metavar="PATH", help="A chain of plugins, as JSON, in place of a model.")
@click.option("--deadline", "deadline_ms", type=click.FloatRange(0, 1000), default=8.0, show_default=True)
@click.option("--times", type=click.IntRange(1, 20), default=3, show_default=True, help="How often to measure.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def latency_test(times: int, as_json: bool, **options: Any) -> None:
    """Measure the round trip: a short chirp goes out, comes back through a loop-back, and passes the engine.

    Connect the output to the input first: by a cable, by holding the microphone to the loudspeaker, or by a loop-back
    device. Exit code 1 if the measured time differs from the reported one by more than a block, or nothing is
    reported to compare it with.
    """
    names = ("input_name", "output_name", "rate", "block", "latency")
    try:
        devices = chosen_devices(*(options[name] for name in names))
        settings = LiveSettings(
            device=devices.choice,
            model=options["model"],
            preset=options["preset"],
            deadline_ms=options["deadline_ms"],
            controls=Controls(muted=True),
            quality=False,
            allow_feedback=True,  # nothing but the chirp is played
        )
        try:
            with Host(settings) as host:
                time.sleep(SETTLE_SECONDS)
                found = [host.measure() for _ in range(times)]
                status = host.status().engine
        except ValueError as error:
            raise devices.explained(error) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    facts = _facts(status, [m.device_ms for m in found], [m.in_app_ms for m in found])
    click.echo(json.dumps(facts, indent=2) if as_json else _words(facts))
    if not facts["agrees"]:
        raise SystemExit(1)


def _facts(status: Status, device_ms: list[float], in_app_ms: list[float]) -> dict[str, Any]:
    latency = status.latency
    assert latency is not None  # the engine ran
    measured = sorted(device + in_app for device, in_app in zip(device_ms, in_app_ms, strict=True))
    block_ms = 1000 * status.device.block_frames / status.device.output_rate
    reported = latency.total_ms
    middle = measured[len(measured) // 2]
    return {
        "reported_ms": reported,
        "reported_in_app_ms": latency.in_app_ms,
        "parts_ms": {
            "hop": latency.hop_ms,
            "lookahead": latency.lookahead_ms,
            "window": latency.window_ms,
            "buffering": latency.buffering_ms,
            "device_input": latency.device_input_ms,
            "device_output": latency.device_output_ms,
        },
        "measured_ms": middle,
        "measured_device_ms": sorted(device_ms)[len(device_ms) // 2],
        "measured_in_app_ms": sorted(in_app_ms)[len(in_app_ms) // 2],
        "all_measured_ms": measured,
        "block_frames": status.device.block_frames,
        "block_ms": block_ms,
        "agrees": reported is not None and abs(middle - reported) <= block_ms + ONE_SAMPLE_MS,
    }


def _words(facts: dict[str, Any]) -> str:
    parts = [f"{name.replace('_', ' ')} {value:.2f}" for name, value in facts["parts_ms"].items() if value]
    reported, measured, block = facts["reported_ms"], facts["all_measured_ms"], f"{facts['block_ms']:.2f} ms"
    if reported is None:
        first = f"reported  {facts['reported_in_app_ms']:8.2f} ms in the app = {' + '.join(parts)}"
        last = "the sound system does not say the latency of its devices: trust the measured one"
    else:
        first = f"reported  {reported:8.2f} ms = {' + '.join(parts)}"
        differ = abs(facts["measured_ms"] - reported)
        last = (
            f"they agree within a block ({facts['block_frames']} frames, {block})"
            if facts["agrees"]
            else f"WARNING: they differ by {differ:.2f} ms, more than a block ({block}): trust the measured one; "
            "the sound system reports its latency wrongly, or what connects output and input adds some"
        )
    lines = [
        first,
        f"measured  {facts['measured_ms']:8.2f} ms = devices {facts['measured_device_ms']:.2f} + "
        f"app {facts['measured_in_app_ms']:.2f}",
    ]
    if len(measured) > 1:
        lines.append(f"          {measured[0]:8.2f} … {measured[-1]:.2f} ms in {len(measured)} measurements")
    return "\n".join([*lines, last])

"""The verb `devices`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from realtime.live.device import DeviceError
from realtime.live.device_memory import default_path, forget_devices
from realtime.live.device_search import DeviceInfo
from realtime.live.devices import list_devices, supported_rates


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--forget", is_flag=True, help="Forget the devices used last: `live` takes the system's default again.")
def devices(as_json: bool, forget: bool) -> None:
    """List the microphones and loudspeakers: number, name, host API, channels and rates.

    > marks the system's default input, < its default output. Rates are those of the common ones that the device takes,
    its own first. `deshift live` takes a number, a name, "name, host API", or a part of these that only one device has.
    """
    try:
        if forget:
            forget_devices(default_path())
            return
        found = list_devices()
        rates = [supported_rates(device) for device in found]
    except DeviceError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([_facts(*row) for row in zip(found, rates, strict=True)], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("the sound system lists no device; is one plugged in, and may this user open it?")
    api = ""
    for device, taken in zip(found, rates, strict=True):
        if device.host_api != api:
            api = device.host_api
            click.echo(_printable(api))
        click.echo(_line(device, taken))


def _facts(device: DeviceInfo, rates: Sequence[int]) -> dict[str, object]:
    return {
        "index": device.index,
        "name": device.name,
        "host_api": device.host_api,
        "input_channels": device.input_channels,
        "output_channels": device.output_channels,
        "default_rate": device.default_rate,
        "rates": list(rates),
        "default_input": device.is_default_input,
        "default_output": device.is_default_output,
    }


def _line(device: DeviceInfo, rates: Sequence[int]) -> str:
    marks = (">" if device.is_default_input else " ") + ("<" if device.is_default_output else " ")
    own_first = sorted(rates, key=lambda rate: rate != device.default_rate)
    shown = "no common rate, or busy" if not rates else " ".join(f"{rate / 1000:g}" for rate in own_first) + " kHz"
    channels = f"{device.input_channels} in, {device.output_channels} out"
    return f"{marks}{device.index:>4}  {_printable(device.name):<40} {channels:<16} {shown}"


def _printable(name: str) -> str:
    """A name as it is where a terminal can show it, else escaped: drivers choose it."""
    return name if name.isprintable() else json.dumps(name)

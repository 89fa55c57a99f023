"""The options that choose sound devices, for every verb that opens them, and the devices that were used last.

PortAudio is not loaded here: the engine's process does that, and can be ended where the sound system hangs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from realtime.live.clock_device import NAME as NO_DEVICE
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.device_memory import RememberedDevices, default_path, load_remembered, remember


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds -i, -o, --rate, --block and --latency; see `chosen_devices`."""
    for option in (
        click.option(
            "--latency", default="low", show_default=True, metavar="low|high|SECONDS", help="Of the sound system."
        ),
        click.option("--block", type=click.IntRange(0, 8192), default=0, help="Device block in frames; 0: its own."),
        click.option("--rate", type=click.IntRange(1000, 768_000), help="Device rate in Hz; without it, its own."),
        click.option(
            *("-o", "--output", "output_name"),
            metavar="NAME|NUMBER",
            help="Loudspeaker, as `deshift devices` lists it; without it, the one used last.",
        ),
        click.option(
            *("-i", "--input", "input_name"),
            metavar="NAME|NUMBER",
            help='Microphone, as `deshift devices` lists it; without it, the one used last. "none" for both: no sound.',
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class ChosenDevices:
    """What the options mean, and which sides came from memory instead: "name, host API"."""

    choice: DeviceChoice
    from_memory: RememberedDevices

    def explained(self, error: ValueError) -> ValueError:
        """The error as it is, or, where a remembered device is absent, with what to do about it."""
        for side, label in (("input", self.from_memory.input), ("output", self.from_memory.output)):
            if label is not None and f'the {side} device "{label}" is absent' in str(error):
                return DeviceError(
                    f"{error}; it was used last: plug it in, choose another one with -{side[0]}, or forget it with "
                    "`deshift devices --forget`"
                )
        return error


def chosen_devices(
    input_name: str | None,
    output_name: str | None,
    rate: int | None,
    block: int,
    latency: str,
    memory: Path | None = None,
) -> ChosenDevices:
    """From the options and, where they leave a side open, from memory; else the system's default.

    Raises: DeviceError (a ValueError) for a value that no device can have, or a damaged memory.
    """
    choice = DeviceChoice(input_name, output_name, rate, block, _latency(latency))
    if NO_DEVICE in (input_name, output_name) or None not in (input_name, output_name):
        return ChosenDevices(choice, RememberedDevices())
    last = load_remembered(memory or default_path())
    used = RememberedDevices(
        last.input if input_name is None else None,
        last.output if output_name is None else None,
    )
    choice = replace(choice, input=input_name or used.input, output=output_name or used.output)
    return ChosenDevices(choice, used)


def remember_opened(input_label: str, output_label: str, memory: Path | None = None) -> None:
    """Keep the devices of a session that started, "name, host API" each, for the next one.

    Raises: DeviceError where the settings folder cannot be written.
    """
    if NO_DEVICE in (input_label, output_label):
        return
    path, opened = memory or default_path(), RememberedDevices(input_label, output_label)
    try:
        if load_remembered(path) == opened:
            return
    except DeviceError:
        pass  # it is damaged, and is written anew
    remember(opened, path)


def _latency(words: str) -> str | float:
    try:
        return float(words)
    except ValueError:
        return words

"""Sound devices as data, and finding the one that was meant: by index, by name, or by a part of its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from realtime.live.device import DeviceError

Side = Literal["input", "output"]


@dataclass(frozen=True)
class DeviceInfo:
    """A device as the sound system lists it; rate in Hz, latencies (the system's "low") in seconds or None."""

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_rate: int
    is_default_input: bool
    is_default_output: bool

    @property
    def label(self) -> str:
        """Name and host API, as a device is remembered and shown."""
        return f"{self.name}, {self.host_api}"

    def channels(self, side: Side) -> int:
        """The most channels of one side."""
        return self.input_channels if side == "input" else self.output_channels


def find_device(wanted: str | int | None, side: Side, devices: Sequence[DeviceInfo]) -> DeviceInfo:
    """The one device that was meant.

    Args:
        wanted: an index; "name, host API" or a name in full; a part of it that only one device has, in small or capital
            letters; None for the system's default. Digits alone are an index, unless a device is called so. What ends
            in ", " and a host API that there is names one device in full, and stands for no other.
        side: only devices with channels on that side count.
    Raises: DeviceError listing the candidates, where there is none or more than one.
    """
    usable = [device for device in devices if device.channels(side)]
    if wanted is None:
        return _only([device for device in usable if _is_default(device, side)], f"the default {side} device", usable)
    if isinstance(wanted, str):
        text = wanted.strip()
        in_full = [device for device in usable if text == device.label.strip()]
        if in_full or any(text.endswith(f", {device.host_api}") for device in devices):
            return _only(in_full, f'the {side} device "{text}"', usable)
        for match in (
            [device for device in usable if text == device.name],
            [device for device in usable if text.isdecimal() and int(text) == device.index],
            [device for device in usable if text and not text.isdecimal() and text.lower() in device.label.lower()],
        ):
            if match:
                return _only(match, f'the {side} device "{text}"', usable)
        return _only([], f'the {side} device "{text}"', usable)
    return _only([device for device in usable if device.index == wanted], f"the {side} device {wanted}", usable)


def listed(devices: Iterable[DeviceInfo]) -> str:
    """Devices on one line."""
    return "; ".join(f'{device.index} "{device.label}"' for device in devices) or "none at all"


def _is_default(device: DeviceInfo, side: Side) -> bool:
    return device.is_default_input if side == "input" else device.is_default_output


def _only(found: Sequence[DeviceInfo], what: str, usable: Sequence[DeviceInfo]) -> DeviceInfo:
    if not found:
        raise DeviceError(f"{what} is absent; there are: {listed(usable)} (deshift devices lists them)")
    if len(found) > 1:
        raise DeviceError(f'{what} is ambiguous: {listed(found)}; give its number or "name, host API" in full')
    return found[0]

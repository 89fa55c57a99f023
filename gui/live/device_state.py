"""What a user wants of the sound devices, and what there is to choose from: plain values, no Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from realtime.live.clock_device import NAME as SILENT
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.device_list import ListedDevice
from realtime.live.device_search import Side

BLOCKS = (0, 32, 64, 128, 256, 512, 1024, 2048)  # frames; 0: the system's own
UNTOLD_RATES = (44_100, 48_000, 96_000)  # Hz, offered where a device did not tell which it takes
LATENCIES = ("low", "high")
LONGEST_TEXT = 4096
SILENT_TEXT = "No sound card (silent)"
WORDS: dict[Side, str] = {"input": "microphone", "output": "loudspeaker"}

Listed = Sequence[ListedDevice]


@dataclass(frozen=True)
class Option:
    """One line of a list: what it says, what it stands for, and what more a tool tip tells."""

    text: str
    value: Any
    hint: str = ""


@dataclass(frozen=True)
class Wanted:
    """What is chosen. Devices: None is the system's default, "none" silence, else "name, host API".

    Of devices with the same name and host API, the second is called "name, host API #2". `host_api` narrows the lists.
    """

    host_api: str | None = None
    input: str | None = None
    output: str | None = None
    rate: int | None = None
    block_frames: int = 0
    latency: str = "low"
    headphones: bool = False
    self_test: bool = False
    self_test_file: str = ""

    @classmethod
    def from_memory(cls, values: Mapping[str, Any]) -> Wanted:
        """What `to_memory` wrote; whatever makes no sense takes its default."""
        made, default = cls(), cls()
        for name, sensible in (
            ("host_api", _name),
            ("input", _name),
            ("output", _name),
            ("rate", lambda value: type(value) is int and 1000 <= value <= 768_000),
            ("block_frames", lambda value: type(value) is int and value in BLOCKS),
            ("latency", lambda value: value in LATENCIES),
            ("headphones", lambda value: isinstance(value, bool)),
            ("self_test", lambda value: isinstance(value, bool)),
            ("self_test_file", lambda value: isinstance(value, str) and _name(value)),
        ):
            value = values.get(name, getattr(default, name))
            made = replace(made, **{name: value}) if sensible(value) else made
        both = (made.input, made.output)
        return replace(made, input=SILENT, output=SILENT) if SILENT in both else made

    def to_memory(self) -> dict[str, Any]:
        """For the settings' file."""
        return asdict(self)

    def device(self, side: Side) -> str | None:
        """Of one side."""
        return self.input if side == "input" else self.output

    def with_device(self, side: Side, value: str | None) -> Wanted:
        """Another device; silence is for both sides or for neither."""
        if value == SILENT:
            return replace(self, input=SILENT, output=SILENT)
        other = self.device("output" if side == "input" else "input")
        other = None if other == SILENT else other
        return replace(self, input=value, output=other) if side == "input" else replace(self, input=other, output=value)

    def with_host_api(self, api: str | None, devices: Listed) -> Wanted:
        """Another host API: the same devices by name where it has them, else the first that it has."""
        made = replace(self, host_api=api)
        for side in WORDS:
            chosen = self.device(side)
            if api is None or chosen is None or chosen == SILENT:
                continue
            there = {key: listed.info for key, listed in keyed(devices, side).items() if listed.info.host_api == api}
            before = keyed(devices, side).get(chosen)
            name = chosen.rpartition(", ")[0] if before is None else before.info.name
            same = next((key for key, info in there.items() if info.name == name), next(iter(there), None))
            made = made.with_device(side, same)
        return made


def _name(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_TEXT and "\0" not in value)


def keyed(devices: Listed, side: Side) -> dict[str, ListedDevice]:
    """The devices of one side under the names by which they are chosen and remembered."""
    found: dict[str, ListedDevice] = {}
    for listed in devices:
        if listed.info.channels(side):
            key, count = listed.info.label, 1
            while key in found:
                count += 1
                key = f"{listed.info.label} #{count}"
            found[key] = listed
    return found


def default_device(devices: Listed, side: Side) -> ListedDevice | None:
    """The system's."""
    mark = "is_default_input" if side == "input" else "is_default_output"
    return next((one for one in devices if one.info.channels(side) and getattr(one.info, mark)), None)


def host_api_options(devices: Listed, chosen: str | None) -> list[Option]:
    """All together, each alone, and the chosen one even where it is absent."""
    apis = list(dict.fromkeys(listed.info.host_api for listed in devices))
    options = [Option("All", None, "Devices of all sound systems"), *(Option(api, api) for api in apis)]
    if chosen is not None and chosen not in apis:
        options.append(Option(f"(absent) {chosen}", chosen))
    return options


def device_options(devices: Listed, side: Side, wanted: Wanted, told: bool = True) -> list[Option]:
    """The system's default, the devices of the host API, silence, and the chosen one even where it is absent.

    Args:
        told: whether the list is known; before that, nothing is called absent.
    """
    default = default_device(devices, side)
    name = "" if default is None else f": {default.info.name}"
    options = [Option(f"System default{name}", None, "" if default is None else default.info.label)]
    there = keyed(devices, side)
    several = len({listed.info.host_api for listed in devices}) > 1 and wanted.host_api is None
    for key, listed in there.items():
        if wanted.host_api in (None, listed.info.host_api):
            text = key if several else key.replace(listed.info.label, listed.info.name, 1)
            options.append(Option(text, key, f"{key}: {listed.info.channels(side)} channels"))
    chosen = wanted.device(side)
    if chosen not in (None, SILENT) and chosen not in [option.value for option in options]:
        absent = "(absent) " if told and chosen not in there else ""  # in front: long names are cut
        options.append(Option(f"{absent}{chosen}", chosen))
    return [*options, Option(SILENT_TEXT, SILENT, "Nothing is recorded or played: look around without hardware")]


def chosen_devices(devices: Listed, wanted: Wanted) -> list[ListedDevice]:
    """Those of the chosen ones that are there, each once."""
    found = []
    for side in WORDS:
        name = wanted.device(side)
        one = default_device(devices, side) if name is None else keyed(devices, side).get(name)
        if one is not None and one not in found:
            found.append(one)
    return found


def rate_options(devices: Listed, wanted: Wanted) -> list[Option]:
    """Their own, and those that both devices take, in Hz; the chosen one is among them while no device is known."""
    used = chosen_devices(devices, wanted)
    told = [set(UNTOLD_RATES if one.rates is None else one.rates) for one in used] or [set(UNTOLD_RATES)]
    rates = set.intersection(*told)
    if wanted.rate is not None and (not used or any(one.rates is None for one in used)):
        rates.add(wanted.rate)
    own = sorted({one.info.default_rate for one in used})
    text = f"Own: {kilohertz(own[0])}" if len(own) == 1 else "Own"
    hint = " → ".join(kilohertz(one.info.default_rate) for one in used)
    return [Option(text, None, hint), *(Option(kilohertz(rate), rate) for rate in sorted(rates))]


def block_options() -> list[Option]:
    """Frames of the sound system at once."""
    own = Option("Own", 0, "As many as the sound system likes")
    return [own, *(Option(f"{frames} frames", frames, f"{frames} frames at once") for frames in BLOCKS if frames)]


def kilohertz(rate_hz: int) -> str:
    """In words: "44.1 kHz"."""
    return f"{rate_hz / 1000:g} kHz"


def device_choice(devices: Listed, wanted: Wanted, told: bool = True) -> DeviceChoice:
    """What the engine is asked for.

    Args:
        told: whether the list is known; before that, the engine itself finds out what is there.
    Raises: DeviceError, a sentence, where a chosen device is absent, or there is no default one.
    """
    if wanted.input == SILENT:
        return DeviceChoice(SILENT, SILENT, wanted.rate, wanted.block_frames, wanted.latency)
    ends = [_end(devices, side, wanted.device(side), told) for side in WORDS]
    return DeviceChoice(ends[0], ends[1], wanted.rate, wanted.block_frames, wanted.latency)


def _end(devices: Listed, side: Side, name: str | None, told: bool) -> str | int | None:
    """One side of a `DeviceChoice`: a number only where the name and host API fit two devices."""
    what, there = WORDS[side], keyed(devices, side)
    if name is None:
        if told and default_device(devices, side) is None:
            raise DeviceError(f"The system has no default {what}: choose a device, or “{SILENT_TEXT}”.")
        return None
    if name not in there:
        if told:
            raise DeviceError(f"The {what} “{name}” is absent: plug it in and press Refresh, or choose another one.")
        return name
    label = there[name].info.label
    alone = sum(one.info.label == label for one in there.values()) == 1
    return label if alone else there[name].info.index

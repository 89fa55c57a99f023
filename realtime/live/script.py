"""A scenario for a simulated device, read from TOML: devices, chain, and what goes wrong when."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from realtime.live.controls import Controls
from realtime.live.exchange import CONCEALMENTS, Concealment
from realtime.live.plan import DEFAULT_DEADLINE_MS, LARGEST_BLOCK_FRAMES

LONGEST_SECONDS = 24 * 3600.0
SETTLING_SECONDS = 1.0  # so long after its end an event still explains a miss


UNTIMELY = ("late_model", "input_overflow", "device_gap")


class ScriptError(ValueError):
    """A script that cannot be played. One line: where, what, what there is instead."""


@dataclass(frozen=True)
class Kind:
    """What an event may be.

    Args:
        text: one line of help.
        value: what `value` must be: "number", "rate", "table", "any", one of several words, or nothing.
        lasting: whether it needs a `duration_s`.
        explains: the causes of misses that are expected while it lasts.
    """

    text: str
    value: str | tuple[str, ...] = ""
    lasting: bool = True
    explains: tuple[str, ...] = ()


KINDS = {
    "late_model": Kind("each hop costs `value` ms; without a duration, one hop", "number", False, UNTIMELY[:2]),
    "stall": Kind("nothing of Python runs", explains=(*UNTIMELY, "interpreter_stall")),
    "late": Kind("no callback comes, then all at once", explains=UNTIMELY),
    "storm": Kind("`value` callbacks come at once", "number", explains=UNTIMELY),
    "jitter": Kind("callbacks come up to `value` ms late", "number", explains=UNTIMELY),
    "drift": Kind("the output's clock is `value` ppm fast, from then on", "number", False),
    "unplug": Kind("the device is gone", ("input", "output", "both"), explains=UNTIMELY),
    "zeros": Kind("the input delivers only zeros"),
    "set": Kind("the control `name` becomes `value`", "any", False),
    "swap": Kind("another chain; `value` is a table like [chain]", "table", False),
    "rate": Kind("the device is gone, and comes back with a rate of `value` Hz", "rate"),
    "fault": Kind("the test plugin fails", ("raise", "nan", "infinite")),
}


@dataclass(frozen=True)
class DeviceScript:
    """The devices. Blocks are frames, or two: the least and the most. `ring_s`: sound that the C rings can hold."""

    input_rate: int = 48_000
    output_rate: int = 48_000
    block_frames: tuple[int, int] = (128, 128)
    output_block_frames: tuple[int, int] | None = None
    one_clock: bool = True
    drift_ppm: float = 0.0
    jitter_ms: float = 0.0
    input_channels: int = 1
    output_channels: int = 1
    ring_s: float = 2.0

    def __post_init__(self) -> None:
        for name in ("input_rate", "output_rate"):
            _within(f"device.{name}", getattr(self, name), 1000, 768_000)
        for name in ("block_frames", "output_block_frames"):
            low, high = getattr(self, name) or (1, 1)
            if not 1 <= low <= high <= LARGEST_BLOCK_FRAMES:
                raise ScriptError(f"device.{name}: {low} to {high} frames; choose 1 to {LARGEST_BLOCK_FRAMES}")
        for name in ("input_channels", "output_channels"):
            _within(f"device.{name}", getattr(self, name), 1, 8)
        _within("device.drift_ppm", self.drift_ppm, -5000, 5000)
        _within("device.jitter_ms", self.jitter_ms, 0, 1000)
        _within("device.ring_s", self.ring_s, 0.01, 60)
        if self.one_clock and (self.input_rate != self.output_rate or self.drift_ppm or self.output_block_frames):
            raise ScriptError(
                "device: with one clock, input and output have the same rate and blocks, and no drift; "
                "write one_clock = false"
            )

    @property
    def output_blocks(self) -> tuple[int, int]:
        """The least and the most frames of an output callback."""
        return self.output_block_frames or self.block_frames


@dataclass(frozen=True)
class ChainScript:
    """What the sound runs through: `plugin` "delay" or "gain", made here, or a `model` or `preset`.

    `cost_ms` of each hop in virtual time, or two: the least and the most.
    """

    plugin: str = ""
    model: str = ""
    preset: str = ""
    sample_rate: int = 48_000
    channels: int = 1
    hop_samples: int = 512
    delay_samples: int = 0
    gain_db: float = 0.0
    cost_ms: tuple[float, float] = (2.0, 2.0)

    def __post_init__(self) -> None:
        if sum(map(bool, (self.plugin, self.model, self.preset))) != 1:
            raise ScriptError("chain: name one of plugin, model and preset")
        if self.plugin and self.plugin not in ("delay", "gain"):
            raise ScriptError(f'chain.plugin: there is no "{self.plugin}"; there are: delay, gain')
        _within("chain.sample_rate", self.sample_rate, 1000, 768_000)
        _within("chain.channels", self.channels, 1, 8)
        _within("chain.hop_samples", self.hop_samples, 1, 16_384)
        _within("chain.delay_samples", self.delay_samples, 0, 192_000)
        _within("chain.gain_db", self.gain_db, -100, 24)
        if not 0 <= self.cost_ms[0] <= self.cost_ms[1] <= 60_000:
            raise ScriptError(f"chain.cost_ms: {self.cost_ms[0]:g} to {self.cost_ms[1]:g} ms; choose 0 to 60000")


@dataclass(frozen=True)
class Event:
    """Something that happens: see `KINDS`."""

    at_s: float
    kind: str
    duration_s: float = 0.0
    value: Any = None
    name: str = ""

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s + self.duration_s

    def holds(self, time_s: float) -> bool:
        """Whether it lasts at that time."""
        return self.at_s <= time_s < self.end_s

    def explains(self, cause: str, time_s: float) -> bool:
        """Whether a miss of this cause is expected then."""
        last_hop_s = self.value / 1000 if self.kind == "late_model" else 0.0
        until_s = self.end_s + last_hop_s + SETTLING_SECONDS
        return cause in KINDS[self.kind].explains and self.at_s <= time_s <= until_s


@dataclass(frozen=True)
class Script:
    """A scenario of `seconds`; the latency is measured every `measure_every_s`."""

    seconds: float
    chain: ChainScript
    device: DeviceScript = field(default_factory=DeviceScript)
    events: tuple[Event, ...] = ()
    controls: Controls = field(default_factory=Controls)
    seed: int = 0
    measure_every_s: float = 0.5
    deadline_ms: float = DEFAULT_DEADLINE_MS
    concealment: Concealment = "dry"

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, 0.001, LONGEST_SECONDS)
        _within("seed", self.seed, 0, 2**32)
        _within("measure_every_s", self.measure_every_s, 0.05, LONGEST_SECONDS)
        _within("deadline_ms", self.deadline_ms, 0, 1000)
        if self.concealment not in CONCEALMENTS:
            raise ScriptError(f"concealment: {self.concealment!r} is none of: {', '.join(CONCEALMENTS)}")


def read_script(path: str | Path) -> Script:
    """Read a scenario.

    Raises: ScriptError, one line, where the file is missing, is not TOML, or says what cannot be played.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    try:
        return parse_script(text)
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from error


def parse_script(text: str) -> Script:
    """The same from the text itself."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"not TOML: {error}") from error
    known = {**{f.name: f.type for f in fields(Script)}, "event": "tuple"}
    del known["events"]
    _refuse_unknown("the script", table, known)
    for name in ("seconds", "chain"):
        if name not in table:
            raise ScriptError(f"{name} is missing")
    parts: dict[str, Any] = {
        k: _value(k, known[k], v) for k, v in table.items() if k not in ("chain", "device", "controls", "event")
    }
    parts["chain"] = read_chain(table["chain"], "chain")
    if "device" in table:
        parts["device"] = DeviceScript(**_read(DeviceScript, table["device"], "device"))
    if "controls" in table:
        parts["controls"] = _read_controls(table["controls"])
    events = table.get("event", [])
    if not isinstance(events, list):
        raise ScriptError("event: write each one under a line [[event]]")
    made = (_read_event(entry, f"event {index}") for index, entry in enumerate(events, 1))
    return Script(**parts, events=tuple(sorted(made, key=lambda event: event.at_s)))


def _read_event(table: Any, where: str) -> Event:
    parts = _read(Event, table, where)
    for name in ("at_s", "kind"):
        if name not in parts:
            raise ScriptError(f"{where}: {name} is missing")
    event = Event(**parts)
    if event.kind not in KINDS:
        raise ScriptError(f"{where}: there is no kind {event.kind!r}; there are: {', '.join(KINDS)}")
    kind, value = KINDS[event.kind], event.value
    _within(f"{where}, at_s", event.at_s, 0, LONGEST_SECONDS)
    _within(f"{where}, duration_s", event.duration_s, 0, LONGEST_SECONDS)
    if kind.lasting and not event.duration_s:
        raise ScriptError(f"{where}: {event.kind} needs a duration_s above 0")
    if (event.kind == "set") != bool(event.name):
        raise ScriptError(f"{where}: {event.kind} {'needs a' if event.kind == 'set' else 'takes no'} name")
    if isinstance(kind.value, tuple):
        if value not in kind.value:
            raise ScriptError(f"{where}: the value of {event.kind} must be one of {', '.join(kind.value)}")
    elif kind.value in ("number", "rate"):
        low, high = (1000, 768_000) if kind.value == "rate" else (-5000 if event.kind == "drift" else 0, 60_000)
        _within(f"{where}, value of {event.kind}", value, low, high)
    elif kind.value == "table":
        read_chain(value, f"{where}, value")
    elif kind.value == "any" and value is None:
        raise ScriptError(f"{where}: {event.kind} needs a value")
    elif not kind.value and value is not None:
        raise ScriptError(f"{where}: {event.kind} takes no value")
    return event


def read_chain(table: Any, where: str) -> ChainScript:
    """The chain of a script, or of a swap."""
    return ChainScript(**_read(ChainScript, table, where))


def _read_controls(table: Any) -> Controls:
    parts = _read(Controls, table, "controls")
    try:
        return Controls(**parts)
    except ValueError as error:
        raise ScriptError(f"controls: {error}") from error


def _read(kind: type, table: Any, where: str) -> dict[str, Any]:
    """The entries of a table that fit the dataclass's fields."""
    if not isinstance(table, Mapping):
        raise ScriptError(f"{where}: must be a table, not {table!r}")
    known = {f.name: f.type for f in fields(kind)}
    _refuse_unknown(where, table, known)
    return {name: _value(f"{where}.{name}", known[name], value) for name, value in table.items()}


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in table:
        if name not in known:
            raise ScriptError(f"{where}: there is no {name!r}; there are: {', '.join(known)}")


def _value(where: str, annotation: Any, value: Any) -> Any:
    """The value, if it is what the field's annotation (a string here) says."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if annotation.startswith("tuple["):
        pair = value if isinstance(value, list) else [value, value]
        inner = "int" if "int" in annotation else "float"
        if len(pair) != 2:
            raise ScriptError(f"{where}: must be a number, or two: the least and the most, not {value!r}")
        return tuple(_value(where, inner, part) for part in pair)
    fits = {"int": whole, "float": number, "bool": isinstance(value, bool), "str": isinstance(value, str)}
    if not fits.get(annotation, True):
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}[annotation]
        raise ScriptError(f"{where}: must be {words}, not {value!r}")
    return float(value) if annotation == "float" else value


def _within(where: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ScriptError(f"{where}: must lie within {low:g} … {high:g}, not {value!r}")

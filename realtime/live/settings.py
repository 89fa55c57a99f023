"""Everything a live session is set up with, as one value that crosses to the engine's process as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from realtime.live.controls import Controls
from realtime.live.device import DeviceChoice
from realtime.live.exchange import Concealment
from realtime.live.plan import DEFAULT_DEADLINE_MS
from realtime.plugins.providers import PROVIDER_NAMES
from realtime.quality.shifters import SHIFTER_NAMES

LARGEST_DEADLINE_MS = 1000.0
MOST_THREADS = 64
START_SECONDS, DEVICE_START_SECONDS = 10.0, 60.0


class SettingsError(ValueError):
    """A setting that cannot be, or two that do not go together. One line."""


@dataclass(frozen=True)
class LiveSettings:
    """What is run on which device, and what runs beside it.

    Args:
        device: see `DeviceChoice`; "none" for both sides is a silent device that needs no hardware.
        model: a bundled model's name or a plugin file; None is the default model. Without effect if a preset is given.
        preset: a chain saved as JSON.
        channels: rows that the chain works on: 1 is mono, heard on all sides.
        deadline_ms: the time every hop has, at least; more is safer and costs latency.
        concealment: what is heard in place of a late hop.
        compare: run the DSP inverse beside the model, aligned with it, for ``listen="inverse"``.
        quality: measure the quality of the output while it runs, in a process of low priority.
        semitones: the shift to undo, for a chain that takes it; None leaves the chain's own.
        self_test: a clean recording. It is shifted as the chain is to undo it and takes the microphone's place.
        shifter: what shifts it, a name out of `SHIFTER_NAMES`.
        reference: the recording whose shifted copy is played to the microphone: quality is measured against it.
        record: the folder to record into from the start.
        allow_feedback: allow a microphone and a loudspeaker of the same machine.
        threads: of the model; 0 takes all cores.
        provider: what runs the model, out of `PROVIDER_NAMES`.

    Raises: SettingsError on building, naming the setting.
    """

    device: DeviceChoice = field(default_factory=DeviceChoice)
    model: str | None = None
    preset: str | None = None
    channels: int = 1
    deadline_ms: float = DEFAULT_DEADLINE_MS
    concealment: Concealment = "dry"
    controls: Controls = field(default_factory=Controls)
    compare: bool = False
    quality: bool = True
    semitones: float | None = None
    self_test: str | None = None
    shifter: str = "vocoder"
    reference: str | None = None
    record: str | None = None
    allow_feedback: bool = False
    threads: int = 1
    provider: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("model", "preset", "self_test", "reference", "record"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise SettingsError(f"{name} must be a name or a path, not {value!r}")
        for name in ("compare", "quality", "allow_feedback"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if self.semitones is not None and not _is_number(self.semitones):
            raise SettingsError(f"semitones must be a number, not {self.semitones!r}")
        _whole("channels", self.channels, 1, 2)
        _whole("threads", self.threads, 0, MOST_THREADS)
        if not _is_number(self.deadline_ms) or not 0 <= self.deadline_ms <= LARGEST_DEADLINE_MS:
            raise SettingsError(f"deadline_ms must lie within 0 … {LARGEST_DEADLINE_MS:g} ms, not {self.deadline_ms!r}")
        _one_of("concealment", self.concealment, get_args(Concealment))
        _one_of("shifter", self.shifter, SHIFTER_NAMES)
        _one_of("provider", self.provider, PROVIDER_NAMES)
        self._check_together()

    def _check_together(self) -> None:
        if self.self_test is not None and self.reference is not None:
            raise SettingsError("a self-test brings its own reference: leave out either self_test or reference")
        if self.controls.listen == "inverse" and not self.compare:
            raise SettingsError('listen="inverse" needs compare: the DSP inverse must run to be heard')

    @property
    def start_limit_s(self) -> float:
        """How long a start may take: the libraries of a graphics card alone take seconds to load."""
        return START_SECONDS if self.provider == "cpu" else DEVICE_START_SECONDS

    def to_json_object(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)

    @classmethod
    def from_json_object(cls, values: Mapping[str, Any]) -> LiveSettings:
        """Read what `to_json_object` wrote; what is left out takes its default.

        Raises: ValueError (SettingsError, DeviceError) naming what cannot be.
        """
        if not isinstance(values, Mapping):
            raise SettingsError(f"settings must be a JSON object, not {type(values).__name__}")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise SettingsError(f"unknown settings: {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}")
        parts = dict(values)
        for name, kind in (("device", DeviceChoice), ("controls", Controls)):
            if name in parts:
                parts[name] = _built(name, kind, parts[name])
        return cls(**parts)


def _built(name: str, kind: type[Any], values: object) -> Any:
    if not isinstance(values, Mapping):
        raise SettingsError(f"{name} must be a JSON object, not {values!r}")
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise SettingsError(f"{name}: unknown: {', '.join(map(repr, unknown))}")
    return kind(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} must be a whole number within {low} … {high}, not {value!r}")


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"{name} must be one of {', '.join(known)}, not {value!r}")

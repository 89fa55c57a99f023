"""What the engine says of itself: frozen values, cheap to make, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from realtime.live.controls import Controls
from realtime.live.exchange import Event, Misses
from realtime.live.meters import Level

State = Literal["prepared", "running", "lost", "stopped", "failed"]
SILENT = Level(-200.0, -200.0, 0)


@dataclass(frozen=True)
class Latency:
    """Where the time goes, in ms. `total_ms` is the sum; None where the device says nothing that makes sense.

    hop: one model step. lookahead: the future a model waits for. window: of DSP stages. buffering: device blocks
    against hops, rate conversion, the deadline. device: input and output, as PortAudio reports.
    """

    hop_ms: float
    lookahead_ms: float
    window_ms: float
    buffering_ms: float
    device_input_ms: float | None = None
    device_output_ms: float | None = None
    measured_ms: float | None = None

    @property
    def algorithmic_ms(self) -> float:
        """hop + lookahead + window."""
        return self.hop_ms + self.lookahead_ms + self.window_ms

    @property
    def in_app_ms(self) -> float:
        """Everything but the devices."""
        return self.algorithmic_ms + self.buffering_ms

    @property
    def total_ms(self) -> float | None:
        """In-app and devices."""
        if self.device_input_ms is None or self.device_output_ms is None:
            return None
        return self.in_app_ms + self.device_input_ms + self.device_output_ms


@dataclass(frozen=True)
class Speed:
    """The chain's time for a hop over the last 2048 hops, and what the host itself adds. `rtf`: p50 / hop."""

    hops: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    rtf: float = 0.0
    overhead_p50_ms: float = 0.0
    overhead_p99_ms: float = 0.0
    cpu_percent: float = 0.0


@dataclass(frozen=True)
class DeviceStatus:
    """The sound devices as they are in use, and what they reported since the start."""

    input_name: str = ""
    output_name: str = ""
    input_rate: int = 0
    output_rate: int = 0
    block_frames: int = 0
    one_clock: bool = True
    priority: str = ""
    callbacks: int = 0
    input_overflows: int = 0
    output_underflows: int = 0
    gaps: int = 0
    drift_ppm: float = 0.0


@dataclass(frozen=True)
class Status:
    """One moment of the engine. Fills are in milliseconds of sound, times in seconds."""

    state: State
    message: str = ""
    elapsed_s: float = 0.0
    chain: tuple[str, ...] = ()
    channels: int = 1
    device: DeviceStatus = field(default_factory=DeviceStatus)
    latency: Latency | None = None
    speed: Speed = field(default_factory=Speed)
    misses: Misses = field(default_factory=Misses)
    events: tuple[Event, ...] = ()
    input_fill_ms: float = 0.0
    output_fill_ms: float = 0.0
    input_level: Level = SILENT
    output_level: Level = SILENT
    controls: Controls = field(default_factory=Controls)
    concealment: str = "dry"
    limited_hops: int = 0
    muted_blocks: int = 0
    replaced_samples: int = 0
    faults: tuple[str, ...] = ()
    swaps: int = 0
    warnings: tuple[str, ...] = ()
    recording: str = ""

    def to_json_object(self) -> dict[str, Any]:
        """The same for JSON, with the sums spelled out."""
        values = asdict(self)
        if self.latency is not None:
            sums = ("algorithmic_ms", "in_app_ms", "total_ms")
            values["latency"] |= {name: getattr(self.latency, name) for name in sums}
        values["misses"]["total"] = self.misses.total
        return values

    @classmethod
    def from_json_object(cls, values: Mapping[str, Any]) -> Status:
        """Read what `to_json_object` wrote."""
        parts: dict[str, Any] = dict(values)
        kinds: dict[str, Any] = {
            "device": DeviceStatus,
            "speed": Speed,
            "misses": Misses,
            "controls": Controls,
            "latency": Latency,
        }
        for name, kind in (*kinds.items(), ("input_level", Level), ("output_level", Level)):
            if parts.get(name) is not None:
                known = {field.name for field in fields(kind)}
                parts[name] = kind(**{key: value for key, value in parts[name].items() if key in known})
        parts["events"] = tuple(Event(**event) for event in parts.get("events", ()))
        for name in ("chain", "faults", "warnings"):
            parts[name] = tuple(parts.get(name, ()))
        return cls(**parts)

"""What the engine knows of a sound device: which one is wanted, how it fares, how it is driven. No PortAudio here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]  # (N, C), full scale ±1

SLOWEST_HEARTBEAT_S = 1.0  # a device whose callback was silent for longer, and for four blocks, is not running


class DeviceError(ValueError):
    """A sound device that cannot be used. One line: what is wrong, with which device, what to do."""


class FeedbackError(DeviceError):
    """The loudspeaker would be heard by the microphone. One line."""


@dataclass(frozen=True)
class DeviceChoice:
    """What was asked for.

    `input` and `output` are an index out of `deshift devices`, a name, "name, host API", a part of those that only one
    device has, or None for the system's default. `rate` in Hz, None for the device's own. `block_frames` 0 leaves the
    block to the sound system. `latency` is "low", "high" or seconds. Channels: None takes up to two.
    Raises: DeviceError for a value no device can have.
    """

    input: str | int | None = None
    output: str | int | None = None
    rate: int | None = None
    block_frames: int = 0
    latency: str | float = "low"
    input_channels: int | None = None
    output_channels: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not 1000 <= self.rate <= 768_000:
            raise DeviceError(f"a rate of {self.rate} Hz: sound devices run at 1000 to 768000 Hz")
        if not 0 <= self.block_frames <= 65_536:
            raise DeviceError(f"a block of {self.block_frames} frames: choose 1 to 65536, or 0 for the system's own")
        if isinstance(self.latency, str):
            if self.latency not in ("low", "high"):
                raise DeviceError(f'a latency of "{self.latency}": choose low, high or seconds, such as 0.02')
        elif not (math.isfinite(self.latency) and 0 <= self.latency <= 5):
            raise DeviceError(f"a latency of {self.latency} s: choose low, high or 0 to 5 seconds")
        for channels, side in ((self.input_channels, "input"), (self.output_channels, "output")):
            if channels is not None and not 1 <= channels <= 64:
                raise DeviceError(f"{channels} {side} channels: choose 1 to 64")


@dataclass(frozen=True)
class Health:
    """How a device fares, since its start. Latencies are None where what the sound system says makes no sense."""

    running: bool  # started, its callback alive within the last second, or the last four blocks
    heartbeat_age_s: float  # since the callback last moved a frame
    callbacks: int
    input_overflows: int  # callbacks before which the sound system lost input
    output_underflows: int  # callbacks before which the sound system ran out of output
    gaps: int  # times that no callback came for max(0.25 s, 8 blocks)
    stalls: int  # times that this process was so late that a ring between callback and engine ran dry or full
    input_latency_s: float | None
    output_latency_s: float | None
    block_frames: int = 0  # the most frames taken at once so far; more than Device.block_frames: plan anew
    priority: str = "normal"  # what the system granted to the thread that feeds the device
    error: str | None = None  # one line, where that thread ended by an error
    blocks_vary: bool = False  # blocks of several sizes were seen: the plan must not count on one


@runtime_checkable
class Exchange(Protocol):
    """The audio side of the engine, as a device sees it; called from one thread."""

    device_queue_frames: int  # set by the device: frames taken by `play` that it did not play yet
    device_played_at_s: float | None  # and when it last took some, by `time.perf_counter`

    @property
    def ready_frames(self) -> int:
        """Processed frames that `play` can give now without concealing."""
        ...

    def capture(self, block: Block) -> None:
        """Take recorded frames ``(N, Cin)``; they are copied, and the call never blocks."""
        ...

    def play(self, out: Block) -> None:
        """Fill ``(N, Cout)`` with processed frames, or with concealment where they are late."""
        ...

    def wait_output(self, timeout_s: float) -> bool:
        """Wait until the worker finished something, or the time is over."""
        ...

    def slip(self, frames: int) -> None:
        """The device recorded `frames` more than it played: skip as many."""
        ...


class Device(Protocol):
    """Something that records and plays, opened and not yet started."""

    @property
    def input_rate(self) -> int:
        """In Hz."""
        ...

    @property
    def output_rate(self) -> int:
        """In Hz."""
        ...

    @property
    def input_channels(self) -> int:
        """Of each block given to `Exchange.capture`."""
        ...

    @property
    def output_channels(self) -> int:
        """Of each block asked of `Exchange.play`."""
        ...

    @property
    def block_frames(self) -> int:
        """The most frames the device is expected to move at once: what latency is planned with."""
        ...

    @property
    def one_clock(self) -> bool:
        """Whether a frame is played for each frame recorded, for ever."""
        ...

    @property
    def input_name(self) -> str:
        """Name and host API."""
        ...

    @property
    def output_name(self) -> str:
        """Name and host API."""
        ...

    def start(self, exchange: Exchange, queued_frames: int) -> None:
        """Begin to record and play. `queued_frames`: the frames of silence `play` begins with, the in-app latency.

        Raises: DeviceError.
        """
        ...

    def stop(self, limit_s: float) -> bool:
        """End and close. False: the sound system hung, and this process can only leave by ``os._exit``."""
        ...

    def health(self) -> Health:
        """A snapshot; never blocks."""
        ...

"""Where the player's sound goes: a loudspeaker alone, or a clock without sound. No capture, no engine."""

from __future__ import annotations

import math
from time import monotonic
from typing import Any, Protocol

from realtime.live.clock_device import NAME
from realtime.live.device import DeviceError
from realtime.live.device_search import find_device
from realtime.live.lanes import Lane
from realtime.plugins.base import Samples

QUEUE_SECONDS = 0.065  # so long may the process be held up; so long at most until a change is heard
LATENCY_SECONDS = 0.02  # asked of the sound system
RING_SECONDS = 0.5
MOST_BLOCKS = 3  # of the device, that the queue holds at least
STALLED_SECONDS = 1.0
SILENT_RATE = 48_000


class Speaker(Protocol):
    """Takes frames ahead of time, and says how many of them were heard. For one thread."""

    @property
    def rate(self) -> int:
        """In Hz."""
        ...

    @property
    def name(self) -> str:
        """Name and host API."""
        ...

    @property
    def room(self) -> int:
        """Frames that it wants now."""
        ...

    @property
    def heard_frames(self) -> float:
        """Of those given, so many were heard: the device's own latency is taken off."""
        ...

    @property
    def dropouts(self) -> int:
        """Times that it ran out of frames, because this process was held up."""
        ...

    @property
    def problem(self) -> str:
        """A sentence where the sound stopped; empty while it goes on."""
        ...

    def give(self, frames: Samples) -> None:
        """The next frames ``(N, 2)``."""
        ...

    def close(self, limit_s: float) -> bool:
        """End the sound; False where the sound system hung."""
        ...


class SilentSpeaker:
    """Counts the frames by the system's clock; what is not given in time makes it wait."""

    rate, name, problem, dropouts = SILENT_RATE, NAME, "", 0

    def __init__(self) -> None:
        self._given = 0
        self._heard, self._looked_s = 0.0, monotonic()

    @property
    def room(self) -> int:
        """See `Speaker`."""
        return max(0, round(QUEUE_SECONDS * self.rate - (self._given - self.heard_frames)))

    @property
    def heard_frames(self) -> float:
        """See `Speaker`."""
        now_s = monotonic()
        self._heard = min(self._given, self._heard + (now_s - self._looked_s) * self.rate)
        self._looked_s = now_s
        return self._heard

    def give(self, frames: Samples) -> None:
        """See `Speaker`."""
        _ = self.heard_frames
        self._given += len(frames)

    def close(self, limit_s: float) -> bool:
        """See `Speaker`."""
        return True


class Loudspeaker:
    """A loudspeaker through PortAudio, at its own rate, with one or two channels; playing silence from the start on.

    The device's callback is C and takes from a C ring; a ring that runs dry is silence until `give` comes again.

    Args:
        wanted: as `DeviceChoice.output`.

    Raises: DeviceError where it is absent, ambiguous, or cannot be opened or started.
    """

    def __init__(self, wanted: str | int | None) -> None:
        from realtime.live import devices

        self._portaudio = devices.load_portaudio()
        device = find_device(wanted, "output", devices.list_devices())
        self._channels: int = devices.channels_of(None, device, "output")
        options: dict[str, Any] = {
            "device": device.index,
            "channels": self._channels,
            "latency": LATENCY_SECONDS,
        }
        self._stream = devices.open_stream(
            self._portaudio, self._portaudio.rtmixer.Mixer, (device,), device.default_rate, options
        )
        self.name, self.rate = device.label, int(self._stream.samplerate)
        ring, memory = self._portaudio.ring(self._channels, math.ceil(RING_SECONDS * self.rate))
        self._lane = Lane(
            self._stream, ring, memory, lambda: self._stream.play_ringbuffer(ring, start=devices.LONG_AGO_S), False
        )
        self._begun = False
        self.dropouts = 0
        self._seen = (-1, monotonic())  # frames moved, and when they last changed
        try:
            self._stream.start()
        except self._portaudio.sounddevice.PortAudioError as error:
            raise DeviceError(f"{self.name}: cannot be started: {devices.reason_of(error)}") from error
        self._latency_s = devices.sensible_latency(self._stream.latency)

    @property
    def room(self) -> int:
        """See `Speaker`."""
        wanted = max(round(QUEUE_SECONDS * self.rate), MOST_BLOCKS * self._block)
        return max(0, min(self._lane.room, wanted - self._lane.waiting))

    @property
    def heard_frames(self) -> float:
        """See `Speaker`. Where the sound system does not know its latency, one block is taken."""
        if not self._begun:
            return 0.0
        latency = self._block if self._latency_s is None else self._latency_s * self.rate
        return max(0.0, self._lane.frames - latency)

    @property
    def problem(self) -> str:
        """See `Speaker`."""
        frames, now_s = self._moved, monotonic()
        if frames != self._seen[0]:
            self._seen = frames, now_s
        try:
            stands = not self._stream.active
        except self._portaudio.sounddevice.PortAudioError:
            stands = True
        if not stands and now_s - self._seen[1] < STALLED_SECONDS + 4 * self._block / self.rate:
            return ""
        return f"{self.name}: the sound stopped; see whether it is plugged in and its sound system runs, and play again"

    def give(self, frames: Samples) -> None:
        """See `Speaker`."""
        taken = 0

        def fill(part: Samples) -> None:
            nonlocal taken
            own = frames[taken : taken + len(part)]
            part[:] = own.mean(axis=1, keepdims=True) if self._channels == 1 else own
            taken += len(part)

        self._lane.give(len(frames), fill)
        if not self._begun or self._lane.ended():
            self.dropouts += self._begun
            self._lane.begin()
            self._begun = True
        self._lane.look()

    def close(self, limit_s: float) -> bool:
        """See `Speaker`."""
        from realtime.live import devices

        def end() -> None:
            self._stream.abort()
            self._stream.close()

        return devices.within(end, limit_s)

    @property
    def _moved(self) -> int:
        return self._lane.frames if self._begun else 0

    @property
    def _block(self) -> int:
        return self._lane.largest_block_frames


def open_speaker(wanted: str | int | None) -> Speaker:
    """The loudspeaker that was meant; "none" is a clock without sound.

    Raises: DeviceError where it is absent, ambiguous, or cannot be opened.
    """
    return SilentSpeaker() if wanted == NAME else Loudspeaker(wanted)

"""Sound devices through PortAudio: the only file that loads sounddevice and rtmixer, and only when it is asked to."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import numpy as np

from realtime.live.device import SLOWEST_HEARTBEAT_S, DeviceChoice, DeviceError, Exchange, Health
from realtime.live.device_search import DeviceInfo, Side, find_device
from realtime.live.feeder import Feeder
from realtime.live.lanes import Lane

COMMON_RATES = (8000, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
RING_SECONDS = 2.0  # so long may an interpreter be held up without a frame lost
LONGEST_LATENCY_S = 5.0  # PortAudio's JACK backend reports 89478 s for some devices
PROBE_CALLBACKS, PROBE_LIMIT_S = 8, 0.5
INVALID_RATE = -9997  # paInvalidSampleRate
LONG_AGO_S = -1e12  # actions begin with the first callback, even where PortAudio reports a time before the start


@dataclass(frozen=True)
class PortAudio:
    """The two packages, loaded."""

    sounddevice: Any
    rtmixer: Any

    def ring(self, channels: int, least_frames: int) -> tuple[Any, Any]:
        """A C ring and the memory it lies in; its size a power of two, as PortAudio's ring wants."""
        memory = np.zeros((1 << (least_frames - 1).bit_length(), channels), dtype=np.float32)
        return self.rtmixer.RingBuffer(4 * channels, buffer=memory), memory


def load_portaudio() -> PortAudio:
    """Load them.

    Raises: DeviceError saying what to install.
    """
    try:
        import rtmixer
        import sounddevice
    except ModuleNotFoundError as error:
        raise DeviceError(f"the Python package {error.name} is missing: pip install rtmixer sounddevice") from error
    except OSError as error:
        raise DeviceError(
            "PortAudio, which reaches the sound devices, is missing: apt install libportaudio2 (Debian, Ubuntu), "
            f"dnf install portaudio (Fedora) or pacman -S portaudio (Arch) ({error})"
        ) from error
    return PortAudio(sounddevice, rtmixer)


def list_devices() -> tuple[DeviceInfo, ...]:
    """All devices of all host APIs, in PortAudio's order; frozen when PortAudio was first asked in this process.

    Raises: DeviceError where PortAudio is missing or fails.
    """
    sounddevice = load_portaudio().sounddevice
    try:
        apis = [api["name"] for api in sounddevice.query_hostapis()]
        entries = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the sound devices cannot be listed: {reason_of(error)}") from error
    default_input, default_output = (_default_index(sounddevice, side) for side in ("input", "output"))
    return tuple(
        DeviceInfo(
            index=entry["index"],
            name=entry["name"],
            host_api=apis[entry["hostapi"]],
            input_channels=entry["max_input_channels"],
            output_channels=entry["max_output_channels"],
            default_rate=round(entry["default_samplerate"]),
            is_default_input=entry["index"] == default_input,
            is_default_output=entry["index"] == default_output,
        )
        for entry in entries
    )


def supported_rates(device: DeviceInfo, rates: Sequence[int] = COMMON_RATES) -> tuple[int, ...]:
    """Those of the rates that the device takes, on both sides where it has both; asks it, which may take time."""
    sounddevice = load_portaudio().sounddevice

    def takes(rate: int) -> bool:
        try:
            if device.input_channels:
                sounddevice.check_input_settings(device.index, min(2, device.input_channels), "float32", None, rate)
            if device.output_channels:
                sounddevice.check_output_settings(device.index, min(2, device.output_channels), "float32", None, rate)
        except sounddevice.PortAudioError:
            return False
        return True

    return tuple(rate for rate in rates if takes(rate))


class SoundCard:
    """A microphone and a loudspeaker, opened and not yet started; a `realtime.live.device.Device`.

    One stream with one clock where input and output are the same device, or both belong to one JACK server; else two.
    Raises: DeviceError where a device is absent, ambiguous, or refuses the rate, the channels or the block.
    """

    def __init__(self, choice: DeviceChoice) -> None:
        self._portaudio = load_portaudio()
        devices = list_devices()
        source = find_device(choice.input, "input", devices)
        target = find_device(choice.output, "output", devices)
        self.input_name, self.output_name = source.label, target.label
        self.one_clock = source.index == target.index or (source.host_api == target.host_api and _is_jack(source))
        self.input_channels = channels_of(choice.input_channels, source, "input")
        self.output_channels = channels_of(choice.output_channels, target, "output")
        self._streams = self._open(choice, source, target)
        self.input_rate, self.output_rate = (round(stream.samplerate) for stream in self._sides)
        self.block_frames = choice.block_frames
        self._feeder: Feeder | None = None
        self._lanes: tuple[Lane, Lane] | None = None
        self._stopped: bool | None = None
        if not choice.block_frames:
            self.block_frames = self._probe()

    def start(self, exchange: Exchange, queued_frames: int) -> None:
        """See `Device.start`."""
        if self._feeder is not None or self._stopped is not None:
            raise DeviceError(f"{self._names}: was started before; open it anew")
        recorder, mixer = self._sides
        kept = max(queued_frames, 4 * self.block_frames)
        capture_ring = self._portaudio.ring(self.input_channels, int(RING_SECONDS * self.input_rate) + kept)
        play_ring = self._portaudio.ring(self.output_channels, int(RING_SECONDS * self.output_rate) + kept)
        capture = Lane(
            recorder, *capture_ring, lambda: recorder.record_ringbuffer(capture_ring[0], start=LONG_AGO_S), True
        )
        play = Lane(mixer, *play_ring, lambda: mixer.play_ringbuffer(play_ring[0], start=LONG_AGO_S), False)
        rates = (self.input_rate, self.output_rate)
        self._lanes = capture, play
        queue = queued_frames + 4 * self.block_frames
        self._feeder = Feeder(exchange, capture, play, self.one_clock, rates, self.block_frames, self._launch, queue)
        self._feeder.begin()

    def stop(self, limit_s: float) -> bool:
        """See `Device.stop`; may be called again, and before `start`."""
        if self._stopped is not None:
            return self._stopped
        deadline_s = monotonic() + limit_s
        if self._feeder is not None and self._feeder.ident is not None:
            self._feeder.ask_to_stop()
            self._feeder.join(limit_s)

        def close() -> None:
            for stream in self._streams:
                stream.stop()
                stream.close()

        self._stopped = within(close, max(0.0, deadline_s - monotonic()))
        return self._stopped

    def health(self) -> Health:
        """See `Device.health`."""
        recorder_latency, mixer_latency = self._latencies
        feeder, lanes = self._feeder, self._lanes
        if feeder is None or lanes is None:
            return Health(False, math.inf, 0, 0, 0, 0, 0, recorder_latency, mixer_latency, self.block_frames)
        capture, play = lanes
        age_s = feeder.heartbeat_age_s
        slowest_s = max(SLOWEST_HEARTBEAT_S, 4 * feeder.at_once_frames / self.input_rate)
        alive = self._stopped is None and feeder.is_alive() and age_s <= slowest_s
        return Health(
            running=alive and all(self._is_active(stream) for stream in self._streams),
            heartbeat_age_s=age_s,
            callbacks=capture.callbacks,
            input_overflows=capture.flagged,
            output_underflows=play.flagged,
            gaps=feeder.gaps,
            stalls=feeder.stalls,
            input_latency_s=recorder_latency,
            output_latency_s=mixer_latency,
            block_frames=feeder.at_once_frames,
            blocks_vary=capture.blocks_vary or play.blocks_vary,
            priority=feeder.priority,
            error=feeder.error,
        )

    @property
    def _sides(self) -> tuple[Any, Any]:
        return self._streams[0], self._streams[-1]

    @property
    def _names(self) -> str:
        return self.input_name if self.input_name == self.output_name else f"{self.input_name} → {self.output_name}"

    @property
    def _latencies(self) -> tuple[float | None, float | None]:
        if len(self._streams) == 1:
            latency_in, latency_out = self._streams[0].latency
        else:
            latency_in, latency_out = (stream.latency for stream in self._streams)
        return sensible_latency(latency_in), sensible_latency(latency_out)

    def _open(self, choice: DeviceChoice, source: DeviceInfo, target: DeviceInfo) -> tuple[Any, ...]:
        rtmixer = self._portaudio.rtmixer
        common = {"blocksize": choice.block_frames, "latency": choice.latency}
        if self.one_clock:
            both = {"device": (source.index, target.index), "channels": (self.input_channels, self.output_channels)}
            rate = choice.rate or source.default_rate
            return (open_stream(self._portaudio, rtmixer.MixerAndRecorder, (source, target), rate, {**common, **both}),)
        rate_in, rate_out = choice.rate or source.default_rate, choice.rate or target.default_rate
        from_source = {**common, "device": source.index, "channels": self.input_channels}
        to_target = {**common, "device": target.index, "channels": self.output_channels}
        recorder = open_stream(self._portaudio, rtmixer.Recorder, (source,), rate_in, from_source)
        try:
            mixer = open_stream(self._portaudio, rtmixer.Mixer, (target,), rate_out, to_target)
        except DeviceError:
            within(recorder.close, 1.0)
            raise
        return recorder, mixer

    def _launch(self) -> None:
        for stream in self._streams:
            try:
                stream.start()
            except self._portaudio.sounddevice.PortAudioError as error:
                raise DeviceError(f"{self._names}: cannot be started: {reason_of(error)}") from error

    def _probe(self) -> int:
        """The block of a system that chooses it by itself: the stream runs without sound for some callbacks.

        Raises: DeviceError where no callback comes.
        """
        self._launch()
        largest = 0
        for stream in self._streams:
            seen, deadline_s = 0, monotonic() + PROBE_LIMIT_S
            while seen < PROBE_CALLBACKS and monotonic() < deadline_s:
                action = stream.fetch_and_reset_stats(LONG_AGO_S)
                while action in stream.actions and monotonic() < deadline_s:
                    sleep(0.001)
                seen += action.stats.blocks
                largest = max(largest, action.stats.max_blocksize)
        for stream in self._streams:
            if not within(stream.stop, 2.0):
                raise DeviceError(f"{self._names}: hangs; restart the sound server and deshift")
        if not largest:
            self.stop(2.0)
            raise DeviceError(f"{self._names}: opened, but does not run; is another program holding it?")
        return int(largest)

    def _is_active(self, stream: Any) -> bool:
        try:
            return bool(stream.active)
        except self._portaudio.sounddevice.PortAudioError:
            return False  # closed, or its server is gone


def open_stream(
    portaudio: PortAudio, kind: Any, devices: tuple[DeviceInfo, ...], rate: int, options: dict[str, Any]
) -> Any:
    """A stream of rtmixer, not started.

    Raises: DeviceError where the devices refuse.
    """
    try:
        return kind(samplerate=rate, **options)
    except portaudio.sounddevice.PortAudioError as error:
        names = " → ".join(dict.fromkeys(device.label for device in devices))
        if len(error.args) > 1 and error.args[1] == INVALID_RATE:
            taken = [rate for rate in COMMON_RATES if all(rate in supported_rates(one, (rate,)) for one in devices)]
            rates = ", ".join(str(rate) for rate in taken) or "none of the common rates"
            raise DeviceError(f"{names}: does not run at {rate} Hz; it takes {rates}") from error
        raise DeviceError(f"{names}: cannot be opened: {reason_of(error)}") from error


def sensible_latency(latency_s: float) -> float | None:
    """What PortAudio reports, or None where it cannot be true."""
    return latency_s if math.isfinite(latency_s) and 0 <= latency_s < LONGEST_LATENCY_S else None


def within(call: Callable[[], object], limit_s: float) -> bool:
    """Whether the call came back in time; one that hangs is left behind, and holds up the end of the process."""
    helper = threading.Thread(target=call, name="closing the sound device", daemon=True)
    helper.start()
    helper.join(limit_s)
    return not helper.is_alive()


def channels_of(wanted: int | None, device: DeviceInfo, side: Side) -> int:
    most = device.channels(side)
    if wanted is not None and wanted > most:
        raise DeviceError(f"{device.label}: has {most} {side} channels, not {wanted}")
    return wanted or min(2, most)


def _default_index(sounddevice: Any, side: str) -> int | None:
    try:
        return int(sounddevice.query_devices(kind=side)["index"])
    except (sounddevice.PortAudioError, ValueError):  # there is none
        return None


def _is_jack(device: DeviceInfo) -> bool:
    return "JACK" in device.host_api


def reason_of(error: Exception) -> str:
    return " ".join(str(error).split())

"""Measure the round trip while everything runs: a chirp goes out, and is looked for in what comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.live.exchange import Exchange
from realtime.plugins.base import Samples

LEAD_SECONDS = 0.15  # of silence before the chirp, in which the controls glide to a clear path
CHIRP_SECONDS = 0.1
CHIRP_HZ = (400.0, 6000.0)
CHIRP_LEVEL = 0.25
LISTEN_SECONDS = 1.5
CLEAR_PEAK = 8.0  # of the correlation, above its median
WORDS_LOST = "no chirp came back: connect the output to the input (a cable, or a loop-back device), and turn both up"


class ProbeError(ValueError):
    """The round trip could not be measured; one line says why."""


@dataclass(frozen=True)
class Measurement:
    """A measured round trip, in ms: the devices' part, from output to input, and the host's, from input to output."""

    device_ms: float
    in_app_ms: float
    clearness: float  # the lower of the two correlations' peaks, in medians

    @property
    def total_ms(self) -> float:
        """What a listener waits from the sound at the microphone to the sound at the loudspeaker."""
        return self.device_ms + self.in_app_ms


class Probe:
    """Stands between the device and the exchange and passes everything on.

    While it measures, the chirp and then silence are played in place of the processed sound, so that nothing can howl;
    what the exchange gave is kept, and compared with what came in. The device's side calls `capture`, `play`, `slip`.
    """

    def __init__(self, exchange: Exchange, input_rate: int, output_rate: int, one_clock: bool) -> None:
        self._exchange, self._rates, self._one_clock = exchange, (input_rate, output_rate), one_clock
        self._lead_frames = int(LEAD_SECONDS * output_rate)
        self._sent = np.concatenate([np.zeros(self._lead_frames, np.float32), chirp(output_rate)])
        self._heard = np.zeros(int(LISTEN_SECONDS * input_rate), np.float32)
        self._given = np.zeros(int(LISTEN_SECONDS * output_rate), np.float32)
        self._heard_frames, self._given_frames = len(self._heard), len(self._given)  # full: idle
        self._captured = self._played = 0
        self._heard_from = self._given_from = 0

    @property
    def ready_frames(self) -> int:
        """As the exchange says."""
        return self._exchange.ready_frames

    @property
    def device_queue_frames(self) -> int:
        """Frames given and not yet played."""
        return self._exchange.device_queue_frames

    @device_queue_frames.setter
    def device_queue_frames(self, frames: int) -> None:
        self._exchange.device_queue_frames = frames

    @property
    def device_played_at_s(self) -> float | None:
        """When the device last took frames."""
        return self._exchange.device_played_at_s

    @device_played_at_s.setter
    def device_played_at_s(self, seconds: float | None) -> None:
        self._exchange.device_played_at_s = seconds

    def wait_output(self, timeout_s: float) -> bool:
        """As the exchange does."""
        return self._exchange.wait_output(timeout_s)

    def slip(self, frames: int) -> None:
        """As the exchange does; the counts of both sides meet again."""
        self._exchange.slip(frames)
        self._played += frames

    def capture(self, block: Samples) -> None:
        """Pass captured frames on, and keep them while measuring."""
        self._exchange.capture(block)
        at = self._heard_frames
        if at < len(self._heard) and self._given_frames:  # the chirp is on its way
            if at == 0:
                self._heard_from = self._captured
            count = min(len(block), len(self._heard) - at)
            self._heard[at : at + count] = block[:count, 0]
            self._heard_frames = at + count
        self._captured += len(block)

    def play(self, out: Samples) -> None:
        """Pass played frames on; while measuring, keep them and play the chirp instead."""
        self._exchange.play(out)
        at = self._given_frames
        if at < len(self._given):
            if at == 0:
                self._given_from = self._played if self._one_clock else self._captured + self._queued()
            count = min(len(out), len(self._given) - at)
            self._given[at : at + count] = out[:count, 0]
            self._given_frames = at + count
            part = self._sent[at : at + len(out)]
            out[: len(part)] = part[:, None]
            out[len(part) :] = 0
        self._played += len(out)

    def _queued(self) -> int:
        """Two clocks have no common count: what is given now is heard when the device's queue was played."""
        return round(self._exchange.device_queue_frames * self._rates[0] / self._rates[1])

    def begin(self) -> None:
        """Start to measure; `ready` tells when `result` may be asked."""
        self._heard_frames = self._given_frames = 0

    @property
    def ready(self) -> bool:
        """Whether enough was heard."""
        return self._heard_frames == len(self._heard) and self._given_frames == len(self._given)

    def result(self) -> Measurement:
        """The round trip.

        Raises: ProbeError where the chirp was not heard.
        """
        heard_at, device_clear = find(chirp(self._rates[0]), self._heard)
        given_at, in_app_clear = find(chirp(self._rates[1]), self._given)
        clearness = min(device_clear, in_app_clear)
        if clearness < CLEAR_PEAK:
            raise ProbeError(WORDS_LOST)
        began_s = self._given_from / self._rates[1 if self._one_clock else 0]
        sent_s = began_s + self._lead_frames / self._rates[1]
        heard_s = (self._heard_from + heard_at) / self._rates[0]
        given_s = began_s + given_at / self._rates[1]
        device_ms, in_app_ms = 1000 * (heard_s - sent_s), 1000 * (given_s - heard_s)
        return Measurement(device_ms, in_app_ms, clearness)


def chirp(rate: int) -> Samples:
    """A sweep with soft ends, ``(N,)``; its correlation with itself has one sharp peak."""
    seconds = np.arange(int(CHIRP_SECONDS * rate)) / rate
    low, high = CHIRP_HZ[0], min(CHIRP_HZ[1], 0.45 * rate)
    phase = 2 * np.pi * (low * seconds + (high - low) * seconds**2 / (2 * CHIRP_SECONDS))
    return (CHIRP_LEVEL * np.sin(phase) * np.hanning(len(seconds))).astype(np.float32)


def find(pattern: Samples, audio: Samples) -> tuple[int, float]:
    """Where `pattern` begins in `audio`, by the peak of their correlation, and how many medians high that peak is."""
    size = 1 << (len(pattern) + len(audio)).bit_length()
    spectrum = np.fft.rfft(audio, size) * np.conj(np.fft.rfft(pattern, size))
    strength: NDArray[np.floating] = np.abs(np.fft.irfft(spectrum, size)[: len(audio)])
    median = float(np.median(strength))
    at = int(np.argmax(strength))
    return at, float(strength[at] / median) if median > 0 else float("inf") if strength[at] > 0 else 0.0

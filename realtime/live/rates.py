"""Rate conversion while live: stateful, with a ratio that can follow two clocks that drift apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import samplerate

from realtime.plugins.base import Samples

CONVERTER = "sinc_medium"  # 121 dB, flat to 85 % of the band; its window costs about a millisecond
LARGEST_CORRECTION_PPM = 2000.0
# libsamplerate 0.2 spoils the sound from some time on where blocks of certain sizes meet the end of its buffer: 778
# frames from 96 to 48 kHz, 408 from 192. Pieces of 64 never did, in thousands of sizes and rates.
PIECE_FRAMES = 64


class LiveResampler:
    """Blocks ``(N, C)`` of any size from one rate to another, by libsamplerate.

    Frame n of the result belongs to time n / rate_out, as frame n of the input to n / rate_in; what is ready lags
    behind by `lag_frames` input frames at most. Equal rates pass through untouched unless `steered`.
    """

    def __init__(self, rate_in: float, rate_out: float, channels: int, steered: bool = False) -> None:
        self._nominal = rate_out / rate_in
        self._channels = channels
        self._converter: Any = None
        if rate_in != rate_out or steered:
            self._converter = samplerate.Resampler(CONVERTER, channels=channels)
        self.ppm = 0.0
        self.held_frames = 0.0  # input frames taken whose result is not out yet

    @property
    def nominal_ratio(self) -> float:
        """Output frames for an input frame, before the correction."""
        return self._nominal

    def steer(self, ppm: float) -> None:
        """Make `ppm` parts in a million more frames out of the same input, from the next block on; at most ±2000."""
        self.ppm = float(np.clip(ppm, -LARGEST_CORRECTION_PPM, LARGEST_CORRECTION_PPM))

    def process(self, block: Samples) -> Samples:
        """The frames that are ready after this block: ``(N, C)`` -> ``(M, C)``."""
        if self._converter is None or not len(block):
            return block
        ratio = self._nominal * (1 + self.ppm * 1e-6)
        pieces = [block[at : at + PIECE_FRAMES] for at in range(0, len(block), PIECE_FRAMES)]
        parts = [self._converter.process(np.ascontiguousarray(piece), ratio, end_of_input=False) for piece in pieces]
        ready: Samples = np.concatenate([part.reshape(-1, self._channels) for part in parts])
        self.held_frames += len(block) - len(ready) / ratio
        return ready

    def lag_frames(self, block_frames: int) -> int:
        """The most input frames that are held back, found by feeding as much silence; forgets what it heard."""
        if self._converter is None:
            return 0
        fed, worst = 0, 0.0
        silence = np.zeros((max(1, block_frames), self._channels), dtype=np.float32)
        while fed < 8192 + 16 * len(silence):
            self.process(silence)
            fed += len(silence)
            worst = max(worst, self.held_frames)
        self.reset()
        return int(np.ceil(worst - 1e-6))  # the sum of many divisions

    def reset(self) -> None:
        """Back to silence."""
        self.held_frames = 0.0
        if self._converter is not None:
            self._converter.reset()


class DriftControl:
    """Hold the number of frames in flight between two clocks by correcting the rate.

    A smoothed error and its integral give the correction (a PI controller, critically damped). Source: Adriaensen,
    Controlling adaptive resampling, Linux Audio Conference 2012, for the plan; the constants are ours.
    """

    SETTLING_SECONDS = 1.0
    SMOOTHING_SECONDS = 2.0
    RESPONSE_PER_SECOND = 0.1

    def __init__(self, rate: float, target_frames: float) -> None:
        self._rate, self.target_frames = rate, target_frames
        self._ppm = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin anew, the correction found so far kept: the frames in flight are looked at before they are steered."""
        self._settled_s = self._sum = 0.0
        self._smooth = 0.0
        self._integral = -self._ppm * 1e-6 * self._rate
        self.settling = True

    @property
    def error_frames(self) -> float:
        """Frames in flight beyond the target, smoothed; 0 while settling."""
        return self._smooth

    def update(self, in_flight_frames: float, seconds: float) -> float:
        """Take a measurement `seconds` after the last one; returns the correction for `LiveResampler.steer` in ppm."""
        error = in_flight_frames - self.target_frames
        if self.settling:
            self._sum += error * seconds
            self._settled_s += seconds
            if self._settled_s >= self.SETTLING_SECONDS:
                self.settling, self._smooth = False, self._sum / self._settled_s
            return self._ppm
        self._smooth += min(1.0, seconds / self.SMOOTHING_SECONDS) * (error - self._smooth)
        gain = self.RESPONSE_PER_SECOND
        limit = LARGEST_CORRECTION_PPM * 1e-6 * self._rate
        self._integral = float(np.clip(self._integral + gain * gain / 4 * self._smooth * seconds, -limit, limit))
        frames_per_second = gain * self._smooth + self._integral
        ppm = -1e6 * frames_per_second / self._rate
        self._ppm = float(np.clip(ppm, -LARGEST_CORRECTION_PPM, LARGEST_CORRECTION_PPM))
        return self._ppm

    def jumped(self, frames: float) -> None:
        """The frames in flight were changed on purpose by so many."""
        self._smooth += frames

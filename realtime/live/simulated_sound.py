"""The sound of a simulation, and what is measured in it: where it comes out again, and whether it steps."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from realtime.plugins.base import Samples

TABLE_SECONDS = 10
PARTIALS = 24
LOWEST_HZ, HIGHEST_HZ = 100.0, 900.0
PEAK = 0.3
CLEAR_PEAK = 0.7  # of a normalised correlation
WINDOW_SECONDS = 0.25
FARTHEST_SECONDS = 2.5
OFFSET_SECONDS = 0.001  # the exchange's concealment takes up a step of s as a slope of s in a millisecond


class Sound:
    """24 sines of 100 to 900 Hz with random phases: like nothing else at any other time, and too slow to step.

    It repeats after 10 s, longer than any latency.
    """

    def __init__(self, rate: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        tenths = rng.choice(np.arange(LOWEST_HZ * TABLE_SECONDS, HIGHEST_HZ * TABLE_SECONDS), PARTIALS, replace=False)
        spectrum = np.zeros(TABLE_SECONDS * rate // 2 + 1, dtype=np.complex128)
        highest = min(HIGHEST_HZ, 0.4 * rate) * TABLE_SECONDS
        for cycles, phase in zip(tenths, rng.uniform(0, 2 * np.pi, PARTIALS), strict=True):
            if cycles < highest:
                spectrum[int(cycles)] = np.exp(1j * phase)
        table = np.fft.irfft(spectrum, TABLE_SECONDS * rate)
        self._table = (table * PEAK / np.abs(table).max()).astype(np.float32)
        self.slope_per_second = float(np.abs(np.diff(self._table)).max()) * rate

    def read(self, frame: int, count: int) -> Samples:
        """`count` frames from `frame` on, ``(count,)``."""
        start = frame % len(self._table)
        samples: Samples = self._table[start : start + count].copy()
        if len(samples) < count:
            samples = self._table.take(np.arange(start, start + count), mode="wrap")
        return samples


class Track:
    """The last seconds of one direction: samples, and when its device moved them."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate, self.frames = rate, 0
        self._samples = np.zeros(int(seconds * rate) + 1, dtype=np.float32)
        self._times: deque[tuple[int, float]] = deque()

    def add(self, samples: Samples, time_s: float) -> None:
        """Keep a block ``(N,)`` that was moved at `time_s` by the device's clock."""
        size = len(self._samples)
        self._times.append((self.frames, time_s))
        while len(self._times) > 1 and self._times[1][0] <= self.frames - size:
            self._times.popleft()
        kept = samples[-size:]
        start = (self.frames + len(samples) - len(kept)) % size
        first = min(len(kept), size - start)
        self._samples[start : start + first] = kept[:first]
        self._samples[: len(kept) - first] = kept[first:]
        self.frames += len(samples)

    def last(self, count: int) -> Samples:
        """The newest frames, at most what is kept."""
        count = min(count, len(self._samples), self.frames)
        return np.take(self._samples, np.arange(self.frames - count, self.frames), mode="wrap")

    def time_of(self, frame: float) -> float:
        """When a kept frame was moved."""
        frames = [entry[0] for entry in self._times]
        index = max(0, int(np.searchsorted(frames, frame, side="right")) - 1)
        start, time_s = self._times[index]
        return time_s + (frame - start) / self.rate


def measured_latency_s(captured: Track, played: Track) -> float | None:
    """How much later the newest quarter second was played than captured; None where it is not found in the input.

    By the peak of the normalised cross-correlation.
    """
    window = played.last(int(WINDOW_SECONDS * played.rate)).astype(np.float64)
    past = captured.last(int(FARTHEST_SECONDS * captured.rate)).astype(np.float64)
    first_past = float(captured.frames - len(past))
    ratio = played.rate / captured.rate
    if ratio != 1:
        past = np.interp(np.arange(int(len(past) * ratio)) / ratio, np.arange(len(past)), past)
    if len(window) < WINDOW_SECONDS * played.rate or len(past) < len(window) or not window.any():
        return None
    at = _best_match(window, past)
    if at is None:
        return None
    return played.time_of(played.frames - len(window)) - captured.time_of(first_past + at / ratio)


def _best_match(window: NDArray[np.float64], past: NDArray[np.float64]) -> float | None:
    """Where in `past` the window lies, with a fraction where no whole position fits exactly."""
    size = 1 << (len(past) + len(window)).bit_length()
    count = len(past) - len(window) + 1
    product = np.fft.irfft(np.fft.rfft(past, size) * np.conj(np.fft.rfft(window, size)), size)[:count]
    power = np.concatenate([[0.0], np.cumsum(past**2)])
    energy = np.sqrt(np.maximum(power[len(window) :] - power[:count], 1e-12) * float(window @ window))
    likeness = product / energy
    best = int(likeness.argmax())
    if likeness[best] < CLEAR_PEAK:
        return None
    if not 0 < best < count - 1 or likeness[best] > 1 - 1e-9:
        return float(best)
    left, middle, right = likeness[best - 1 : best + 2]
    return float(best + 0.5 * (left - right) / (left - 2 * middle + right))


class StepWatch:
    """Counts steps between samples that are larger than the sound and its concealment can make."""

    APART_SECONDS = 0.02

    def __init__(self, rate: int, slope_per_second: float, gain: float) -> None:
        most = gain * (slope_per_second + 2 * PEAK / OFFSET_SECONDS)
        self._limit, self._rate = 1.2 * most / rate, rate
        self._last, self._frames, self._quiet_from = 0.0, 0, 0
        self.times_s: list[float] = []

    def look(self, samples: Samples, started_s: float) -> None:
        """Take a block ``(N,)`` of a device that began to play at `started_s`."""
        steps = np.abs(np.diff(samples, prepend=np.float32(self._last)))
        if steps.max() > self._limit:
            for index in np.flatnonzero(steps > self._limit):
                frame = self._frames + int(index)
                if frame >= self._quiet_from:
                    self.times_s.append(started_s + frame / self._rate)
                self._quiet_from = frame + int(self.APART_SECONDS * self._rate)
        self._last = float(samples[-1])
        self._frames += len(samples)

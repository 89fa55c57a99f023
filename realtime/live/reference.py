"""The original of what is played to the microphone: found by its loudness, wherever the playing stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.live.self_test import read_beginning
from realtime.plugins.base import Samples

LONGEST_SECONDS = 600.0
LOOK_SECONDS = 4.0  # of what is heard, to find the place by
BLOCK_SECONDS = 0.01
FLOOR_DB = -60.0
ALIKE = 0.75  # correlation of the loudness, in dB, to believe a place
STILL_ALIKE = 0.5  # and to go on believing it

Array = NDArray[np.float64]


class ReferenceTrack:
    """Gives the part of the original that belongs to each stretch of the stream, to 10 ms; the readouts do the rest.

    A place that does not fit any more, because the playing was paused or moved, is looked for anew.

    Args:
        path: the recording; its first ten minutes count.
        sample_rate: of the stream.
    Raises: AudioFileError, one line.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._audio: Samples = read_beginning(path, sample_rate, 1, LONGEST_SECONDS)[0]
        self._block = max(1, round(BLOCK_SECONDS * sample_rate))
        self._look_blocks = round(LOOK_SECONDS / BLOCK_SECONDS)
        margin = np.full(self._look_blocks // 2, FLOOR_DB)
        self._loudness = np.concatenate([margin, loudness_db(self._audio, self._block), margin])
        self._tail: Samples = np.zeros(0, dtype=np.float32)
        self.offset: int | None = None  # frame of the stream at which the recording began

    def follow(self, start: int, heard: Samples) -> Samples | None:
        """The original of the stream's frames from `start` on, ``(N,)`` as heard; None where the place is not known,
        or has just been found anew."""
        keep = self._look_blocks * self._block
        self._tail = np.concatenate([self._tail, heard])[-keep:]
        if len(self._tail) == keep:
            place, likeness = self._place(start + len(heard) - keep)
            if self.offset is None or likeness < STILL_ALIKE:
                self.offset = place
                return None
        return None if self.offset is None else self._part(start - self.offset, len(heard))

    def _place(self, tail_start: int) -> tuple[int | None, float]:
        """Where the recording began, by the best place of the tail; and how well the present place fits."""
        correlation = correlate(loudness_db(self._tail, self._block), self._loudness)
        best = int(np.argmax(correlation))
        margin = self._look_blocks // 2
        place = tail_start - (best - margin) * self._block if correlation[best] >= ALIKE else None
        if self.offset is None:
            return place, 0.0
        at = round((tail_start - self.offset) / self._block) + margin
        near = correlation[max(0, at - 1) : at + 2]
        return place, float(near.max()) if len(near) else 0.0

    def _part(self, first: int, count: int) -> Samples:
        part = np.zeros(count, dtype=np.float32)
        low, high = max(0, first), min(len(self._audio), first + count)
        if low < high:
            part[low - first : high - first] = self._audio[low:high]
        return part


def loudness_db(audio: Samples, block: int) -> Array:
    """RMS of blocks in dB, not below the floor: ``(N,)`` -> ``(N // block,)``."""
    power = (audio[: len(audio) // block * block].astype(np.float64) ** 2).reshape(-1, block).mean(axis=1)
    level: Array = np.maximum(10 * np.log10(power + 1e-20), FLOOR_DB)
    return level


def correlate(pattern: Array, track: Array) -> Array:
    """The correlation coefficient of the pattern with each stretch of the track, 0 where either is flat:
    ``(K,)``, ``(M,)`` -> ``(M - K + 1,)``."""
    count = len(track) - len(pattern) + 1
    centred = pattern - pattern.mean()
    size = 1 << (len(track) + len(pattern)).bit_length()
    products = np.fft.irfft(np.fft.rfft(track, size) * np.conj(np.fft.rfft(centred, size)), size)[:count]
    sums, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (track, track**2))
    length = len(pattern)
    sums, squares = sums[length:] - sums[:-length], squares[length:] - squares[:-length]
    power = np.maximum(squares - sums**2 / length, 0) * float(centred @ centred)
    flat = power < 1.0
    return np.where(flat, 0.0, products / np.sqrt(np.where(flat, 1.0, power)))

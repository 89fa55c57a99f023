"""The outline of a long sound: its lowest and highest samples in bins, and in ever larger bins for the far view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Times = NDArray[np.float64]

MOST_BINS = 1 << 21  # of the finest level: 1 sample a bin up to 43 s at 48 kHz, 128 samples in an hour and a half
FACTOR = 2  # from one level to the next


@dataclass(frozen=True)
class Envelope:
    """The outline of a sound of `frames` samples at `sample_rate` Hz.

    Attributes:
        bin_samples: how many samples are in a bin of the finest level.
        levels: each ``(2, bins)``, the lowest and the highest sample of every bin; the next has bins twice as long.
    """

    sample_rate: int
    frames: int
    bin_samples: int
    levels: tuple[Samples, ...]

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.frames / self.sample_rate

    def outline(self, from_s: float, to_s: float, columns: int) -> tuple[Times, Samples]:
        """What to draw of a stretch: the middle times of bins in seconds, ``(N,)``, and low and high, ``(2, N)``.

        The bins are the largest that still give `columns` of them, so N is at most 2 × columns + 4; where the finest
        level has fewer, there are fewer.
        """
        span = max(to_s - from_s, 0.0) * self.sample_rate / self.bin_samples
        level = 0
        while level + 1 < len(self.levels) and span / FACTOR ** (level + 1) >= columns:
            level += 1
        bin_s = self.bin_samples * FACTOR**level / self.sample_rate
        bins = self.levels[level]
        first = min(max(int(from_s / bin_s) - 1, 0), bins.shape[1])
        last = min(max(int(to_s / bin_s) + 2, first), bins.shape[1])
        return (np.arange(first, last) + 0.5) * bin_s, bins[:, first:last]


class EnvelopeBuilder:
    """Takes a sound block by block and gives its outline.

    Args:
        sample_rate: Hz. claimed_frames: how long it probably is; a longer one gets longer bins on the way.
    """

    def __init__(self, sample_rate: int, claimed_frames: int) -> None:
        self._sample_rate = sample_rate
        self._bin = 1
        while claimed_frames > self._bin * MOST_BINS:
            self._bin *= 2
        self._left = np.zeros((2, 0), np.float32)  # lowest and highest samples that do not fill a bin yet
        self._bins: list[Samples] = []
        self._count = 0
        self._frames = 0

    def add(self, block: Samples) -> None:
        """The next samples, ``(C, N)``, full scale ±1; of several channels the outermost counts."""
        both = np.stack([block.min(axis=0), block.max(axis=0)])
        self._frames += block.shape[1]
        pending = np.concatenate([self._left, both], axis=1)
        whole = pending.shape[1] // self._bin * self._bin
        self._bins.append(_reduced(pending[:, :whole], self._bin))
        self._left = pending[:, whole:]
        self._count += self._bins[-1].shape[1]
        if self._count > 2 * MOST_BINS:  # the header claimed less than there is
            self._halve()

    def _halve(self) -> None:
        """Bins twice as long. Where one is left over, it counts as so many of the samples that are pending."""
        bins = np.concatenate(self._bins, axis=1)
        even = self._count // FACTOR * FACTOR
        self._left = np.concatenate([np.repeat(bins[:, even:], self._bin, axis=1), self._left], axis=1)
        self._bins = [_reduced(bins[:, :even], FACTOR)]
        self._bin, self._count = self._bin * FACTOR, even // FACTOR

    def finish(self) -> Envelope:
        """The outline of all that was added."""
        bins = np.concatenate([*self._bins, _reduced(self._left, self._bin)], axis=1)
        levels = [bins]
        while levels[-1].shape[1] > FACTOR:
            levels.append(_reduced(levels[-1], FACTOR))
        return Envelope(self._sample_rate, self._frames, self._bin, tuple(levels))


def _reduced(bins: Samples, factor: int) -> Samples:
    """Lowest and highest of each `factor` neighbours, the last of them fewer: ``(2, N)`` -> ``(2, ⌈N / factor⌉)``."""
    if factor == 1 or bins.shape[1] == 0:
        return bins
    starts = np.arange(0, bins.shape[1], factor)
    return np.stack([np.minimum.reduceat(bins[0], starts), np.maximum.reduceat(bins[1], starts)])

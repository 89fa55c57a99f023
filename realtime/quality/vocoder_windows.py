"""The windows of the vocoder: what a spectrum is taken of, and what is put together again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

HOPS_PER_WINDOW = 8
LOSS_STEPS = 128  # of the table of rounding losses
# What the vocoder waits for: (heard, of that put together again) in a shift down, and in a shift up. Longer ones are
# worse: in a shift down attacks are smeared, in a shift up notes follow each other. docs/vocoder.md has the figures.
SPANS = {
    512: ((512, 512), (1024, 512)),
    1024: ((1024, 1024), (2048, 1024)),
    2048: ((1024, 1024), (2560, 2048)),
}

Array = NDArray[np.float64]

_SQUARED_HANN_MEAN = 3 / 8
_OFFSET_TERMS = 4


@dataclass(frozen=True, eq=False)
class Windows:
    """One pair of windows over `heard` samples, of which only the last `kept` are put together again.

    `analysis`, `synthesis`: ``(heard,)``; their product is a squared Hann window over the last `kept` samples, so
    that eight overlapping ones add up to 1. `latency`: of the vocoder; where it is more than `kept`, the windows end
    before the newest sample, so that those of both directions have their middles in one place. `offsets`: odd
    polynomial, from the lowest power, that turns the levels around a peak into its place. `gains`: what a move's
    rounding costs, given back: ``(LOSS_STEPS + 1,)`` for rests of -1/2 to 1/2 bin.
    """

    heard: int
    kept: int
    latency: int
    analysis: Array
    synthesis: Array
    offsets: tuple[float, ...]
    gains: Array

    @property
    def hop(self) -> int:
        """From one window to the next: an eighth of what is kept, in samples."""
        return self.kept // HOPS_PER_WINDOW

    @property
    def block(self) -> int:
        """Samples that the vocoder takes at a time, one or more hops: an eighth of its latency."""
        return self.latency // HOPS_PER_WINDOW

    @property
    def ends(self) -> tuple[int, ...]:
        """How long before a block's last sample each of its windows ends, the earliest first."""
        rest = (self.latency - self.kept) // 2
        return tuple(rest + behind for behind in reversed(range(0, self.block, self.hop)))

    @property
    def reach(self) -> int:
        """How far before a block's last sample its first window begins."""
        return self.heard + self.ends[0]

    @property
    def bins(self) -> int:
        """Of the spectrum, both ends included."""
        return self.heard // 2 + 1

    @property
    def middle(self) -> int:
        """Of the part that is put together again, in samples from the start."""
        return self.heard - self.kept // 2


@cache
def windows(latency: int, rising: bool) -> Windows:
    """For shifts down, or up (`rising`), which pull partials apart and so have to tell more of them from each other.

    A shift up hears back with a long slope and lets go with a short one: partials twice as close are told apart, and
    nothing comes later. A shift down has Hann windows: it smears attacks less.
    Source: Mauler & Martin 2007, A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis
    system for speech enhancement (EUSIPCO); there with square roots of Hann windows, here with whole ones.
    Raises: KeyError where there is no such latency in `SPANS`.
    """
    heard, kept = SPANS[latency][rising]
    half, slope = kept // 2, heard - kept // 2
    analysis = np.zeros(heard)
    analysis[:slope] = 0.5 - 0.5 * np.cos(math.pi * np.arange(slope) / slope)
    analysis[slope:] = 0.5 + 0.5 * np.cos(math.pi * np.arange(half) / half)
    product = np.zeros(heard)
    product[heard - kept :] = np.hanning(kept + 1)[:-1] ** 2
    synthesis = np.divide(product, analysis, out=np.zeros(heard), where=analysis > 0)
    synthesis /= _SQUARED_HANN_MEAN * HOPS_PER_WINDOW
    return Windows(heard, kept, latency, analysis, synthesis, _offsets(analysis), _gains(product, heard - half))


def _offsets(window: Array) -> tuple[float, ...]:
    """Where between the bins a steady tone lies, from how its levels a, b, c in three bins lean.

    They lean by (c - a) / (a + 2 b + c). Under a Hann window that is half the place, exactly; under others a fit, to a
    ten-thousandth of a bin. Source: the ratio of two bins, Grandke 1983, Interpolation algorithms for discrete Fourier
    transforms of weighted signals, applied on both sides of the peak.
    """
    places = np.linspace(-0.5, 0.5, 201)
    turns = 2j * math.pi * np.arange(len(window)) / len(window)
    left, middle, right = (np.abs(np.exp(np.outer(places - bin_, turns)) @ window) for bin_ in (-1, 0, 1))
    lean = (right - left) / (left + 2 * middle + right)
    powers = lean[:, None] ** (1 + 2 * np.arange(_OFFSET_TERMS))
    return tuple(float(factor) for factor in np.linalg.lstsq(powers, places, rcond=None)[0])


def _gains(product: Array, middle: int) -> Array:
    """A part that is off by some bins turns under the two windows by as much; overlapping ones then add up to less."""
    rests = np.arange(-LOSS_STEPS // 2, LOSS_STEPS // 2 + 1) / LOSS_STEPS
    places = (np.arange(len(product)) - middle) / len(product)
    gains: Array = product.sum() / (np.cos(2 * math.pi * np.outer(rests, places)) @ product)
    return gains

"""The windows of the vocoder: what a spectrum is taken of, and what is put together again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

HOPS_PER_WINDOW = 8
LOSS_STEPS = 128  # of the table of rounding losses
# What the vocoder waits for: over how far it hears back in a shift up. More is no better: notes follow each other.
HEARD_SAMPLES = {512: 1024, 1024: 2048, 2048: 2048}

Array = NDArray[np.float64]

_SQUARED_HANN_MEAN = 3 / 8
_OFFSET_TERMS = 4


@dataclass(frozen=True, eq=False)
class Windows:
    """One pair of windows over `heard` samples, of which only the last `latency` are put together again.

    `analysis`, `synthesis`: ``(heard,)``; their product is a squared Hann window over the last `latency` samples, so
    that eight overlapping ones add up to 1. `middle`: of that product, where phases are counted from. `offsets`: odd
    polynomial, from the lowest power, that turns the levels around a peak into its place. `gains`: what a move's
    rounding costs, given back: ``(LOSS_STEPS + 1,)`` for rests of -1/2 to 1/2 bin.
    """

    heard: int
    latency: int
    analysis: Array
    synthesis: Array
    offsets: tuple[float, ...]
    gains: Array

    @property
    def hop(self) -> int:
        """An eighth of the latency, in samples."""
        return self.latency // HOPS_PER_WINDOW

    @property
    def bins(self) -> int:
        """Of the spectrum, both ends included."""
        return self.heard // 2 + 1

    @property
    def middle(self) -> int:
        """Of the part that is put together again, in samples from the start."""
        return self.heard - self.latency // 2


@cache
def windows(latency: int, rising: bool) -> Windows:
    """For shifts down, or up (`rising`), which pull partials apart and so have to tell more of them from each other.

    A shift up hears back with a long slope and lets go with a short one: partials twice as close are told apart, and
    nothing comes later. A shift down keeps to Hann windows of `latency` samples: it smears attacks less.
    Source: Mauler & Martin 2007, A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis
    system for speech enhancement (EUSIPCO); there with square roots of Hann windows, here with whole ones.
    Raises: KeyError where there is no such latency in `HEARD_SAMPLES`.
    """
    heard, half = HEARD_SAMPLES[latency] if rising else latency, latency // 2
    slope = heard - half
    analysis = np.zeros(heard)
    analysis[:slope] = 0.5 - 0.5 * np.cos(math.pi * np.arange(slope) / slope)
    analysis[slope:] = 0.5 + 0.5 * np.cos(math.pi * np.arange(half) / half)
    product = np.zeros(heard)
    product[heard - latency :] = np.hanning(latency + 1)[:-1] ** 2
    synthesis = np.divide(product, analysis, out=np.zeros(heard), where=analysis > 0)
    synthesis /= _SQUARED_HANN_MEAN * HOPS_PER_WINDOW
    return Windows(heard, latency, analysis, synthesis, _offsets(analysis), _gains(product, heard - half))


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

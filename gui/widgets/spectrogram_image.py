"""What pictures of sound share: the colours of a level, the axis of frequency, and whole pictures inside a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph
from numpy.typing import NDArray

LOW_DB, HIGH_DB = -90.0, 0.0  # what the colours tell apart
COLOUR_MAP = "viridis"  # even steps of lightness, the same for the colour-blind: Smith and van der Walt 2015

_LABELLED = (1, 2, 5)
_TWO_DIGITS = 2


def colour_map() -> pyqtgraph.ColorMap:
    """From `LOW_DB` to `HIGH_DB`."""
    return pyqtgraph.colormap.get(COLOUR_MAP)


def frequency_text(frequency_hz: float) -> str:
    """``"440 Hz"``, ``"1.24 kHz"``: three digits."""
    if round(frequency_hz) < 1000:
        return f"{frequency_hz:.0f} Hz"
    return f"{frequency_hz / 1000:.2f} kHz" if round(frequency_hz) < 10_000 else f"{frequency_hz / 1000:.1f} kHz"


def log_span(frequencies_hz: NDArray[np.floating]) -> tuple[float, float]:
    """The lower edge of the first row and the upper one of the last, in log10 Hz. Rows are of equal ratio."""
    low, high = math.log10(frequencies_hz[0]), math.log10(frequencies_hz[-1])
    half_row = (high - low) / (len(frequencies_hz) - 1) / 2
    return low - half_row, high + half_row


def log_frequency_axis() -> pyqtgraph.AxisItem:
    """The left axis of a plot whose coordinate is log10 Hz: 100, 200, 500, 1k, …"""
    return LogFrequencyAxis("left")


class LogFrequencyAxis(pyqtgraph.AxisItem):
    """Marks at 1, 2, 5 in each decade; where a plot shows too little for that, evenly spaced ones."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802, N803
        """(spacing, places in log10 Hz), the most important first."""
        low, high = sorted((minVal, maxVal))
        decades = range(math.floor(low), math.ceil(high) + 1)
        groups = [
            [decade + math.log10(step) for decade in decades for step in steps]
            for steps in ((1,), (2, 5), (3, 4, 6, 7, 8, 9))
        ]
        seen = [[place for place in group if low <= place <= high] for group in groups]
        if sum(map(len, seen[:2])) < _TWO_DIGITS:
            even: list[tuple[float, list[float]]] = super().tickValues(minVal, maxVal, size)
            return even
        return list(zip((1.0, 0.3, 0.05), seen, strict=True))

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """``"100"``, ``"1k"``; nothing for the small marks between them."""
        texts = []
        for value in values:
            frequency_hz = 10**value
            first_digit = round(frequency_hz / 10 ** math.floor(value + 1e-9), 6)
            labelled = first_digit in _LABELLED or spacing < 0.05 or spacing not in (1.0, 0.3, 0.05)
            texts.append(_short(frequency_hz) if labelled else "")
        return texts


def _short(frequency_hz: float) -> str:
    return f"{frequency_hz:.4g}" if round(frequency_hz) < 1000 else f"{frequency_hz / 1000:.4g}k"


class SecondsBeforeNowAxis(pyqtgraph.AxisItem):
    """The bottom axis of a picture that rolls: "−4 s" … "now"."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """``"−4 s"``; 0 is "now"."""
        return ["now" if abs(value) < spacing / 2 else f"−{-value:g} s" for value in values]

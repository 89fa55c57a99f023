"""Figures that the worker writes hop by hop and anybody may read: levels, times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.plugins.base import Samples

KEPT_HOPS = 2048
PEAK_FALL_DB_PER_SECOND = 20.0
RMS_SECONDS = 0.3


@dataclass(frozen=True)
class Level:
    """dB relative to full scale, never below -200; `clipped` counts samples at or beyond full scale since the start."""

    peak_db: float
    rms_db: float
    clipped: int


class Meter:
    """A peak that falls slowly, a mean level, and a count of clipped samples."""

    def __init__(self, hop_samples: int, sample_rate: int) -> None:
        seconds = hop_samples / sample_rate
        self._fall = 10 ** (-PEAK_FALL_DB_PER_SECOND * seconds / 20)
        self._share = min(1.0, seconds / RMS_SECONDS)
        self._peak = self._power = 0.0
        self._clipped = 0
        self.zero_samples = 0  # in a row, exact digital silence

    def update(self, block: Samples) -> None:
        """Take one hop ``(C, hop)``."""
        peak = float(np.abs(block).max())
        self._peak = max(peak, self._peak * self._fall)
        self._power += self._share * (float(np.vdot(block, block)) / block.size - self._power)
        self.zero_samples = 0 if peak else self.zero_samples + block.shape[1]
        if peak >= 1.0:
            self._clipped += int(np.count_nonzero(np.abs(block) >= 1.0))

    def read(self) -> Level:
        """The level now."""
        return Level(_db(self._peak), _db(self._power**0.5), self._clipped)


class Times:
    """How long the last 2048 hops took."""

    def __init__(self) -> None:
        self._seconds = np.zeros(KEPT_HOPS)
        self.count = 0

    def add(self, seconds: float) -> None:
        """Take one hop's time."""
        self._seconds[self.count % KEPT_HOPS] = seconds
        self.count += 1

    def percentiles_ms(self) -> tuple[float, float, float, float]:
        """p50, p95, p99 and the longest, in ms; zeros before the first hop."""
        kept = self._seconds[: min(self.count, KEPT_HOPS)]
        if not len(kept):
            return 0.0, 0.0, 0.0, 0.0
        p50, p95, p99, most = (1000 * float(value) for value in np.percentile(kept, (50, 95, 99, 100)))
        return p50, p95, p99, most

    @property
    def last_seconds(self) -> float:
        """The newest hop's time."""
        return float(self._seconds[(self.count - 1) % KEPT_HOPS]) if self.count else 0.0


def _db(amplitude: float) -> float:
    return 20 * float(np.log10(max(amplitude, 1e-10)))

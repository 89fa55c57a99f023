"""How loud files are, and the gains that make them equally loud without passing full scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 0.1
MEASURE = "RMS of the loud parts, gated as in ITU-R BS.1770, without its weighting of frequencies"

_BLOCKS_PER_GATE = 4  # 0.4 s, a new one every 0.1 s
_ABSOLUTE_GATE_DBFS = -70.0
_RELATIVE_GATE_DB = -10.0
_LARGEST_GAIN_DB = 30.0

Powers = NDArray[np.float64]


def gated_level(powers: Powers) -> float | None:
    """The level in dBFS of a sound told by its mean square per 0.1 s, ``(N,)``; None where it is silent.

    Source: ITU-R BS.1770-5, the gates of annex 1: 0.4 s are measured every 0.1 s, those below -70 and then those 10 dB
    below the mean of the rest are left out. Its filter for the ear is not applied.
    """
    if not len(powers):
        return None
    count = min(_BLOCKS_PER_GATE, len(powers))
    gates = np.convolve(powers, np.full(count, 1 / count), "valid")
    loud = gates[gates > 10 ** (_ABSOLUTE_GATE_DBFS / 10)]
    if not len(loud):
        return None
    loud = loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE_DB / 10)]
    return 10 * math.log10(float(loud.mean()))


def matching_gains(levels_dbfs: Sequence[float | None], peaks: Sequence[float]) -> list[float]:
    """The gains in dB that bring all to the level of the first, none beyond full scale.

    Where the gained peak of one would pass full scale, all are lowered alike, so that they still match. A silent one,
    or all where the first is silent, gets no gain of its own; beyond 30 dB apart, levels are not matched any further.

    Args:
        levels_dbfs: of `gated_level`; peaks: the largest samples, full scale 1.
    """
    limit = _LARGEST_GAIN_DB
    first = levels_dbfs[0] if levels_dbfs else None
    apart = [0.0 if first is None or level is None else first - level for level in levels_dbfs]
    gains = [min(max(gain, -limit), limit) for gain in apart]
    over = [gain + 20 * math.log10(peak) for gain, peak in zip(gains, peaks, strict=True) if peak > 0]
    too_much = max([0.0, *over])
    return [gain - min(too_much, limit) for gain in gains]

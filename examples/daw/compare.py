"""How far what a host rendered is from `deshift process` on the same recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.model import Model

PROBE_SAMPLES = 8192
ALIKE = 1e-4  # results on the wrong grid differ by 0.01 and more, on the right one by rounding


@dataclass(frozen=True)
class Comparison:
    """The largest difference of two results, and where the grid of hops lay: the recording's start, within a hop."""

    largest_difference: float
    grid_samples: int


def compare(
    heard: NDArray[np.float32], recordings: Sequence[NDArray[np.float32]], model: Model, settled: int = 0
) -> Comparison:
    """Hold a host's result against `deshift process`.

    A model works hop by hop, and a host has run the plugin on silence for some time when the recording begins: rarely
    at the first sample of a hop. So `deshift process` gets the recording with silence before it, and as much of it as
    puts the start of the recording at the same place of a hop. That place is found by trial, multiples of large powers
    of two first, since hosts count in such blocks.

    Args:
        heard: ``(N, C)``, the host's result, delay-compensated.
        recordings: what its tracks played, each ``(n, 1)`` or ``(n, C)`` at the model's rate; the results are summed.
            Silence follows after n samples.
        settled: how many samples at the start to leave out, where something else than silence came before.
    """
    probe = slice(settled, settled + PROBE_SAMPLES)
    end = probe.stop + model.facts.latency_samples  # the result before `probe.stop` needs the recording up to here
    heads = [recording[:end] for recording in recordings]
    tried: list[tuple[float, int]] = []
    for grid in _by_divisibility(model.facts.hop_samples):
        tried.append((_difference(heard[:end], heads, model, grid, probe), grid))
        if tried[-1][0] < ALIKE:
            break
    grid = min(tried)[1]
    return Comparison(_difference(heard, recordings, model, grid, slice(settled, None)), grid)


def _by_divisibility(hop: int) -> list[int]:
    return sorted(range(hop), key=lambda grid: (-(grid & -grid) if grid else -hop, grid))


def _difference(
    heard: NDArray[np.float32], recordings: Sequence[NDArray[np.float32]], model: Model, grid: int, part: slice
) -> float:
    expected = np.zeros(heard.shape, dtype=np.float32)
    for recording in recordings:
        expected += _processed(recording, len(heard), model, grid)
    return float(np.abs(heard - expected)[part].max(initial=0.0))


def _processed(recording: NDArray[np.float32], length: int, model: Model, grid: int) -> NDArray[np.float32]:
    """`deshift process` on silence of whole hops and `grid` samples, then the recording; without the silence before."""
    hop = model.facts.hop_samples
    silence = -(-model.facts.receptive_field_samples // hop) * hop + grid
    padded = np.pad(recording, ((silence, max(0, length - len(recording))), (0, 0)))
    return model.process(padded, model.facts.sample_rate)[silence : silence + length]

"""Where a restored sound lies beside its original: measured by a probe first, then on the sound itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.quality.align import align, overlap

Audio = NDArray[np.float32]

LARGEST_DELAY_S = 0.5  # that the probe finds
NEAR_S = 0.006  # how far a sound itself may correct that: a steady note fits once in every period
_PROBE_S = 2.5
_SYLLABLES_S = (0.15, 0.52, 0.78, 1.21, 1.74, 1.99)  # where they start: at no two distances alike
_SYLLABLE_S = 0.2
_PROBE_F0_HZ = 150.0


@dataclass(frozen=True)
class Placed:
    """A restored sound beside its original, as much of both as overlaps, and how they were found to lie.

    Attributes:
        offset_samples: how much later the restored one was; None where nothing showed it, and 0 was taken.
        exact: the waveforms agree, so the offset is right to the sample; else by loudness, to about 1 ms.
    """

    restored: Audio
    original: Audio
    offset_samples: int | None
    exact: bool


def probe(sample_rate: int) -> Audio:
    """Six voiced syllables with breath at uneven times, ``(N,)``: sharp in loudness whatever its pitch becomes."""
    times = np.arange(round(_PROBE_S * sample_rate)) / sample_rate
    tones = sum(np.sin(2 * np.pi * part * _PROBE_F0_HZ * times) / part for part in range(1, 30))
    breath = np.random.default_rng(0).standard_normal(len(times))
    envelope = np.zeros(len(times))
    for start in _SYLLABLES_S:
        inside = np.clip((times - start) / _SYLLABLE_S, 0, 1)
        envelope += np.sin(np.pi * inside) ** 2
    sound: Audio = (envelope * (0.1 * tones + 0.03 * breath)).astype(np.float32)
    return sound


def measured_delay(way: Callable[[Audio], Audio | None], sample_rate: int) -> int | None:
    """By how many samples a way through damage and repair delays the probe; None where that cannot be told."""
    sent = probe(sample_rate)
    heard = way(sent)
    found = None if heard is None else align(heard, sent, sample_rate, LARGEST_DELAY_S)
    return None if found is None else found.offset_samples


def place(restored: Audio, original: Audio, sample_rate: int, delay_samples: int | None) -> Placed:
    """Cut two sounds to what they share, the restored one moved by its way's delay and what its own waveform adds.

    Args: delay_samples: of `measured_delay`; None counts as 0.
    """
    rough = overlap(restored, original, delay_samples or 0)
    found = align(*rough, sample_rate, NEAR_S)
    if found is None:
        return Placed(*rough, delay_samples, exact=False)
    offset = (delay_samples or 0) + found.offset_samples
    return Placed(*overlap(restored, original, offset), offset, found.exact)

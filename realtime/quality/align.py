"""Where one sound lies in another: by their loudness, and to the sample where their waveforms are alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.quality.levels import silent, usable

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

LARGEST_OFFSET_S = 0.5

_BLOCK_S = 0.001  # of the envelopes
_SMOOTHING_BLOCKS = 11  # 10 ms
_NEAR_S = 0.006  # how far the waveforms may correct the envelopes
_SHORTEST_S = 0.1
_CERTAIN = 0.9  # waveforms as alike as this need no look at the loudness
_ALIKE = 0.5  # the least correlation of waveforms to be believed
_AS_LOUD = 0.7  # and of envelopes, which rise and fall together by chance more easily
_FLAT = 0.1  # an envelope that varies less than this, relative to its mean, places nothing


class AlignError(ValueError):
    """Two sounds that cannot be aligned."""


@dataclass(frozen=True)
class Alignment:
    """Where `audio` lies in `reference`.

    Attributes:
        offset_samples: how much later things happen in `audio`; negative is earlier.
        correlation: of the waveforms, 0.5 … 1, or else of the envelopes, 0.7 … 1.
        exact: the waveforms agree, so the offset is right to the sample; else it is by loudness, to about 1 ms.
    """

    offset_samples: int
    correlation: float
    exact: bool


def align(
    audio: Samples, reference: Samples, sample_rate: int, largest_offset_s: float = LARGEST_OFFSET_S
) -> Alignment | None:
    """Find the delay of one sound against another.

    Waveforms that correlate by 0.9 or more, of either sign, decide alone. Else the envelopes give the coarse place, and
    the waveforms the sample within 6 ms of it, if they correlate by 0.5. Where an envelope is flat (a held tone, steady
    noise) the waveforms have to do.

    Args:
        audio, reference: ``(N,)`` and ``(M,)``, full scale ±1; sample_rate: Hz.
        largest_offset_s: how far apart they may lie; half of the shorter one must overlap.
    Returns: None where nothing shows how they lie: silence, NaN, too short, or not alike.
    Raises: AlignError for other shapes, a rate below 1 Hz or a negative offset.
    """
    if audio.ndim != 1 or reference.ndim != 1:
        raise AlignError(f"shapes {audio.shape} and {reference.shape} cannot be aligned: give one channel each")
    if sample_rate < 1 or not largest_offset_s >= 0:
        raise AlignError(
            f"nothing to align at {sample_rate} Hz within ±{largest_offset_s} s: give a rate, and 0 or more"
        )
    shortest = min(len(audio), len(reference))
    most = min(round(largest_offset_s * sample_rate), shortest // 2)
    if shortest < _SHORTEST_S * sample_rate or any(not usable(sound) or silent(sound) for sound in (audio, reference)):
        return None
    waveforms = np.abs(_correlations(audio.astype(np.float64), reference.astype(np.float64), most))
    coarse = None
    if waveforms.max() < _CERTAIN:
        coarse = _by_loudness(audio, reference, max(1, round(_BLOCK_S * sample_rate)), most)
    if coarse is not None:
        apart = np.abs(np.arange(-most, most + 1) - coarse.offset_samples)
        waveforms[apart > round(_NEAR_S * sample_rate)] = 0
    place = _nearest_of_the_best(waveforms)
    likeness = float(waveforms[place])
    return Alignment(place - most, min(likeness, 1.0), True) if likeness >= _ALIKE else coarse


def overlap(audio: Samples, reference: Samples, offset_samples: int) -> tuple[Samples, Samples]:
    """The parts of two sounds that happen at the same time, given the offset of `audio`; both of one length."""
    audio, reference = audio[max(0, offset_samples) :], reference[max(0, -offset_samples) :]
    length = min(len(audio), len(reference))
    return audio[:length], reference[:length]


def _by_loudness(audio: Samples, reference: Samples, block: int, most: int) -> Alignment | None:
    envelopes = [_envelope(sound, block) for sound in (audio, reference)]
    if any(envelope.std() < _FLAT * envelope.mean() for envelope in envelopes):
        return None
    correlations = _correlations(envelopes[0], envelopes[1], most // block)
    place = _nearest_of_the_best(correlations)
    likeness = float(correlations[place])
    return Alignment((place - most // block) * block, min(likeness, 1.0), False) if likeness >= _AS_LOUD else None


def _envelope(audio: Samples, block: int) -> Array:
    """The RMS of blocks, smoothed: ``(N,)`` -> ``(N // block,)``."""
    power = (audio[: len(audio) // block * block].astype(np.float64) ** 2).reshape(-1, block).mean(axis=1)
    window = np.hanning(_SMOOTHING_BLOCKS + 2)[1:-1]
    smooth: Array = np.sqrt(np.convolve(power, window / window.sum(), "same"))
    return smooth


def _correlations(one: Array, other: Array, most: int) -> Array:
    """The correlation coefficient at each offset -most … most, the means of the whole taken off: ``(2 * most + 1,)``.

    Each is normalised by the power of just the parts that overlap, so that a long overlap has no advantage.
    """
    one, other = one - one.mean(), other - other.mean()
    size = 1 << (len(one) + len(other) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    offsets = np.arange(-most, most + 1)
    length = np.minimum(len(one) - np.maximum(0, offsets), len(other) - np.maximum(0, -offsets))
    energies = []
    for sound, starts in ((one, np.maximum(0, offsets)), (other, np.maximum(0, -offsets))):
        sums = np.concatenate([[0.0], np.cumsum(sound**2)])
        energies.append(sums[starts + length] - sums[starts])
    scale = np.sqrt(np.maximum(energies[0] * energies[1], 0))
    floor = 1e-9 * float(np.sqrt((one @ one) * (other @ other))) + 1e-300
    coefficients: Array = product[offsets % size] / np.maximum(scale, floor)
    return coefficients


def _nearest_of_the_best(correlations: Array) -> int:
    """Of the offsets within 0.1 % of the best, the one nearest to none: a held tone fits once in every period."""
    middle = len(correlations) // 2
    best = np.flatnonzero(correlations >= correlations.max() - 1e-3 * abs(correlations.max()))
    return int(best[np.argmin(np.abs(best - middle))])

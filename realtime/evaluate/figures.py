"""The figures of one restored sound against its original, best first, each with its unit and its better direction."""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from realtime.evaluate.placing import Placed
from realtime.quality.levels import bandwidth, silent
from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from realtime.quality.pitch import F0Track, f0_track

Samples = NDArray[np.floating]

PESQ_RATE, STOI_RATE = 16_000, 10_000  # Hz, the rates of their standards
PESQ_LOWEST = 0.999  # what P.862.2 maps the worst scores to; the library refuses to score silence
_FEWEST_FRAMES = 5  # with a pitch in both: 50 ms


@dataclass(frozen=True)
class Figure:
    """One column: key, heading with unit, digits to show, the better direction, whether tables show the median."""

    key: str
    heading: str
    digits: int
    less_is_better: bool
    shows_median: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure("mel", "mel", 2, True),
    Figure("mr_stft", "MR-STFT", 2, True),
    Figure("f0_error_cents", "f0 error, cents (median)", 1, True, True),
    Figure("voicing_error", "voicing error", 3, True),
    Figure("pesq", "PESQ-wb", 2, False),
    Figure("stoi", "STOI", 3, False),
    Figure("bandwidth_error_hz", "bandwidth error, Hz", 0, True),
    Figure("si_sdr_db", "SI-SDR, dB", 1, False),
)


def measure(placed: Placed, sample_rate: int, speech: bool) -> dict[str, float | None]:
    """Every figure of `FIGURES`; None where it says nothing about this sound (or its library is missing).

    Args: placed: of `place`; speech: whether PESQ and STOI, which were made for speech, are asked.
    """
    restored, original = placed.restored, placed.original
    f0_error_cents, voicing_error = pitch_errors(f0_track(restored, sample_rate), f0_track(original, sample_rate))
    return {
        "mel": mel_distance(restored, original, sample_rate),
        "mr_stft": mr_stft(restored, original, sample_rate),
        "f0_error_cents": f0_error_cents,
        "voicing_error": voicing_error,
        "pesq": pesq_wideband(restored, original, sample_rate) if speech else None,
        "stoi": stoi(restored, original, sample_rate) if speech else None,
        "bandwidth_error_hz": bandwidth_error_hz(restored, original, sample_rate),
        "si_sdr_db": si_sdr(restored, original),
    }


def pitch_errors(restored: F0Track, original: F0Track) -> tuple[float | None, float | None]:
    """The median |difference| in cents where both have a pitch, and the share of frames where only one has.

    None in cents with fewer than 5 common frames; None as a share where the original has no pitch at all.
    """
    pitched, wanted = np.isfinite(restored.f0_hz), np.isfinite(original.f0_hz)
    if not wanted.any():
        return None, None
    common = pitched & wanted
    cents = None
    if common.sum() >= _FEWEST_FRAMES:
        cents = float(np.median(np.abs(1200 * np.log2(restored.f0_hz[common] / original.f0_hz[common]))))
    return cents, float(np.mean(pitched != wanted))


def bandwidth_error_hz(restored: Samples, original: Samples, sample_rate: int) -> float | None:
    """How far the highest band within 70 dB of the strongest moved, up or down; None for silence."""
    ends = [bandwidth(audio, sample_rate).highest_hz for audio in (restored, original)]
    return None if ends[0] is None or ends[1] is None else abs(ends[0] - ends[1])


def pesq_wideband(restored: Samples, original: Samples, sample_rate: int) -> float | None:
    """PESQ's MOS-LQO, wide band, 1.0 … 4.64. None without an utterance in the original, or without the library.

    Source: ITU-T P.862 and P.862.2, by the package pesq, which runs the ITU's reference code.
    """
    library = _optional("pesq")
    if library is None or silent(original):
        return None
    if silent(restored):
        return PESQ_LOWEST
    reference, degraded = (_at(audio, sample_rate, PESQ_RATE) for audio in (original, restored))
    try:
        return float(library.pesq(PESQ_RATE, reference, degraded, "wb"))
    except (library.NoUtterancesError, library.BufferTooShortError):
        return None


def stoi(restored: Samples, original: Samples, sample_rate: int) -> float | None:
    """Short-time objective intelligibility, 0 … 1; None where less than 0.4 s of speech is loud enough to tell.

    Source: Taal et al. 2011, by the package pystoi.
    """
    library = _optional("pystoi")
    if library is None or len(original) < sample_rate // 2 or silent(original):
        return None
    clean, heard = (_at(audio, sample_rate, STOI_RATE).astype(np.float64) for audio in (original, restored))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            score = float(library.stoi(clean, heard, STOI_RATE))
        except RuntimeWarning:
            return None
    return score if math.isfinite(score) else None


def missing_figures() -> list[str]:
    """A note for each figure whose library is not installed."""
    needed = (("pesq", "PESQ-wb"), ("pystoi", "STOI"))
    return [
        f'no {heading}: {package} is not installed (pip install "deshift[evaluate]")'
        for package, heading in needed
        if importlib.util.find_spec(package) is None
    ]


def _optional(package: str) -> Any:
    return importlib.import_module(package) if importlib.util.find_spec(package) else None


def _at(audio: Samples, sample_rate: int, wanted_rate: int) -> Samples:
    resampled: Samples = np.asarray(soxr.resample(audio, sample_rate, wanted_rate, quality="VHQ"), np.float32)
    return resampled

"""What shifts a sound back before a model restores it: the host's own vocoder, over whole recordings, in time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from realtime.quality.peak_vocoder import LARGEST_SHIFT_SEMITONES, WINDOWS, PeakVocoder
from realtime.quality.vocoder_windows import HOPS_PER_WINDOW

Audio = NDArray[np.float32]

PRESTAGES: Mapping[str, int] = {f"vocoder{window}": window for window in WINDOWS}  # name: window in samples
# Raised when a pre-stage starts to give other samples: cached pairs behind it are then made anew.
PRESTAGE_VERSIONS: Mapping[str, int] = {"vocoder512": 2, "vocoder1024": 2, "vocoder2048": 3}


class PrestageError(ValueError):
    """There is no such pre-stage, or it does not reach so far."""


def prestage_window(prestage: str) -> int:
    """The vocoder's window in samples.

    Raises: PrestageError where it is not one of `PRESTAGES`.
    """
    if prestage not in PRESTAGES:
        raise PrestageError(f"unknown pre-stage {prestage!r}: choose {', '.join(PRESTAGES)}")
    return PRESTAGES[prestage]


def prestage_delay(prestage: str) -> int:
    """Samples that a pre-stage adds to the latency of the model behind it, whose hop is a multiple of its own.

    Of the vocoder's window one hop is waited for anyway (docs/chains.md).
    Raises: PrestageError for an unknown one.
    """
    window = prestage_window(prestage)
    return window - window // HOPS_PER_WINDOW


def shift_back(audio: Audio, semitones: float, prestage: str) -> Audio:
    """Undo a shift with the very code that streams in the host, from silence, without its delay.

    Args: audio: ``(C, N)`` after a shift of `semitones`, at most ±12; prestage: one of `PRESTAGES`.
    Returns: ``(C, N)`` float32, aligned with `audio`; the peak may pass full scale.
    Raises: PrestageError.
    """
    window, delay = prestage_window(prestage), prestage_delay(prestage)
    if not abs(semitones) <= LARGEST_SHIFT_SEMITONES:  # also catches NaN
        limit = f"{LARGEST_SHIFT_SEMITONES:g}"
        raise PrestageError(f"a pre-stage shifts back by -{limit} to {limit} semitones: it cannot undo {semitones:g}")
    channels, frames = audio.shape
    vocoder = PeakVocoder(channels, -semitones, window)
    hop = vocoder.hop_samples
    padded = np.pad(audio, ((0, 0), (0, delay + -(frames + delay) % hop)))
    heard = [vocoder.process(padded[:, start : start + hop]) for start in range(0, padded.shape[1], hop)]
    return np.concatenate(heard, axis=1)[:, delay : delay + frames]

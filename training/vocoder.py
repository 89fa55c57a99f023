"""The host's vocoder as a recipe's pre-stage, for what makes a plugin file of both: its numbers, and a run of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.quality.peak_vocoder import (
    EXTENSION,
    HOPS_PER_WINDOW,
    LARGEST_SHIFT_SEMITONES,
    ONSET_RISE,
    SYNTHESIS_GAIN,
    rounding_loss,
)
from realtime.quality.prestage import prestage_delay, prestage_window, shift_back

__all__ = ["LARGEST_SHIFT_SEMITONES", "VocoderNumbers", "prestage_delay", "shift_back", "vocoder_numbers"]


@dataclass(frozen=True)
class VocoderNumbers:
    """What `realtime.quality.peak_vocoder` computes with; lengths in samples.

    `window` and `synthesis`: what a window of sound is multiplied with before and after, ``(window_samples,)``;
    `loss_gains`: by what the rest of a rounded move, -1/2 to 1/2 of a bin in even steps, is made good; `onset_rise`: in
    power; `extension`: share of a region.
    """

    window_samples: int
    hop_samples: int
    window: NDArray[np.float64]
    synthesis: NDArray[np.float64]
    loss_gains: NDArray[np.float64]
    onset_rise: float
    extension: float

    @property
    def bins(self) -> int:
        """Of a window's spectrum, both ends included."""
        return self.window_samples // 2 + 1


def vocoder_numbers(prestage: str) -> VocoderNumbers:
    """Raises: PrestageError where `prestage` is none of `realtime.quality.prestage.PRESTAGES`."""
    size = prestage_window(prestage)
    window = np.hanning(size + 1)[:-1]
    gains = rounding_loss(window)
    return VocoderNumbers(
        window_samples=size,
        hop_samples=size // HOPS_PER_WINDOW,
        window=window,
        synthesis=window * SYNTHESIS_GAIN,
        loss_gains=np.roll(gains, len(gains) // 2),
        onset_rise=ONSET_RISE,
        extension=EXTENSION,
    )

"""The host's vocoder as a recipe's pre-stage, for what makes a plugin file of both: its windows, and a run of it."""

from realtime.quality.peak_vocoder import EXTENSION, ONSET_RISE
from realtime.quality.prestage import prestage_delay, prestage_window, shift_back
from realtime.quality.vocoder_windows import Windows, windows

__all__ = ["EXTENSION", "ONSET_RISE", "Windows", "prestage_delay", "shift_back", "vocoder_windows"]


def vocoder_windows(prestage: str) -> tuple[Windows, Windows]:
    """What the vocoder takes its spectra of: for shifts down, and for shifts up.

    Raises: PrestageError where `prestage` is none of `realtime.quality.prestage.PRESTAGES`.
    """
    latency = prestage_window(prestage)
    return windows(latency, rising=False), windows(latency, rising=True)

"""How loud a sound is, whether it clips, whether it is there at all, and how far up its spectrum goes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

FULL_SCALE = 32767 / 32768  # the highest 16-bit value: what a converter gives when it can go no further
SILENCE_DBFS = -80.0

_WINDOW = 2048
_SHORTEST = 512  # samples: below that a spectrum says nothing about bandwidth
_ROLLOFF_SHARE = 0.99
_BAND_HZ = 250.0
_BELOW_STRONGEST_DB = 70.0
_FRAMES_PER_BLOCK = 512  # bounds the memory of a long sound


class LevelError(ValueError):
    """A sound whose level cannot be asked for."""


@dataclass(frozen=True)
class Levels:
    """None is "nothing to say": no samples, or samples that are not numbers; the two dBFS also for digital silence.

    Attributes:
        peak_dbfs: the largest absolute sample; above 0 where floating-point sound passes full scale.
        rms_dbfs: of all samples; a sine of full scale has -3.01.
        clipped_samples: how many reach ±32767/32768.
        all_zero: every sample is exactly 0, which no analogue input gives: a muted or forbidden microphone.
    """

    peak_dbfs: float | None
    rms_dbfs: float | None
    clipped_samples: int | None
    all_zero: bool | None


@dataclass(frozen=True)
class Bandwidth:
    """How far up a spectrum goes, in Hz; None for silence and for less than 512 samples.

    Attributes:
        rolloff_hz: 99 % of the power lies below.
        highest_hz: the upper end of the highest band of 250 Hz that is less than 70 dB below the strongest one.
    """

    rolloff_hz: float | None
    highest_hz: float | None


def usable(audio: Samples) -> bool:
    """Whether there are samples and all of them are finite numbers."""
    return audio.size > 0 and bool(np.isfinite(audio).all())


def silent(audio: Samples) -> bool:
    """Whether a usable sound has, DC apart, an RMS below -80 dBFS."""
    return float(np.std(audio, dtype=np.float64)) < 10 ** (SILENCE_DBFS / 20)


def levels(audio: Samples) -> Levels:
    """Peak, RMS, clipped samples and exact zeros of ``(N,)`` or ``(C, N)``, full scale ±1."""
    if not usable(audio):
        return Levels(None, None, None, None)
    magnitude = np.abs(audio)
    peak = float(magnitude.max())
    rms = math.sqrt(float(np.mean(magnitude.astype(np.float64) ** 2)))
    return Levels(_decibels(peak), _decibels(rms), int((magnitude >= FULL_SCALE).sum()), peak == 0)


def bandwidth(audio: Samples, sample_rate: int) -> Bandwidth:
    """The rolloff and the highest band of a sound, from its mean power spectrum without DC.

    Args:
        audio: ``(N,)``, full scale ±1; sample_rate: Hz.
    Raises: LevelError for another shape or a rate below 1 Hz.
    Source: Welch, The use of fast Fourier transform for the estimation of power spectra, 1967 (Hann windows, half
    overlapped).
    """
    if audio.ndim != 1:
        raise LevelError(f"audio of shape {audio.shape} has no one spectrum: give one channel, (frames,)")
    if sample_rate < 1:
        raise LevelError(f"sample rate {sample_rate} Hz is not positive: give the rate of the audio")
    if len(audio) < _SHORTEST or not usable(audio) or silent(audio):
        return Bandwidth(None, None)
    power = _mean_power(audio)
    bin_hz = sample_rate / (2 * (len(power) - 1))
    below = np.cumsum(power)
    rolloff_bin = int(np.searchsorted(below, _ROLLOFF_SHARE * below[-1]))
    bins_per_band = max(1, round(_BAND_HZ / bin_hz))
    starts = np.arange(0, len(power), bins_per_band)
    bands = np.add.reduceat(power, starts) / np.diff(np.append(starts, len(power)))
    heard = np.flatnonzero(bands > bands.max() * 10 ** (-_BELOW_STRONGEST_DB / 10))
    last_bin = min((int(heard[-1]) + 1) * bins_per_band, len(power) - 1)
    return Bandwidth(rolloff_bin * bin_hz, last_bin * bin_hz)


def _mean_power(audio: Samples) -> Array:
    centred = audio.astype(np.float64) - float(np.mean(audio, dtype=np.float64))
    size = min(_WINDOW, len(centred))
    window = np.hanning(size + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(centred, size)[:: size // 2]
    total = np.zeros(size // 2 + 1)
    for first in range(0, len(frames), _FRAMES_PER_BLOCK):
        spectrum = np.fft.rfft(frames[first : first + _FRAMES_PER_BLOCK] * window)
        total += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    result: Array = total / len(frames)
    return result


def _decibels(amplitude: float) -> float | None:
    return 20 * math.log10(amplitude) if amplitude > 0 else None

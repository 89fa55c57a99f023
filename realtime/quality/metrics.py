"""How far a restored sound is from the original: one definition each, in numpy. The torch losses are tested by it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

MEL_WINDOWS: tuple[int, ...] = (32, 64, 128, 256, 512, 1024, 2048)  # hop is a quarter of each
MEL_COUNTS: tuple[int, ...] = (5, 10, 20, 40, 80, 160, 320)
MEL_FLOOR = 1e-5

STFT_SIZES: tuple[int, ...] = (4096, 2048, 1024)
STFT_HOPS: tuple[int, ...] = (480, 240, 120)
STFT_WINDOWS: tuple[int, ...] = (2400, 1200, 600)
STFT_MEL_COUNT = 128
STFT_POWER_FLOOR = 1e-8
FIR_TAPS = 101

_SI_SDR_FLOOR = 1e-8
_FRAMES_PER_BLOCK = 4096  # bounds the memory of a long sound


class MetricError(ValueError):
    """Two sounds that cannot be compared."""


def mel_distance(estimate: Samples, reference: Samples, sample_rate: int) -> float:
    """Sum over seven scales of the mean |Δ log10 mel|; 0 is equal, doing nothing about an octave scores about 3.

    Args:
        estimate, reference: ``(N,)`` or ``(C, N)``, full scale ±1; the mean over channels is taken.
        sample_rate: Hz. Shorter than a window works: the reflection at the ends is repeated.
    Raises: MetricError for unlike or empty shapes.
    Source: the mel loss of DAC, Kumar et al. 2023, arXiv:2306.06546, here with base 10 and power 1.
    """
    totals = []
    for one, other in _channels(estimate, reference):
        total = 0.0
        for window_size, mel_count in zip(MEL_WINDOWS, MEL_COUNTS, strict=True):
            window, filters = _hann(window_size), mel_filterbank(sample_rate, window_size, mel_count)
            logs = [
                np.log10(np.maximum(_mel(audio, window, window_size // 4, filters, 0.0), MEL_FLOOR))
                for audio in (one, other)
            ]
            total += float(np.mean(np.abs(logs[0] - logs[1])))
        totals.append(total)
    return float(np.mean(totals))


def mr_stft(estimate: Samples, reference: Samples, sample_rate: int) -> float:
    """Multi-resolution STFT distance on 128 mels after A-weighting: spectral convergence + |Δ ln|, mean of 3 scales.

    The figure of `auraloss.freq.MultiResolutionSTFTLoss` with these sizes, mel scale and perceptual weighting.

    Args: as in `mel_distance`.
    Raises: MetricError for unlike or empty shapes.
    Source: Yamamoto et al. 2020, arXiv:1910.11480; Steinmetz & Reiss, auraloss, 2020.
    """
    fir = a_weighting_fir(sample_rate)
    totals = []
    for one, other in _channels(estimate, reference):
        weighted = [np.convolve(audio, fir)[FIR_TAPS // 2 :][: len(audio)] for audio in (one, other)]
        for size, hop, window_size in zip(STFT_SIZES, STFT_HOPS, STFT_WINDOWS, strict=True):
            left = (size - window_size) // 2
            window = np.pad(_hann(window_size), (left, size - window_size - left))
            filters = mel_filterbank(sample_rate, size, STFT_MEL_COUNT)
            mel, target = (_mel(audio, window, hop, filters, STFT_POWER_FLOOR) for audio in weighted)
            convergence = np.linalg.norm(target - mel) / np.linalg.norm(target)
            totals.append(float(convergence + np.mean(np.abs(np.log(mel) - np.log(target)))))
    return float(np.mean(totals))


def si_sdr(estimate: Samples, reference: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of the zero-mean signals; higher is better, -80 is the least.

    Args: estimate, reference: ``(N,)`` or ``(C, N)``; the mean over channels is taken.
    Raises: MetricError for unlike or empty shapes.
    Source: Le Roux et al. 2019, arXiv:1811.02508; the floors that keep silence finite are those of auraloss.
    """
    ratios = []
    for one, other in _channels(estimate, reference):
        one, other = one - one.mean(), other - other.mean()
        target = other * (one @ other) / (other @ other + _SI_SDR_FLOOR)
        rest = one - target
        ratios.append(10 * np.log10(target @ target / (rest @ rest + _SI_SDR_FLOOR) + _SI_SDR_FLOOR))
    return float(np.mean(ratios))


@lru_cache(maxsize=32)
def mel_filterbank(sample_rate: int, fft_size: int, mel_count: int) -> Array:
    """Triangles on Slaney's mel scale from 0 to half the rate, each of equal area: ``(mels, fft_size // 2 + 1)``.

    The array is shared between callers and cannot be written to.

    Raises: MetricError if an argument is below 1.
    Source: Slaney, Auditory Toolbox, 1998: linear to 1 kHz (15 mel), then 27 mel for each factor of 6.4.
    """
    if min(sample_rate, fft_size, mel_count) < 1:
        raise MetricError(
            f"no mel filters of {mel_count} bands, {fft_size} samples at {sample_rate} Hz: give 1 or more"
        )
    highest = sample_rate / 2
    highest_mel = highest * 3 / 200 if highest < 1000 else 15 + 27 * np.log(highest / 1000) / np.log(6.4)
    mels = np.linspace(0, highest_mel, mel_count + 2)
    corners_hz = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((np.maximum(mels, 15) - 15) / 27))
    low, middle, high = (corners_hz[start : start + mel_count, None] for start in range(3))
    bins_hz = np.arange(fft_size // 2 + 1) * sample_rate / fft_size
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    filters: Array = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=8)
def a_weighting_fir(sample_rate: int) -> Array:
    """The 101 taps of a linear-phase filter with the A-weighting's magnitude, ``(101,)``, read only.

    Least squares over 256 bands, each 1/1024 of the rate wide with a gap as wide after it, between the magnitudes
    of the bilinear transform of the analogue curve: what auraloss fits with scipy's firls, solved here directly.

    Raises: MetricError if the rate is below 1 Hz.
    Source: IEC 61672-1 (the curve); Wright & Välimäki 2019, arXiv:1911.08922 (its use before a loss).
    """
    if sample_rate < 1:
        raise MetricError(f"no A-weighting at {sample_rate} Hz: give the sample rate of the audio")
    edges = np.arange(512).reshape(256, 2) * np.pi / 512  # radians per sample
    gains = _a_weighting_gain(2 * sample_rate * np.tan(edges / 2))
    points, weights = np.polynomial.legendre.leggauss(8)  # on -1 ... 1
    share = (points + 1) / 2
    angles = edges[:, :1] + share * np.diff(edges, axis=1)
    wanted = gains[:, :1] + share * np.diff(gains, axis=1)
    scale = np.sqrt(np.broadcast_to(weights, angles.shape)).ravel()
    cosines = np.cos(angles.reshape(-1, 1) * np.arange(FIR_TAPS // 2 + 1))
    half = np.linalg.lstsq(cosines * scale[:, None], wanted.ravel() * scale, rcond=None)[0]
    taps: Array = np.concatenate([half[:0:-1] / 2, half[:1], half[1:] / 2])
    taps.setflags(write=False)
    return taps


def _a_weighting_gain(radians_per_second: Array) -> Array:
    """|H| of the analogue A-weighting, 1 at 1 kHz: poles at 20.6 (twice), 107.7, 737.9 and 12194 Hz (twice)."""
    square = (radians_per_second / (2 * np.pi)) ** 2
    poles = [pole_hz**2 for pole_hz in (20.598997, 107.65265, 737.86223, 12194.217)]
    below = (square + poles[0]) * np.sqrt((square + poles[1]) * (square + poles[2]))
    gain: Array = 10 ** (1.9997 / 20) * poles[3] * square**2 / (below * (square + poles[3]))
    return gain


def _channels(estimate: Samples, reference: Samples) -> list[tuple[Array, Array]]:
    if estimate.shape != reference.shape or estimate.ndim not in (1, 2) or estimate.size == 0:
        raise MetricError(
            f"shapes {estimate.shape} and {reference.shape} cannot be compared: give two alike, not empty"
        )
    both = (np.atleast_2d(audio).astype(np.float64) for audio in (estimate, reference))
    return list(zip(*both, strict=True))


def _hann(size: int) -> Array:
    window: Array = np.hanning(size + 1)[:-1]  # periodic, as torch.hann_window
    return window


def _mel(audio: Array, window: Array, hop: int, filters: Array, power_floor: float) -> Array:
    """Mel magnitudes of a centred STFT with reflected ends: ``(N,)`` -> ``(mels, N // hop + 1)``."""
    padded = np.pad(audio, len(window) // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop]
    blocks = []
    for first in range(0, len(frames), _FRAMES_PER_BLOCK):
        spectrum = np.fft.rfft(frames[first : first + _FRAMES_PER_BLOCK] * window)
        magnitude = np.sqrt(np.maximum(spectrum.real**2 + spectrum.imag**2, power_floor))
        blocks.append(filters @ magnitude.T)
    return np.concatenate(blocks, axis=1)

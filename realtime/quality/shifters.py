"""Ways to damage pitch, offline: each one name, each usable alone. The optional libraries load when they are called."""

import importlib
import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Spectrum = NDArray[np.float64]

SHIFTER_NAMES: tuple[str, ...] = ("signalsmith", "rubberband", "pedalboard", "vocoder")
LARGEST_SHIFT_SEMITONES = 36.0
# Raised when a shifter here starts to give other samples: cached pairs of the older kind are then made anew.
SHIFTER_VERSIONS: dict[str, int] = {"signalsmith": 1, "rubberband": 1, "pedalboard": 1, "vocoder": 1}

_STOP_DB = 80.0  # of the band limit
_WINDOW = 2048  # of the phase vocoder
_HOP = 512
_R3_WINDOW = 4096  # Rubber Band R3's longest window, which sets its delay
_R3_RATIO_FRAMES = 2048  # how long one stretch ratio is asked for
_R2_DELAY_MS = 14.0  # fitted to speech and noise, see _pedalboard


class ShifterError(ValueError):
    """A shift that cannot be made: the name, the interval, the shape or a missing library."""


def shift(audio: Audio, sample_rate: int, semitones: float, shifter: str) -> Audio:
    """Shift the pitch, keep the length, keep events where they were.

    Args:
        audio: ``(C, N)``, full scale ±1; every channel is shifted on its own.
        sample_rate: Hz.
        semitones: positive is up; at most ±36.
        shifter: one of `SHIFTER_NAMES`.
    Returns: ``(C, N)`` float32; the peak may pass full scale.
    Raises: ShifterError for an unknown name, a wrong shape or interval, or a library that is not installed.
    """
    if shifter not in SHIFTER_NAMES:
        raise ShifterError(f"unknown shifter '{shifter}': choose one of {', '.join(SHIFTER_NAMES)}")
    _check(audio, sample_rate, semitones)
    one_channel: dict[str, Callable[[Audio, int, float], Audio]] = {
        "signalsmith": _signalsmith,
        "rubberband": _rubberband,
        "pedalboard": _pedalboard,
        "vocoder": _vocoder,
    }
    shifted = np.zeros(audio.shape, np.float32)
    if audio.shape[1]:
        for row, channel in zip(shifted, np.ascontiguousarray(audio, np.float32), strict=True):
            row[:] = one_channel[shifter](channel, sample_rate, semitones)
    return shifted


def band_limit(audio: Audio, sample_rate: int, semitones: float) -> Audio:
    """Remove what a shift up would push out of the band: everything above ``0.5 * rate / 2 ** (semitones / 12)``.

    A linear-phase FIR without delay: flat to 95 % of that edge, 80 dB down at it. Shifts down lose nothing, so they
    return the audio as it is.

    Args:
        audio: ``(C, N)``; sample_rate: Hz; semitones: the shift that will follow.
    Returns: ``(C, N)`` float32.
    Raises: ShifterError for a wrong shape or interval.
    Source: Kaiser's window design, Oppenheim & Schafer, Discrete-Time Signal Processing, section 7.6.
    """
    _check(audio, sample_rate, semitones)
    if semitones <= 0:
        return audio.astype(np.float32)
    return _limited(audio, 0.5 / 2 ** (semitones / 12))


def low_pass(audio: Audio, sample_rate: int, edge_hz: float) -> Audio:
    """The filter of `band_limit` at any edge: no delay, flat to 95 % of the edge, 80 dB down at it.

    Args: audio: ``(C, N)``; sample_rate: Hz; edge_hz: at most half of it, where nothing is removed.
    Returns: ``(C, N)`` float32.
    Raises: ShifterError for a wrong shape or edge.
    """
    _check(audio, sample_rate, 0)
    if not 0 < edge_hz <= sample_rate / 2:  # also catches NaN
        raise ShifterError(f"an edge of {edge_hz} Hz is out of range: give more than 0, up to {sample_rate / 2:g}")
    return audio.astype(np.float32) if edge_hz == sample_rate / 2 else _limited(audio, edge_hz / sample_rate)


def _limited(audio: Audio, edge: float) -> Audio:
    """Remove what is above an edge in cycles per sample."""
    frames = audio.shape[1]
    if frames == 0:
        return audio.astype(np.float32)
    taps = _low_pass(pass_edge=0.95 * edge, stop_edge=edge)
    size = 1 << (frames + len(taps) - 2).bit_length()
    spectrum = np.fft.rfft(audio.astype(np.float64), size) * np.fft.rfft(taps, size)
    delay = len(taps) // 2
    return np.fft.irfft(spectrum, size)[:, delay : delay + frames].astype(np.float32)


def _check(audio: Audio, sample_rate: int, semitones: float) -> None:
    if audio.ndim != 2:
        raise ShifterError(f"audio of shape {audio.shape} cannot be shifted: give (channels, frames)")
    if sample_rate <= 0:
        raise ShifterError(f"sample rate {sample_rate} Hz is not positive: give the rate of the audio")
    if not abs(semitones) <= LARGEST_SHIFT_SEMITONES:  # also catches NaN
        raise ShifterError(f"a shift of {semitones} semitones is out of range: give -36 to 36")


def _low_pass(pass_edge: float, stop_edge: float) -> NDArray[np.float64]:
    width = 2 * np.pi * (stop_edge - pass_edge)
    half = int(np.ceil((_STOP_DB - 7.95) / (2.285 * width) / 2))
    position = np.arange(-half, half + 1)
    middle = pass_edge + stop_edge  # twice the -6 dB point
    taps = middle * np.sinc(middle * position) * np.kaiser(2 * half + 1, 0.1102 * (_STOP_DB - 8.7))
    result: NDArray[np.float64] = taps / taps.sum()
    return result


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ShifterError(
            f'this shifter needs {name}, which is not installed: pip install "deshift[train]"'
        ) from error


def _fit(shifted: Audio, start: int, frames: int) -> Audio:
    """Take `frames` samples from `start`, with zeros where the shifter gave none."""
    fitted = np.zeros(frames, np.float32)
    part = shifted[start : start + frames]
    fitted[: len(part)] = part
    return fitted


def _signalsmith(channel: Audio, sample_rate: int, semitones: float) -> Audio:
    """Signalsmith Stretch, default preset. One call is one whole sound: the library seeks, flushes and so aligns it."""
    stretch = _library("python_stretch").Signalsmith.Stretch(0)  # the seed of its random phases
    stretch.preset(1, float(sample_rate))
    stretch.setTransposeSemitones(semitones)
    return _fit(stretch.process(channel[None])[0], 0, len(channel))


def _rubberband(channel: Audio, sample_rate: int, semitones: float) -> Audio:
    """Rubber Band R3 ("finer"): stretch in time, then resample, which moves the formants with the pitch.

    R3 rounds its input and output hops to whole samples, so one fixed ratio runs away from the right time by up to
    3 ms a second. Asking in turn for the two ratios on either side that it can keep holds the time on average.
    """
    time_stretch = _library("pedalboard").time_stretch
    ratio = 2 ** (semitones / 12)
    padded = np.pad(channel, (_R3_WINDOW, _R3_WINDOW + int(_R3_WINDOW / min(1, ratio))))
    blocks = np.arange(-(-len(padded) // _R3_RATIO_FRAMES) + 1)
    below, above = _ratios_kept(ratio)
    share = 0 if above == below else (ratio - below) / (above - below)
    upper = np.diff(np.floor(blocks * share + 0.5)) > 0
    # A hair under the exact fraction, so that the library's rounding down gives the hop it was made from.
    ratios = np.repeat(np.where(upper, above, below) * (1 - 1e-7), _R3_RATIO_FRAMES)[: len(padded)]
    stretched = time_stretch(padded[None], float(sample_rate), 1 / ratios, 0.0, high_quality=True)[0]
    shifted = soxr.resample(stretched, sample_rate * ratio, sample_rate, quality="VHQ")
    # The middle of a window stays half a window from its start, however far apart the windows are put.
    return _fit(shifted, _R3_WINDOW + round(_R3_WINDOW / 2 * (1 / ratio - 1)), len(channel))


def _ratios_kept(ratio: float) -> tuple[float, float]:
    """The nearest stretch ratios at or below and at or above `ratio` that are output hop over input hop exactly."""
    hop = _r3_input_hop(ratio)
    kept = {
        hop_out / hop_in
        for hop_in in range(max(1, hop - 12), hop + 13)
        for hop_out in range(max(1, int(hop_in * ratio) - 2), int(hop_in * ratio) + 4)
        if _r3_input_hop(hop_out / hop_in * (1 - 1e-7)) == hop_in
    }
    return max(value for value in kept if value <= ratio), min(value for value in kept if value >= ratio)


def _r3_input_hop(ratio: float) -> int:
    """The input hop that R3 takes for a stretch ratio. Source: R3Stretcher::calculateHop of Rubber Band 3."""
    hop_out = 256.0
    if ratio > 1.5:
        hop_out = 2 ** (8 + 2 * math.log10(ratio - 0.5))
    elif ratio < 1:
        hop_out = 2 ** (8 + 2 * math.log10(ratio))
    return math.floor(min(512.0, max(128.0, hop_out)) / ratio)


def _pedalboard(channel: Audio, sample_rate: int, semitones: float) -> Audio:
    """Pedalboard's PitchShift plugin: Rubber Band R2 in its real-time mode, the whole sound in one call.

    The plugin takes off its delay as if it did not depend on the pitch; the rest was measured and is taken off here.
    """
    plugin = _library("pedalboard").PitchShift(semitones=semitones)
    ratio = 2 ** (semitones / 12)
    rest_ms = _R2_DELAY_MS * (1 / ratio - 1 if ratio > 1 else 1 - ratio)
    pad = round(_R2_DELAY_MS * sample_rate / 1000) + 2 * _WINDOW
    shifted = plugin.process(np.pad(channel, pad)[None], float(sample_rate), reset=True)[0]
    return _fit(shifted, pad + round(rest_ms * sample_rate / 1000), len(channel))


def _vocoder(channel: Audio, sample_rate: int, semitones: float) -> Audio:
    """A phase vocoder: stretch in time by the pitch ratio, then resample back to the old length.

    Source: Flanagan & Golden, Phase vocoder, 1966; phases locked to the peaks as in Laroche & Dolson, Improved phase
    vocoder time-scale modification of audio, 1999.
    """
    ratio = 2 ** (semitones / 12)
    stretched = _stretch(channel, ratio)
    return _fit(soxr.resample(stretched, sample_rate * ratio, sample_rate, quality="VHQ"), 0, len(channel))


def _stretch(channel: Audio, ratio: float) -> Audio:
    """Make a sound `ratio` times as long at the same pitch: ``(N,)`` -> ``(ceil(N * ratio),)``."""
    window = np.hanning(_WINDOW + 1)[:-1]
    half, frames = _WINDOW // 2, math.ceil(len(channel) * ratio)
    count = (frames + half) // _HOP + 1
    places = np.round(np.arange(count) * _HOP / ratio).astype(int) + _HOP  # of the windows in the padded sound
    padded = np.zeros(places[-1] + _WINDOW + len(channel))
    padded[half + _HOP : half + _HOP + len(channel)] = channel
    output = np.zeros((count - 1) * _HOP + _WINDOW)
    phase = np.zeros(half + 1)
    for index, place in enumerate(places):
        now = np.fft.rfft(window * padded[place : place + _WINDOW])
        # One output hop earlier in the input: the difference is the phase advance itself, so nothing is unwrapped.
        before = np.fft.rfft(window * padded[place - _HOP : place - _HOP + _WINDOW])
        phase = _locked_phase(phase, now, before) if index else np.angle(now)
        piece = np.fft.irfft(np.abs(now) * np.exp(1j * phase), _WINDOW)
        output[index * _HOP : index * _HOP + _WINDOW] += window * piece
    gain = float((window**2).sum()) / _HOP  # 1.5: squared Hann windows a quarter apart add up to a constant
    return (output[half : half + frames] / gain).astype(np.float32)


def _locked_phase(phase: Spectrum, now: NDArray[np.complex128], before: NDArray[np.complex128]) -> Spectrum:
    """Advance the phase at each spectral peak; the bins around a peak keep their phase relative to it."""
    level = np.abs(now)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(level, 2), 5)
    peaks = np.flatnonzero((level > 0) & (level == around.max(axis=1)))
    angle = np.angle(now)
    if not len(peaks):
        return angle
    advanced = phase[peaks] + angle[peaks] - np.angle(before[peaks])
    nearest = np.searchsorted((peaks[1:] + peaks[:-1]) / 2, np.arange(len(level)))
    locked: Spectrum = np.mod(advanced - angle[peaks], 2 * np.pi)[nearest] + angle
    return locked

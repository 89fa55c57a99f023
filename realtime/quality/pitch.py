"""The fundamental frequency of one voice over time, and the interval between two such tracks. No decision is hidden:
a frame without a clear period is NaN, and every frame says how periodic it was."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 40.0, 2000.0
HOP_S = 0.01

_RATE = 24_000  # Hz, of the analysis: the lag of 2 kHz is then 12 samples, enough for a parabola
_SMOOTHING_EDGE_HZ = 3000  # -6 dB: partials far above the pitch only make the dips too narrow to find
_SMOOTHING_TAPS = 31
_SUM_SAMPLES = 936  # 39 ms: 1.5 periods at 40 Hz; with 600 lags it fills a fast FFT of 1536
_SILENCE = 1e-4  # RMS without DC: -80 dBFS
_FRAMES_PER_BLOCK = 512  # bounds the memory of a long sound

_ABOVE_DEEPEST = (
    0.0,
    0.02,
    0.05,
    0.1,
    0.2,
)  # one candidate each: the shortest lag whose dip is within this of the best
_CLEARLY = 2  # the candidate by which a pitch above the range is told
_COST_PER_OCTAVE = 0.02  # of a longer period: the double period of a steady note dips as deep as the period itself
_COST_OF_NO_PITCH = 0.3
_COST_OF_JUMP = 0.35  # for each octave between neighbouring frames
_COST_OF_START = 0.07  # from no pitch to a pitch and back
_MOST_APERIODIC = 0.45  # above this a frame has no pitch whatever its neighbours say

_FEWEST_FRAMES = 5
_SURE_FRAMES = 20  # 0.2 s of common pitch are enough to trust
_AGREEMENT_SEMITONES = 0.5


class PitchError(ValueError):
    """A sound or a pair of tracks whose pitch cannot be asked for."""


@dataclass(frozen=True)
class F0Track:
    """One value for each 10 ms. Two sounds of one length have the same frames.

    Attributes:
        times_s: ``(K,)``, the middle of each frame.
        f0_hz: ``(K,)``, NaN where there is no pitch.
        confidence: ``(K,)``, 0 … 1: how much of the power repeats after one period; 0 where there is no pitch.
    """

    times_s: Array
    f0_hz: Array
    confidence: Array


@dataclass(frozen=True)
class PitchShift:
    """How far one track lies from another; `semitones` and `spread_semitones` are None where nothing can be said.

    Attributes:
        semitones: the median over the frames where both have a pitch; positive is up.
        spread_semitones: 1.48 × the median distance from it, the standard deviation if it were Gaussian.
        confidence: 0 … 1, see `pitch_shift_between`.
        frames: how many frames have a pitch in both.
    """

    semitones: float | None
    spread_semitones: float | None
    confidence: float
    frames: int


def f0_track(audio: Samples, sample_rate: int, lowest_hz: float = LOWEST_HZ, highest_hz: float = HIGHEST_HZ) -> F0Track:
    """Follow the pitch of a sound with at most one voice in it.

    YIN's difference function at 24 kHz, by FFT; a few of its dips are candidates in each frame, and the cheapest path
    through them all, with "no pitch" as one more candidate, decides. The path is what keeps octave errors out.

    Args:
        audio: ``(N,)``, full scale ±1, finite. Below 64 ms (at 40 Hz) there is no whole frame: the track is empty.
        sample_rate: Hz.
        lowest_hz, highest_hz: where the pitch is looked for, within 20 … 2500 Hz. A sound outside has no pitch.
    Returns: a track with frames of 10 ms, only such as lie wholly inside the sound.
    Raises: PitchError for another shape, NaN or infinite samples, or a range that is none.
    Source: de Cheveigné & Kawahara, YIN, 2002, equations 6 to 8; the path as in Boersma, Accurate short-term analysis
    of the fundamental frequency, 1993, section 3.
    """
    _check(audio, sample_rate, lowest_hz, highest_hz)
    longest = math.ceil(_RATE / lowest_hz)
    shortest = math.floor(_RATE / highest_hz)
    prepared = _prepared(audio, sample_rate)
    size, hop = _SUM_SAMPLES + longest, round(HOP_S * _RATE)
    if len(prepared) < size:
        return F0Track(np.zeros(0), np.zeros(0), np.zeros(0))
    frames = np.lib.stride_tricks.sliding_window_view(prepared, size)[::hop]
    blocks = [
        _candidates(frames[first : first + _FRAMES_PER_BLOCK], shortest, longest)
        for first in range(0, len(frames), _FRAMES_PER_BLOCK)
    ]
    lags, depths = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    chosen = _cheapest_path(lags, depths)
    f0_hz, confidence = np.full(len(frames), np.nan), np.zeros(len(frames))
    voiced = np.flatnonzero(chosen >= 0)
    f0_hz[voiced] = _RATE / lags[voiced, chosen[voiced]]
    confidence[voiced] = np.clip(1 - depths[voiced, chosen[voiced]], 0, 1)
    # A frame compares two stretches one period apart; 200 Hz stands for the pitch, so that all sounds share the grid.
    middle = (_SUM_SAMPLES + _RATE / 200) / 2
    return F0Track((np.arange(len(frames)) * hop + middle) / _RATE, f0_hz, confidence)


def pitch_shift_between(f0_in: F0Track, f0_out: F0Track) -> PitchShift:
    """The interval from one track to another, of sounds that are aligned in time.

    The confidence is the product of three shares: the median periodicity of the common frames; the frames within half a
    semitone of the median, out of all frames where either has a pitch; and the common frames out of 20, at most 1.

    Args: f0_in, f0_out: tracks of two sounds of the same length.
    Returns: the shift of `f0_out` relative to `f0_in`; None figures with fewer than 5 common frames (50 ms).
    Raises: PitchError if the tracks have unlike lengths.
    """
    if len(f0_in.f0_hz) != len(f0_out.f0_hz):
        raise PitchError(
            f"tracks of {len(f0_in.f0_hz)} and {len(f0_out.f0_hz)} frames cannot be compared: give sounds of one length"
        )
    common = np.isfinite(f0_in.f0_hz) & np.isfinite(f0_out.f0_hz)
    count = int(common.sum())
    if count < _FEWEST_FRAMES:
        return PitchShift(None, None, 0.0, count)
    semitones = 12 * np.log2(f0_out.f0_hz[common] / f0_in.f0_hz[common])
    median = float(np.median(semitones))
    distance = np.abs(semitones - median)
    either = int((np.isfinite(f0_in.f0_hz) | np.isfinite(f0_out.f0_hz)).sum())
    periodic = float(np.median(np.minimum(f0_in.confidence[common], f0_out.confidence[common])))
    agreeing = int((distance <= _AGREEMENT_SEMITONES).sum()) / either
    confidence = periodic * agreeing * min(1.0, count / _SURE_FRAMES)
    return PitchShift(median, float(1.4826 * np.median(distance)), confidence, count)


def _check(audio: Samples, sample_rate: int, lowest_hz: float, highest_hz: float) -> None:
    if audio.ndim != 1:
        raise PitchError(f"audio of shape {audio.shape} has no one pitch: give one channel, (frames,)")
    if sample_rate < 1:
        raise PitchError(f"sample rate {sample_rate} Hz is not positive: give the rate of the audio")
    if not 20 <= lowest_hz < highest_hz <= 2500:  # also catches NaN
        raise PitchError(f"no pitch from {lowest_hz} to {highest_hz} Hz: give a range within 20 to 2500 Hz")
    if not np.isfinite(audio).all():
        raise PitchError("audio with NaN or infinite samples has no pitch: remove them first")


@lru_cache(maxsize=1)
def _smoothing() -> Array:
    position = np.arange(_SMOOTHING_TAPS) - _SMOOTHING_TAPS // 2
    taps = np.sinc(2 * _SMOOTHING_EDGE_HZ / _RATE * position) * np.hanning(_SMOOTHING_TAPS + 2)[1:-1]
    result: Array = taps / taps.sum()
    result.setflags(write=False)
    return result


def _prepared(audio: Samples, sample_rate: int) -> Array:
    """At 24 kHz, without DC and without what lies far above the highest pitch."""
    if len(audio) == 0:
        return np.zeros(0)
    centred = audio.astype(np.float64) - float(np.mean(audio, dtype=np.float64))
    if sample_rate != _RATE:
        centred = soxr.resample(centred, sample_rate, _RATE, quality="MQ")
    if len(centred) < _SMOOTHING_TAPS:  # np.convolve would give the filter's length
        return np.zeros(0)
    smooth: Array = np.convolve(centred, _smoothing(), "same")
    return smooth


def _candidates(frames: Array, shortest: int, longest: int) -> tuple[Array, Array]:
    """The most likely periods of each frame: lags in samples and the depth of their dips, ``(K, candidates)`` each.

    0 in depth is a perfect period, 1 is none, infinite is no candidate.
    """
    difference, normalised = _difference(frames, longest)
    inner = normalised[:, 1:-1]
    found = np.nonzero((inner < normalised[:, :-2]) & (inner <= normalised[:, 2:]))  # column 0 is lag 1
    levels, offsets = np.full(inner.shape, np.inf), np.zeros(inner.shape)
    # The bottom lies between lags; without it a short period would look worse than a multiple that meets a lag.
    levels[found] = np.maximum(_bottom(normalised, found)[1], 0)
    offsets[found] = _bottom(difference, found)[0]
    deepest = levels.min(axis=1)
    places = np.stack([np.argmax(levels <= (deepest + above)[:, None], axis=1) for above in _ABOVE_DEEPEST], axis=1)
    rows = np.arange(len(frames))[:, None]
    lags, depths = places + 1 + offsets[rows, places], levels[rows, places]
    # A period shorter than asked for repeats at longer lags too, but a multiple of it is not the pitch.
    too_high = places[:, _CLEARLY] + 1 < shortest
    depths[too_high | (frames.std(axis=1) < _SILENCE)] = np.inf
    return lags, depths


def _bottom(curve: Array, found: tuple[NDArray[np.intp], ...]) -> tuple[Array, Array]:
    """Where the parabola through a dip and its neighbours is lowest, relative to the dip, and how low that is."""
    rows, columns = found
    before, at, after = (curve[rows, columns + step] for step in range(3))
    bend = before - 2 * at + after
    slope = 0.5 * (before - after)
    offset = np.where(bend > 0, slope / np.where(bend > 0, bend, 1), 0.0)
    offset = np.clip(offset, -0.5, 0.5)
    return offset, at - 0.5 * slope * offset


def _difference(frames: Array, longest: int) -> tuple[Array, Array]:
    """YIN's d and its cumulative mean normalised d', lags 0 … longest - 1, ``(K, longest)`` each."""
    size = frames.shape[1]
    head = np.fft.rfft(frames[:, :_SUM_SAMPLES], size)
    correlation = np.fft.irfft(np.conj(head) * np.fft.rfft(frames), size)[:, :longest]
    squares = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    powers = squares[:, _SUM_SAMPLES : _SUM_SAMPLES + longest] - squares[:, :longest]
    difference = np.maximum(powers[:, :1] + powers - 2 * correlation, 0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest)
    normalised = np.ones_like(difference)
    np.divide(difference[:, 1:], mean, out=normalised[:, 1:], where=mean > 0)
    return difference, normalised


def _cheapest_path(lags: Array, depths: Array) -> NDArray[np.intp]:
    """Viterbi's path through the candidates, ``(K, candidates)``: an index for each frame, -1 for no pitch."""
    octaves = np.log2(lags)
    local = np.where(depths <= _MOST_APERIODIC, depths + _COST_PER_OCTAVE * (octaves - octaves.min()), np.inf)
    count, silent = local.shape
    costs = np.concatenate([local, np.full((count, 1), _COST_OF_NO_PITCH)], axis=1)
    steps = np.full((count, silent + 1, silent + 1), _COST_OF_START)  # frame, to, from
    steps[1:, :silent, :silent] = _COST_OF_JUMP * np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    steps[:, silent, silent] = 0
    came_from = np.zeros((count, silent + 1), np.intp)
    total = costs[0]
    for frame in range(1, count):
        reached = steps[frame] + total
        came_from[frame] = reached.argmin(axis=1)
        total = reached.min(axis=1) + costs[frame]
    path = np.empty(count, np.intp)
    path[-1] = total.argmin()
    for frame in range(count - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return np.where(path == silent, -1, path)

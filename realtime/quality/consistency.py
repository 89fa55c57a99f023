"""The figure only an undone shift can have: the output shifted again must give the input. It needs no original."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.quality.levels import silent, usable
from realtime.quality.metrics import mel_distance
from realtime.quality.pitch import F0Track, f0_track
from realtime.quality.shifters import LARGEST_SHIFT_SEMITONES, shift

Samples = NDArray[np.floating]

DEFAULT_SHIFTER = "vocoder"  # the one that is always installed, so figures of two machines can be compared

_NO_SHIFT_SEMITONES = 0.5
_NARROW_RANGE_SEMITONES = 2.0
_SHORTEST_S = 0.2
_EDGE = 2048  # samples at either end where a shifter has only part of a window
_FEWEST_FRAMES = 5


@dataclass(frozen=True)
class ConsistencyReadouts:
    """The output, shifted as the input was, against the input.

    Attributes:
        semitones: the shift that was made again.
        shifter: by which of `realtime.quality.shifters`.
        mel_distance: 7-scale mel distance after the two were brought to one RMS; 0 is equal.
        f0_cents: the median distance of the two pitches.
    """

    semitones: float | None = None
    shifter: str | None = None
    mel_distance: float | None = None
    f0_cents: float | None = None


def unusable(input: Samples, output: Samples) -> tuple[str, ...]:
    """A sentence for each side that cannot be analysed at all."""
    if len(input) == 0:
        return ("There are no samples.",)
    sides = (("input", input), ("output", output))
    return tuple(f"The {side} has samples that are not numbers." for side, audio in sides if not usable(audio))


def consistency_readouts(
    input: Samples,
    output: Samples,
    sample_rate: int,
    input_semitones: float | None,
    input_track: F0Track | None,
    trained_shift_semitones: tuple[float, float] | None,
    shifter: str = DEFAULT_SHIFTER,
) -> tuple[ConsistencyReadouts, tuple[str, ...]]:
    """Shift the output again and compare it with the input.

    The shift is the estimated one, held to what the model is to undo: otherwise an output that is just the input would
    always be consistent. Where that leaves less than half a semitone there is no figure.

    Args:
        input, output: ``(N,)``, full scale ±1, aligned; sample_rate: Hz.
        input_semitones, input_track: how far the input seems shifted and its pitch, as far as known.
        trained_shift_semitones: as for `realtime.quality.readouts.analyse`.
        shifter: which of `shifters.SHIFTER_NAMES` shifts again.
    Returns: the figures, and a sentence for each reason why they are missing.
    Raises: ShifterError for a shifter that is not known or not installed.
    """
    notes = unusable(input, output)
    if notes:
        return ConsistencyReadouts(), notes
    if len(input) < max(_SHORTEST_S * sample_rate, 3 * _EDGE):
        return ConsistencyReadouts(), ("Too short to shift the output again.",)
    if silent(input[_EDGE:-_EDGE]) or silent(output[_EDGE:-_EDGE]):
        return ConsistencyReadouts(), ("Input or output is silent, so nothing is shifted again.",)
    semitones, note = _shift_again(input_semitones, trained_shift_semitones)
    if semitones is None:
        return ConsistencyReadouts(), (note,)
    again = shift(np.asarray(output, np.float32)[None], sample_rate, semitones, shifter)[0]
    inside, target = again[_EDGE:-_EDGE].astype(np.float64), input[_EDGE:-_EDGE].astype(np.float64)
    if silent(inside):
        return ConsistencyReadouts(), ("Nothing of the output was left in the band after it was shifted again.",)
    gain = np.sqrt(np.mean(target**2) / np.mean(inside**2))
    distance = mel_distance(inside * gain, target, sample_rate)
    cents = None if input_track is None else _cents_apart(f0_track(again, sample_rate), input_track)
    return ConsistencyReadouts(semitones, shifter, distance, cents), ()


def _shift_again(estimated: float | None, trained: tuple[float, float] | None) -> tuple[float | None, str]:
    """The shift to make again, or None and the reason."""
    if trained is None:
        wanted = estimated
    elif estimated is not None:
        wanted = min(max(estimated, trained[0]), trained[1])
    else:
        wanted = sum(trained) / 2 if trained[1] - trained[0] <= _NARROW_RANGE_SEMITONES else None
    if wanted is None:
        return None, "The shift of the input is not known, so the output is not shifted again."
    if abs(wanted) < _NO_SHIFT_SEMITONES:
        return None, "The pitch was not moved, so shifting the output again would prove nothing."
    if abs(wanted) > LARGEST_SHIFT_SEMITONES:
        return None, f"A shift of {wanted:+.1f} semitones is too far to be made again."
    return wanted, ""


def _cents_apart(one: F0Track, other: F0Track) -> float | None:
    common = np.isfinite(one.f0_hz) & np.isfinite(other.f0_hz)
    if int(common.sum()) < _FEWEST_FRAMES:
        return None
    return float(np.median(np.abs(1200 * np.log2(one.f0_hz[common] / other.f0_hz[common]))))

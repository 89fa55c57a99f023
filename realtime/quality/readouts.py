"""How good the sound is right now, told from the input and the output alone, and against the original where it is
known. A figure that cannot be had is None, with the reason in `notes`."""

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from realtime.quality.align import align, overlap
from realtime.quality.consistency import DEFAULT_SHIFTER, ConsistencyReadouts, consistency_readouts, unusable
from realtime.quality.levels import Bandwidth, Levels, bandwidth, levels, silent, usable
from realtime.quality.metrics import STFT_MEL_COUNT, STFT_SIZES, mel_distance, mel_filterbank, mr_stft, si_sdr
from realtime.quality.pitch import F0Track, f0_track, pitch_shift_between

Samples = NDArray[np.floating]
Budget = Literal["levels", "light", "full"]

TRUSTED = 0.4  # confidence from which an applied shift is used; see docs/readouts.md

_RANGE_MARGIN_SEMITONES = 0.5
_SHORTEST_S = 0.2


class ReadoutError(ValueError):
    """Sounds or settings that make no readout."""


@dataclass(frozen=True)
class LevelReadouts:
    """Levels and bandwidth of both sides; in each, None is "nothing to say"."""

    input: Levels
    output: Levels
    input_bandwidth: Bandwidth
    output_bandwidth: Bandwidth


@dataclass(frozen=True)
class PitchReadouts:
    """What happened to the pitch.

    Attributes:
        input_f0_hz, output_f0_hz: medians over the frames with a pitch.
        input_voiced, output_voiced: the share of frames with a pitch, 0 … 1.
        applied_semitones: the output relative to the input, positive is up.
        applied_spread_semitones, applied_confidence: see `realtime.quality.pitch.PitchShift`.
        input_semitones: how far the input seems shifted, if the output is natural: minus the applied shift.
        warning: one sentence where that lies outside what the model is to undo.
    """

    input_f0_hz: float | None = None
    output_f0_hz: float | None = None
    input_voiced: float | None = None
    output_voiced: float | None = None
    applied_semitones: float | None = None
    applied_spread_semitones: float | None = None
    applied_confidence: float | None = None
    input_semitones: float | None = None
    warning: str | None = None


@dataclass(frozen=True)
class ReferenceReadouts:
    """The output against the original, as in an evaluation: no level is matched.

    Attributes:
        si_sdr_db, mr_stft, mel_distance: see `realtime.quality.metrics`.
        offset_samples: how much later the output was than the original before they were aligned.
        exact: False where only the loudness could align them, to about 1 ms; SI-SDR then says little.
    """

    si_sdr_db: float | None = None
    mr_stft: float | None = None
    mel_distance: float | None = None
    offset_samples: int | None = None
    exact: bool | None = None


@dataclass(frozen=True)
class Readouts:
    """All figures of one stretch of sound. `notes` says, a sentence each, why figures are missing."""

    levels: LevelReadouts
    pitch: PitchReadouts = field(default_factory=PitchReadouts)
    consistency: ConsistencyReadouts = field(default_factory=ConsistencyReadouts)
    reference: ReferenceReadouts = field(default_factory=ReferenceReadouts)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Nested dicts of numbers, strings, booleans and None, ready for JSON."""
        return asdict(self) | {"notes": list(self.notes)}


def analyse(
    input: Samples,
    output: Samples,
    sample_rate: int,
    trained_shift_semitones: tuple[float, float] | None = None,
    reference: Samples | None = None,
    *,
    budget: Budget = "full",
    shifter: str = DEFAULT_SHIFTER,
) -> Readouts:
    """All figures for a few seconds of sound; the same input gives the same figures.

    Args:
        input, output: ``(N,)``, full scale ±1, the output moved to where it belongs in time.
        sample_rate: Hz.
        trained_shift_semitones: the lowest and the highest shift of its input that the model undoes: the one it was
            told, or those it was trained for.
        reference: ``(M,)``, the original; aligned here within ±0.5 s.
        budget: "levels" for those alone, "light" for levels and pitch, "full" for everything.
        shifter: which of `shifters.SHIFTER_NAMES` shifts the output again.
    Raises: ReadoutError for shapes or settings that make no sense; ShifterError for a shifter that is not installed.
    """
    check(input, output, sample_rate, trained_shift_semitones)
    if budget not in ("levels", "light", "full"):
        raise ReadoutError(f"unknown budget '{budget}': choose levels, light or full")
    both = level_readouts(input, output, sample_rate)
    if budget == "levels":
        return Readouts(both, notes=unusable(input, output))
    pitch, tracks, notes = pitch_readouts(input, output, sample_rate, trained_shift_semitones)
    if budget == "light":
        return Readouts(both, pitch, notes=notes)
    track = tracks[0] if tracks else None
    consistency, more = consistency_readouts(
        input, output, sample_rate, pitch.input_semitones, track, trained_shift_semitones, shifter
    )
    notes += more
    if reference is None:
        return Readouts(both, pitch, consistency, notes=tuple(dict.fromkeys(notes)))
    against, more = reference_readouts(output, reference, sample_rate)
    return Readouts(both, pitch, consistency, against, tuple(dict.fromkeys(notes + more)))


def check(
    input: Samples, output: Samples, sample_rate: int, trained_shift_semitones: tuple[float, float] | None
) -> None:
    """Raises: ReadoutError for unlike or many-channel sounds, a rate below 1 Hz, or a range that is none."""
    if input.ndim != 1 or input.shape != output.shape:
        raise ReadoutError(f"input {input.shape} and output {output.shape}: give one channel each, of one length")
    if sample_rate < 1:
        raise ReadoutError(f"sample rate {sample_rate} Hz is not positive: give the rate of the audio")
    if trained_shift_semitones is not None:
        low, high = trained_shift_semitones
        if not -np.inf < low <= high < np.inf:
            raise ReadoutError(f"a trained range of [{low}, {high}] semitones is none: give the lower end first")


def level_readouts(input: Samples, output: Samples, sample_rate: int) -> LevelReadouts:
    """Levels and bandwidth of both sides, the cheapest part."""
    return LevelReadouts(levels(input), levels(output), bandwidth(input, sample_rate), bandwidth(output, sample_rate))


def pitch_readouts(
    input: Samples, output: Samples, sample_rate: int, trained_shift_semitones: tuple[float, float] | None
) -> tuple[PitchReadouts, tuple[F0Track, F0Track] | None, tuple[str, ...]]:
    """The pitch of both sides and the shift between them, with the tracks and the notes."""
    notes = unusable(input, output)
    if notes:
        return PitchReadouts(), None, notes
    tracks = f0_track(input, sample_rate), f0_track(output, sample_rate)
    applied = pitch_shift_between(*tracks)
    trusted = applied.semitones is not None and applied.confidence >= TRUSTED
    estimated = 0.0 - applied.semitones if applied.semitones is not None and trusted else None
    if not trusted:
        notes = ("No clear pitch common to input and output, so the shift is not known.",)
    pitch = PitchReadouts(
        input_f0_hz=_median_f0(tracks[0]),
        output_f0_hz=_median_f0(tracks[1]),
        input_voiced=_voiced(tracks[0]),
        output_voiced=_voiced(tracks[1]),
        applied_semitones=applied.semitones,
        applied_spread_semitones=applied.spread_semitones,
        applied_confidence=applied.confidence,
        input_semitones=estimated,
        warning=_range_warning(estimated, trained_shift_semitones),
    )
    return pitch, tracks, notes


def reference_readouts(
    output: Samples, reference: Samples, sample_rate: int
) -> tuple[ReferenceReadouts, tuple[str, ...]]:
    """The output against the original, with the notes."""
    if reference.ndim != 1:
        raise ReadoutError(f"a reference of shape {reference.shape}: give one channel, (frames,)")
    if not usable(reference):
        return ReferenceReadouts(), ("The reference has no samples, or some that are not numbers.",)
    found = align(output, reference, sample_rate)
    if found is None:
        return ReferenceReadouts(), ("The output could not be aligned with the reference.",)
    estimate, target = overlap(output, reference, found.offset_samples)
    if len(estimate) < _SHORTEST_S * sample_rate or silent(estimate) or silent(target):
        return ReferenceReadouts(), ("Too little sound in common with the reference.",)
    every_band_has_a_bin = bool(mel_filterbank(sample_rate, min(STFT_SIZES), STFT_MEL_COUNT).any(axis=1).all())
    figures = ReferenceReadouts(
        si_sdr_db=si_sdr(estimate, target),
        mr_stft=mr_stft(estimate, target, sample_rate) if every_band_has_a_bin else None,
        mel_distance=mel_distance(estimate, target, sample_rate),
        offset_samples=found.offset_samples,
        exact=found.exact,
    )
    return figures, () if every_band_has_a_bin else (
        "At this sample rate MR-STFT has bands without a bin, so no figure.",
    )


def _median_f0(track: F0Track) -> float | None:
    return float(np.nanmedian(track.f0_hz)) if np.isfinite(track.f0_hz).any() else None


def _voiced(track: F0Track) -> float | None:
    return float(np.isfinite(track.f0_hz).mean()) if len(track.f0_hz) else None


def _range_warning(estimated: float | None, trained: tuple[float, float] | None) -> str | None:
    if estimated is None or trained is None:
        return None
    low, high = trained
    if low - _RANGE_MARGIN_SEMITONES <= estimated <= high + _RANGE_MARGIN_SEMITONES:
        return None
    known = f"{low:+g}" if low == high else f"{low:+g} to {high:+g}"
    return (
        f"The model moved the pitch by {_signed(-estimated)} semitones, as if the input were shifted by "
        f"{_signed(estimated)}; it is to undo {known}."
    )


def _signed(semitones: float) -> str:
    return f"{round(semitones, 1) + 0.0:+.1f}"  # + 0.0 turns -0.0 into 0.0

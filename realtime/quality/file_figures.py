"""How well one file was restored: the figures of a stretch of it, as a table in a file."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from realtime.quality.readouts import Readouts, analyse

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

STRETCH_S = 20.0  # of a longer file, what is analysed
BLOCK_S = 0.1  # by which the loudest stretch is looked for


class FileFiguresError(ValueError):
    """Sounds that no figures can be had of, or a table that cannot be written."""


@dataclass(frozen=True)
class FileFigures:
    """The figures of one stretch of one file; None where one cannot be had, and `notes` says why.

    Attributes:
        from_s, to_s: the stretch they were measured on, in seconds of the file.
        applied_semitones, applied_confidence: the output's pitch against the input's, and 0 … 1 how sure that is.
        output_f0_hz: the median pitch of the output.
        consistency_mel, consistency_cents: the output shifted again, against the input; 0 is equal.
        si_sdr_db, mr_stft, mel_distance, offset_ms: against the reference; the offset was taken off before.
        rms_dbfs, peak_dbfs, clipped_samples, bandwidth_hz: of the output.
    """

    from_s: float
    to_s: float
    applied_semitones: float | None = None
    applied_confidence: float | None = None
    output_f0_hz: float | None = None
    consistency_mel: float | None = None
    consistency_cents: float | None = None
    si_sdr_db: float | None = None
    mr_stft: float | None = None
    mel_distance: float | None = None
    offset_ms: float | None = None
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None
    clipped_samples: int | None = None
    bandwidth_hz: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One figure as people read it: `key` is the attribute, `unit` may be empty, `decimals` are worth showing."""

    key: str
    name: str
    unit: str
    decimals: int
    explanation: str


FIGURES: tuple[Figure, ...] = (
    Figure("applied_semitones", "Applied shift", "st", 2, "How far the pitch was moved against the input; + is up."),
    Figure("applied_confidence", "Sure of the shift", "0–1", 2, "From 0.4 on the applied shift can be trusted."),
    Figure("output_f0_hz", "Pitch", "Hz", 1, "The median fundamental frequency of this file."),
    Figure(
        "consistency_mel",
        "Re-shift, mel distance",
        "",
        2,
        "This file shifted back up or down, against the input: 0 is equal, an octave of difference about 3.",
    ),
    Figure("consistency_cents", "Re-shift, pitch", "ct", 1, "The same in pitch: 100 cents are one semitone."),
    Figure("si_sdr_db", "SI-SDR", "dB", 1, "Waveform against the reference, whatever the level: higher is better."),
    Figure("mr_stft", "MR-STFT", "", 3, "Spectra against the reference at three resolutions: lower is better."),
    Figure("mel_distance", "Mel distance", "", 3, "Spectra against the reference at seven scales: lower is better."),
    Figure(
        "offset_ms", "After reference by", "ms", 2, "How much later than the reference; taken off before comparing."
    ),
    Figure("rms_dbfs", "Level", "dBFS", 1, "RMS of the stretch; a sine of full scale has −3.0."),
    Figure("peak_dbfs", "Peak", "dBFS", 1, "The largest sample of the stretch; 0 is full scale."),
    Figure("clipped_samples", "Clipped", "samples", 0, "Samples at full scale or beyond."),
    Figure("bandwidth_hz", "Bandwidth", "Hz", 0, "How far up the spectrum goes, to 70 dB below its strongest band."),
)


@dataclass(frozen=True)
class FigureRow:
    """A line of the table: what the file is to the listener ("A before"), its name, and its figures."""

    label: str
    file: str
    figures: FileFigures


def file_figures(
    before: Samples,
    after: Samples,
    sample_rate: int,
    trained_shift: tuple[float, float] | None = None,
    reference: Samples | None = None,
    reference_rate: int | None = None,
    *,
    starts_at_s: float = 0.0,
) -> FileFigures:
    """The figures of the loudest 20 s of `before`, or of all of it where it is shorter.

    Args:
        before, after: ``(N,)`` or ``(C, N)``, full scale ±1, aligned; the longer one is cut; channels are averaged.
        sample_rate: of both, in Hz.
        trained_shift: the lowest and highest shift of its input, in semitones, that the model undoes.
        reference: ``(M,)`` or ``(C, M)``, the original; aligned here within ±0.5 s.
        reference_rate: of the reference, in Hz; None is `sample_rate`.
        starts_at_s: where in the file these sounds begin; it moves `from_s` and `to_s` only.
    Raises: FileFiguresError where there is nothing to compare; ReadoutError for a range that is none.
    """
    if sample_rate < 1 or (reference_rate is not None and reference_rate < 1):
        raise FileFiguresError(f"rates of {sample_rate} and {reference_rate} Hz are none: give those of the files")
    before, after = _one_channel(before, "before"), _one_channel(after, "after")
    length = min(len(before), len(after))
    if length == 0:
        raise FileFiguresError("there is no sound in common to compare: one of the files is empty")
    start, stop = loudest_stretch(before[:length], sample_rate)
    target = None
    if reference is not None:
        target = _at_rate(_one_channel(reference, "reference"), reference_rate or sample_rate, sample_rate)
        target = target[start:stop]
    found = analyse(before[start:stop], after[start:stop], sample_rate, trained_shift, target, budget="full")
    span = (starts_at_s + start / sample_rate, starts_at_s + stop / sample_rate)
    return _figures(found, sample_rate, span)


def loudest_stretch(audio: Samples, sample_rate: int, seconds: float = STRETCH_S) -> tuple[int, int]:
    """The first and the last-but-one sample of the loudest `seconds` of ``(N,)``, to 0.1 s; all of a shorter sound."""
    block, wanted = max(1, round(BLOCK_S * sample_rate)), round(seconds * sample_rate)
    if len(audio) <= wanted:
        return 0, len(audio)
    whole = np.nan_to_num(audio[: len(audio) // block * block], nan=0.0, posinf=0.0, neginf=0.0)
    powers = np.square(whole, dtype=np.float64).reshape(-1, block).sum(axis=1)
    start = loudest_blocks(powers, max(1, wanted // block)) * block
    return start, min(start + wanted, len(audio))


def loudest_blocks(powers: Array, count: int) -> int:
    """Where the `count` neighbours with the largest sum begin in ``(N,)``; the first of equals, 0 where N is less."""
    if len(powers) <= count:
        return 0
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    return int(np.argmax(sums[count:] - sums[:-count]))


def write_csv(path: Path, rows: Sequence[FigureRow]) -> None:
    """A table of one line a file, in one step; what is not known stays empty, and numbers are not rounded.

    Raises: FileFiguresError where it cannot be written.
    """
    units = [f"{figure.key} ({figure.unit})" if figure.unit else figure.key for figure in FIGURES]
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["track", "file", "from (s)", "to (s)", *units, "notes"])
            for row in rows:
                values = [getattr(row.figures, figure.key) for figure in FIGURES]
                span = [row.figures.from_s, row.figures.to_s]
                writer.writerow([row.label, row.file, *span, *values, " ".join(row.figures.notes)])
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # there may be none, or not even a folder
            unfinished.unlink()
        reason = error.strerror or error
        raise FileFiguresError(f"{path}: cannot be written: {reason}; choose another folder or name") from error


def _figures(found: Readouts, sample_rate: int, span: tuple[float, float]) -> FileFigures:
    offset = found.reference.offset_samples
    return FileFigures(
        from_s=span[0],
        to_s=span[1],
        applied_semitones=found.pitch.applied_semitones,
        applied_confidence=found.pitch.applied_confidence,
        output_f0_hz=found.pitch.output_f0_hz,
        consistency_mel=found.consistency.mel_distance,
        consistency_cents=found.consistency.f0_cents,
        si_sdr_db=found.reference.si_sdr_db,
        mr_stft=found.reference.mr_stft,
        mel_distance=found.reference.mel_distance,
        offset_ms=None if offset is None else 1000 * offset / sample_rate,
        rms_dbfs=found.levels.output.rms_dbfs,
        peak_dbfs=found.levels.output.peak_dbfs,
        clipped_samples=found.levels.output.clipped_samples,
        bandwidth_hz=found.levels.output_bandwidth.highest_hz,
        notes=found.notes,
    )


def _one_channel(audio: Samples, name: str) -> Samples:
    if audio.ndim == 1:
        return audio
    if audio.ndim == 2 and audio.shape[0] >= 1:
        mean: Samples = audio.mean(axis=0)
        return mean
    raise FileFiguresError(f"{name} has the shape {audio.shape}: give (frames,) or (channels, frames)")


def _at_rate(audio: Samples, rate: int, wanted: int) -> Samples:
    if rate == wanted or not len(audio):
        return audio
    resampled: Samples = soxr.resample(np.asarray(audio, np.float32), rate, wanted, quality="HQ")
    return resampled

"""Figures of a file: of the right stretch, the same as by hand, and in the table as they are."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soxr

from realtime.quality.consistency import consistency_readouts
from realtime.quality.file_figures import (
    FIGURES,
    FigureRow,
    FileFigures,
    FileFiguresError,
    file_figures,
    loudest_blocks,
    loudest_stretch,
    write_csv,
)
from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from realtime.quality.pitch import f0_track, pitch_shift_between
from realtime.quality.shifters import shift
from tests.signals import SAMPLE_RATE, harmonic, noise, tone, voice


def octave_down(audio: np.ndarray) -> np.ndarray:
    return shift(audio[None], SAMPLE_RATE, -12.0, "vocoder")[0]


def test_figures_are_those_of_the_metrics_themselves() -> None:
    original = voice(2 * SAMPLE_RATE, 150)
    before = shift(original[None], SAMPLE_RATE, 12.0, "vocoder")[0]
    after = octave_down(before)
    found = file_figures(before, after, SAMPLE_RATE, reference=original)
    applied = pitch_shift_between(f0_track(before, SAMPLE_RATE), f0_track(after, SAMPLE_RATE)).semitones
    assert applied is not None and found.applied_semitones == pytest.approx(applied)
    assert found.applied_semitones == pytest.approx(-12, abs=0.1)
    assert found.offset_ms == pytest.approx(0, abs=0.1)
    offset = round(found.offset_ms * SAMPLE_RATE / 1000)
    one, other = after[max(0, offset) :], original[max(0, -offset) :]
    length = min(len(one), len(other))
    assert found.mel_distance == pytest.approx(mel_distance(one[:length], other[:length], SAMPLE_RATE))
    assert found.mr_stft == pytest.approx(mr_stft(one[:length], other[:length], SAMPLE_RATE))
    assert found.si_sdr_db == pytest.approx(si_sdr(one[:length], other[:length]))
    again, _ = consistency_readouts(
        before, after, SAMPLE_RATE, -applied, f0_track(before, SAMPLE_RATE), None, "vocoder"
    )
    assert found.consistency_mel == pytest.approx(again.mel_distance)
    assert found.rms_dbfs == pytest.approx(20 * np.log10(np.sqrt(np.mean(after.astype(float) ** 2))))
    assert (found.from_s, found.to_s) == (0.0, 2.0)


def test_a_long_file_is_judged_by_its_loudest_twenty_seconds_alone() -> None:
    quiet = noise(30 * 8000, level=0.001)
    quiet[5 * 8000 : 25 * 8000] += tone(200, 20 * 8000, 8000)
    spoilt = quiet.copy()
    spoilt[: 4 * 8000] = 0.9  # outside of the stretch: must not count
    found = file_figures(quiet, spoilt, 8000)
    assert (found.from_s, found.to_s) == pytest.approx((5.0, 25.0), abs=0.11)
    assert found.peak_dbfs is not None and found.peak_dbfs < -9
    moved = file_figures(quiet, spoilt, 8000, starts_at_s=100.0)
    assert moved.from_s == pytest.approx(found.from_s + 100)


def test_the_loudest_stretch_is_the_one_a_plain_search_finds() -> None:
    audio = noise(8193, seed=5) * np.linspace(0, 1, 8193, dtype=np.float32) ** 2
    audio[6000:] = 0
    start, stop = loudest_stretch(audio, 1000, 2.0)
    energies = [float(np.sum(audio[first : first + 2000].astype(float) ** 2)) for first in range(0, 6100, 100)]
    assert (start, stop) == (100 * int(np.argmax(energies)), 100 * int(np.argmax(energies)) + 2000)
    assert loudest_blocks(np.array([1.0, 1.0, 5.0, 0.0]), 2) == 1
    assert loudest_blocks(np.zeros(0), 3) == 0


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_short_files_have_figures_or_a_sentence_why_not(frames: int) -> None:
    audio = tone(200, frames)
    found = file_figures(audio, audio, SAMPLE_RATE, reference=audio)
    assert found.rms_dbfs is not None or found.peak_dbfs is None
    assert found.applied_semitones is not None or found.notes


def test_channels_are_averaged_and_the_longer_file_is_cut() -> None:
    audio = voice(SAMPLE_RATE)
    both = np.stack([audio, audio])
    found = file_figures(both, np.pad(both, ((0, 0), (0, 999))), SAMPLE_RATE)
    assert found.applied_semitones == pytest.approx(0, abs=1e-6)
    assert found.to_s == 1.0


def test_a_reference_of_another_rate_is_compared_at_the_files_rate() -> None:
    audio = harmonic(150, SAMPLE_RATE)
    reference = soxr.resample(audio, SAMPLE_RATE, 44_100)
    found = file_figures(audio, audio, SAMPLE_RATE, reference=reference, reference_rate=44_100)
    assert found.si_sdr_db is not None and found.si_sdr_db > 40
    assert found.offset_ms == 0


def test_nothing_to_compare_is_one_line() -> None:
    empty = np.zeros(0, np.float32)
    for arguments in ((empty, empty, 48_000), (tone(200, 65), tone(200, 65), 0), (np.zeros((1, 2, 3)), empty, 48_000)):
        with pytest.raises(FileFiguresError) as raised:
            file_figures(*arguments)
        assert "\n" not in str(raised.value)


def test_the_table_holds_each_figure_unrounded_with_its_unit(tmp_path: Path) -> None:
    first = FileFigures(1.5, 21.5, applied_semitones=-11.987654321, si_sdr_db=3.25, notes=("One.", "Two, too."))
    write_csv(tmp_path / "figures.csv", [FigureRow("A before", 'a "b",c.wav', first), FigureRow("C", "ü.wav", first)])
    with (tmp_path / "figures.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["file"] for line in lines] == ['a "b",c.wav', "ü.wav"]
    assert float(lines[0]["applied_semitones (st)"]) == -11.987654321
    assert float(lines[0]["si_sdr_db (dB)"]) == 3.25
    assert (lines[0]["from (s)"], lines[0]["notes"]) == ("1.5", "One. Two, too.")
    assert lines[0]["mr_stft"] == ""
    assert len(lines[0]) == 5 + len(FIGURES)
    assert [path.name for path in tmp_path.iterdir()] == ["figures.csv"]


def test_a_table_that_cannot_be_written_is_one_line_and_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    for target in (tmp_path / "file" / "x.csv", tmp_path / "none" / "x.csv", tmp_path):
        with pytest.raises(FileFiguresError, match="cannot be written"):
            write_csv(target, [])
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_figure_of_the_table_exists_and_is_explained() -> None:
    figures = FileFigures(0.0, 1.0)
    for figure in FIGURES:
        assert hasattr(figures, figure.key) and figure.explanation.endswith(".")

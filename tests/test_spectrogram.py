"""Columns of levels over a logarithmic scale of frequency, against the Fourier sum written out; names of notes."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.spectrogram import LogSpectrogram, SpectrogramError, note_name
from tests.signals import SAMPLE_RATE, chirp, click, noise, tone

AWKWARD = [0, 1, 65, 511, 513, 8193]


def level_db(window: np.ndarray, frequencies_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """The Fourier sum under a Hann window, scaled so that a sine of full scale gives 0 dB."""
    size = len(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    turns = np.exp(-2j * np.pi * np.outer(frequencies_hz, np.arange(size)) / sample_rate)
    return 20 * np.log10(2 / hann.sum() * np.abs(turns @ (hann * window)) + 1e-12)


@settings(max_examples=25, deadline=None)
@given(frequency_hz=st.floats(100, 15_800), level=st.sampled_from([1.0, 0.1, 0.001]))
def test_a_sine_reads_its_level_at_any_frequency_in_its_own_row(frequency_hz: float, level: float) -> None:
    spectrogram = LogSpectrogram(SAMPLE_RATE)
    column = spectrogram.columns(tone(frequency_hz, 4096, level=level))[:, -1]
    row = int(column.argmax())
    assert column[row] == pytest.approx(20 * math.log10(level), abs=0.15)
    ratio = spectrogram.frequencies_hz[1] / spectrogram.frequencies_hz[0]
    assert abs(math.log(spectrogram.frequencies_hz[row] / frequency_hz, ratio)) < 1.01


def test_low_rows_lie_between_the_bins_and_high_rows_show_the_strongest_frequency_in_them() -> None:
    spectrogram, audio = LogSpectrogram(SAMPLE_RATE), noise(2048)
    column = spectrogram.columns(audio)[:, 3]  # the first whose window has no silence
    centres = spectrogram.frequencies_hz
    narrow = centres < 150
    direct = level_db(audio, centres[narrow], SAMPLE_RATE)
    np.testing.assert_allclose(column[narrow], direct, atol=0.7)  # between bins 5.9 Hz apart
    half = math.sqrt(centres[1] / centres[0])
    for row in (120, 160, 191):
        inside = np.linspace(centres[row] / half, centres[row] * half, 400)
        assert column[row] == pytest.approx(level_db(audio, inside, SAMPLE_RATE).max(), abs=0.15)


def test_no_partial_falls_between_two_rows() -> None:
    picture = LogSpectrogram(SAMPLE_RATE).columns(chirp(3000, 3600, 4 * SAMPLE_RATE, level=1.0))[:, 8:]
    assert picture.max(axis=0).min() > -0.15 and picture.max() < 0.05


@pytest.mark.parametrize("size", AWKWARD[1:])
def test_columns_of_a_stream_equal_those_of_the_whole(size: int) -> None:
    audio = noise(20_000 if size > 1 else 3000)
    whole, parts = LogSpectrogram(SAMPLE_RATE), LogSpectrogram(SAMPLE_RATE)
    pieces = [parts.columns(audio[at : at + size]) for at in range(0, len(audio), size)]
    expected = whole.columns(audio)
    assert expected.shape == (192, len(audio) // 512) and expected.dtype == np.float32
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), expected, atol=1e-3)


@pytest.mark.parametrize("size", AWKWARD)
def test_a_column_comes_for_every_hop_and_what_is_left_over_is_kept_until_a_reset(size: int) -> None:
    spectrogram = LogSpectrogram(SAMPLE_RATE)
    assert spectrogram.columns(noise(size)).shape == (192, size // 512)
    assert spectrogram.columns(noise(512 - size % 512)).shape == (192, 1)
    spectrogram.columns(noise(700))
    spectrogram.reset()
    np.testing.assert_array_equal(spectrogram.columns(np.zeros(512)), np.full((192, 1), -100, np.float32))


def test_a_click_is_strongest_in_the_column_whose_middle_it_is() -> None:
    spectrogram = LogSpectrogram(SAMPLE_RATE)
    column = int(spectrogram.columns(click(10_240, 20_480))[100].argmax())
    newest_s = (column + 1) * spectrogram.column_s
    assert newest_s - spectrogram.delay_s == pytest.approx(10_240 / SAMPLE_RATE, abs=spectrogram.column_s / 2)


def test_quiet_and_impossible_rows_read_the_floor() -> None:
    spectrogram = LogSpectrogram(16_000, floor_db=-80)
    picture = spectrogram.columns(tone(1000, 8192, 16_000, level=1.0))
    assert (picture[spectrogram.frequencies_hz >= 8000] == -80).all()
    assert picture.min() == -80 and picture.max() == pytest.approx(0, abs=0.15)
    assert (spectrogram.columns(tone(1000, 8192, 16_000, level=1e-6))[:, 4:] == -80).all()


@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 96_000])
def test_the_level_does_not_depend_on_the_rate(sample_rate: int) -> None:
    spectrogram = LogSpectrogram(sample_rate, high_hz=7000, window_samples=round(0.0427 * sample_rate))
    column = spectrogram.columns(tone(997, 8192, sample_rate, level=0.5))[:, -1]
    assert column.max() == pytest.approx(-6.02, abs=0.15)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_blanks_the_columns_that_saw_it_and_no_other(bad: float) -> None:
    audio = tone(1000, 8192)
    audio[3000] = bad
    picture = LogSpectrogram(SAMPLE_RATE).columns(audio)
    blank = np.isnan(picture).all(axis=0)
    assert (np.isnan(picture).any(axis=0) == blank).all()
    np.testing.assert_array_equal(np.flatnonzero(blank), [5, 6, 7, 8])  # windows that end at 3072 … 4608


@pytest.mark.parametrize("columns", [1, 7, 50, 5000])
def test_a_whole_file_fits_into_the_columns_asked_for_and_keeps_a_click_in_its_place(columns: int) -> None:
    audio = click(60_000, 100_001, level=1.0)
    spectrogram = LogSpectrogram(SAMPLE_RATE)
    picture = spectrogram.whole(audio, columns)
    width = min(columns, -(-len(audio) // 512))
    assert picture.shape == (192, width) and picture.dtype == np.float32
    reached = np.flatnonzero(picture[150] > picture[150].max() - 3)
    place = 60_000 / len(audio) * width
    assert reached[0] - 1 <= place <= reached[-1] + 2
    highest_db = 20 * math.log10(2 / 1024)  # under the window's middle, which is 1; its sum is 1024
    lowest_db = highest_db + 40 * math.log10(math.cos(math.pi * 256 / 2048))  # half a hop beside it
    assert lowest_db - 0.05 < picture[150].max() < highest_db + 0.05


@pytest.mark.parametrize("size", AWKWARD)
def test_a_whole_sound_of_any_length_has_its_columns(size: int) -> None:
    spectrogram = LogSpectrogram(SAMPLE_RATE)
    assert spectrogram.whole(noise(size), 1000).shape == (192, -(-size // 512))
    steady = LogSpectrogram(SAMPLE_RATE).whole(tone(1000, 48_000, level=1.0), 9)
    np.testing.assert_allclose(steady.max(axis=0), 0, atol=0.15)
    with pytest.raises(SpectrogramError, match="1 column or more, not 0"):
        spectrogram.whole(noise(size), 0)


@pytest.mark.parametrize(
    "settings_",
    [{"low_hz": 0}, {"low_hz": 500, "high_hz": 400}, {"rows": 1}, {"hop_samples": 0}, {"hop_samples": 4096}],
)
def test_a_spectrogram_that_cannot_be_says_why_in_one_line(settings_: dict[str, int]) -> None:
    with pytest.raises(SpectrogramError, match="a spectrogram needs") as told:
        LogSpectrogram(SAMPLE_RATE, **settings_)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("frequency_hz", "name"),
    [
        (440.0, "A4 +0 ct"),
        (261.63, "C4 +0 ct"),
        (443.06, "A4 +12 ct"),
        (436.96, "A4 −12 ct"),
        (1231.7, "D#6 −18 ct"),
        (30.868, "B0 +0 ct"),
        (8.1758, "C-1 +0 ct"),
        (12_543.85, "G9 +0 ct"),
    ],
)
def test_notes_have_their_names(frequency_hz: float, name: str) -> None:
    assert note_name(frequency_hz) == name


@settings(max_examples=50, deadline=None)
@given(st.floats(20, 20_000))
def test_a_note_and_its_cents_lead_back_to_the_frequency(frequency_hz: float) -> None:
    found = re.fullmatch(r"([A-G])(#?)(-?\d+) ([+−])(\d+) ct", note_name(frequency_hz))
    assert found is not None
    letter, sharp, octave, sign, cents = found.groups()
    above_c = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter] + bool(sharp)
    off = int(cents) * (1 if sign == "+" else -1)
    semitones = 12 * int(octave) + above_c - 57 + off / 100  # from A4, of octave 4 and 9 above its C
    assert abs(off) <= 50
    assert abs(1200 * math.log2(440 * 2 ** (semitones / 12) / frequency_hz)) < 0.51


@pytest.mark.parametrize("frequency_hz", [0.0, -440.0, math.nan, math.inf])
def test_only_a_frequency_has_a_note(frequency_hz: float) -> None:
    with pytest.raises(SpectrogramError, match="above 0 Hz"):
        note_name(frequency_hz)

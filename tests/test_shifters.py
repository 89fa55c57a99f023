"""The shifters: right pitch, right time, right length. The figures stand in docs/training-data.md."""

import sys

import numpy as np
import pytest
import python_stretch
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.shifters import SHIFTER_NAMES, SHIFTER_VERSIONS, ShifterError, band_limit, shift
from tests.signals import (
    SAMPLE_RATE,
    click,
    envelope_delay_ms,
    frequency_of,
    harmonic,
    noise,
    noise_bursts,
    tone,
    voice,
)

# Rubber Band R2 (pedalboard) resets its phases often, which smears a tone; Signalsmith bends low partials a little.
TONE_CENTS = {"signalsmith": 8, "rubberband": 1, "pedalboard": 20, "vocoder": 1}
NOTE_CENTS = {"signalsmith": 20, "rubberband": 1, "vocoder": 1}


def cents(audio, expected_hz):
    return 1200 * np.log2(frequency_of(audio) / expected_hz)


@pytest.mark.parametrize("semitones", [-12, -7, 7, 12])
@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_a_tone_comes_out_at_the_asked_pitch(shifter, semitones):
    shifted = shift(tone(1000, 72_000)[None], SAMPLE_RATE, semitones, shifter)[0, 16_000:64_000]
    assert abs(cents(shifted, 1000 * 2 ** (semitones / 12))) < TONE_CENTS[shifter]


@pytest.mark.parametrize("semitones", [-12, 3.5, 12])
@pytest.mark.parametrize("shifter", NOTE_CENTS)
def test_a_note_of_many_partials_comes_out_at_the_asked_pitch(shifter, semitones):
    shifted = shift(harmonic(220, 72_000)[None], SAMPLE_RATE, semitones, shifter)[0, 16_000:64_000]
    assert abs(cents(shifted, 220 * 2 ** (semitones / 12))) < NOTE_CENTS[shifter]


@pytest.mark.parametrize("semitones", [-12, -7, 7, 12])
@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_events_stay_where_they_were_within_two_and_a_half_ms(shifter, semitones):
    bursts = band_limit(noise_bursts(5 * SAMPLE_RATE)[None], SAMPLE_RATE, semitones)
    shifted = shift(bursts, SAMPLE_RATE, semitones, shifter)
    assert abs(envelope_delay_ms(shifted[0], bursts[0])) < 2.5


@pytest.mark.parametrize("semitones", [-12, -7, 7])  # the intervals where Rubber Band by itself runs away by 50 ms
@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_time_does_not_run_away_over_a_whole_segment(shifter, semitones):
    bursts = noise_bursts(30 * SAMPLE_RATE)[None]
    shifted = shift(bursts, SAMPLE_RATE, semitones, shifter)
    end = slice(25 * SAMPLE_RATE, 30 * SAMPLE_RATE)
    assert abs(envelope_delay_ms(shifted[0, end], bursts[0, end])) < 4


@pytest.mark.parametrize("shifter", ["signalsmith", "rubberband", "vocoder"])
def test_a_click_stays_on_its_sample_when_nothing_is_shifted(shifter):
    shifted = shift(click(10_000, 24_000)[None], SAMPLE_RATE, 0.0, shifter)
    assert abs(int(np.argmax(np.abs(shifted))) - 10_000) <= 1


def test_signalsmith_is_the_librarys_default_preset_on_the_whole_sound_as_in_the_log():
    audio = voice(30_000)[None]
    stretch = python_stretch.Signalsmith.Stretch(0)
    stretch.preset(1, 48_000)
    stretch.setTransposeSemitones(12)
    np.testing.assert_array_equal(shift(audio, SAMPLE_RATE, 12, "signalsmith"), stretch.process(audio))


@pytest.mark.parametrize("frames", [0, 1, 65, 511, 513, 8193])
@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_any_length_comes_back_as_long_and_finite(shifter, frames):
    for semitones in (-12, 0, 7):
        shifted = shift(noise(frames)[None], SAMPLE_RATE, semitones, shifter)
        assert shifted.shape == (1, frames)
        assert shifted.dtype == np.float32
        assert np.isfinite(shifted).all()


@settings(max_examples=8, deadline=None)
@given(frames=st.integers(0, 9000), semitones=st.floats(-36, 36), shifter=st.sampled_from(SHIFTER_NAMES))
def test_any_interval_in_range_gives_finite_samples_of_the_same_length(frames, semitones, shifter):
    shifted = shift(noise(frames)[None], SAMPLE_RATE, semitones, shifter)
    assert shifted.shape == (1, frames)
    assert np.isfinite(shifted).all()


@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_silence_stays_silent(shifter):
    assert not shift(np.zeros((2, 20_000), np.float32), SAMPLE_RATE, 12, shifter).any()


@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_each_channel_is_shifted_as_if_alone_and_alike_each_time(shifter):
    left, right = voice(20_000), harmonic(300, 20_000)
    both = shift(np.stack([left, right]), SAMPLE_RATE, 5, shifter)
    for row, channel in zip(both, (left, right), strict=True):
        np.testing.assert_array_equal(row, shift(channel[None], SAMPLE_RATE, 5, shifter)[0])


@pytest.mark.parametrize("shifter", SHIFTER_NAMES)
def test_the_level_is_kept(shifter):
    audio = band_limit(voice(96_000)[None], SAMPLE_RATE, 7)
    shifted = shift(audio, SAMPLE_RATE, 7, shifter)
    assert 20 * np.log10(np.std(shifted) / np.std(audio)) == pytest.approx(0, abs=2)


@pytest.mark.parametrize("semitones", [4, 12, 19])
def test_the_band_limit_removes_what_would_leave_the_band_and_nothing_else(semitones):
    edge_hz = SAMPLE_RATE / 2 / 2 ** (semitones / 12)
    response = band_limit(click(4000, 8192, level=1.0)[None], SAMPLE_RATE, semitones)[0]
    frequencies, gain = scipy.signal.freqz(response, worN=8192, fs=SAMPLE_RATE)
    level_db = 20 * np.log10(np.abs(gain) + 1e-12)
    assert np.abs(level_db[frequencies < 0.95 * edge_hz]).max() < 0.01
    assert level_db[frequencies > edge_hz].max() < -75


def test_the_band_limit_has_no_delay_and_keeps_the_length():
    for frames in (0, 1, 65, 511, 513, 8193):
        assert band_limit(noise(frames)[None], SAMPLE_RATE, 12).shape == (1, frames)
    low = tone(1000, 8193)[None]
    np.testing.assert_allclose(band_limit(low, SAMPLE_RATE, 12)[:, 500:-500], low[:, 500:-500], atol=2e-4)


def test_a_shift_down_loses_nothing_to_the_band_limit():
    audio = noise(5000)[None]
    np.testing.assert_array_equal(band_limit(audio, SAMPLE_RATE, -12), audio)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ShifterError, match="unknown shifter 'elastique': choose one of signalsmith, rubberband"):
        shift(np.zeros((1, 10), np.float32), SAMPLE_RATE, 1, "elastique")


@pytest.mark.parametrize("semitones", [np.nan, np.inf, 37, -36.5])
def test_an_impossible_interval_is_refused(semitones):
    with pytest.raises(ShifterError, match="out of range: give -36 to 36"):
        shift(np.zeros((1, 10), np.float32), SAMPLE_RATE, semitones, "vocoder")


def test_wrong_shapes_and_rates_are_refused():
    with pytest.raises(ShifterError, match=r"give \(channels, frames\)"):
        shift(np.zeros(10, np.float32), SAMPLE_RATE, 1, "vocoder")
    with pytest.raises(ShifterError, match="0 Hz is not positive"):
        band_limit(np.zeros((1, 10), np.float32), 0, 1)


@pytest.mark.parametrize("shifter, library", [("signalsmith", "python_stretch"), ("rubberband", "pedalboard")])
def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, shifter, library):
    monkeypatch.setitem(sys.modules, library, None)  # what Python takes for "not there"
    with pytest.raises(ShifterError, match=rf'{library}, which is not installed: pip install "deshift\[train\]"'):
        shift(np.zeros((1, 10), np.float32), SAMPLE_RATE, 1, shifter)


def test_every_shifter_has_a_version_for_the_cache_key():
    assert set(SHIFTER_VERSIONS) == set(SHIFTER_NAMES)

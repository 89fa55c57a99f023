"""Levels and bandwidth of sounds whose figures are known."""

import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.levels import Bandwidth, LevelError, Levels, bandwidth, levels, silent, usable
from tests.signals import click, noise, tone, voice

RATE = 48_000


def test_a_sine_has_its_peak_and_three_decibels_less_rms():
    figures = levels(tone(1000, 48_000, level=0.5))
    assert figures.peak_dbfs == pytest.approx(20 * math.log10(0.5), abs=1e-3)
    assert figures.rms_dbfs == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-3)
    assert (figures.clipped_samples, figures.all_zero) == (0, False)


@given(level=st.floats(1e-6, 4), frames=st.integers(1, 2000))
@settings(max_examples=30, deadline=None)
def test_a_constant_has_one_level(level, frames):
    figures = levels(np.full(frames, -level))
    assert figures.peak_dbfs == pytest.approx(20 * math.log10(level), abs=1e-6)
    assert figures.rms_dbfs == pytest.approx(figures.peak_dbfs, abs=1e-6)


def test_clipped_samples_are_those_at_the_ends_of_16_bits():
    audio = np.array([32767 / 32768, -32767 / 32768, 1, -1, 1.5, 32766 / 32768, -0.9999], np.float32)
    assert levels(audio).clipped_samples == 5
    assert levels(np.clip(tone(440, 4800, level=2), -1, 1)).clipped_samples > 1500


def test_exact_zeros_are_told_from_the_faintest_sound():
    assert levels(np.zeros(100)) == Levels(None, None, 0, True)
    faint = levels(click(50, 100, level=1e-7))
    assert faint.all_zero is False
    assert faint.peak_dbfs == pytest.approx(-140)


@pytest.mark.parametrize("audio", [np.zeros(0), np.array([0.1, np.nan]), np.array([np.inf, 0.0])])
def test_no_samples_or_no_numbers_have_no_levels(audio):
    assert not usable(audio)
    assert levels(audio) == Levels(None, None, None, None)
    assert bandwidth(np.resize(audio, 4096) if audio.size else audio, RATE) == Bandwidth(None, None)


def test_silence_is_below_80_dbfs_without_dc():
    assert silent(np.full(100, 0.5))
    assert silent(noise(1000, level=0.9e-4))
    assert not silent(noise(1000, level=1.2e-4))


@pytest.mark.parametrize("edge_hz", [1000, 4000, 8000, 16_000])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_noise_below_an_edge_reaches_to_that_edge(edge_hz, rate):
    taps = scipy.signal.firwin(1023, edge_hz, fs=rate, window=("kaiser", 10))
    audio = scipy.signal.lfilter(taps, 1, noise(rate))
    found = bandwidth(audio, rate)
    assert found.highest_hz == pytest.approx(edge_hz, abs=500)
    assert found.rolloff_hz == pytest.approx(0.99 * edge_hz, rel=0.02, abs=50)  # the bins are 47 Hz wide at 96 kHz


def test_white_noise_reaches_to_the_top_and_a_tone_to_itself():
    assert bandwidth(noise(48_000), RATE).highest_hz == 24_000
    assert bandwidth(noise(48_000), RATE).rolloff_hz == pytest.approx(0.99 * 24_000, rel=0.01)
    assert bandwidth(tone(3000, 48_000), RATE).highest_hz == pytest.approx(3000, abs=500)


def test_the_rolloff_is_where_99_percent_of_the_power_lies_below():
    for share, rolloff_hz in ((0.012, 9000), (0.008, 500)):
        audio = math.sqrt(1 - share) * tone(500, 48_000) + math.sqrt(share) * tone(9000, 48_000)
        assert bandwidth(audio, RATE).rolloff_hz == pytest.approx(rolloff_hz, abs=50)


def test_level_and_dc_do_not_change_the_bandwidth():
    audio = voice(48_000)
    assert bandwidth(audio + np.float32(0.3), RATE) == bandwidth(audio, RATE)
    assert bandwidth(audio / 64, RATE) == bandwidth(audio, RATE)


@pytest.mark.parametrize("frames", [1, 65, 511])
def test_less_than_512_samples_have_no_bandwidth(frames):
    assert bandwidth(noise(frames), RATE) == Bandwidth(None, None)


@pytest.mark.parametrize("frames", [512, 513, 2047, 2049, 8193])
def test_odd_lengths_have_a_bandwidth(frames):
    assert bandwidth(noise(frames), RATE).highest_hz == pytest.approx(24_000, abs=100)


def test_silence_and_dc_have_no_bandwidth():
    assert bandwidth(np.zeros(4096), RATE) == bandwidth(np.full(4096, 0.5), RATE) == Bandwidth(None, None)


def test_bad_arguments_say_what_to_do():
    with pytest.raises(LevelError, match="one channel"):
        bandwidth(np.zeros((2, 4096)), RATE)
    with pytest.raises(LevelError, match="sample rate"):
        bandwidth(np.zeros(4096), 0)

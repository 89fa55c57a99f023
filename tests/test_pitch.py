"""The pitch tracker against known pitches and librosa, on voices, glides, noise and awkward lengths."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.pitch import F0Track, PitchError, f0_track, pitch_shift_between
from realtime.quality.shifters import shift
from tests.signals import chirp, harmonic, noise, noise_bursts, tone, voice

RATE = 48_000


def cents(found_hz, true_hz):
    return 1200 * np.log2(found_hz / true_hz)


def voice_f0_hz(times_s, f0_hz):
    """What tests.signals.voice is made with."""
    return f0_hz * 2 ** (0.2 * np.sin(2 * np.pi * 0.7 * times_s))


def track_of(f0_hz, confidence=1.0):
    f0_hz = np.asarray(f0_hz, float)
    return F0Track(np.arange(len(f0_hz)) * 0.01, f0_hz, np.where(np.isfinite(f0_hz), confidence, 0.0))


@pytest.mark.parametrize("sound", [tone, harmonic])
@pytest.mark.parametrize("f0_hz", [41, 60, 82.4, 150, 300, 440, 700, 1000, 1500, 1990])
def test_a_steady_note_is_found_to_a_cent_in_every_frame(f0_hz, sound):
    track = f0_track(sound(f0_hz, 24_000), RATE)
    assert np.abs(cents(track.f0_hz, f0_hz)).max() < 1
    assert track.confidence.min() > 0.98


@given(
    f0_hz=st.floats(45, 1900), rate=st.sampled_from([8_000, 16_000, 44_100, 48_000, 96_000]), level=st.floats(1e-3, 1)
)
@settings(max_examples=25, deadline=None)
def test_any_note_at_any_rate_and_level_is_found_to_two_cents(f0_hz, rate, level):
    track = f0_track(harmonic(f0_hz, rate // 4, rate, level), rate)
    assert len(track.f0_hz) > 10
    assert np.abs(cents(track.f0_hz, f0_hz)).max() < 2


@pytest.mark.parametrize("lags", [12.5, 13.5, 17.5, 33.5])
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_a_period_between_two_lags_is_no_octave_error(lags, rate):
    f0_hz = 24_000 / lags
    for sound in (tone(f0_hz, rate // 2, rate), harmonic(f0_hz, rate // 2, rate)):
        assert np.abs(cents(f0_track(sound, rate).f0_hz, f0_hz)).max() < 2


@pytest.mark.parametrize("f0_hz", [60, 150, 440, 1200])
def test_noise_14_db_below_a_note_moves_no_frame_by_more_than_ten_cents(f0_hz):
    note = harmonic(f0_hz, 48_000)
    noisy = note + noise(48_000, level=float(note.std()) / 5)
    assert np.abs(cents(f0_track(noisy, RATE).f0_hz, f0_hz)).max() < 10


@pytest.mark.parametrize("f0_hz", [90, 150, 300, 600])
def test_a_speaking_voice_is_followed_without_octave_errors(f0_hz):
    track = f0_track(voice(96_000, f0_hz), RATE)
    voiced = np.isfinite(track.f0_hz)
    error = np.abs(cents(track.f0_hz, voice_f0_hz(track.times_s, f0_hz))[voiced])
    assert 0.4 < voiced.mean() < 0.7  # the envelope is open 57 % of the time
    assert np.median(error) < 4
    assert error.max() < 100


def test_a_sung_glide_over_four_octaves_is_followed():
    track = f0_track(chirp(100, 1600, 96_000), RATE)
    error = np.abs(cents(track.f0_hz, 100 + 1500 * track.times_s / 2))
    assert np.isfinite(track.f0_hz).all()
    assert np.median(error) < 5
    assert error.max() < 30


@pytest.mark.parametrize("f0_hz", [110, 240, 520])
def test_a_voice_has_the_pitch_that_librosa_finds(f0_hz):
    audio = voice(72_000, f0_hz)
    track = f0_track(audio, RATE)
    other, voiced, _ = librosa.pyin(audio, sr=RATE, fmin=60, fmax=1200, frame_length=4096, hop_length=480)
    nearest = np.round(track.times_s * RATE / 480).astype(int)
    common = np.isfinite(track.f0_hz) & voiced[nearest]
    assert common.mean() > 0.4
    error = np.abs(cents(track.f0_hz[common], other[nearest][common]))
    assert np.median(error) < 15  # pyin answers in steps of 10 cents, over frames three times as long
    assert (error > 100).mean() < 0.05


@pytest.mark.parametrize("f0_hz", [82.4, 196, 660])
def test_a_vibrato_has_the_pitch_of_librosa_yin(f0_hz):
    time_s = np.arange(48_000) / RATE
    phase = 2 * np.pi * np.cumsum(f0_hz * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 5 * time_s))) / RATE
    audio = 0.2 * sum(np.sin(k * phase) / k for k in range(1, 9))
    track = f0_track(audio, RATE)
    yin = librosa.yin(audio, fmin=40, fmax=2000, sr=RATE, frame_length=4096, hop_length=480)
    nearest = np.round(track.times_s * RATE / 480).astype(int)
    error = np.abs(cents(track.f0_hz, yin[nearest]))
    assert np.median(error) < 15
    assert np.abs(cents(track.f0_hz, f0_hz)).max() < 60  # half a semitone either way, and nothing beyond


@pytest.mark.parametrize(
    "audio",
    [noise(48_000), noise(48_000, level=1e-3), noise_bursts(48_000), np.zeros(48_000), np.full(48_000, 0.5)],
    ids=["noise", "faint noise", "bursts", "silence", "DC"],
)
def test_noise_silence_and_dc_have_no_pitch_and_no_confidence(audio):
    track = f0_track(audio, RATE)
    assert len(track.f0_hz) > 90
    assert np.isnan(track.f0_hz).all()
    assert not track.confidence.any()


@pytest.mark.parametrize("f0_hz", [20, 30, 2200, 2526, 2823, 3000, 3692, 6000, 15_000])
@pytest.mark.parametrize("sound", [tone, harmonic])
def test_a_note_outside_the_range_has_no_pitch_rather_than_a_multiple_of_its_period(f0_hz, sound):
    assert np.isnan(f0_track(sound(f0_hz, 48_000), RATE).f0_hz).all()


@pytest.mark.parametrize("even_share", [0.9, 0.95])
def test_the_second_partial_far_above_the_first_is_no_octave_error(even_share):
    time_s = np.arange(48_000) / RATE
    audio = 0.3 * sum(
        np.sqrt(even_share if k % 2 == 0 else 1 - even_share) * np.sin(2 * np.pi * 200 * k * time_s) / k
        for k in range(1, 9)
    )
    assert np.abs(cents(f0_track(audio, RATE).f0_hz, 200)).max() < 5


def voice_in_noise(seed, times_as_strong):
    """A glide about 220 Hz in noise that, like a voice, is strongest at the bottom."""
    glide_hz = voice_f0_hz(np.arange(96_000) / RATE, 220)
    note = sum(np.sin(k * 2 * np.pi * np.cumsum(glide_hz) / RATE) / k for k in range(1, 9))
    coloured = np.convolve(noise(96_000, seed), np.ones(12), "same")
    return note + coloured * (note.std() / coloured.std() / times_as_strong)


@pytest.mark.parametrize("seed", range(3))
def test_noise_half_as_strong_as_a_voice_makes_no_octave_jumps(seed):
    track = f0_track(voice_in_noise(seed, 2), RATE)
    error = np.abs(cents(track.f0_hz, voice_f0_hz(track.times_s, 220)))
    assert np.isfinite(error).mean() > 0.9
    assert np.nanmax(error) < 50


@pytest.mark.parametrize("seed", range(3))
def test_a_voice_at_the_edge_of_being_heard_does_not_flicker(seed):
    voiced = np.isfinite(f0_track(voice_in_noise(seed, 1.5), RATE).f0_hz)
    assert (voiced[1:] != voiced[:-1]).sum() <= 15


def test_times_are_the_middles_of_the_frames():
    """Where the pitch of a chirp is that of the chirp at that time, here to 3 ms at 150 Hz/s."""
    track = f0_track(chirp(150, 450, 96_000), RATE)
    assert np.abs(track.f0_hz - (150 + 150 * track.times_s)).max() < 0.5
    np.testing.assert_allclose(np.diff(track.times_s), 0.01)


@pytest.mark.parametrize("frames", [0, 1, 65, 511, 513, 3071])
def test_less_than_one_frame_is_an_empty_track(frames):
    track = f0_track(tone(200, frames), RATE)
    assert len(track.times_s) == len(track.f0_hz) == len(track.confidence) <= 1


def test_a_sound_of_8193_samples_has_eleven_frames():
    assert len(f0_track(tone(200, 8193), RATE).f0_hz) == 11


def test_a_long_sound_is_tracked_in_blocks_that_do_not_show():
    audio = voice(6 * RATE)
    whole, part = f0_track(audio, RATE), f0_track(audio[2 * RATE :], RATE)
    np.testing.assert_allclose(whole.f0_hz[300:-10], part.f0_hz[100:-10], rtol=1e-6)
    assert len(whole.f0_hz) > 512


def test_bad_arguments_say_what_to_do():
    with pytest.raises(PitchError, match="one channel"):
        f0_track(np.zeros((2, 100)), RATE)
    with pytest.raises(PitchError, match="NaN"):
        f0_track(np.array([0, np.nan]), RATE)
    with pytest.raises(PitchError, match="sample rate"):
        f0_track(np.zeros(100), 0)
    with pytest.raises(PitchError, match="20 to 2500"):
        f0_track(np.zeros(100), RATE, lowest_hz=300, highest_hz=200)
    with pytest.raises(PitchError, match="one length"):
        pitch_shift_between(track_of([100]), track_of([100, 100]))


@pytest.mark.parametrize("semitones", [-12, -5, -1, 3, 7, 12])
@pytest.mark.parametrize("f0_hz", [150, 300])
def test_the_shift_of_a_voice_is_found_to_three_cents(f0_hz, semitones):
    audio = voice(96_000, f0_hz)
    found = pitch_shift_between(
        *(f0_track(sound, RATE) for sound in (audio, shift(audio[None], RATE, semitones, "vocoder")[0]))
    )
    assert found.semitones == pytest.approx(semitones, abs=0.03)
    assert found.spread_semitones < 0.1
    assert found.confidence > 0.7


def test_unlike_sounds_have_a_shift_without_confidence():
    found = pitch_shift_between(f0_track(chirp(200, 800, 48_000), RATE), f0_track(harmonic(400, 48_000), RATE))
    assert found.confidence < 0.3
    assert found.spread_semitones > 2


def test_fewer_than_five_common_frames_have_no_shift():
    nan = np.nan
    found = pitch_shift_between(track_of([100] * 4 + [nan] * 6), track_of([200] * 10))
    assert (found.semitones, found.spread_semitones, found.confidence, found.frames) == (None, None, 0.0, 4)
    found = pitch_shift_between(track_of([]), track_of([]))
    assert (found.semitones, found.frames) == (None, 0)


def test_the_confidence_is_the_product_of_its_three_shares():
    nan = np.nan
    one = track_of([100] * 30 + [nan] * 10, confidence=0.8)
    other = track_of([200] * 10 + [300] * 5 + [nan] * 25, confidence=0.9)
    found = pitch_shift_between(one, other)
    assert found.semitones == pytest.approx(12)
    assert found.spread_semitones == 0
    assert found.confidence == pytest.approx(0.8 * (10 / 30) * (15 / 20))

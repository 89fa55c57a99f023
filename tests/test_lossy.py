"""Lossy codecs: the same length, the same place to the sample, the same samples each time, one line when they fail."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.signals import SAMPLE_RATE, low_band_delay, noise, voice
from training.lossy import CODECS, Codec, check_codecs, encode, through
from training.recordings import PairsError

SPOTS = (0.0, 0.5, 1.0)  # places between a codec's lightest and heaviest level
NAMES = [codec.name for codec in CODECS]


def level_at(codec: Codec, spot: float) -> float:
    return codec.levels[0] + spot * (codec.levels[1] - codec.levels[0])


@settings(max_examples=30, deadline=None)
@given(
    codec=st.sampled_from(CODECS),
    spot=st.sampled_from(SPOTS) | st.floats(0, 1),
    frames=st.integers(24_000, 60_000),
    first=st.integers(500, 6000),
    apart=st.integers(2000, 7001),
)
@example(codec=CODECS[2], spot=1.0, frames=24_000, first=1105, apart=1152)  # MP3's delay and frame
def test_clicks_stay_on_their_sample_through_every_codec(codec, spot, frames, first, apart):
    clicks = np.zeros(frames, np.float32)
    clicks[first : frames - 600 : apart] = 0.8
    heard = through(clicks, codec, level_at(codec, spot))
    assert heard.shape == clicks.shape
    lags = np.arange(-450, 451)
    places = np.flatnonzero(clicks)
    agreement = [heard[places + lag].sum() for lag in lags]
    assert lags[int(np.argmax(agreement))] == 0


@pytest.mark.parametrize("spot", SPOTS)
@pytest.mark.parametrize("codec", CODECS, ids=NAMES)
@pytest.mark.parametrize("sound", ["noise", "voice"])
def test_low_bands_stay_in_their_place_too(codec, spot, sound):
    audio = noise(200_000) if sound == "noise" else voice(200_000)
    assert abs(low_band_delay(through(audio, codec, level_at(codec, spot)), audio)) < 0.15


def test_codec_levels_that_were_left_out_do_move_the_sound():
    audio = noise(200_000)
    vorbis, opus, mp3 = CODECS
    assert abs(low_band_delay(through(audio, opus, 0.9), audio)) > 1.5  # SILK: clicks alone would not show it
    with pytest.raises(PairsError, match=r"mp3 gave 20\d{4} samples .* out of its place"):
        through(audio, replace(mp3, bitrate_mode="CONSTANT"), 0.9)
    assert abs(low_band_delay(through(audio, vorbis, 1.0), audio)) < 0.15


@settings(max_examples=25, deadline=None)
@given(
    codec=st.sampled_from(CODECS),
    spot=st.floats(0, 1),
    frames=st.sampled_from([1, 2, 65, 511, 512, 513, 960, 1105, 1152, 4095, 4096, 4097, 8193]) | st.integers(1, 9000),
    level=st.sampled_from([0.0, 1e-4, 0.1, 1.0, 2.5]),
)
def test_every_length_and_level_comes_back_whole_finite_and_the_same_each_time(codec, spot, frames, level):
    audio = (level * np.sin(np.arange(frames) * 0.1)).astype(np.float32)
    heard = through(audio, codec, level_at(codec, spot))
    assert (heard.shape, heard.dtype) == (audio.shape, np.float32)
    assert np.isfinite(heard).all()
    np.testing.assert_array_equal(heard, through(audio, codec, level_at(codec, spot)))


@pytest.mark.parametrize("codec", CODECS, ids=NAMES)
def test_a_codec_is_heard_the_more_the_higher_its_level_and_never_much(codec):
    audio = voice(150_000)
    lightest, heaviest = (through(audio, codec, level) for level in codec.levels)
    errors_db = [20 * np.log10(np.std(heard - audio) / audio.std()) for heard in (lightest, heaviest)]
    assert -60 < errors_db[0] < errors_db[1] < -6
    assert len(encode(audio, codec, codec.levels[1])) < len(encode(audio, codec, codec.levels[0])) < 0.2 * 4 * 150_000


def test_whole_segments_pass_with_a_peak_over_full_scale():
    audio = 2 * voice(30 * SAMPLE_RATE) / np.abs(voice(30 * SAMPLE_RATE)).max()
    for codec in CODECS:
        heard = through(audio, codec, codec.levels[1])
        assert np.abs(heard).max() > 1.5  # nothing is clipped


def test_what_libsndfile_cannot_do_is_told_in_one_line():
    check_codecs()
    with pytest.raises(
        PairsError, match=r"libsndfile .* cannot write mp3 at level 1\.00 .*: install 1\.2\.2, or train"
    ):
        encode(voice(3000), CODECS[2], 1.0)
    with pytest.raises(PairsError, match=r"libsndfile .* has no mp3: install 1\.2\.2, or train without --augment"):
        check_codecs((*CODECS[:2], replace(CODECS[2], file_format="OGG")))

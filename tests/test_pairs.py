"""Recordings to cached pairs: every format, every reason to skip, keys, resuming, and the split by recording."""

from dataclasses import replace

import numpy as np
import pytest

from realtime.quality.shifters import band_limit, shift
from tests.pair_files import QUICK, pairs_from, record
from tests.signals import SAMPLE_RATE, envelope_delay_ms, frequency_of, noise, noise_bursts, tone, voice
from training.pairs import PairIndex, PairsError, PairSettings, read_crop, split_validation


@pytest.mark.parametrize(
    "name, rate, channels, form",
    [
        ("a.wav", 44_100, 2, {}),
        ("a.WAV", 8_000, 1, {"subtype": "FLOAT", "format": "WAV"}),
        ("deep/er/a.flac", 96_000, 6, {}),
        ("a.ogg", 44_100, 2, {"subtype": "VORBIS"}),
        ("a.opus", 48_000, 1, {"format": "OGG", "subtype": "OPUS"}),
        ("a.opus.ogg", 24_000, 2, {"format": "OGG", "subtype": "OPUS"}),
        ("a.mp3", 44_100, 1, {}),
        ("a.aiff", 22_050, 1, {}),
    ],
)
def test_every_format_rate_and_channel_count_becomes_mono_at_48_khz(folder, cache, name, rate, channels, form):
    audio = tone(440, 2 * rate, rate)
    record(folder / name, np.stack([audio] * channels, axis=1), rate, **form)
    (pair,) = pairs_from(folder, cache).pairs
    assert pair.frames == pytest.approx(2 * SAMPLE_RATE, abs=1200)  # mp3 pads its end
    shifted, original = read_crop(pair, 24_000, 48_000)
    assert frequency_of(original) == pytest.approx(440, abs=0.1)
    assert frequency_of(shifted) == pytest.approx(880, abs=0.2)
    assert original.std() == pytest.approx(tone(440, 48_000).std(), rel=0.05)


def test_a_pair_is_the_band_limited_original_and_its_shift(folder, cache):
    audio = voice(100_000)
    record(folder / "a.wav", audio, subtype="FLOAT")
    (pair,) = pairs_from(folder, cache).pairs
    limited = band_limit(audio[None], SAMPLE_RATE, 12)
    expected = np.concatenate([shift(limited, SAMPLE_RATE, 12, "vocoder"), limited])
    np.testing.assert_allclose(read_crop(pair, 0, 100_000), expected, atol=2**-22)
    assert (pair.frames, pair.shifter, pair.semitones, pair.source) == (100_000, "vocoder", 12.0, "a.wav")


def test_a_pair_that_overshoots_is_scaled_down_together(folder, cache):
    audio = np.sign(tone(200, 48_000)) * np.float32(0.999)  # a square wave comes out of any shifter with a higher peak
    record(folder / "a.wav", audio, subtype="FLOAT")
    (pair,) = pairs_from(folder, cache).pairs
    limited = band_limit(audio[None], SAMPLE_RATE, 12)
    wanted = np.concatenate([shift(limited, SAMPLE_RATE, 12, "vocoder"), limited])
    assert np.abs(wanted).max() > 1
    got = read_crop(pair, 0, 48_000)
    assert 0.999 < np.abs(got).max() <= 1
    np.testing.assert_allclose(got, wanted / np.abs(wanted).max(), atol=1e-5)


def test_long_recordings_become_segments_of_30_s_without_a_gap(folder, cache):
    audio = noise(70 * SAMPLE_RATE + 5000)  # 5000 samples are too short for a segment of their own
    record(folder / "a.wav", audio, subtype="FLOAT")
    index = pairs_from(folder, cache, replace(QUICK, semitones=(-5.0,)))
    assert [pair.frames for pair in index.pairs] == [30 * SAMPLE_RATE, 30 * SAMPLE_RATE, 10 * SAMPLE_RATE + 5000]
    joined = np.concatenate([read_crop(pair, 0, pair.frames)[1] for pair in index.pairs])
    peak = max(1.0, float(np.abs(joined).max()))
    np.testing.assert_allclose(joined, audio / peak, atol=1e-5)
    assert index.hours == pytest.approx(len(audio) / SAMPLE_RATE / 3600)


def test_a_resampled_long_recording_keeps_its_time(folder, cache):
    audio = noise_bursts(40 * 32_000, sample_rate=32_000)
    record(folder / "a.wav", audio, 32_000, subtype="FLOAT")
    first, second = pairs_from(folder, cache).pairs
    assert first.frames + second.frames == 40 * SAMPLE_RATE
    expected = noise_bursts(40 * SAMPLE_RATE)[30 * SAMPLE_RATE :]
    assert abs(envelope_delay_ms(read_crop(second, 0, second.frames)[1], expected)) < 1


def test_every_unusable_file_is_skipped_with_its_reason(folder, cache):
    record(folder / "good.wav", voice(48_000))
    record(folder / "silent.wav", voice(48_000) * 1e-4)
    record(folder / "opposite.wav", np.stack([voice(48_000), -voice(48_000)], axis=1))
    record(folder / "short.wav", voice(23_000))
    record(folder / "empty.flac", np.zeros(0))
    nan = noise(33 * SAMPLE_RATE)  # in the second segment, when the first is made already
    nan[-1] = np.nan
    record(folder / "nan.wav", nan, subtype="FLOAT")
    infinite = voice(48_000)
    infinite[7] = np.inf
    record(folder / "infinite.wav", infinite, subtype="FLOAT")
    (folder / "text.mp3").write_bytes(b"these are no samples" * 100)
    (folder / "nothing.ogg").write_bytes(b"O")
    (folder / "copy.wav").write_bytes((folder / "good.wav").read_bytes())
    (folder / "notes.txt").write_text("not a recording, and not listed either")
    (folder / "._good.wav").write_bytes(b"hidden")
    index = pairs_from(folder, cache, workers=2)
    reasons = {entry.path.name: entry.reason for entry in index.skipped}
    assert {pair.source for pair in index.pairs} <= {"good.wav", "copy.wav"}
    assert len(index.pairs) == 1
    assert reasons["silent.wav"] == reasons["opposite.wav"] == "silent: the peak in mono is below -60 dBFS"
    assert reasons["short.wav"] == "too short: 0.48 s, at least 0.5 s is needed"
    assert reasons["empty.flac"].startswith(("too short: 0.00 s", "unreadable"))
    assert reasons["nan.wav"] == reasons["infinite.wav"] == "NaN or infinite samples"
    assert reasons["text.mp3"].startswith("unreadable: ")
    assert reasons["nothing.ogg"].startswith("unreadable: ")
    assert reasons["good.wav"] == "same content as copy.wav"
    assert len(reasons) == 9


def test_no_usable_file_is_an_error_that_lists_the_reasons(folder, cache):
    record(folder / "short.wav", voice(1000))
    (folder / "broken.flac").write_bytes(b"fLaC?")
    with pytest.raises(PairsError, match=r"no usable recording in .*broken\.flac: unreadable.*; short\.wav: too short"):
        pairs_from(folder, cache)


def test_a_missing_folder_and_an_empty_one_are_errors(folder, cache):
    with pytest.raises(PairsError, match="recordings is not a folder: give a folder of recordings"):
        pairs_from(folder, cache)
    folder.mkdir()
    with pytest.raises(PairsError, match=r"no audio file in .*recordings: put \.wav"):
        pairs_from(folder, cache)


@pytest.mark.parametrize(
    "settings, message",
    [
        (PairSettings(shifters=("magic",)), "unknown shifter 'magic': choose from signalsmith"),
        (PairSettings(shifters=()), "no shift asked for"),
        (PairSettings(semitones=()), "no shift asked for"),
        (PairSettings(semitones=(float("nan"),)), "out of range"),
        (PairSettings(semitones=(40.0,)), "out of range"),
        (PairSettings(semitone_range=(5.0, 5.0)), "the range 5.0 to 5.0 semitones is empty"),
        (PairSettings(sample_rate=0), "sample rate 0 Hz is not positive"),
    ],
)
def test_bad_settings_are_refused_before_any_file_is_read(folder, cache, settings, message):
    with pytest.raises(PairsError, match=message):
        pairs_from(folder, cache, settings)


def test_every_setting_that_changes_the_pairs_changes_the_key(folder, cache):
    record(folder / "a.wav", voice(30_000))
    ranged = replace(QUICK, semitone_range=(-3.0, 3.0))
    variants = [
        QUICK,
        replace(QUICK, shifters=("signalsmith",)),
        replace(QUICK, semitones=(11.0,)),
        replace(QUICK, sample_rate=44_100),
        ranged,
        replace(ranged, semitone_range=(-3.0, 2.0)),
        replace(ranged, seed=1),
    ]
    for count, settings in enumerate(variants, start=1):
        pairs_from(folder, cache, settings)
        assert len([path for path in cache.iterdir() if path.is_dir()]) == count
    pairs_from(folder, cache, replace(QUICK, seed=1))  # draws nothing, so the pairs are the ones of the first variant
    assert len([path for path in cache.iterdir() if path.is_dir()]) == len(variants)


def test_a_set_gives_each_shifter_each_interval_and_a_range_one_drawn_value(folder, cache):
    for number in range(4):
        record(folder / f"{number}.wav", voice(30_000, f0_hz=100 + 20 * number))
    both = PairSettings(shifters=("vocoder", "signalsmith"), semitones=(-4.0, 7.0))
    index = pairs_from(folder, cache, both)
    assert len(index.pairs) == 16
    assert {(pair.shifter, pair.semitones) for pair in index.pairs} == {
        (name, value) for name in ("vocoder", "signalsmith") for value in (-4.0, 7.0)
    }
    assert index.hours == pytest.approx(4 * 30_000 / SAMPLE_RATE / 3600)
    ranged = replace(both, semitone_range=(-5.0, 5.0))
    drawn = [pair.semitones for pair in pairs_from(folder, cache, ranged).pairs]
    assert len(drawn) == 8
    assert len(set(drawn)) > 4
    assert all(-5 <= value <= 5 for value in drawn)
    assert drawn == [pair.semitones for pair in pairs_from(folder, cache.with_name("other"), ranged).pairs]


def test_no_segment_of_a_held_out_recording_is_trained_on(folder, cache):
    record(folder / "long.wav", noise(65 * SAMPLE_RATE))
    for number in range(30):
        record(folder / f"{number}.wav", noise(25_000, seed=number))
    index = pairs_from(folder, cache, PairSettings(semitones=(12.0, -12.0)))
    training, validation = split_validation(index)
    assert not set(training.source_hashes) & set(validation.source_hashes)
    assert not {pair.source for pair in training.pairs} & {pair.source for pair in validation.pairs}
    assert len(training.pairs) + len(validation.pairs) == len(index.pairs)
    assert 1 <= len(validation.source_hashes) <= 8
    assert training.hours + validation.hours == pytest.approx(index.hours)


def index_of(names) -> PairIndex:
    return PairIndex((), (), 0.0, tuple(sorted(names)))


def test_about_five_percent_are_held_out_and_more_recordings_do_not_move_the_others(folder, cache):
    record(folder / "a.wav", voice(30_000))
    (pair,) = pairs_from(folder, cache).pairs

    def held(count):
        pairs = [replace(pair, path=pair.path.with_name(f"{number:016x}_0000.flac")) for number in range(count)]
        index = PairIndex(tuple(pairs), (), 0.0, tuple(p.source_hash for p in pairs))
        return set(split_validation(index)[1].source_hashes)

    assert 30 <= len(held(1000)) <= 70
    assert held(1000) & {f"{number:016x}" for number in range(500)} == held(500)
    assert len(held(2)) == 1


def test_one_recording_cannot_be_split(folder, cache):
    with pytest.raises(PairsError, match="one recording cannot be split"):
        split_validation(index_of(["0" * 16]))

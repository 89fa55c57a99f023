"""Augmentation: drawn by content, apart in the cache, in the target where it belongs to the original; gain last."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.prestage import shift_back
from realtime.quality.shifters import ShifterError, band_limit, low_pass, shift
from tests.pair_files import QUICK, cached, pairs_from, record
from tests.signals import SAMPLE_RATE, noise, tone, voice
from training.augment import FULL_SCALE, NoiseFloor, amplified, draw, gains, noise_floor
from training.commands import pairs_for
from training.crops import Crops, read_crop
from training.lossy import CODECS, through
from training.pair_cache import Damage
from training.pairs import PairsError, PairSettings
from training.recordings import hash_recordings

DOWN = replace(QUICK, semitones=(-5.0,))  # no band limit on the way, so that the original is the recording
FRAMES = 60_001


def pair_with(folder, cache, *wanted, base=DOWN):
    """The recording, its pair and what was drawn, for the first seed that draws just what is wanted."""
    audio = (0.5 * (voice(FRAMES) + noise(FRAMES, level=0.02))).astype(np.float32)
    path = record(folder / "a.wav", audio, subtype="FLOAT")
    (recording,), _ = hash_recordings([path], cache / "sources.json")
    for seed in range(200):
        share = replace(base, augment=0.5, seed=seed)
        drawn = Damage("vocoder", -5.0, None, seed, SAMPLE_RATE, base.prestage, 0.5).augmentation(
            recording.content_hash, 0
        )
        given_parts = {name for name in ("noise", "edge_hz", "codec") if getattr(drawn, name) is not None}
        if given_parts == set(wanted):
            (pair,) = pairs_from(folder, cache, share).pairs
            return audio, *read_crop(pair, 0, FRAMES), drawn
    raise AssertionError("no seed draws that")


def level_db(audio) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))))


def above_db(audio, edge_hz) -> float:
    """The level of what is above a frequency."""
    spectrum = np.fft.rfft(audio * np.hanning(len(audio)))
    return level_db(np.fft.irfft(np.where(np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE) > edge_hz, spectrum, 0)))


def test_pairs_without_augmentation_keep_their_place_in_the_cache_and_their_bytes(folder, cache):
    # Keys from before there was any augmentation.
    assert Damage("vocoder", 12.0, None, 0, SAMPLE_RATE).key() == "8bafa4ff1ed2c2c3"
    ranged = Damage("signalsmith", None, (-12.0, 12.0), 3, SAMPLE_RATE, "vocoder1024")
    assert ranged.key() == "7ca73bb5368729b7"
    audio = voice(40_001)
    record(folder / "a.wav", audio, subtype="FLOAT")
    (pair,) = pairs_from(folder, cache, replace(QUICK, augment=0.0, seed=9)).pairs
    limited = band_limit(audio[None], SAMPLE_RATE, 12)
    both = np.concatenate([shift(limited, SAMPLE_RATE, 12, "vocoder"), limited])
    soundfile.write(folder / "expected.flac", both.T, SAMPLE_RATE, subtype="PCM_24")
    assert pair.path.read_bytes() == (folder / "expected.flac").read_bytes()
    assert pair.path.parent.name == "8bafa4ff1ed2c2c3"


def test_augmented_pairs_are_the_same_bytes_whatever_the_worker_count(folder, tmp_path):
    for number in range(3):
        record(folder / f"{number}.wav", voice(40_000 + number, f0_hz=100 + 20 * number))
    settings_ = replace(QUICK, semitones=(12.0, -3.0), augment=0.9, seed=5)
    one = pairs_from(folder, tmp_path / "one", settings_, workers=1)
    other = pairs_from(folder, tmp_path / "other", settings_, workers=2)
    assert cached(tmp_path / "one") == cached(tmp_path / "other")
    assert [pair.path.name for pair in one.pairs] == [pair.path.name for pair in other.pairs]


def test_shares_and_seeds_do_not_mix_in_the_cache(folder, cache):
    record(folder / "a.wav", voice(30_000))
    variants = [QUICK, *(replace(QUICK, augment=share) for share in (0.3, 0.6, 1)), replace(QUICK, augment=1, seed=1)]
    made = [pairs_from(folder, cache, each).pairs for each in variants]
    assert len({pairs[0].path.parent for pairs in made}) == len(variants)
    assert [pairs_from(folder, cache, each).pairs for each in variants] == made
    assert pairs_from(folder, cache, replace(QUICK, augment=1.0)).pairs == made[3]  # 1 and 1.0 are the same share


def test_a_noise_floor_stays_in_the_target_and_goes_through_the_shifter(folder, cache):
    audio, shifted, target, drawn = pair_with(folder, cache, "noise")
    assert level_db(target - audio) == pytest.approx(drawn.noise.level_dbfs, abs=0.01)
    from_target, from_clean = (shift(part[None], SAMPLE_RATE, -5, "vocoder")[0] for part in (target, audio))
    assert level_db(shifted - from_target) < level_db(shifted - from_clean) - 20


def test_a_narrow_band_stays_in_the_target_and_moves_nothing(folder, cache):
    audio, shifted, target, drawn = pair_with(folder, cache, "edge_hz")
    assert above_db(target, drawn.edge_hz) < above_db(audio, drawn.edge_hz) - 50
    spectra = [np.fft.rfft(part[10_000:50_000] * np.hanning(40_000)) for part in (audio, target)]
    kept = np.fft.rfftfreq(40_000, 1 / SAMPLE_RATE) < 0.94 * drawn.edge_hz
    np.testing.assert_allclose(spectra[1][kept], spectra[0][kept], atol=2e-3 * np.abs(spectra[0]).max())
    from_target, from_whole = (shift(part[None], SAMPLE_RATE, -5, "vocoder")[0] for part in (target, audio))
    assert level_db(shifted - from_target) < level_db(shifted - from_whole) - 20  # no nearer: 24 bits move faint phases


@pytest.mark.parametrize("prestage", ["", "vocoder1024"])
def test_a_codec_comes_after_the_shifter_and_before_the_prestage_and_spares_the_target(folder, cache, prestage):
    base = replace(DOWN, prestage=prestage)
    audio, shifted, target, drawn = pair_with(folder, cache, "codec", base=base)
    np.testing.assert_allclose(target, audio, atol=2**-23)
    plain = shift(audio[None], SAMPLE_RATE, -5, "vocoder")
    heard = through(plain[0], drawn.codec, drawn.level)[None]
    if prestage:
        plain, heard = shift_back(plain, -5, prestage), shift_back(heard, -5, prestage)
    np.testing.assert_allclose(shifted, heard[0], atol=2**-22)
    assert level_db(shifted - plain[0]) > -70


def test_noise_under_a_narrow_band_is_narrow_too(folder, cache):
    _, _, target, drawn = pair_with(folder, cache, "noise", "edge_hz", "codec")
    assert above_db(target, drawn.edge_hz) < drawn.noise.level_dbfs - 20


def test_each_part_is_drawn_by_itself_with_its_share_within_its_range():
    drawn = [draw(0.3, str(number)) for number in range(3000)]
    given_parts = np.array(
        [[each.noise is not None, each.edge_hz is not None, each.codec is not None] for each in drawn]
    )
    np.testing.assert_allclose(given_parts.mean(axis=0), 0.3, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(given_parts.T), np.eye(3), atol=0.06)
    noises = [each.noise for each in drawn if each.noise]
    assert -80 <= min(each.level_dbfs for each in noises) < -79 < -46 < max(each.level_dbfs for each in noises) <= -45
    edges = [each.edge_hz for each in drawn if each.edge_hz]
    assert 3000 <= min(edges) < 3100 < 15_500 < max(edges) <= 16_000
    assert {each.codec for each in drawn} == {None, *CODECS}
    assert all(each.codec.levels[0] <= each.level <= each.codec.levels[1] for each in drawn if each.codec)
    assert draw(0.3, "7") == drawn[7]


@given(words=st.text(max_size=20), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_share_only_adds(words, shares):
    less, more = (draw(share, words) for share in sorted(shares))
    for name in ("noise", "edge_hz", "codec"):
        assert getattr(less, name) in (None, getattr(more, name))
    assert None in (draw(0, words).noise, 1) and None not in (draw(1, words).noise, draw(1, words).codec)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.sampled_from([1, 2, 65, 511, 513, 8193, 24_001]),
    channels=st.integers(1, 2),
    level=st.floats(-80, -45),
    exponent=st.floats(0, 2),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_noise_floor_has_its_level_at_every_length(frames, channels, level, exponent, seed):
    made = noise_floor((channels, frames), NoiseFloor(level, exponent, seed), SAMPLE_RATE)
    assert (made.shape, made.dtype) == ((channels, frames), np.float32)
    for channel in made:
        assert level_db(channel) == pytest.approx(level, abs=1e-3)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_noise_floor_falls_with_the_frequency_as_its_colour_says(exponent):
    made = noise_floor((1, 480_000), NoiseFloor(-60, exponent, 1), SAMPLE_RATE)[0]
    power = np.mean(np.abs(np.fft.rfft(made.reshape(-1, 4800) * np.hanning(4800))) ** 2, axis=0)
    octaves = np.log2(np.arange(20, 2000))
    slope_db = np.polyfit(octaves, 10 * np.log10(power[20:2000]), 1)[0]
    assert slope_db == pytest.approx(-10 * np.log10(2) * exponent, abs=0.2)


def test_the_low_pass_is_the_band_limit_at_another_edge_and_refuses_edges_that_are_none():
    audio = noise(10_001)[None]
    np.testing.assert_array_equal(low_pass(audio, SAMPLE_RATE, 12_000), band_limit(audio, SAMPLE_RATE, 12))
    np.testing.assert_array_equal(low_pass(audio, SAMPLE_RATE, 24_000), audio)
    assert low_pass(audio[:, :0], SAMPLE_RATE, 5000).shape == (1, 0)
    for edge_hz in (0, -1, 24_001, float("nan")):
        with pytest.raises(ShifterError, match="is out of range: give more than 0, up to 24000"):
            low_pass(audio, SAMPLE_RATE, edge_hz)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"augment": 1.5}, r"augmenting a share of 1\.5: give 0 \(none\) to 1"),
        ({"augment": float("nan")}, "augmenting a share of nan"),
        ({"augment": 0.1, "sample_rate": 44_100}, "pairs at 44100 Hz cannot be augmented: the codecs need 48000 Hz"),
    ],
)
def test_what_cannot_be_augmented_is_refused_before_any_file_is_read(folder, cache, changes, message):
    with pytest.raises(PairsError, match=message):
        pairs_from(folder, cache, replace(QUICK, **changes))


@pytest.mark.parametrize("apart", [True, False])
def test_validation_pairs_are_never_augmented(tmp_path, recordings, apart):
    options = {
        "folders": [recordings / "train"],
        "validation": [recordings / "validation"] if apart else [],
        "cache": tmp_path / "cache",
        "workers": 1,
    }
    clean_options = {**options, "cache": tmp_path / "clean"}
    made, held = pairs_for(options, PairSettings(("vocoder",), augment=1.0), quiet=True)
    clean_made, clean_held = pairs_for(clean_options, PairSettings(("vocoder",)), quiet=True)
    assert held.source_hashes == clean_held.source_hashes
    assert made.source_hashes == clean_made.source_hashes
    for pairs, clean, same in ((held.pairs, clean_held.pairs, True), (made.pairs, clean_made.pairs, False)):
        for one, other in zip(pairs, clean, strict=True):
            assert (one.path.read_bytes() == other.path.read_bytes()) == same


@pytest.fixture(scope="module")
def loud_and_quiet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gain")
    record(folder / "in/loud.wav", np.float32(0.98) * tone(300, 48_000) / 0.3, subtype="FLOAT")
    record(folder / "in/quiet.wav", np.float32(0.01) * tone(300, 48_000) / 0.3, subtype="FLOAT")
    return pairs_from(folder / "in", folder / "cache").pairs


@settings(max_examples=25, deadline=None)
@given(
    ends=st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    crop=st.sampled_from([1, 65, 511, 8193, 60_000]),
    seed=st.integers(0, 99),
    step=st.integers(0, 10**6),
)
def test_both_sides_of_a_crop_get_the_same_gain_and_never_pass_full_scale(loud_and_quiet, ends, crop, seed, step):
    gain_db = (min(ends), max(ends))
    plain = np.stack(Crops(loud_and_quiet, crop, 6, seed).batch(step)[:2], axis=1)
    crops = Crops(loud_and_quiet, crop, 6, seed, gain_db)
    heard = np.stack(crops.batch(step)[:2], axis=1)
    assert np.abs(heard).max() <= 1
    for row, before in zip(heard, plain, strict=True):
        loudest = np.unravel_index(np.abs(before).argmax(), before.shape)
        if not before[loudest]:
            continue
        factor = row[loudest] / before[loudest]
        np.testing.assert_allclose(row, factor * before, rtol=1e-5, atol=1e-12)
        told_db = 20 * np.log10(factor)
        assert told_db <= gain_db[1] + 1e-4
        assert told_db >= gain_db[0] - 1e-4 or abs(np.abs(row).max() - FULL_SCALE) < 1e-6
    for rank in range(3):
        np.testing.assert_array_equal(crops.batch(step, rank, 3)[0], heard[rank::3, 0])


def test_gains_are_even_in_db_and_depend_on_seed_and_step_alone():
    drawn = np.concatenate([20 * np.log10(gains((-12.0, 6.0), 3, step, 50)) for step in range(40)])
    np.testing.assert_allclose(np.quantile(drawn, [0, 0.25, 0.5, 0.75, 1]), [-12, -7.5, -3, 1.5, 6], atol=0.7)
    np.testing.assert_array_equal(gains((-12.0, 6.0), 3, 7, 50), gains((-12.0, 6.0), 3, 7, 50))
    assert not np.array_equal(gains((-12.0, 6.0), 3, 7, 50), gains((-12.0, 6.0), 4, 7, 50))
    silence = np.zeros((2, 2, 1, 65), np.float32)
    np.testing.assert_array_equal(amplified(silence, np.array([0.5, 2.0])), silence)

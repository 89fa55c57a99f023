"""Crops: a pure function of seed and step, split between processes without a change, padded with zeros at the end."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals import noise
from training.crops import Crops, Pair, centre_crops, read_crop
from training.recordings import PairsError

LENGTHS = (30_000, 1000, 65, 8193)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    made = []
    for number, frames in enumerate(LENGTHS):
        path = folder / f"{number:016x}_0000.flac"
        both = np.stack([noise(frames, number), noise(frames, 100 + number)], axis=1)
        soundfile.write(path, both, 48_000, subtype="PCM_24")
        made.append(Pair(path, frames, "vocoder", 12.0, f"{number}.wav"))
    return tuple(made)


def whole(pair):
    return soundfile.read(pair.path, dtype="float32", always_2d=True)[0].T


@settings(max_examples=30, deadline=None)
@given(which=st.integers(0, 3), start=st.integers(0, 32_000), frames=st.sampled_from([0, 1, 65, 511, 513, 8193]))
def test_a_crop_is_that_part_of_the_file_with_zeros_past_its_end(pairs, which, start, frames):
    pair = pairs[which]
    expected = np.pad(whole(pair), ((0, 0), (0, 65_000)))[:, start : start + frames]
    got = read_crop(pair, start, frames)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_a_batch_depends_on_seed_and_step_alone(pairs):
    one, other = Crops(pairs, 513, 6, seed=3), Crops(pairs, 513, 6, seed=3)
    for step in (0, 1, 1000):
        other.batch(step + 7)  # whatever was asked before
        for left, right in zip(one.batch(step), other.batch(step), strict=True):
            np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one.batch(0)[0], one.batch(1)[0])
    assert not np.array_equal(one.batch(0)[0], Crops(pairs, 513, 6, seed=4).batch(0)[0])


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_the_processes_together_see_the_joint_batch(pairs, world):
    crops = Crops(pairs, 511, 6, seed=0)
    for joint, parts in zip(
        crops.batch(5), zip(*(crops.batch(5, rank, world) for rank in range(world)), strict=True), strict=True
    ):
        assert parts[0].shape == (6 // world, *joint.shape[1:])
        assert parts[0].dtype == np.float32
        for rank, part in enumerate(parts):
            np.testing.assert_array_equal(part, joint[rank::world])


def test_shifted_and_original_come_from_the_same_place(pairs):
    crops = Crops(pairs, 65, 8, seed=1)
    shifted, original, semitones = crops.batch(0)
    assert shifted.shape == original.shape == (8, 1, 65)
    for row, (pair, start) in enumerate(crops.places(0)):
        assert semitones[row] == pair.semitones
        expected = np.pad(whole(pair), ((0, 0), (0, 65)))[:, start : start + 65]
        np.testing.assert_array_equal(np.stack([shifted[row, 0], original[row, 0]]), expected)


def test_long_pairs_are_drawn_as_often_as_they_are_long_and_starts_are_even(pairs):
    crops = Crops(pairs, 1000, 500, seed=0)
    places = [place for step in range(20) for place in crops.places(step)]
    for pair in pairs:
        share = sum(chosen == pair for chosen, _ in places) / len(places)
        assert share == pytest.approx(pair.frames / sum(LENGTHS), abs=0.02)
    starts = np.array([start for chosen, start in places if chosen == pairs[0]])
    assert starts.min() >= 0
    assert starts.max() <= 29_000
    np.testing.assert_allclose(np.quantile(starts, [0.25, 0.5, 0.75]), [7250, 14_500, 21_750], atol=1000)
    assert {start for chosen, start in places if chosen == pairs[1]} == {0}  # exactly as long as the crop


def test_two_pairs_of_one_sample_are_drawn_alike(tmp_path):
    tiny = [Pair(tmp_path / name, 1, "vocoder", 12.0, name) for name in ("a", "b")]
    drawn = [pair.source for pair, _ in Crops(tiny, 10, 2000, seed=0).places(0)]
    assert drawn.count("a") == pytest.approx(1000, abs=100)


def test_the_last_sample_can_be_drawn(pairs):
    crops = Crops(pairs[2:3], 64, 16, seed=0)
    assert {start for step in range(10) for _, start in crops.places(step)} == {0, 1}


def test_centre_crops_are_the_middles_spread_over_the_pairs(pairs):
    crops = list(centre_crops(pairs, 1001, most=2))
    assert [pair for pair, _, _ in crops] == [pairs[0], pairs[2]]
    pair, shifted, original = crops[0]
    start = (30_000 - 1001) // 2
    np.testing.assert_array_equal(np.concatenate([shifted, original]), whole(pair)[:, start : start + 1001])
    assert crops[1][1].shape == (1, 1001)
    assert not crops[1][1][0, 65:].any()
    assert len(list(centre_crops(pairs, 10, most=99))) == 4
    assert not list(centre_crops((), 10, most=99))


def test_empty_and_uneven_batches_are_refused(pairs):
    with pytest.raises(PairsError, match="no pairs to draw crops from"):
        Crops((), 10, 1, seed=0)
    with pytest.raises(PairsError, match="a batch of 0 crops of 10 samples is empty"):
        Crops(pairs, 10, 0, seed=0)
    for rank, world in ((0, 4), (2, 2)):
        with pytest.raises(PairsError, match="a batch of 6 cannot be split"):
            Crops(pairs, 10, 6, seed=0).batch(0, rank, world)


def test_a_lost_or_damaged_pair_is_named(pairs, tmp_path):
    lost = Pair(tmp_path / "lost.flac", 100, "vocoder", 12.0, "a.wav")
    with pytest.raises(PairsError, match=r"lost\.flac cannot be read .*make the pairs again"):
        read_crop(lost, 0, 10)
    short = Pair(pairs[2].path, 1000, "vocoder", 12.0, "a.wav")
    with pytest.raises(PairsError, match="is damaged: delete it and make the pairs again"):
        read_crop(short, 0, 1000)

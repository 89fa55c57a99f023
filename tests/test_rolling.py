"""Rolling readouts: the same figures as for the whole, in turn, and fewer when time is short."""

import numpy as np
import pytest

from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.readouts import PitchReadouts, ReadoutError, ReferenceReadouts, analyse
from realtime.quality.rolling import RollingReadouts
from realtime.quality.shifters import shift
from tests.signals import noise, tone, voice

RATE = 16_000
OCTAVE = (12.0, 12.0)


class Clock:
    """Time that passes only when told, plus `cost_s` between every two looks."""

    def __init__(self, cost_s=0.0):
        self.now_s, self.cost_s = 0.0, cost_s

    def __call__(self):
        self.now_s += self.cost_s
        return self.now_s


@pytest.fixture(scope="module")
def sounds():
    original = voice(3 * RATE, 180, RATE)
    damaged = shift(original[None], RATE, 12, "signalsmith")[0]
    return damaged, shift(damaged[None], RATE, -12, "signalsmith")[0], original


def fed(rolling, sounds, seed=0):
    """Feed everything in blocks of any size, reusing one buffer as an audio engine does."""
    random, place, buffer = np.random.default_rng(seed), 0, np.zeros((3, 2000), np.float32)
    while place < len(sounds[0]):
        size = min(int(random.integers(0, 2000)), len(sounds[0]) - place)
        for row, sound in zip(buffer, sounds, strict=False):
            row[:size] = sound[place : place + size]
        rolling.feed(*(row[:size] for row in buffer[: len(sounds)]))
        place += size
    return rolling


def test_after_a_turn_of_every_part_the_figures_are_those_of_the_last_seconds(sounds):
    rolling = fed(RollingReadouts(RATE, OCTAVE, keep_s=2.0, clock=Clock()), sounds)
    for _ in range(3):
        found = rolling.update()
    whole = analyse(*(sound[-2 * RATE :] for sound in sounds[:2]), RATE, OCTAVE, sounds[2][-2 * RATE :])
    assert (found.pitch, found.consistency, found.reference) == (whole.pitch, whole.consistency, whole.reference)
    last_second = analyse(*(sound[-RATE:] for sound in sounds[:2]), RATE, budget="levels")
    assert found.levels == last_second.levels
    assert found.notes == ()


def test_levels_come_with_every_update_and_one_expensive_part_in_turn(sounds):
    rolling = fed(RollingReadouts(RATE, OCTAVE, clock=Clock()), sounds)
    first, second, third = (rolling.update() for _ in range(3))
    assert first.levels.input.rms_dbfs < 0
    assert first.pitch.applied_semitones == pytest.approx(-12, abs=0.1)
    assert (first.consistency, first.reference) == (ConsistencyReadouts(), ReferenceReadouts())
    assert second.consistency.mel_distance > 0
    assert second.reference == ReferenceReadouts()
    assert third.reference.mel_distance > 0


def test_a_slow_part_is_followed_by_a_pause_in_which_only_levels_are_new(sounds):
    clock = Clock(cost_s=0.5)  # of each look at the clock, so of each part too
    rolling = RollingReadouts(RATE, OCTAVE, share=0.25, clock=clock)
    rolling.feed(*sounds[:2])
    rolling.update()
    took_s = clock.now_s - 0.5  # begun at the first look
    clock.cost_s = 0.0
    rolling.feed(tone(440, 2 * RATE, RATE, level=0.5), np.zeros(2 * RATE))
    clock.now_s = 0.5 + took_s / 0.25 - 0.01
    found = rolling.update()
    assert found.levels.input.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert found.levels.output.all_zero
    assert found.consistency == ConsistencyReadouts()
    assert rolling.ages_s.keys() == {"pitch"}
    clock.now_s += 0.02
    rolling.update()
    assert rolling.ages_s.keys() == {"pitch", "consistency"}


@pytest.mark.parametrize("cost_s, share", [(0.1, 0.25), (0.4, 0.25), (0.1, 0.05)])
def test_the_expensive_parts_take_no_more_than_their_share_of_the_time(sounds, cost_s, share):
    clock = Clock()
    rolling = RollingReadouts(RATE, OCTAVE, share=share, clock=clock)
    rolling.feed(*(sound[:RATE] for sound in sounds[:2]))
    measured_s = 0.0
    for _ in range(80):
        clock.now_s += 0.1  # the updates come every 100 ms
        begun_s, clock.cost_s = clock.now_s, cost_s
        ages = set(rolling._measured_at.values())
        rolling.update()
        clock.cost_s = 0.0
        if set(rolling._measured_at.values()) != ages:
            measured_s += clock.now_s - begun_s - cost_s  # its first look is when it begins
    assert 3 * cost_s < measured_s <= share * clock.now_s + 3 * cost_s  # the last part's pause is yet to come


def test_a_reference_that_begins_late_is_compared_from_there_and_forgotten_when_it_ends(sounds):
    damaged, restored, original = sounds
    rolling = RollingReadouts(RATE, OCTAVE, clock=Clock())
    rolling.feed(damaged[:RATE], restored[:RATE])
    rolling.feed(damaged[RATE:], restored[RATE:], original[RATE:])
    for _ in range(3):
        found = rolling.update()
    assert found.reference == analyse(damaged[RATE:], restored[RATE:], RATE, OCTAVE, original[RATE:]).reference
    rolling.feed(damaged[:10], restored[:10])
    found = rolling.update()
    assert found.reference == ReferenceReadouts()
    assert "reference" not in rolling.ages_s


def test_nothing_fed_has_no_figures_and_no_sound_is_kept_after_a_reset(sounds):
    rolling = RollingReadouts(RATE, OCTAVE, clock=Clock())
    empty = rolling.update()
    assert (empty.levels.input.peak_dbfs, empty.pitch, rolling.ages_s) == (None, PitchReadouts(), {})
    fed(rolling, sounds)
    assert rolling.update().pitch.applied_semitones is not None
    rolling.reset()
    assert rolling.update() == empty


def test_samples_that_are_not_numbers_are_noted_until_they_have_passed():
    rolling = RollingReadouts(RATE, keep_s=1.0, clock=Clock())
    bad = noise(RATE)
    bad[5] = np.nan
    rolling.feed(bad, noise(RATE))
    assert "not numbers" in rolling.update().notes[0]
    rolling.feed(noise(RATE), noise(RATE))
    rolling.update()
    assert not any("not numbers" in note for note in rolling.update().notes)


@pytest.mark.parametrize("size", [1, 65, 511, 513, 8193])
def test_any_block_size_keeps_just_the_last_samples(size):
    audio = noise(20_000)
    rolling = RollingReadouts(RATE, keep_s=0.5, clock=Clock())
    for start in range(0, 20_000, size):
        rolling.feed(audio[start : start + size], audio[start : start + size])
    np.testing.assert_array_equal(rolling._input.sound(), audio[-8000:])
    assert len(rolling._input) == 8000


def test_an_update_in_real_time_measures_every_part(sounds):
    rolling = fed(RollingReadouts(RATE, OCTAVE, share=1.0), sounds)
    for _ in range(3):
        rolling.update()
    assert rolling.ages_s.keys() == {"pitch", "consistency", "reference"}
    assert all(age >= 0 for age in rolling.ages_s.values())


def test_bad_settings_and_blocks_say_what_to_do():
    for settings in ({"keep_s": 0}, {"share": 0}, {"share": 1.5}):
        with pytest.raises(ReadoutError, match="above 0"):
            RollingReadouts(RATE, **settings)
    with pytest.raises(ReadoutError, match="unknown shifter"):
        RollingReadouts(RATE, shifter="tape")
    with pytest.raises(ReadoutError, match="lower end first"):
        RollingReadouts(RATE, (3, 1))
    with pytest.raises(ReadoutError, match="of one length"):
        RollingReadouts(RATE).feed(np.zeros(10), np.zeros(9))
    with pytest.raises(ReadoutError, match="reference"):
        RollingReadouts(RATE).feed(np.zeros(10), np.zeros(10), np.zeros(9))

"""Readouts of damaged and restored voices, alignment, what cannot be known, and awkward input."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.align import AlignError, align, overlap
from realtime.quality.consistency import ConsistencyReadouts, consistency_readouts
from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from realtime.quality.readouts import (
    PitchReadouts,
    ReadoutError,
    ReferenceReadouts,
    analyse,
)
from realtime.quality.shifters import ShifterError, shift
from tests.signals import chirp, noise, noise_bursts, tone, voice

RATE = 48_000
OCTAVE = (12.0, 12.0)


def moved(audio, semitones, shifter="signalsmith", rate=RATE):
    return shift(audio[None], rate, semitones, shifter)[0]


@pytest.fixture(scope="module")
def original():
    return voice(72_000, 180)


@pytest.fixture(scope="module")
def damaged(original):
    return moved(original, 12)


@pytest.fixture(scope="module")
def restored(damaged):
    return moved(damaged, -12)


def test_an_octave_undone_reads_as_minus_twelve_inside_the_trained_range(damaged, restored):
    pitch = analyse(damaged, restored, RATE, OCTAVE, budget="light").pitch
    assert pitch.applied_semitones == pytest.approx(-12, abs=0.05)
    assert pitch.input_semitones == pytest.approx(12, abs=0.05)
    assert pitch.applied_confidence > 0.7
    assert pitch.warning is None
    assert pitch.input_f0_hz == pytest.approx(2 * pitch.output_f0_hz, rel=0.03)
    assert 150 < pitch.output_f0_hz < 210
    assert 0.3 < pitch.input_voiced < 0.7


@pytest.mark.parametrize("semitones", [-7, 0, -14])
def test_a_shift_outside_the_trained_range_is_warned_of_in_one_sentence(damaged, semitones):
    output = moved(damaged, semitones) if semitones else damaged
    warning = analyse(damaged, output, RATE, OCTAVE, budget="light").pitch.warning
    assert f"moved the pitch by {semitones:+.1f} semitones" in warning
    assert f"shifted by {-semitones:+.1f}; it is to undo +12." in warning
    assert "\n" not in warning
    assert analyse(damaged, output, RATE, (-24, 24), budget="light").pitch.warning is None
    assert analyse(damaged, output, RATE, budget="light").pitch.warning is None


@pytest.mark.parametrize("f0_hz", [110, 250])
@pytest.mark.parametrize("trained", [OCTAVE, (10.0, 14.0)])
def test_a_correct_inverse_is_more_consistent_than_a_wrong_one_and_than_nothing(f0_hz, trained):
    original = voice(60_000, f0_hz)
    damaged = moved(original, 12)
    outputs = {
        "inverse": moved(damaged, -12),
        "original": original,
        "a semitone short": moved(damaged, -9),
        "a fourth": moved(damaged, -5),
        "nothing": damaged,
    }
    found = {name: analyse(damaged, output, RATE, trained).consistency for name, output in outputs.items()}
    distances = [
        found[name].mel_distance for name in ("inverse", "original", "a semitone short", "a fourth", "nothing")
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 1.5 * distances[1]
    assert max(found["inverse"].f0_cents, found["original"].f0_cents) < 10
    assert found["nothing"].f0_cents > 900
    assert found["a fourth"].f0_cents > 400
    assert {figures.shifter for figures in found.values()} == {"vocoder"}


@pytest.mark.parametrize("semitones", [12, 7, -5])
def test_without_a_trained_range_the_estimated_shift_is_made_again(original, semitones):
    damaged = moved(original, semitones)
    consistency = analyse(damaged, original, RATE).consistency
    assert consistency.semitones == pytest.approx(semitones, abs=0.05)
    assert (
        consistency.mel_distance
        < analyse(damaged, noise_bursts(72_000), RATE, (semitones,) * 2).consistency.mel_distance
    )
    assert consistency.f0_cents < 10


def test_what_was_not_moved_proves_nothing_unless_the_model_was_trained_to_move_it(damaged):
    found = analyse(damaged, damaged, RATE)
    assert found.consistency == ConsistencyReadouts()
    assert "prove nothing" in found.notes[0]
    assert analyse(damaged, damaged, RATE, OCTAVE).consistency.mel_distance > 2


def test_gain_does_not_change_the_consistency(damaged, restored):
    one, other = (analyse(damaged, restored * gain, RATE, OCTAVE).consistency for gain in (1.0, 0.25))
    assert one.mel_distance == pytest.approx(other.mel_distance, rel=1e-3)


def test_the_shifter_of_the_consistency_is_named_and_can_be_chosen(damaged, restored):
    found = analyse(damaged, restored, RATE, OCTAVE, shifter="signalsmith").consistency
    assert found.shifter == "signalsmith"
    assert found.mel_distance != analyse(damaged, restored, RATE, OCTAVE).consistency.mel_distance
    with pytest.raises(ShifterError, match="unknown shifter"):
        analyse(damaged, restored, RATE, OCTAVE, shifter="tape")


@pytest.mark.parametrize("offset", [0, 1, -1, 777, -24_000, 24_000])
def test_a_reference_is_aligned_and_compared_as_the_metrics_do(original, offset):
    reference = original + noise(72_000, 5, level=0.01)
    late = np.concatenate([np.zeros(max(0, offset), np.float32), original[max(0, -offset) :]])[:72_000]
    late = np.pad(late, (0, 72_000 - len(late)))
    found = analyse(late, late, RATE, reference=reference).reference
    assert (found.offset_samples, found.exact) == (offset, True)
    estimate, target = overlap(late, reference, offset)
    assert len(estimate) == 72_000 - abs(offset)
    assert found.si_sdr_db == si_sdr(estimate, target)
    assert found.mr_stft == mr_stft(estimate, target, RATE)
    assert found.mel_distance == mel_distance(estimate, target, RATE)


@pytest.mark.parametrize("offset", [0, 2400, -4800])
def test_sounds_of_unlike_waveforms_are_aligned_by_loudness(original, offset):
    other = np.roll(moved(original, -5), offset)
    found = align(other, original, RATE)
    assert not found.exact
    assert found.offset_samples == pytest.approx(offset, abs=300)


def test_an_echo_of_the_reference_does_not_outvote_the_loudness():
    envelope = np.zeros(48_000)
    for start in (3000, 11_000, 16_000, 29_000, 40_000):  # they fit onto themselves in one place only
        envelope[start : start + 4800] = np.hanning(4800)
    reference = noise(48_000, 1) * envelope
    found = align(noise(48_000, 2) * envelope + 0.8 * np.roll(reference, 9000), reference, RATE)
    assert not found.exact
    assert abs(found.offset_samples) <= 300


@pytest.mark.parametrize("make", [lambda n: tone(440, n), noise, lambda n: chirp(100, 8000, n)])
def test_steady_sounds_are_aligned_by_their_waveforms(make):
    audio = make(48_000)
    assert align(audio, audio, RATE).offset_samples == 0
    found = align(audio[: -20 * 48], audio[20 * 48 :], RATE)
    assert found.exact
    assert found.correlation > 0.999


@given(offset=st.integers(-20_000, 20_000), gain=st.floats(-2, 2).filter(lambda gain: abs(gain) > 0.01))
@settings(max_examples=10, deadline=None)
def test_any_delay_of_bursts_is_found_to_the_sample_whatever_their_level_and_sign(offset, gain):
    audio = noise_bursts(96_000)
    late = gain * audio[24_000 - offset : 72_000 - offset]
    found = align(late, audio[24_000:72_000], RATE)
    assert (found.offset_samples, found.exact) == (offset, True)


def test_what_is_not_alike_silent_or_too_short_is_not_aligned(original):
    assert align(noise(48_000, 1), noise(48_000, 2), RATE) is None
    assert align(np.zeros(48_000), original, RATE) is None
    assert align(original, np.full(48_000, np.nan), RATE) is None
    assert align(original[:4000], original, RATE) is None
    found = analyse(original, original, RATE, reference=noise(72_000))
    assert found.reference == ReferenceReadouts()
    assert "could not be aligned" in found.notes[-1]


def test_silence_and_noise_have_levels_and_nothing_made_up(original):
    found = analyse(np.zeros(48_000), np.zeros(48_000), RATE, OCTAVE, reference=original)
    assert found.levels.input.all_zero
    assert found.pitch.input_voiced == 0
    assert (found.pitch.applied_semitones, found.pitch.input_semitones, found.pitch.warning) == (None, None, None)
    assert (found.consistency, found.reference) == (ConsistencyReadouts(), ReferenceReadouts())
    assert len(found.notes) == 3
    found = analyse(noise(48_000), noise(48_000, 1), RATE, (-12, 12))
    assert found.pitch.input_semitones is None
    assert found.consistency == ConsistencyReadouts()
    assert found.levels.output.rms_dbfs == pytest.approx(-20, abs=0.2)


def test_a_shift_without_confidence_is_shown_but_not_used():
    found = analyse(chirp(200, 800, 48_000), tone(400, 48_000), RATE, OCTAVE)
    assert found.pitch.applied_confidence < 0.4
    assert found.pitch.applied_semitones is not None
    assert (found.pitch.input_semitones, found.pitch.warning) == (None, None)
    assert "not known" in found.notes[0]


def test_without_pitch_a_narrow_trained_range_is_still_shifted_again():
    hiss = noise_bursts(48_000)
    found = analyse(hiss, hiss, RATE, (11.5, 12.5)).consistency
    assert (found.semitones, found.f0_cents) == (12.0, None)
    assert found.mel_distance > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["input", "output", "reference"])
def test_samples_that_are_not_numbers_are_said_and_spoil_no_other_side(original, damaged, bad, side):
    sounds = {"input": damaged.copy(), "output": original.copy(), "reference": original.copy()}
    sounds[side][1000] = bad
    found = analyse(sounds["input"], sounds["output"], RATE, OCTAVE, sounds["reference"])
    assert any(side in note and "not numbers" in note for note in found.notes)
    if side == "reference":
        assert found.reference == ReferenceReadouts()
        assert found.consistency.mel_distance < 3
    else:
        assert found.pitch == PitchReadouts()
        assert found.consistency == ConsistencyReadouts()
        assert getattr(found.levels, side).peak_dbfs is None
        assert getattr(found.levels, "output" if side == "input" else "input").peak_dbfs < 0
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("frames", [0, 1, 65, 511, 513, 8193])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_every_length_at_every_rate_gives_finite_figures_or_none(frames, rate):
    for audio in (tone(300, frames, rate), np.zeros(frames), np.full(frames, 0.5), noise(frames)):
        found = analyse(audio, audio[::-1].copy(), rate, (7, 12), audio)
        json.dumps(found.as_dict(), allow_nan=False)
        assert (found.pitch.input_f0_hz is None) == (found.pitch.input_voiced in (None, 0))


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_other_rates_give_the_same_picture(rate):
    original = voice(3 * rate // 2, 180, rate)
    damaged = moved(original, 12, rate=rate)
    found = analyse(damaged, original, rate, OCTAVE, original)
    assert found.pitch.applied_semitones == pytest.approx(-12, abs=0.05)
    assert found.consistency.f0_cents < 15
    assert found.reference.mel_distance == 0
    assert found.consistency.mel_distance < analyse(damaged, damaged, rate, OCTAVE).consistency.mel_distance


def test_a_rate_at_which_mr_stft_is_not_defined_is_said(original):
    found = analyse(original, original, 96_000, reference=original)
    assert found.reference.mr_stft is None
    assert found.reference.mel_distance == 0
    assert "MR-STFT" in found.notes[-1]
    assert analyse(original, original, 48_000, reference=original).reference.mr_stft == 0


def test_the_same_sound_gives_the_same_figures_to_the_bit(original, damaged, restored):
    first, second = (analyse(damaged, restored, RATE, OCTAVE, original) for _ in range(2))
    assert first == second


def test_smaller_budgets_leave_out_the_dear_parts_and_change_no_figure(original, damaged):
    full, light, few = (
        analyse(damaged, original, RATE, OCTAVE, original, budget=budget) for budget in ("full", "light", "levels")
    )
    assert (light.levels, light.pitch) == (full.levels, full.pitch)
    assert (light.consistency, light.reference) == (ConsistencyReadouts(), ReferenceReadouts())
    assert (few.levels, few.pitch) == (full.levels, PitchReadouts())


def test_without_a_track_the_consistency_has_no_cents(original, damaged):
    found, notes = consistency_readouts(damaged, original, RATE, 12.0, None, None)
    assert (found.f0_cents, notes) == (None, ())
    assert found.mel_distance > 0


def test_bad_arguments_say_what_to_do(original):
    with pytest.raises(ReadoutError, match="of one length"):
        analyse(original, original[1:], RATE)
    with pytest.raises(ReadoutError, match="one channel"):
        analyse(original[None], original[None], RATE)
    with pytest.raises(ReadoutError, match="sample rate"):
        analyse(original, original, 0)
    with pytest.raises(ReadoutError, match="lower end first"):
        analyse(original, original, RATE, (12, 7))
    with pytest.raises(ReadoutError, match="budget"):
        analyse(original, original, RATE, budget="small")
    with pytest.raises(ReadoutError, match="one channel"):
        analyse(original, original, RATE, reference=original[None])
    with pytest.raises(AlignError, match="one channel"):
        align(original[None], original, RATE)
    with pytest.raises(AlignError, match="give a rate"):
        align(original, original, 0)

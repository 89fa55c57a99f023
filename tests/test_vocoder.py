"""The vocoder does what it says: delay, pitch, level, attacks, silence, and no bad sample."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from realtime.plugins.base import Plugin, Stream
from realtime.plugins.vocoder import WINDOWS, Vocoder
from realtime.quality import peak_vocoder as vocoder_module
from tests.signals import (
    SAMPLE_RATE,
    chirp,
    click,
    envelope_delay_ms,
    frequency_of,
    harmonic,
    noise,
    noise_bursts,
    tone,
    voice,
)

INTERVALS = (-12.0, -5.0, 0.0, 4.0, 12.0)


def shifted(audio: NDArray[np.float32], semitones: float, window: int = 1024) -> NDArray[np.float32]:
    """``(N,)`` through a fresh vocoder, its stated delay taken off."""
    return through(Vocoder(SAMPLE_RATE, 1, semitones, window), audio[None])[0]


def through(vocoder: Vocoder, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    hop, late, frames = vocoder.hop_samples, vocoder.latency_samples - vocoder.hop_samples, audio.shape[1]
    padded = np.pad(audio, ((0, 0), (0, late + -(frames + late) % hop)))
    blocks = [vocoder.process(padded[:, at : at + hop]) for at in range(0, padded.shape[1], hop)]
    return np.concatenate(blocks, axis=1)[:, late : late + frames]


@pytest.mark.parametrize("window", WINDOWS)
def test_at_zero_semitones_it_is_a_delay_of_latency_minus_hop_samples(window):
    vocoder: Plugin = Vocoder(SAMPLE_RATE, 1, 0.0, window)
    assert vocoder.hop_samples == window // 8
    assert vocoder.latency_samples == window
    for audio in (click(2001, 5000), voice(8193), noise(4096)):
        np.testing.assert_allclose(shifted(audio, 0.0, window), audio, atol=1e-6)


@pytest.mark.parametrize("block", [1, 65, 511, 513, 8193])
def test_a_stream_of_any_block_size_comes_out_latency_samples_later(block):
    audio, stream = noise(20_000), Stream(Vocoder(SAMPLE_RATE, 1, 0.0))
    heard = np.concatenate([stream.process(audio[at : at + block]) for at in range(0, len(audio), block)])
    np.testing.assert_allclose(heard[1024:], audio[:-1024], atol=1e-6)
    assert stream.process(audio[:0]).shape == (0,)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("semitones", INTERVALS)
def test_bursts_are_delayed_by_the_stated_latency_within_a_millisecond(semitones, window):
    frames = 96_000
    envelope = np.zeros(frames, np.float32)
    for start in (20_000, 50_000, 80_000):
        envelope[start : start + 4800] = np.hanning(4800)
    for audio in (noise_bursts(frames), tone(1000, frames) * envelope):
        assert abs(envelope_delay_ms(shifted(audio, semitones, window), audio)) < 1


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("semitones", [-12.0, -5.3, 4.0, 12.0])
def test_a_tone_moves_by_the_interval_to_a_tenth_of_a_cent_and_keeps_its_level(semitones, window):
    for frequency_hz in (440.0, 1517.0, 5210.0):
        audio = tone(frequency_hz, 40_000)
        heard = shifted(audio, semitones, window)[8000:36_000]
        assert 1200 * np.log2(frequency_of(heard) / frequency_hz) == pytest.approx(100 * semitones, abs=0.1)
        assert abs(20 * np.log10(np.std(heard) / np.std(audio))) < 0.1


@pytest.mark.parametrize("semitones", [-12.0, 7.0, 12.0])
def test_every_partial_of_a_note_moves_with_it(semitones):
    ratio = 2 ** (semitones / 12)
    heard = shifted(harmonic(220, 40_000), semitones, 2048)[8000:36_000].astype(float)
    wanted = harmonic(220 * ratio, 40_000)[8000:36_000].astype(float)
    window = np.hanning(len(heard))
    levels = [np.abs(np.fft.rfft(audio * window)) for audio in (heard, wanted)]
    for partial in range(1, int(7600 / (220 * max(1, ratio)))):
        place = round(partial * 220 * ratio * len(heard) / SAMPLE_RATE)
        near = [level[place - 3 : place + 4].max() for level in levels]
        assert abs(20 * np.log10(near[0] / near[1])) < 1.5, partial


@pytest.mark.parametrize("semitones", [-12.0, -5.0, 4.0])
def test_an_attack_over_a_sounding_tone_stays_sharp(semitones, monkeypatch):
    """Most of what a click adds lies within 1 ms of where it was; without the restart at onsets less than half does."""

    def share_near() -> float:
        quiet, near = tone(300, 12_000, level=0.02), []
        alone = shifted(quiet, semitones)
        for at in range(6000, 6400, 37):
            power = (shifted(quiet + click(at, 12_000, level=0.8), semitones) - alone).astype(float) ** 2
            near.append(power[at - 48 : at + 49].sum() / power.sum())
        return float(np.mean(near))

    assert share_near() > 0.8
    monkeypatch.setattr(vocoder_module, "ONSET_RISE", 1e100)
    assert share_near() < 0.5


@pytest.mark.parametrize("semitones", INTERVALS)
def test_silence_in_is_exactly_silence_out_once_the_tail_is_over(semitones):
    vocoder = Vocoder(SAMPLE_RATE, 2, semitones)
    silence = np.zeros((2, 128), np.float32)
    assert not vocoder.process(silence).any()
    for at in range(0, 4096, 128):
        vocoder.process(np.stack([noise(4096), voice(4096)])[:, at : at + 128])
    heard = 2 if semitones > 0 else 1  # in windows: a shift up hears twice as far back
    tail = [vocoder.process(silence) for _ in range(8 * heard + 8)]
    assert tail[0].any()
    assert not np.any(tail[8 * heard + 7 :])


FULL_SQUARE = np.sign(tone(1000.7, 9600, level=1)).astype(np.float32)
HARD = {
    "square": FULL_SQUARE,
    "fast square": np.where(np.arange(9600) % 2, 1, -1).astype(np.float32),
    "constant": np.ones(9600, np.float32),
    "chirp": chirp(0, 24_000, 9600, level=1),
    "smallest": np.full(9600, 1e-45, np.float32),
    "impulse": click(4000, 9600, level=1),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("semitones", INTERVALS)
@pytest.mark.parametrize("name", HARD)
def test_hard_signals_give_finite_samples_of_bounded_level(name, semitones, window):
    heard = shifted(HARD[name], semitones, window)
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 4 * np.abs(HARD[name]).max() + 1e-6


@given(seed=st.integers(0, 2**32 - 1), semitones=st.floats(-12, 12), scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e6]))
@settings(max_examples=25, deadline=None)
def test_any_interval_and_level_give_the_same_sound_scaled(seed, semitones, scale):
    audio = noise(2048, seed)
    one, other = shifted(audio, semitones), shifted((audio.astype(float) * scale).astype(np.float32), semitones)
    assert np.isfinite(other).all()
    assert np.std(other.astype(float)) / scale == pytest.approx(
        np.std(one), rel=0.2
    )  # rounding may choose other peaks in the noise


def test_a_constant_stays_a_constant():
    for semitones in INTERVALS:
        heard = shifted(np.full(9600, 0.5, np.float32), semitones)[2048:-2048]
        # The leaning window of a shift up has side lobes around 0 Hz, which move: 50 dB below.
        np.testing.assert_allclose(heard, 0.5, atol=2e-3 if semitones > 0 else 1e-4)


def test_what_would_leave_the_band_is_gone_and_does_not_fold_back():
    heard = shifted(tone(15_000, 20_000), 12.0)[4000:16_000]
    assert np.std(heard) < 1e-3 * np.std(tone(15_000, 20_000))


@pytest.mark.parametrize("semitones", INTERVALS)
def test_channels_do_not_hear_each_other(semitones):
    rows = np.stack([voice(9600), np.zeros(9600, np.float32), noise(9600), FULL_SQUARE])
    together = through(Vocoder(SAMPLE_RATE, 4, semitones), rows)
    for row, heard in zip(rows, together, strict=True):
        np.testing.assert_allclose(heard, shifted(row, semitones), atol=1e-6)


@pytest.mark.parametrize("window", [1024, 2048])
def test_the_control_acts_from_the_next_hop_on_and_makes_no_click(window):
    vocoder, audio = Vocoder(SAMPLE_RATE, 1, -12.0, window), tone(440, 96_000)
    hop, heard = vocoder.hop_samples, []
    for number, at in enumerate(range(0, len(audio), hop)):
        if number % 40 == 20:
            vocoder.set_control("semitones", (7.0, -3.0, 0.0, 12.0, -12.0)[number // 40 % 5])
        heard.append(vocoder.process(audio[None, at : at + hop])[0])
    joined = np.concatenate(heard).astype(float)[4096:]
    # A tone of 880 Hz at this level bends by at most this; a click of 0.004 would pass it.
    steepest = 0.3 * (2 * np.pi * 880 / SAMPLE_RATE) ** 2
    assert np.abs(np.diff(joined, 2)).max() < 1.3 * steepest
    control = vocoder.controls[0]
    assert (control.name, control.minimum, control.maximum, control.default) == ("semitones", -12, 12, -12)
    vocoder.set_control("semitones", 12.0)
    late = np.concatenate([vocoder.process(audio[None, at : at + hop])[0] for at in range(0, 20_000, hop)])
    assert frequency_of(late[4096:]) == pytest.approx(880, rel=1e-3)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_turn_from_down_to_up_keeps_the_level_within_2_5_db(window):
    """One direction's windows fade out where the other's fade in; at 2048 their lengths are unlike."""
    vocoder, audio = Vocoder(SAMPLE_RATE, 1, -1e-3, window), tone(1000, 24_576)
    hop, heard = vocoder.hop_samples, []
    for at in range(0, len(audio), hop):
        vocoder.set_control("semitones", 1e-3 if 8192 <= at < 16_384 else -1e-3)
        heard.append(vocoder.process(audio[None, at : at + hop])[0])
    settled = np.concatenate(heard)[4096 : 4096 + 200 * 96].reshape(-1, 96)  # two periods each
    level = np.sqrt((settled.astype(float) ** 2).mean(axis=1))
    assert abs(20 * np.log10(level / level[0])).max() < (2.5 if window == 2048 else 0.05)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("before", [-12.0, 5.0])
def test_back_at_zero_semitones_the_output_is_the_input_again(before, window):
    vocoder, audio = Vocoder(SAMPLE_RATE, 1, before, window), harmonic(220, 16_384)
    hop, heard = vocoder.hop_samples, []
    for at in range(0, len(audio), hop):
        if at == 8192:
            vocoder.set_control("semitones", 0.0)
        heard.append(vocoder.process(audio[None, at : at + hop])[0])
    settled, late = 8192 + 2 * window, window - hop  # until no window holds anything of before
    np.testing.assert_allclose(np.concatenate(heard)[settled:], audio[settled - late : -late], atol=1e-6)


@pytest.mark.parametrize("semitones", [-12.0, -5.0, -0.3])
def test_a_shift_down_by_the_longest_is_that_of_1024_which_smears_attacks_less(semitones):
    audio = voice(24_000)
    np.testing.assert_allclose(shifted(audio, semitones, 2048), shifted(audio, semitones, 1024), atol=1e-6)


def test_reset_is_back_to_silence_and_keeps_the_control():
    vocoder, audio = Vocoder(SAMPLE_RATE, 1, -12.0), voice(9600)[None]
    vocoder.set_control("semitones", 5.0)
    first = through(vocoder, audio)
    vocoder.reset()
    assert np.array_equal(through(vocoder, audio), first)


def test_samples_that_are_not_numbers_count_as_silence_and_are_counted():
    broken = voice(9600)
    broken[[3000, 3001, 5000]] = np.nan, np.inf, -np.inf
    mended = np.where(np.isfinite(broken), broken, 0).astype(np.float32)
    vocoder = Vocoder(SAMPLE_RATE, 1, -12.0)
    assert np.array_equal(through(vocoder, broken[None])[0], shifted(mended, -12.0))
    assert vocoder.replaced_samples == 3


def test_the_memory_stays_flat():
    vocoder, block = Vocoder(SAMPLE_RATE, 2, 7.0), np.tile(noise(128), (2, 1))
    for _ in range(100):
        vocoder.process(block)
    tracemalloc.start()
    try:
        vocoder.process(block)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            vocoder.process(block)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_the_input_and_earlier_results_are_left_alone():
    vocoder, block = Vocoder(SAMPLE_RATE, 1, 0.0), noise(128)[None]
    kept = block.copy()
    results = [vocoder.process(block) for _ in range(10)]
    copy = results[9].copy()
    vocoder.process(block)
    assert np.array_equal(block, kept)
    assert np.array_equal(results[9], copy)


@pytest.mark.parametrize(
    "arguments, line",
    [
        ({"sample_rate": 0}, "0 Hz"),
        ({"channels": 0}, "1 to 8 channels, not 0"),
        ({"channels": 9}, "1 to 8 channels, not 9"),
        ({"window_samples": 1000}, "no window of 1000 samples; choose 512, 1024, 2048"),
        ({"semitones": 12.5}, "-12 … 12 semitones"),
        ({"semitones": float("nan")}, "-12 … 12 semitones"),
    ],
)
def test_an_argument_out_of_range_is_refused_in_one_line(arguments, line):
    with pytest.raises(ValueError, match=line) as caught:
        Vocoder(**{"sample_rate": SAMPLE_RATE, **arguments})
    assert "\n" not in str(caught.value)


def test_an_unknown_control_is_refused_and_the_known_ones_are_named():
    vocoder = Vocoder(SAMPLE_RATE)
    with pytest.raises(ValueError, match=r"no control 'pitch' that takes 3; it has: semitones -12 … 12 semitones"):
        vocoder.set_control("pitch", 3)

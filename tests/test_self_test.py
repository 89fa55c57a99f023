"""The self-test: a recording damaged as the model was trained, its original beside it, in the microphone's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from realtime.audio_formats import AudioFileError
from realtime.live.self_test import LONGEST_SECONDS, SEAM_SECONDS, SelfTest
from realtime.quality.pitch import f0_track
from realtime.quality.shifters import ShifterError
from tests.signals import SAMPLE_RATE, envelope_delay_ms, frequency_of, harmonic, tone, voice

SECOND = SAMPLE_RATE


def save(path: Path, audio: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    soundfile.write(path, audio, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("semitones", [12.0, -12.0, 5.0])
def test_what_it_plays_is_the_recording_shifted_and_in_time(tmp_path: Path, semitones: float) -> None:
    source = SelfTest(save(tmp_path / "a.wav", voice(3 * SECOND, 200)), SAMPLE_RATE, 1, semitones)
    shifted, original = source.read(source.frames)
    before, after = (f0_track(sound[0], SAMPLE_RATE).f0_hz for sound in (original, shifted))
    voiced = np.isfinite(before) & np.isfinite(after)
    assert np.median(12 * np.log2(after[voiced] / before[voiced])) == pytest.approx(semitones, abs=0.2)
    assert abs(envelope_delay_ms(shifted[0], original[0])) < 5


def test_the_reference_has_lost_what_the_shift_pushes_out_of_the_band(tmp_path: Path) -> None:
    high = tone(15_000, 2 * SECOND) + tone(500, 2 * SECOND)
    up = SelfTest(save(tmp_path / "a.wav", high), SAMPLE_RATE, 1, 12.0).original[0]
    spectrum = np.abs(np.fft.rfft(up * np.hanning(len(up))))
    at = np.fft.rfftfreq(len(up), 1 / SAMPLE_RATE)
    low_peak, high_peak = spectrum[(at > 400) & (at < 600)].max(), spectrum[at > 12_500].max()
    assert high_peak < 1e-3 * low_peak
    down = SelfTest(tmp_path / "a.wav", SAMPLE_RATE, 1, -12.0).original[0]
    assert frequency_of(np.diff(down).astype(np.float32)) == pytest.approx(15_000, abs=5)


@pytest.mark.parametrize("sizes", [(1,), (65,), (511, 513), (8193,)])
def test_it_loops_without_end_whatever_the_blocks_and_stays_aligned(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    path = save(tmp_path / "a.wav", voice(SECOND))
    whole = SelfTest(path, SAMPLE_RATE, 1, 12.0)
    source = SelfTest(path, SAMPLE_RATE, 1, 12.0)
    wanted = 2 * whole.frames + 777 if sizes != (1,) else 3000
    heard: list[tuple[np.ndarray, np.ndarray]] = []
    while sum(pair[0].shape[1] for pair in heard) < wanted:
        heard.append(source.read(sizes[len(heard) % len(sizes)]))
    for index, once in enumerate((whole.shifted, whole.original)):
        got = np.concatenate([pair[index] for pair in heard], axis=1)
        np.testing.assert_array_equal(got, np.tile(once, 4)[:, : got.shape[1]])


def test_the_seam_makes_no_click(tmp_path: Path) -> None:
    cut = tone(440.7, SECOND)[:-37]  # ends in the middle of a wave
    source = SelfTest(save(tmp_path / "a.wav", cut), SAMPLE_RATE, 1, 12.0)
    for sound in (source.shifted[0], source.original[0]):
        around = np.concatenate([sound[-50:], sound[:50]])
        assert abs(sound[-1]) + abs(sound[0]) < 1e-6 and np.abs(np.diff(around)).max() < 0.01  # -40 dB
        assert np.abs(sound[int(SEAM_SECONDS * SAMPLE_RATE) :]).max() > 0.2


def test_any_rate_and_number_of_channels_fits_the_plugin(tmp_path: Path) -> None:
    note = harmonic(220, 44_100, 44_100)
    path = save(tmp_path / "a.wav", np.stack([note, 0.5 * note], axis=1), 44_100)
    mono = SelfTest(path, 16_000, 1, -12.0).original
    stereo = SelfTest(path, 16_000, 2, -12.0).original
    assert mono.shape == (1, 16_000) and stereo.shape == (2, 16_000)
    expected = soxr.resample(0.75 * note, 44_100, 16_000, quality="VHQ")
    np.testing.assert_allclose(mono[0, 1000:-1000], expected[1000:-1000], atol=1e-4)
    np.testing.assert_allclose(stereo[1, 1000:-1000], expected[1000:-1000] / 1.5, atol=1e-4)
    spread = SelfTest(save(tmp_path / "b.wav", note, 44_100), 16_000, 2, -12.0).original
    np.testing.assert_array_equal(spread[0], spread[1])


def test_loud_recordings_are_scaled_down_together(tmp_path: Path) -> None:
    source = SelfTest(save(tmp_path / "a.wav", 1.6 * voice(SECOND) / voice(SECOND).max()), SAMPLE_RATE, 1, 12.0)
    assert max(np.abs(source.shifted).max(), np.abs(source.original).max()) == pytest.approx(0.99, abs=0.01)


def test_a_long_recording_is_used_for_its_first_seconds(tmp_path: Path) -> None:
    audio = np.tile(voice(SECOND), 30)
    assert SelfTest(save(tmp_path / "a.wav", audio), SAMPLE_RATE, 1, 12.0).frames == LONGEST_SECONDS * SAMPLE_RATE


@pytest.mark.parametrize(
    ("audio", "words"),
    [(voice(SECOND // 3), "too short"), (np.zeros(SECOND, np.float32), "silence"), (None, "No such file")],
)
def test_a_recording_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, audio: np.ndarray | None, words: str
) -> None:
    path = tmp_path / "a.wav"
    if audio is not None:
        save(path, audio)
    with pytest.raises(AudioFileError, match=words) as told:
        SelfTest(path, SAMPLE_RATE, 1, 12.0)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_an_unknown_shifter_is_told(tmp_path: Path) -> None:
    with pytest.raises(ShifterError, match="unknown shifter 'x'"):
        SelfTest(save(tmp_path / "a.wav", voice(SECOND)), SAMPLE_RATE, 1, 12.0, "x")

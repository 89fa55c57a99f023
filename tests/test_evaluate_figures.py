"""The figures of `deshift evaluate`, each against a published value, another implementation, or a known answer."""

from __future__ import annotations

import math
import sys

import numpy as np
import pesq
import pytest
import scipy.signal
import soxr
from numpy.typing import NDArray

from realtime.evaluate import figures
from realtime.evaluate.figures import (
    FIGURES,
    bandwidth_error_hz,
    measure,
    missing_figures,
    pesq_wideband,
    pitch_errors,
    stoi,
)
from realtime.evaluate.placing import Placed, measured_delay, place, probe
from realtime.quality.pitch import f0_track
from tests.signals import SAMPLE_RATE, chirp, harmonic, noise, tone, voice

Audio = NDArray[np.float32]
SECOND = SAMPLE_RATE


def figures_of(restored: Audio, original: Audio, delay: int | None = 0) -> dict[str, float | None]:
    return measure(place(restored, original, SAMPLE_RATE, delay), SAMPLE_RATE, speech=True)


def test_a_copy_of_the_original_is_perfect_in_every_figure() -> None:
    original = voice(2 * SECOND)
    found = figures_of(original.copy(), original)
    assert set(found) == {figure.key for figure in FIGURES}
    for key in ("mel", "mr_stft", "f0_error_cents", "voicing_error", "bandwidth_error_hz"):
        assert found[key] == 0, key
    assert found["stoi"] == pytest.approx(1, abs=1e-6)
    assert found["si_sdr_db"] is not None
    assert found["si_sdr_db"] > 80


def test_pesq_of_a_copy_is_the_highest_mos_that_the_standard_maps_to() -> None:
    highest = 0.999 + 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224))  # P.862.2, equation 1, for the raw score 4.5
    assert pesq_wideband(voice(2 * SECOND), voice(2 * SECOND), SAMPLE_RATE) == pytest.approx(highest, abs=1e-3)


def test_pesq_falls_with_noise_and_ignores_level() -> None:
    original = voice(2 * SECOND)
    scores = [pesq_wideband(original + noise(2 * SECOND, level=level), original, SAMPLE_RATE) for level in (1e-3, 1e-2)]
    quiet = pesq_wideband(0.25 * original, original, SAMPLE_RATE)
    assert quiet is not None
    assert scores[0] is not None
    assert scores[1] is not None
    assert 4.6 < quiet < 4.65
    assert 1 < scores[1] < scores[0] - 0.05 < 4.6


def test_pesq_takes_the_original_for_its_reference() -> None:
    """With another resampler and the library's own order of arguments: rate, reference, degraded."""
    clean, noisy = voice(2 * SECOND), voice(2 * SECOND) + noise(2 * SECOND, level=1e-3)
    at_16_khz = [scipy.signal.resample_poly(sound, 1, 3).astype(np.float32) for sound in (clean, noisy)]
    score = pesq_wideband(noisy, clean, SAMPLE_RATE)
    assert score == pytest.approx(pesq.pesq(16_000, *at_16_khz, "wb"), abs=0.05)
    assert score != pytest.approx(pesq.pesq(16_000, *at_16_khz[::-1], "wb"), abs=0.3)


def test_silence_gets_the_lowest_pesq_and_no_intelligibility_instead_of_no_score() -> None:
    original = voice(2 * SECOND)
    found = figures_of(np.zeros_like(original), original)
    assert found["pesq"] == figures.PESQ_LOWEST
    assert found["stoi"] == pytest.approx(0, abs=0.01)
    assert found["f0_error_cents"] is None
    assert found["voicing_error"] == pytest.approx(np.isfinite(f0_track(original, SAMPLE_RATE).f0_hz).mean())


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_sounds_too_short_to_tell_have_no_score(frames: int) -> None:
    audio = voice(2 * SECOND)[SECOND : SECOND + frames]
    found = figures_of(audio, audio)
    assert found["pesq"] is None
    assert found["stoi"] is None
    assert found["mel"] == 0


def third_octave_bands(size: int, rate: int) -> NDArray[np.float64]:
    """15 third-octave bands from 150 Hz, as 0 and 1 over the bins, edges at the nearest bin (Taal et al., II)."""
    bins = np.linspace(0, rate, size + 1)[: size // 2 + 1]
    matrix = np.zeros((15, len(bins)))
    for band in range(15):
        low, high = (150 * 2 ** (band / 3 + side / 6) for side in (-1, 1))
        first, last = (int(np.argmin((bins - edge) ** 2)) for edge in (low, high))
        matrix[band, first:last] = 1
    return matrix


def stoi_by_the_paper(clean: NDArray[np.float64], heard: NDArray[np.float64]) -> float:
    """Taal et al. 2011, equations 1 to 6, at 10 kHz, written from the paper."""
    window = np.hanning(258)[1:-1]
    starts = range(0, len(clean) - 256 + 1, 128)
    frames = [np.stack([window * sound[at : at + 256] for at in starts]) for sound in (clean, heard)]
    level = 20 * np.log10(np.linalg.norm(frames[0], axis=1) + 1e-16)
    kept = [part[level > level.max() - 40] for part in frames]
    bands = []
    for part in kept:  # without the silent frames the sound is put together again, and cut anew
        joined = np.zeros(128 * (len(part) - 1) + 256)
        for index, frame in enumerate(part):
            joined[128 * index : 128 * index + 256] += frame
        cut = np.stack([window * joined[at : at + 256] for at in range(0, len(joined) - 256 + 1, 128)])
        power = np.abs(np.fft.rfft(cut, 512)) ** 2
        bands.append(np.sqrt(third_octave_bands(512, 10_000) @ power.T))
    scores = []
    for last in range(30, bands[0].shape[1] + 1):
        x, y = (part[:, last - 30 : last] for part in bands)
        scaled = y * np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(y, axis=1, keepdims=True)
        clipped = np.minimum(scaled, x * (1 + 10 ** (15 / 20)))
        scores += [float(np.corrcoef(row, other)[0, 1]) for row, other in zip(x, clipped, strict=True)]
    return float(np.mean(scores))


@pytest.mark.parametrize("level", [0.003, 0.02, 0.1])
def test_stoi_equals_the_papers_equations(level: float) -> None:
    original = voice(3 * SECOND) + noise(3 * SECOND, 5, 1e-4)
    restored = original + noise(3 * SECOND, 1, level)
    clean, heard = (soxr.resample(x, SAMPLE_RATE, 10_000, quality="VHQ").astype(float) for x in (original, restored))
    assert stoi(restored, original, SAMPLE_RATE) == pytest.approx(stoi_by_the_paper(clean, heard), abs=5e-3)


@pytest.mark.parametrize("cents", [-300, -25, 10, 1200])
def test_the_f0_error_of_a_shifted_note_is_the_interval(cents: float) -> None:
    original, restored = (harmonic(hertz, SECOND) for hertz in (220, 220 * 2 ** (cents / 1200)))
    error, voicing = pitch_errors(f0_track(restored, SAMPLE_RATE), f0_track(original, SAMPLE_RATE))
    assert error == pytest.approx(abs(cents), abs=1)
    assert voicing == 0


def test_the_voicing_error_is_the_share_of_frames_whose_pitch_was_lost() -> None:
    original, restored = harmonic(220, 2 * SECOND), harmonic(220, 2 * SECOND)
    restored[SECOND // 2 : SECOND] = 0
    error, voicing = pitch_errors(f0_track(restored, SAMPLE_RATE), f0_track(original, SAMPLE_RATE))
    assert error == pytest.approx(0, abs=1)
    assert voicing == pytest.approx(0.25, abs=0.03)


def test_a_sound_without_pitch_has_no_pitch_errors() -> None:
    track = f0_track(noise(SECOND), SAMPLE_RATE)
    assert pitch_errors(f0_track(harmonic(220, SECOND), SAMPLE_RATE), track) == (None, None)


@pytest.mark.parametrize("lost_hz", [6000, 12_000])
def test_the_bandwidth_error_is_how_far_the_top_of_the_band_moved(lost_hz: float) -> None:
    wide, narrow = chirp(100, 18_000, SECOND), chirp(100, 18_000 - lost_hz, SECOND)
    assert bandwidth_error_hz(narrow, wide, SAMPLE_RATE) == pytest.approx(lost_hz, abs=500)
    assert bandwidth_error_hz(wide, narrow, SAMPLE_RATE) == pytest.approx(lost_hz, abs=500)
    assert bandwidth_error_hz(np.zeros_like(wide), wide, SAMPLE_RATE) is None


@pytest.mark.parametrize("package, heading", [("pesq", "PESQ-wb"), ("pystoi", "STOI")])
def test_a_missing_library_leaves_its_figure_out_and_says_so(
    package: str, heading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = figures.importlib.util.find_spec
    monkeypatch.setattr(figures.importlib.util, "find_spec", lambda name: None if name == package else known(name))
    monkeypatch.delitem(sys.modules, package, raising=False)
    told = missing_figures()
    assert len(told) == 1
    assert heading in told[0]
    assert 'pip install "deshift[evaluate]"' in told[0]
    found = figures_of(voice(SECOND), voice(SECOND))
    assert found["pesq" if package == "pesq" else "stoi"] is None
    assert found["mel"] == 0


@pytest.mark.parametrize("delay", [-700, 0, 1000, 12_345])
def test_the_probe_finds_the_delay_of_a_way_to_the_sample(delay: int) -> None:
    assert measured_delay(lambda sent: np.roll(sent, delay), SAMPLE_RATE) == delay


def test_the_probe_finds_the_delay_even_at_another_pitch_by_its_loudness() -> None:
    sent = probe(SAMPLE_RATE)

    def way(sound: Audio) -> Audio:
        assert np.array_equal(sound, sent)
        octave_up = np.sign(sound) * np.abs(sound) * np.sign(tone(2000, len(sound)))
        return np.roll(octave_up, 960).astype(np.float32)

    found = measured_delay(way, SAMPLE_RATE)
    assert found == pytest.approx(960, abs=100)


def test_the_probe_tells_nothing_of_a_way_that_gives_silence() -> None:
    assert measured_delay(lambda sent: np.zeros_like(sent), SAMPLE_RATE) is None


@pytest.mark.parametrize("delay", [-200, 0, 200])
def test_a_delayed_copy_is_aligned_and_then_perfect(delay: int) -> None:
    original = voice(2 * SECOND)
    placed = place(np.roll(original, 1000 + delay), original, SAMPLE_RATE, 1000)
    assert placed.offset_samples == 1000 + delay
    assert placed.exact
    assert measure(placed, SAMPLE_RATE, speech=False)["mel"] == pytest.approx(0, abs=0.02)


def test_a_steady_note_is_not_moved_by_whole_periods() -> None:
    placed = place(harmonic(100, SECOND), harmonic(100, SECOND), SAMPLE_RATE, 0)
    assert (placed.offset_samples, placed.exact) == (0, True)


def test_a_sound_corrects_its_ways_delay_by_no_more_than_6_ms() -> None:
    original = voice(2 * SECOND)
    placed = place(np.roll(original, 3000), original, SAMPLE_RATE, 0)
    assert placed.offset_samples is not None
    assert abs(placed.offset_samples) <= 288


def test_what_cannot_be_placed_keeps_the_ways_delay() -> None:
    found = place(np.zeros(SECOND, np.float32), voice(SECOND), SAMPLE_RATE, 300)
    assert isinstance(found, Placed)
    assert (found.offset_samples, found.exact) == (300, False)
    assert len(found.restored) == len(found.original) == SECOND - 300
    assert place(np.zeros(SECOND, np.float32), voice(SECOND), SAMPLE_RATE, None).offset_samples is None


def test_a_wrong_pitch_is_punished_in_proportion() -> None:
    original = harmonic(220, 2 * SECOND)
    mels, cents = [], []
    for semitones in (0.0, 0.5, 2.0, 12.0):
        found = figures_of(harmonic(220 * 2 ** (semitones / 12), 2 * SECOND), original)
        mels.append(found["mel"])
        cents.append(found["f0_error_cents"])
    assert mels[0] == 0
    assert min(mels[1:]) > 0.3
    assert cents == pytest.approx([0, 50, 200, 1200], abs=2)

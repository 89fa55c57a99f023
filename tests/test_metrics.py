"""The metrics against auraloss, librosa, torch and scipy, and at awkward lengths."""

import auraloss
import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.metrics import (
    MEL_COUNTS,
    MEL_WINDOWS,
    MetricError,
    a_weighting_fir,
    mel_distance,
    mel_filterbank,
    mr_stft,
    si_sdr,
)
from tests.signals import chirp, click, noise, tone, voice

RATE = 48_000


def likenesses():
    """Pairs of sounds as far apart as those the metrics are for."""
    speech = voice(40_000)
    return {
        "noisy voice": (speech + noise(40_000, level=0.01), speech),
        "other voice": (voice(40_000, f0_hz=190), speech),
        "chirp for tone": (chirp(300, 3000, 24_000), tone(440, 24_000)),
        "odd length": (noise(8193, 1), noise(8193, 2)),
    }


@pytest.mark.parametrize("name", likenesses())
def test_mr_stft_equals_auraloss(name):
    estimate, reference = likenesses()[name]
    judge = auraloss.freq.MultiResolutionSTFTLoss(
        fft_sizes=[4096, 2048, 1024],
        hop_sizes=[480, 240, 120],
        win_lengths=[2400, 1200, 600],
        sample_rate=RATE,
        scale="mel",
        n_bins=128,
        perceptual_weighting=True,
    )
    expected = float(judge(torch.from_numpy(estimate)[None, None], torch.from_numpy(reference)[None, None]))
    assert mr_stft(estimate, reference, RATE) == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("name", likenesses())
def test_mel_distance_equals_the_same_sum_over_librosa_filters_and_torch_spectra(name):
    estimate, reference = (torch.from_numpy(audio).double() for audio in likenesses()[name])
    expected = 0.0
    for window, mels in zip([32, 64, 128, 256, 512, 1024, 2048], [5, 10, 20, 40, 80, 160, 320], strict=True):
        filters = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=window, n_mels=mels, dtype=np.float64))
        hann = torch.hann_window(window, dtype=torch.float64)
        logs = []
        for audio in (estimate, reference):
            spectrum = torch.stft(audio, window, window // 4, window=hann, center=True, return_complex=True)
            logs.append((filters @ spectrum.abs()).clamp_min(1e-5).log10())
        expected += float((logs[0] - logs[1]).abs().mean())
    assert mel_distance(estimate.numpy(), reference.numpy(), RATE) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", likenesses())
def test_si_sdr_is_auraloss_with_the_sign_turned(name):
    estimate, reference = likenesses()[name]
    expected = -float(auraloss.time.SISDRLoss()(torch.from_numpy(estimate)[None], torch.from_numpy(reference)[None]))
    assert si_sdr(estimate, reference) == pytest.approx(expected, abs=0.01)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("size, mels", [*zip(MEL_WINDOWS, MEL_COUNTS, strict=True), (4096, 128)])
def test_mel_filters_equal_librosa(rate, size, mels):
    expected = librosa.filters.mel(sr=rate, n_fft=size, n_mels=mels, dtype=np.float64)
    np.testing.assert_allclose(mel_filterbank(rate, size, mels), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_weighting_taps_equal_the_ones_auraloss_designs_with_scipy(rate):
    expected = auraloss.perceptual.FIRFilter("aw", fs=rate).fir.weight.data.numpy().ravel()
    np.testing.assert_allclose(a_weighting_fir(rate), expected, atol=2e-6)


def test_a_weighting_is_the_standards_curve_in_the_middle_of_the_band():
    standard_db = {500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0}  # IEC 61672-1, table 3
    _, response = scipy.signal.freqz(a_weighting_fir(RATE), worN=list(standard_db), fs=RATE)
    np.testing.assert_allclose(20 * np.log10(np.abs(response)), list(standard_db.values()), atol=0.5)


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_equal_sounds_are_at_distance_zero_at_any_length(frames):
    audio = noise(frames)
    assert mel_distance(audio, audio, RATE) == 0
    assert mr_stft(audio, audio, RATE) == 0
    assert si_sdr(noise(8193), noise(8193)) > 90


@pytest.mark.parametrize("frames", [1, 65, 511, 513])
def test_sounds_shorter_than_a_window_have_finite_distances(frames):
    for estimate, reference in [(noise(frames, 1), noise(frames, 2)), (np.zeros(frames), click(0, frames))]:
        assert 0 < mel_distance(estimate, reference, RATE) < 100
        assert 0 < mr_stft(estimate, reference, RATE) < 100
        assert np.isfinite(si_sdr(estimate, reference))


def test_stereo_is_the_mean_of_its_channels():
    left, right, other = noise(9000, 1), voice(9000), chirp(200, 4000, 9000)
    both, twice = np.stack([left, right]), np.stack([other, other])
    for metric in (lambda a, b: mel_distance(a, b, RATE), lambda a, b: mr_stft(a, b, RATE), si_sdr):
        expected = (metric(left, other) + metric(right, other)) / 2
        assert metric(both, twice) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.01, 10), offset=st.floats(-0.5, 0.5))
def test_si_sdr_ignores_scale_and_offset(gain, offset):
    reference = voice(8000).astype(np.float64)
    estimate = reference + noise(8000, 3, level=0.02)
    assert si_sdr(gain * estimate + offset, reference) == pytest.approx(si_sdr(estimate, reference), abs=0.01)


def test_si_sdr_of_noise_at_a_hundredth_of_the_power_is_20_db():
    reference, rest = noise(200_000, 1, level=0.1), noise(200_000, 2, level=0.01)
    assert si_sdr(reference + rest, reference) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("shapes", [((10,), (11,)), ((0,), (0,)), ((1, 1, 9), (1, 1, 9)), ((2, 9), (1, 9))])
def test_unlike_or_empty_shapes_are_refused_by_name(shapes):
    one, other = (np.zeros(shape) for shape in shapes)
    for metric in (
        lambda: mel_distance(one, other, RATE),
        lambda: mr_stft(one, other, RATE),
        lambda: si_sdr(one, other),
    ):
        with pytest.raises(MetricError, match=r"shapes \(.*cannot be compared"):
            metric()


def test_impossible_filters_are_refused():
    with pytest.raises(MetricError, match="no mel filters of 0 bands"):
        mel_filterbank(RATE, 64, 0)
    with pytest.raises(MetricError, match="no A-weighting at 0 Hz"):
        a_weighting_fir(0)


def test_shared_filters_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        mel_filterbank(RATE, 64, 10)[0, 0] = 1

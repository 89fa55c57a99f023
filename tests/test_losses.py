"""The training losses against the numpy metric, librosa, the papers' sums and finite differences, and on silence."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.quality.metrics import mel_distance
from tests.signals import SAMPLE_RATE, chirp, harmonic, noise, tone, voice
from training.losses import DeshiftLoss, MelDistance, discriminator_loss, feature_loss, generator_loss

FRAMES = 8193
SOUNDS = {
    "an octave apart": (harmonic(300, FRAMES), harmonic(150, FRAMES)),
    "a voice and noise": (voice(FRAMES) + noise(FRAMES), voice(FRAMES)),
    "a chirp and a tone": (chirp(100, 9000, FRAMES), tone(440, FRAMES)),
    "near silence": (noise(FRAMES, level=1e-6), noise(FRAMES, 1, level=1e-5)),
    "something and digital zero": (voice(FRAMES), np.zeros(FRAMES, np.float32)),
}


def batch(*sounds: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(sounds))[:, None]


def librosa_mel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The log's own words: seven scales, Slaney mel of magnitudes, hop a quarter window, mean |Δ log10|, summed."""
    total = 0.0
    for window, mels in zip((32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320), strict=True):
        logs = []
        for audio in (one, other):
            mel = librosa.feature.melspectrogram(
                y=audio.astype(np.float64),
                sr=SAMPLE_RATE,
                n_fft=window,
                hop_length=window // 4,
                pad_mode="reflect",
                power=1,
                n_mels=mels,
                fmin=0,
                fmax=SAMPLE_RATE / 2,
            )
            logs.append(np.log10(np.maximum(mel, 1e-5)))
        total += float(np.mean(np.abs(logs[0] - logs[1])))
    return total


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.filterwarnings("ignore:Empty filters detected")  # two of the log's filters are, as its notes say
def test_the_mel_loss_is_the_metric_and_librosas_sum(name):
    one, other = SOUNDS[name]
    found = MelDistance(SAMPLE_RATE)(batch(one), batch(other)).item()
    assert found == pytest.approx(mel_distance(one, other, SAMPLE_RATE), rel=1e-4)
    assert found == pytest.approx(librosa_mel_distance(one, other), rel=1e-4)


@pytest.mark.parametrize("frames", [1025, 4096, 8191])
def test_the_mel_loss_is_the_metric_at_awkward_lengths(frames):
    one, other = voice(frames) + noise(frames), voice(frames)
    found = MelDistance(SAMPLE_RATE)(batch(one), batch(other)).item()
    assert found == pytest.approx(mel_distance(one, other, SAMPLE_RATE), rel=1e-4)


def test_the_mel_loss_of_a_batch_is_the_mean_over_its_crops():
    ones, others = zip(*(SOUNDS[name] for name in list(SOUNDS)[:3]), strict=True)
    mel = MelDistance(SAMPLE_RATE)
    apart = [mel(batch(one), batch(other)).item() for one, other in zip(ones, others, strict=True)]
    assert mel(batch(*ones), batch(*others)).item() == pytest.approx(np.mean(apart), rel=1e-5)


@settings(max_examples=8, deadline=None)
@given(weight=st.floats(0, 50))
def test_the_total_is_mel_plus_the_weighted_mean_absolute_difference(weight):
    one, other = SOUNDS["a voice and noise"]
    loss = DeshiftLoss(SAMPLE_RATE, weight)(batch(one), batch(other))
    assert loss.l1.item() == pytest.approx(np.abs(one.astype(float) - other).mean(), rel=1e-5)
    assert loss.total.item() == pytest.approx(loss.mel.item() + weight * loss.l1.item(), rel=1e-5)


def test_equal_sounds_cost_nothing():
    loss = DeshiftLoss(SAMPLE_RATE, 10)(batch(voice(FRAMES)), batch(voice(FRAMES)))
    assert loss.total.item() == 0


@pytest.mark.parametrize("target", ["voice", "silence"])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-12, 1e-7, 1e-3])
def test_the_gradient_is_finite_down_to_digital_zero(level, target):
    estimate = batch(noise(FRAMES, level=1) * np.float32(level)).requires_grad_()
    wanted = batch(voice(FRAMES) if target == "voice" else np.zeros(FRAMES, np.float32))
    loss = DeshiftLoss(SAMPLE_RATE, 10)(estimate, wanted)
    loss.total.backward()
    assert torch.isfinite(loss.total)
    assert torch.isfinite(estimate.grad).all()


def test_the_gradient_is_the_slope_of_the_loss():
    one, other = (batch(sound).double() for sound in SOUNDS["a voice and noise"])
    loss, step = DeshiftLoss(SAMPLE_RATE, 10).double(), 1e-7
    estimate = one.clone().requires_grad_()
    loss(estimate, other).total.backward()
    direction = batch(noise(FRAMES, 9)).double()
    slope = (loss(one + step * direction, other).total - loss(one - step * direction, other).total) / (2 * step)
    assert (estimate.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-3)


def heard(seed: int) -> list[list[torch.Tensor]]:
    """What two discriminators of three and two layers might have heard, the verdicts last."""
    random = torch.Generator().manual_seed(seed)
    shapes = ([(2, 3, 7, 2), (2, 5, 4, 2), (2, 1, 4, 2)], [(2, 4, 9, 6), (2, 1, 9, 3)])
    return [[torch.randn(shape, generator=random, dtype=torch.float64) for shape in layers] for layers in shapes]


def test_the_adversarial_terms_are_the_papers_sums():
    original, estimate = heard(1), heard(2)
    told = fooled = apart = 0.0
    for wanted, found in zip(original, estimate, strict=True):
        real, fake = wanted[-1].numpy(), found[-1].numpy()
        told += np.mean((real - 1) ** 2) + np.mean(fake**2)
        fooled += np.mean((fake - 1) ** 2)
        for index in range(len(wanted) - 1):
            apart += np.mean(np.abs(wanted[index].numpy() - found[index].numpy()))
    assert discriminator_loss(original, estimate).item() == pytest.approx(told, rel=1e-12)
    assert generator_loss(estimate).item() == pytest.approx(fooled, rel=1e-12)
    assert feature_loss(original, estimate).item() == pytest.approx(apart, rel=1e-12)


def test_a_discriminator_that_is_right_costs_it_nothing_and_the_generator_one_each():
    right = [[torch.zeros(1, 1, 4)], [torch.zeros(1, 1, 2)]]
    sure = [[torch.ones(1, 1, 4)], [torch.ones(1, 1, 2)]]
    assert discriminator_loss(sure, right).item() == 0
    assert generator_loss(right).item() == 2
    assert generator_loss(sure).item() == 0
    assert feature_loss(heard(3), heard(3)).item() == 0


@settings(max_examples=8, deadline=None)
@given(l1_weight=st.floats(0, 50), mel_weight=st.floats(0, 50))
def test_both_terms_of_the_waveforms_have_their_weights(l1_weight, mel_weight):
    one, other = SOUNDS["a voice and noise"]
    loss = DeshiftLoss(SAMPLE_RATE, l1_weight, mel_weight)(batch(one), batch(other))
    wanted = mel_weight * mel_distance(one, other, SAMPLE_RATE) + l1_weight * np.abs(one.astype(float) - other).mean()
    assert loss.total.item() == pytest.approx(wanted, rel=1e-4, abs=1e-6)

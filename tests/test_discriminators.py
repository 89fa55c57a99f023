"""The discriminators against the papers' figures and a second way to compute them; what each one can hear."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.signals import noise, voice
from training.discriminators import PERIODS, WINDOWS, Discriminators, PeriodDiscriminator, SpectrogramDiscriminator

FRAMES = 4099  # a prime: no period and no hop divides it


def batch(*sounds: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(sounds))[:, None]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(7)


def test_at_the_papers_width_the_discriminators_have_the_papers_sizes():
    with torch.device("meta"):
        each = Discriminators(32, normed=False).each
    sizes = [sum(parameter.numel() for parameter in discriminator.parameters()) for discriminator in each]
    channels = (1, 32, 128, 512, 1024, 1024)  # HiFi-GAN's
    period = sum(5 * one * two + two for one, two in pairwise(channels)) + 3 * 1024 + 1
    assert sizes[:5] == [period] * 5 == [8_218_433] * 5
    band = (27 * 3 * 32 + 32) + 3 * (27 * 32 * 32 + 32) + (9 * 32 * 32 + 32)  # DAC's, and a third channel going in
    assert sizes[5:] == [5 * band + 9 * 32 + 1] * 3


@pytest.mark.parametrize("frames", [1025, 2048, FRAMES])
@pytest.mark.parametrize("normed", [False, True])
def test_every_discriminator_answers_for_every_sound_of_any_length(frames, normed):
    heard = Discriminators(2, normed)(batch(voice(frames), noise(frames), np.zeros(frames, np.float32)))
    assert [len(layers) for layers in heard] == [6] * len(PERIODS) + [26] * len(WINDOWS)
    for layers in heard:
        assert layers[-1].shape[:2] == (3, 1)
        assert all(layer.shape[0] == 3 and layer.isfinite().all() for layer in layers)
    for period, layers in zip(PERIODS, heard, strict=False):
        rows = -(-frames // period)
        for layer in layers[:4]:
            rows = (rows - 1) // 3 + 1
            assert layer.shape[2:] == (rows, period)
    for window, layers in zip(WINDOWS, heard[len(PERIODS) :], strict=True):
        assert all(layer.shape[2] == frames // (window // 4) + 1 for layer in layers)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("frames", [1320, FRAMES])
def test_a_period_discriminator_is_one_network_on_every_nth_sample(period, frames):
    discriminator = PeriodDiscriminator(period, 2)
    sound = voice(frames)
    found = discriminator(batch(sound))
    padded = np.pad(sound, (0, -frames % period), mode="reflect")
    for column in range(period):
        x = torch.from_numpy(padded[column::period].copy())[None, None]
        for layer, heard, stride in zip(discriminator.layers, found, (3, 3, 3, 3, 1), strict=False):
            x = F.conv1d(x, layer.weight[..., 0], layer.bias, stride, padding=2)
            x = torch.where(x > 0, x, 0.1 * x)
            torch.testing.assert_close(heard[..., column], x)
        verdict = F.conv1d(x, discriminator.verdict.weight[..., 0], discriminator.verdict.bias, padding=1)
        torch.testing.assert_close(found[-1][..., column], verdict)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("frames", [2048, FRAMES])
def test_the_spectrogram_is_numpys(window, frames):
    sound = voice(frames)
    padded = np.pad(sound.astype(float), window // 2, mode="reflect")
    framed = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    wanted = np.fft.rfft(framed * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))) / window**0.5
    found = SpectrogramDiscriminator(window, 1).spectrogram(batch(sound))[0].numpy()
    np.testing.assert_allclose(found, [wanted.real, wanted.imag, np.abs(wanted)], atol=2e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_spectrogram_discriminator_hears_a_moment_and_not_all_of_the_sound(window):
    discriminator, frames, place = SpectrogramDiscriminator(window, 2), 16_384, 9000
    sound = batch(noise(frames)).requires_grad_()
    verdict = discriminator(sound)[-1]
    verdict[0, 0, verdict.shape[2] * place // frames].sum().backward()
    (heard,) = sound.grad[0, 0].nonzero(as_tuple=True)
    # Six layers of three frames each see six hops to either side of the frame, whose window is two hops more.
    reach = 6 * window // 4 + window // 2
    assert abs((heard.min() + heard.max()) / 2 - place) < window
    assert 0.9 * 2 * reach < heard.max() - heard.min() <= 2 * reach


def test_each_band_is_heard_by_its_own_layers():
    discriminator = SpectrogramDiscriminator(512, 2)
    spectrogram = discriminator.spectrogram(batch(noise(FRAMES))).detach().requires_grad_()
    discriminator.spectrogram = lambda audio: spectrogram
    heard = discriminator(batch(noise(FRAMES)))
    edges = [int(share * 257) for share in (0, 0.1, 0.25, 0.5, 0.75, 1)]
    for band, (low, high) in enumerate(pairwise(edges)):
        (gradient,) = torch.autograd.grad(heard[5 * band + 4].square().sum(), spectrogram, retain_graph=True)
        (bins,) = gradient.abs().sum((0, 1, 2)).nonzero(as_tuple=True)
        assert (bins.min(), bins.max()) == (low, high - 1)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("sound", [voice(FRAMES), np.zeros(FRAMES, np.float32)], ids=["voice", "silence"])
def test_gradients_reach_every_layer_and_the_sound_and_are_finite(normed, sound):
    discriminators, audio = Discriminators(2, normed), batch(sound).requires_grad_()
    sum(layers[-1].square().mean() for layers in discriminators(audio)).backward()
    assert audio.grad.isfinite().all()
    for name, parameter in discriminators.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if sound.any():
            assert parameter.grad.any(), name
    assert audio.grad.any()


def test_weight_normalisation_changes_how_weights_are_kept_and_not_what_is_heard():
    plain, normed = Discriminators(2, normed=False), Discriminators(2, normed=True)
    names = {name.split(".parametrizations")[0] for name in normed.state_dict() if "parametrizations" in name}
    assert names == {name.removesuffix(".weight") for name in plain.state_dict() if name.endswith(".weight")}
    for name in names:
        layer = normed.get_submodule(name)
        layer.weight = plain.get_submodule(name).weight.detach()
        with torch.no_grad():
            layer.bias.copy_(plain.get_submodule(name).bias)
    sound = batch(voice(FRAMES))
    for one, other in zip(plain(sound), normed(sound), strict=True):
        torch.testing.assert_close(one, other)

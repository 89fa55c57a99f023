"""The discriminators as the loop meets them: they learn from a batch, judge it, and the model learns from that."""

import numpy as np
import pytest
import torch

from tests.signals import noise, voice
from training.adversary import Adversary, at_one_level
from training.losses import discriminator_loss, feature_loss, generator_loss
from training.machine import Machine
from training.settings import AdversarialSettings, TrainSettings

FRAMES = 4096


def adversary(optimizer: str = "muon", **changes) -> Adversary:
    torch.manual_seed(3)
    stage = AdversarialSettings(**({"width": 2} | changes))
    return Adversary(stage, TrainSettings(optimizer=optimizer, adversarial=stage), Machine(torch.device("cpu")))


def voices(seed: int) -> torch.Tensor:
    """Two crops ``(2, 1, T)`` of voices, other ones for every seed."""
    sounds = [np.roll(voice(FRAMES, 90 + (37 * seed + 60 * row) % 200), 97 * seed) for row in range(2)]
    return torch.from_numpy(np.stack(sounds))[:, None]


def damaged(clean: torch.Tensor, seed: int) -> torch.Tensor:
    return clean + torch.from_numpy(noise(FRAMES, 50 + seed, level=0.1))


@pytest.mark.parametrize("optimizer, rates", [("muon", (2e-2, 2e-3)), ("adamw", (1, 4e-3))])
def test_a_few_steps_teach_the_discriminators_to_tell_damaged_voices_from_clean_ones(optimizer, rates):
    learner = adversary(optimizer, width=4, muon_lr=rates[0], adamw_lr=rates[1])

    def told_apart() -> float:
        clean = voices(99)
        with torch.no_grad():
            both = [learner.discriminators(x) for x in at_one_level(damaged(clean, 99), clean)]
        scores = [torch.stack([layers[-1].mean() for layers in heard]).mean().item() for heard in both]
        return scores[1] - scores[0]

    before = told_apart()
    losses = [
        learner.learn(*at_one_level(damaged(voices(step), step), voices(step)), 1.0)["discriminator"].item()
        for step in range(30)
    ]
    assert abs(before) < 0.1
    assert told_apart() > 0.3  # on voices and noise that they have not learned from
    assert losses[-1] < 0.5 * losses[0]


def test_what_is_added_to_the_loss_is_what_the_terms_say_after_the_discriminators_have_learned():
    one, clean = adversary(generator_weight=0.5, features_weight=3), voices(1)
    estimate = damaged(clean, 1)
    level = 0.8 / clean.abs().amax(-1, keepdim=True)
    before = [one.discriminators(x * level) for x in (clean, estimate)]
    figures = one.play(estimate, clean, 1.0)
    after = [one.discriminators(x * level) for x in (clean, estimate)]
    assert figures["discriminator"].item() == pytest.approx(discriminator_loss(*before).item(), rel=1e-5)
    assert figures["generator"].item() == pytest.approx(generator_loss(after[1]).item(), rel=1e-5)
    assert figures["features"].item() == pytest.approx(feature_loss(*after).item(), rel=1e-5)
    wanted = 0.5 * figures["generator"].item() + 3 * figures["features"].item()
    assert figures["adversarial"].item() == pytest.approx(wanted, rel=1e-5)


def test_each_side_learns_from_its_own_term():
    one, clean = adversary(), voices(1)
    estimate = damaged(clean, 1).requires_grad_()
    weights = {name: value.clone() for name, value in one.discriminators.state_dict().items()}
    figures = one.play(estimate, clean, 1.0)
    assert estimate.grad is None  # the discriminators have learned, and not from the model's past
    assert all(not torch.equal(value, weights[name]) for name, value in one.discriminators.state_dict().items())
    weights = {name: value.clone() for name, value in one.discriminators.state_dict().items()}
    figures["adversarial"].backward()
    assert estimate.grad.isfinite().all() and estimate.grad.any()
    for name, parameter in one.discriminators.named_parameters():
        assert parameter.requires_grad and parameter.grad is None, name
        assert torch.equal(parameter, weights[name])


def test_following_the_gradient_deceives_the_discriminators():
    one, clean = adversary(features_weight=0), voices(1)
    estimate = damaged(clean, 1)
    for _ in range(10):
        one.learn(*at_one_level(estimate, clean), 1.0)
    moved = estimate.clone().requires_grad_()
    first, _ = one.judge(*at_one_level(moved, clean))
    first.backward()
    with torch.no_grad():
        moved -= 1e-3 * moved.grad / moved.grad.abs().mean()
    assert one.judge(*at_one_level(moved, clean))[0] < first


def test_the_clip_limits_the_discriminators_gradient():
    limit = 1e-6
    one, clean = adversary("adamw", clip=limit, adamw_lr=1e-30), voices(1)
    norm = one.learn(damaged(clean, 1), clean, 1.0)["discriminator_gradient_norm"]
    moments = [value for name, value in one.state().items() if name.endswith("exp_avg")]
    applied = torch.sqrt(sum((moment / (1 - 0.8)).double().pow(2).sum() for moment in moments))  # β₁ is 0.8
    assert norm > 1e3 * limit
    assert applied.item() == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize("peak, gain", [(0.5, 1.6), (0.08, 10), (0.01, 80), (0.001, 80), (0, 80)])
def test_soft_crops_are_raised_to_one_level_and_silence_is_not(peak, gain):
    original = torch.zeros(1, 1, 100)
    original[..., 50] = -peak
    estimate = torch.full((1, 1, 100), 0.003)
    louder, wanted = at_one_level(estimate, original)
    torch.testing.assert_close(louder, gain * estimate)
    torch.testing.assert_close(wanted, gain * original)


def test_silence_gives_finite_gradients():
    one = adversary()
    estimate = torch.zeros(2, 1, FRAMES, requires_grad=True)
    one.play(estimate, torch.zeros(2, 1, FRAMES), 1.0)["adversarial"].backward()
    assert estimate.grad.isfinite().all()

"""Muon against the singular value decomposition and a second statement of its rule; who gets which optimiser."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training.models import build
from training.optimizers import Muon, Optimizers, is_matrix, orthogonalize
from training.recipes import find


def random(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from([(64, 64), (256, 32), (32, 256), (65, 511), (513, 65), (8, 7), (2, 2), (128, 5)]),
    gain=st.sampled_from([1e-6, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_orthogonalized_singular_values_lie_between_0_7_and_1_2(shape, gain, seed):
    matrix = gain * random(*shape, seed)
    result = orthogonalize(matrix)
    assert result.shape == matrix.shape and result.dtype == matrix.dtype
    values = torch.linalg.svdvals(result)
    kept = torch.linalg.svdvals(matrix)
    reached = kept > 0.02 * kept.norm()  # six steps lift what is not all but nothing
    assert values.max() < 1.25
    assert values[reached].min() > 0.65


@pytest.mark.parametrize("shape", [(64, 64), (200, 40), (40, 200)])
def test_orthogonalizing_keeps_the_directions_of_the_decomposition(shape):
    torch.manual_seed(1)
    left, _, right = torch.linalg.svd(random(*shape), full_matrices=False)
    matrix = left @ torch.diag(torch.linspace(1, 3, min(shape))) @ right
    result = orthogonalize(matrix)
    nearest = left @ right
    cosine = (result * nearest).sum() / (result.norm() * nearest.norm())
    assert cosine > 0.98


def test_weak_directions_are_lifted_as_far_as_strong_ones():
    left, _, right = torch.linalg.svd(random(48, 48))
    strengths = torch.logspace(0, -2.2, 48)
    values = torch.linalg.svdvals(orthogonalize(left @ torch.diag(strengths) @ right))
    assert values.min() > 0.6
    assert values.max() < 1.25


@pytest.mark.parametrize("shape", [(48, 48), (128, 20), (20, 128)])
def test_orthogonalizing_is_six_steps_of_the_quintic_iteration(shape):
    matrix = random(*shape)
    x = matrix.double().numpy()
    x = x / np.linalg.norm(x)
    for _ in range(6):
        x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
    difference = np.linalg.norm(orthogonalize(matrix).double().numpy() - x) / np.linalg.norm(x)
    assert difference < 0.06  # bfloat16; one step more or less makes 0.35


def test_a_zero_gradient_moves_nothing():
    assert torch.equal(orthogonalize(torch.zeros(4, 6)), torch.zeros(4, 6))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (40, 3, 5), (3, 5, 40), (64, 1, 7)])
def test_muon_steps_by_nesterov_momentum_scaled_for_tall_matrices(shape):
    torch.manual_seed(2)
    parameter, rate, keep = nn.Parameter(torch.randn(shape)), 0.02, 0.95
    start, muon, velocity = parameter.detach().clone(), Muon([parameter], rate), torch.zeros(shape)
    rows, columns = shape[0], int(np.prod(shape[1:]))
    for _ in range(3):
        gradient = torch.randn(shape)
        parameter.grad = gradient.clone()
        muon.step()
        velocity = keep * velocity + gradient
        ahead = (gradient + keep * velocity).reshape(rows, columns)
        start = start - rate * max(1, rows / columns) ** 0.5 * orthogonalize(ahead).reshape(shape)
        torch.testing.assert_close(parameter.detach(), start)


def test_muon_reaches_the_bottom_of_a_quadratic_bowl():
    torch.manual_seed(3)
    target, parameter = torch.randn(8, 12), nn.Parameter(torch.zeros(8, 12))
    muon = Muon([parameter], lr=0.02)
    for _ in range(300):
        parameter.grad = parameter.detach() - target
        muon.step()
    assert (parameter - target).abs().max() < 0.1


@pytest.mark.parametrize(
    "shape, matrix",
    [((), False), ((9,), False), ((9, 1), False), ((9, 1, 1), False), ((1, 9), False), ((1, 9, 5), False),
     ((9, 2), True), ((9, 1, 7), True), ((9, 3, 5), True)],
)  # fmt: skip
def test_vectors_of_any_shape_are_no_matrices(shape, matrix):
    assert is_matrix(torch.zeros(shape)) is matrix


def optimizers(name: str, use_muon: bool = True) -> tuple[nn.Module, Optimizers]:
    model = build(find(name))
    return model, Optimizers(model, 5e-3, 5e-4, use_muon)


def groups(both: Optimizers) -> dict[str, dict]:
    return {name: optimizer.param_groups[0] for name, optimizer in both._both.items()}


def count(group: dict) -> int:
    return sum(parameter.numel() for parameter in group["params"])


def test_run_19_gives_15_524_160_parameters_to_muon_and_32_868_to_adamw():
    found = groups(optimizers("output19")[1])
    assert (count(found["muon"]), count(found["adamw"])) == (15_524_160, 32_868)


@pytest.mark.parametrize("name, wanted", [("output14", "original0"), ("output15", "alpha"), ("output19", "scale")])
def test_gains_snakes_alpha_and_layer_scales_go_to_adamw(name, wanted):
    model, both = optimizers(name)
    adamw = {id(parameter) for parameter in groups(both)["adamw"]["params"]}
    chosen = [parameter for key, parameter in model.named_parameters() if key.endswith(wanted)]
    assert chosen
    assert all(id(parameter) in adamw for parameter in chosen)


def test_the_rates_and_adamw_settings_are_the_logs():
    found = groups(optimizers("tiny")[1])
    assert (found["muon"]["lr"], found["muon"]["momentum"]) == (5e-3, 0.95)
    adamw = found["adamw"]
    assert (adamw["lr"], adamw["betas"], adamw["eps"], adamw["weight_decay"]) == (5e-4, (0.9, 0.95), 1e-8, 0.01)


def test_without_muon_adamw_takes_everything():
    model, both = optimizers("tiny", use_muon=False)
    assert list(groups(both)) == ["adamw"]
    assert count(groups(both)["adamw"]) == sum(parameter.numel() for parameter in model.parameters())


def with_gradients(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


def test_a_rate_factor_scales_both_rates_and_is_not_compounded():
    _, both = optimizers("tiny")
    for factor in (0.5, 0.5, 0.0):
        both.step(factor)
        assert groups(both)["muon"]["lr"] == 5e-3 * factor
        assert groups(both)["adamw"]["lr"] == 5e-4 * factor


def test_a_step_uses_up_the_gradients():
    model, both = optimizers("tiny")
    with_gradients(model, 0)
    both.step(1.0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_loaded_state_goes_on_exactly_as_the_saved_one():
    model, both = optimizers("tiny")
    with_gradients(model, 1)
    both.step(1.0)
    twin = copy.deepcopy(model)
    again = Optimizers(twin, 5e-3, 5e-4, use_muon=True)
    again.load_state({name: tensor.clone() for name, tensor in both.state().items()})
    for one, optimizer in ((model, both), (twin, again)):
        with_gradients(one, 2)
        optimizer.step(1.0)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(value, again.state()[name]) for name, value in both.state().items())


def test_a_state_that_lacks_a_parameter_is_refused_by_its_name():
    model, both = optimizers("tiny")
    with_gradients(model, 1)
    both.step(1.0)
    kept = {name: value for name, value in both.state().items() if "/conv_in.weight/" not in name}
    with pytest.raises(ValueError, match=r"no optimiser state for conv_in\.weight: start again with --init"):
        optimizers("tiny")[1].load_state(kept)

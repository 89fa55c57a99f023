"""Muon on the matrices, AdamW on everything else, as in the log."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ_STEPS = 6
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: Tensor, steps: int = NEWTON_SCHULZ_STEPS) -> Tensor:
    """The nearest matrix whose singular values are all about 1 (0.7 to 1.2): ``(R, C)`` -> ``(R, C)``, in bfloat16.

    Source: the quintic Newton-Schulz iteration of Muon, Jordan et al. 2024, kellerjordan.github.io/posts/muon.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    if tall := x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised. A convolution counts as the matrix ``(first dimension, all others)``."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None, "the loop computes the gradients itself"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"], group["momentum"])

    def _update(self, parameter: Tensor, lr: float, momentum: float) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        velocity = state["momentum"].mul_(momentum).add_(parameter.grad)
        nesterov = parameter.grad.add(velocity, alpha=momentum).flatten(1)
        rows, columns = nesterov.shape
        direction = orthogonalize(nesterov) * max(1.0, rows / columns) ** 0.5
        parameter.add_(direction.view_as(parameter), alpha=-lr)


def is_matrix(parameter: Tensor) -> bool:
    """More than one row and column. The log also gave weight-norm gains and snake's α to Muon, which skewed its runs
    14 and 15; here vectors of any shape are left to AdamW."""
    return parameter.ndim >= 2 and parameter.shape[0] > 1 and parameter.numel() > parameter.shape[0]


class Optimizers:
    """Both optimisers as one: the learning rates share a factor, the states share a dictionary by parameter name."""

    def __init__(
        self,
        model: nn.Module,
        muon_lr: float,
        adamw_lr: float,
        use_muon: bool,
        adamw_betas: tuple[float, float] = (0.90, 0.95),
    ) -> None:
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        matrices = {name: p for name, p in named.items() if use_muon and is_matrix(p)}
        others = {name: p for name, p in named.items() if name not in matrices}
        self._named = {"muon": matrices, "adamw": others}
        self._rates = {"muon": muon_lr, "adamw": adamw_lr}
        self._both: dict[str, torch.optim.Optimizer] = {}
        if matrices:
            self._both["muon"] = Muon(matrices.values(), muon_lr)
        if others:
            self._both["adamw"] = torch.optim.AdamW(
                others.values(), adamw_lr, betas=adamw_betas, eps=1e-8, weight_decay=0.01
            )

    def step(self, rate_factor: float) -> None:
        for kind, optimizer in self._both.items():
            for group in optimizer.param_groups:
                group["lr"] = self._rates[kind] * rate_factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Every tensor of both optimisers, by ``kind/parameter/entry``."""
        found = {}
        for kind, optimizer in self._both.items():
            for name, parameter in self._named[kind].items():
                for entry, value in optimizer.state[parameter].items():
                    found[f"{kind}/{name}/{entry}"] = torch.as_tensor(value)
        return found

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Raises: ValueError if the tensors are not those of `state` for these parameters."""
        for kind, optimizer in self._both.items():
            for name, parameter in self._named[kind].items():
                prefix = f"{kind}/{name}/"
                entries: dict[str, Any] = {
                    key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
                }
                if not entries:
                    raise ValueError(f"the checkpoint has no optimiser state for {name}: start again with --init")
                device = parameter.device
                optimizer.state[parameter] = {
                    entry: value.clone() if entry == "step" else value.to(device, copy=True)
                    for entry, value in entries.items()
                }

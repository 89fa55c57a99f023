"""Layers that run as a stream: ``step(x, past) -> (y, present)``; ``forward(x)`` is `step` from silence.

A *causal* layer never looks beyond the frame that it is given. A *centred* one, as in the research log, looks
`lookahead` frames ahead: it can run over a whole recording, whose end is followed by silence, but not as a stream.
"""

from collections.abc import Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv1d(nn.Conv1d):
    """A convolution that keeps the frame grid: ``(B, C, N)`` -> ``(B, D, N / S)``; its past is ``(B, C, K - S)``."""

    def __init__(
        self, channels: int, channels_out: int, kernel_size: int, causal: bool, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels, channels_out, kernel_size, stride, groups=groups)
        self.lookahead = 0 if causal else (kernel_size - stride) // 2

    def silence(self, batch: int) -> Tensor:
        return self.bias_like().new_zeros(
            batch, self.in_channels, self.kernel_size[0] - self.stride[0] - self.lookahead
        )

    def bias_like(self) -> Tensor:
        assert self.bias is not None  # every layer of the log has one; unlike the weight, it is never parametrised
        return self.bias

    def step(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([past.to(x.dtype), x], dim=-1)
        return super().forward(x), x[..., x.shape[-1] - past.shape[-1] :]  # [-0:] keeps all

    def forward(self, x: Tensor) -> Tensor:
        return self.step(F.pad(x, (0, self.lookahead)), self.silence(x.shape[0]))[0]


class ConvTranspose1d(nn.ConvTranspose1d):
    """Raises the frame rate by `factor`: ``(B, C, N)`` -> ``(B, D, N * factor)``; its past is ``(B, factor * D, 1)``.

    The kernel covers two frames: each input frame writes into its own output frame and into the next one; the past is
    what the last input frame has left for the next. Worked out as one product per frame, which a stream of few frames
    does in less time than a transposed convolution, and with nothing computed twice.
    """

    def __init__(self, channels: int, channels_out: int, factor: int, causal: bool) -> None:
        super().__init__(channels, channels_out, kernel_size=2 * factor, stride=factor)
        self.lookahead = 0 if causal else 1
        self.crop = 0 if causal else factor // 2

    def silence(self, batch: int) -> Tensor:
        return self.weight.new_zeros(batch, self.stride[0] * self.out_channels, 1)

    def step(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        factor, frames = self.stride[0], x.shape[-1]
        assert self.bias is not None
        by_phase = self.weight.permute(2, 1, 0).reshape(2 * factor * self.out_channels, self.in_channels, 1)
        bias = torch.cat([self.bias.repeat(factor), torch.zeros_like(self.bias).repeat(factor)])
        own, left = F.conv1d(x, by_phase, bias).chunk(2, dim=1)
        before = past.to(left.dtype)
        if frames > 1:
            before = torch.cat([before, left[..., : frames - 1]], dim=-1)
        y = unfold(own + before, factor)
        kept = (frames - self.lookahead) * factor
        return y[..., self.crop : self.crop + kept] if self.lookahead else y, left[..., frames - 1 :]

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        del output_size  # nn.ConvTranspose1d's argument; here the size always follows from the frames
        return self.step(F.pad(x, (0, self.lookahead)), self.silence(x.shape[0]))[0]


StepLayer = Conv1d | ConvTranspose1d


class Tape(Protocol):
    """What runs the layers with a memory: over a whole recording, or block by block."""

    def run(self, layer: StepLayer, x: Tensor) -> Tensor: ...


class Whole:
    """Every layer starts from silence and sees the whole recording."""

    def run(self, layer: StepLayer, x: Tensor) -> Tensor:
        y: Tensor = layer(x)
        return y


class Block:
    """Hands each layer its past, in the order in which they run, and keeps what they leave for the next block."""

    def __init__(self, past: Iterable[Tensor]) -> None:
        self._past = iter(past)
        self.present: list[Tensor] = []

    def run(self, layer: StepLayer, x: Tensor) -> Tensor:
        y, present = layer.step(x, next(self._past))
        self.present.append(present)
        return y


def fold(x: Tensor, factor: int) -> Tensor:
    """Fold consecutive frames into channels, phase-major: ``(B, C, N)`` -> ``(B, factor * C, N / factor)``.

    Channel ``q * C + c`` of column n is channel c of frame ``n * factor + q``.
    Source: sub-pixel convolution run backwards, Shi et al. 2016, arXiv:1609.05158.
    """
    if factor == 1:
        return x
    channels, frames = x.shape[1], x.shape[2]
    return (
        x.reshape(-1, channels, frames // factor, factor)
        .permute(0, 3, 1, 2)
        .reshape(-1, factor * channels, frames // factor)
    )


def unfold(x: Tensor, factor: int) -> Tensor:
    """The exact inverse of `fold`: ``(B, factor * C, N)`` -> ``(B, C, N * factor)``."""
    if factor == 1:
        return x
    channels, frames = x.shape[1] // factor, x.shape[2]
    return x.reshape(-1, factor, channels, frames).permute(0, 2, 3, 1).reshape(-1, channels, frames * factor)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each frame: ``(B, C, N)`` -> ``(B, C, N)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Snake(nn.Module):
    """``v + sin²(αv) / (α + 1e-9)``, α learned per channel (Ziyin et al. 2020, arXiv:2006.08195). ``(B, C, N)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x) ** 2 / (self.alpha + 1e-9)

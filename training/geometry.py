"""What a recipe sees and costs, worked out from its numbers alone: stride, receptive field, look-ahead, arithmetic."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from training.models import Model, build
from training.recipes import Recipe
from training.spectrogram_unet import BINS, HOP, WINDOW, SpectrogramUNet

SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class Geometry:
    """All in samples at 48 kHz.

    `past` and `lookahead` are how far before and beyond its own position an output sample can see, each in the worst
    case over the positions in a frame; the algorithmic `latency` is what a stream of `total_stride`-sample hops waits:
    from the first sample of a hop to the last sample that any output of that hop needs.
    """

    total_stride: int
    receptive_field: int
    past: int
    lookahead: int
    latency: int


@dataclass(frozen=True)
class _Conv:
    kernel: int
    stride: int
    left: int

    def needs(self, low: int, high: int) -> tuple[int, int]:
        return low * self.stride - self.left, high * self.stride - self.left + self.kernel - 1


@dataclass(frozen=True)
class _Transposed:
    factor: int
    crop: int

    def needs(self, low: int, high: int) -> tuple[int, int]:
        first = low + self.crop - 2 * self.factor + 1
        return -(-first // self.factor), (high + self.crop) // self.factor


def _deepest_path(recipe: Recipe) -> list[_Conv | _Transposed]:
    """The layers that look around, in running order, through the middle: no other path reaches further."""
    spectrogram = recipe.kind == "spectrogram"

    def look(kernel: int) -> _Conv:
        return _Conv(kernel, 1, kernel - 1 if recipe.causal else (kernel - 1) // 2)

    def down(factor: int) -> _Conv:
        if spectrogram:
            return _Conv(factor + 1, factor, factor // 2)
        return _Conv(2 * factor, factor, factor if recipe.causal else factor // 2)

    ends = look(3 if spectrogram else 5)
    path: list[_Conv | _Transposed] = [ends]
    for level, factor in enumerate(recipe.factors):
        path += [look(kernel) for kernel in recipe.level_kernels(level)] + [down(factor)]
    path += [look(recipe.mid_kernel)] * recipe.mid_blocks
    for level, factor in reversed(list(enumerate(recipe.factors))):
        path.append(_Transposed(factor, 0 if recipe.causal else factor // 2))
        path += [look(kernel) for kernel in recipe.level_kernels(level)]
    return [*path, ends]


def geometry(recipe: Recipe) -> Geometry:
    """Exact, by walking back from every output position of one frame (interval propagation)."""
    unit = HOP if recipe.kind == "spectrogram" else recipe.patch
    # A spectrogram frame is made from, and spread over, `around` samples on either side of its centre.
    around = WINDOW // 2 if recipe.kind == "spectrogram" else 0
    total_stride = unit * prod(recipe.factors)
    path = _deepest_path(recipe)
    field, past, lookahead, last = 0, 0, 0, 0
    for position in range(total_stride):
        low, high = -(-(position - around) // unit) if around else position // unit, (position + around) // unit
        for layer in reversed(path):
            low, high = layer.needs(low, high)
        low, high = low * unit - around, high * unit + (around - 1 if around else unit - 1)
        field, past = max(field, high - low + 1), max(past, position - low)
        lookahead, last = max(lookahead, high - position), max(last, high)
    return Geometry(total_stride, field, past, lookahead, last + 1)


def parameter_count(model: Model) -> int:
    """What is trained: biases that a recipe does without are zeros, and no weights."""
    named = model.named_parameters()
    return sum(value.numel() for name, value in named if model.recipe.biases or not name.endswith(".bias"))


def macs_per_second(recipe: Recipe) -> float:
    """Multiply-accumulates of convolutions for one second of 48 kHz audio; counted on a model without memory."""
    with torch.device("meta"):
        model = build(recipe)
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d)
        transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d)
        spatial = (inputs[0] if transposed else output).shape[2:]
        total += layer.weight.numel() * spatial.numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    if isinstance(model, SpectrogramUNet):
        samples = 64 * HOP
        model.restore(torch.empty(1, 2, BINS, 64, device="meta"))
    else:
        samples = 64 * model.total_stride
        told = [torch.empty(1, device="meta")] if recipe.conditioned else []
        model(torch.empty(1, 1, samples, device="meta"), *told)
    return total * SAMPLE_RATE / samples

"""The 1-D patching U-Net: fold samples into channels, go down by strides, come back up. Read this first.

Layout after the research log: ConvNeXt-style blocks (Liu et al. 2022, arXiv:2201.03545) around strided convolutions
with parameter-free shortcuts, and skips that are merged after each level of the decoder.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from training.layers import Block as BlockTape
from training.layers import ChannelNorm, Conv1d, ConvTranspose1d, Snake, StepLayer, Tape, Whole, fold, unfold
from training.recipes import Recipe

EXPANSION = 4
LAYER_SCALE_START = 1e-6
WHOLE_FROM_SEMITONES = 1.0


class Block(nn.Module):
    """Depthwise look around, then an MLP on each frame, added to the input. ``(B, C, N)`` -> ``(B, C, N)``."""

    def __init__(self, channels: int, kernel_size: int, recipe: Recipe) -> None:
        super().__init__()
        hidden = EXPANSION * channels
        self.look = Conv1d(channels, channels, kernel_size, recipe.causal, groups=channels)
        self.norm = ChannelNorm(channels, eps=1e-5) if recipe.norm == "layer" else nn.Identity()
        self.widen = nn.Conv1d(channels, hidden, 1)
        self.activation = nn.GELU() if recipe.activation == "gelu" else Snake(hidden)
        self.narrow = nn.Conv1d(hidden, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1), LAYER_SCALE_START))

    def run(self, x: Tensor, tape: Tape) -> Tensor:
        y = self.norm(tape.run(self.look, x))
        y = self.narrow(self.activation(self.widen(y)))
        return x + self.scale * y


class Down(nn.Module):
    """Lower the frame rate: ``(B, C, N)`` -> ``(B, D, N / factor)``; the shortcut averages adjacent channels."""

    def __init__(self, channels: int, channels_out: int, factor: int, causal: bool) -> None:
        super().__init__()
        self.conv = Conv1d(channels, channels_out, 2 * factor, causal, stride=factor)
        self.factor = factor

    def run(self, x: Tensor, tape: Tape) -> Tensor:
        folded = fold(x, self.factor)
        shortcut = folded.unflatten(1, (self.conv.out_channels, -1)).mean(dim=2)
        return tape.run(self.conv, x) + shortcut


class Up(nn.Module):
    """Raise the frame rate: ``(B, D, N)`` -> ``(B, C, N * factor)``; the shortcut repeats channels."""

    def __init__(self, channels: int, channels_out: int, factor: int, causal: bool) -> None:
        super().__init__()
        self.conv = ConvTranspose1d(channels, channels_out, factor, causal)
        self.factor = factor

    def run(self, x: Tensor, tape: Tape) -> Tensor:
        spread = unfold(x, self.factor)
        shortcut = spread.repeat_interleave(self.conv.out_channels // spread.shape[1], dim=1)
        return tape.run(self.conv, x) + shortcut


class Row(nn.ModuleList):
    """Blocks of one width, one after the other. ``(B, C, N)`` -> ``(B, C, N)``."""

    def __init__(self, channels: int, kernels: Sequence[int], recipe: Recipe) -> None:
        super().__init__(Block(channels, kernel, recipe) for kernel in kernels)

    def run(self, x: Tensor, tape: Tape) -> Tensor:
        for block in self:
            assert isinstance(block, Block)
            x = block.run(x, tape)
        return x


class Encoder(nn.Module):
    """One level on the way down; its input is also what the decoder is reminded of."""

    def __init__(self, recipe: Recipe, level: int) -> None:
        super().__init__()
        wide, narrow = recipe.channels[level + 1], recipe.channels[level]
        self.blocks = Row(narrow, recipe.level_kernels(level), recipe)
        self.down = Down(narrow, wide, recipe.factors[level], recipe.causal)

    def run(self, x: Tensor, tape: Tape) -> Tensor:
        return self.down.run(self.blocks.run(x, tape), tape)


class Decoder(nn.Module):
    """One level on the way up; the merge with the encoder's input comes last and is linear."""

    def __init__(self, recipe: Recipe, level: int) -> None:
        super().__init__()
        wide, narrow = recipe.channels[level + 1], recipe.channels[level]
        self.up = Up(wide, narrow, recipe.factors[level], recipe.causal)
        self.blocks = Row(narrow, recipe.level_kernels(level), recipe)
        self.merge = nn.Conv1d(2 * narrow, narrow, 1)

    def run(self, x: Tensor, skip: Tensor, tape: Tape) -> Tensor:
        x = self.blocks.run(self.up.run(x, tape), tape)
        return self.merge(torch.cat([x, skip], dim=1))


class Interval(nn.Module):
    """What a conditioned network multiplies its frames with for being told the interval, one part a level; at first 1.

    semitones ``(B,)``, of the shift to undo -> ``(B, C, 1)`` for the width C of each level and of the middle. Direction
    and distance are separate inputs, since what a shifter breaks follows both. A factor, so that silence stays silent.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.spread = nn.Linear(2, sum(channels), bias=False)
        nn.init.zeros_(self.spread.weight)

    def forward(self, semitones: Tensor) -> tuple[Tensor, ...]:
        octaves = semitones[:, None] / 12
        factors = 1 + self.spread(torch.cat([octaves, octaves.abs()], dim=1))
        return factors[..., None].split(self.channels, dim=1)


class UNet(nn.Module):
    """Audio ``(B, 1, T)``, full scale ±1 -> audio of the same shape; `total_stride` must divide T.

    A residual one gives its input plus what the layers make of it, at first nothing. A conditioned one also takes the
    interval to undo, in semitones ``(B,)``; one that is both gives its input where that is 0.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        levels = range(len(recipe.factors))
        self.recipe = recipe
        self.conv_in = Conv1d(recipe.patch, recipe.channels[0], 5, recipe.causal)
        self.encoders = nn.ModuleList(Encoder(recipe, level) for level in levels)
        self.middle = Row(recipe.channels[-1], [recipe.mid_kernel] * recipe.mid_blocks, recipe)
        self.decoders = nn.ModuleList(Decoder(recipe, level) for level in reversed(levels))
        self.conv_out = Conv1d(recipe.channels[0], recipe.patch, 5, recipe.causal)
        self.interval = Interval(recipe.channels) if recipe.conditioned else None
        if recipe.norm == "weight":
            for layer in self.modules():
                if isinstance(layer, nn.Conv1d):
                    weight_norm(layer)
        if recipe.residual:  # zeros in the last layer alone: its own gradient is not zero, so training can begin
            for parameter in self.conv_out.parameters():
                nn.init.zeros_(parameter)
        if not recipe.biases:  # zeros that are no weights any more: in silence every layer gives zeros
            for name, parameter in self.named_parameters():
                if name.endswith(".bias"):
                    nn.init.zeros_(parameter)
                    parameter.requires_grad_(False)

    @property
    def total_stride(self) -> int:
        return self.recipe.patch * prod(self.recipe.factors)

    def step_layers(self) -> dict[str, StepLayer]:
        """The layers with a memory by name, in the order in which they run."""
        return {name: layer for name, layer in self.named_modules() if isinstance(layer, StepLayer)}

    def silence(self, batch: int) -> list[Tensor]:
        """The past of a stream that starts: zeros, one tensor for each of `step_layers`."""
        return [layer.silence(batch) for layer in self.step_layers().values()]

    def step(
        self, audio: Tensor, past: Sequence[Tensor], semitones: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """One block of a stream: audio ``(B, 1, k * total_stride)`` and the past -> audio, the next past.

        Raises: ValueError if a layer looks ahead.
        """
        require_causal(self)
        tape = BlockTape(past)
        return self._run(audio, tape, semitones), tape.present

    def forward(self, audio: Tensor, semitones: Tensor | None = None) -> Tensor:
        return self._run(audio, Whole(), semitones)

    def _run(self, audio: Tensor, tape: Tape, semitones: Tensor | None) -> Tensor:
        x = tape.run(self.conv_in, fold(audio, self.recipe.patch))
        told = self._told(semitones)
        skips = []
        for level, encoder in enumerate(self.encoders):
            assert isinstance(encoder, Encoder)
            skips.append(x)
            x = encoder.run(x * told[level] if told else x, tape)
        x = self.middle.run(x * told[-1] if told else x, tape)
        for decoder in self.decoders:
            assert isinstance(decoder, Decoder)
            x = decoder.run(x, skips.pop(), tape)
        made = unfold(tape.run(self.conv_out, x), self.recipe.patch)
        if not self.recipe.residual:
            return made
        return audio + (made if semitones is None else made * told_share(semitones))

    def _told(self, semitones: Tensor | None) -> tuple[Tensor, ...]:
        """What each level and the middle are multiplied with; nothing for a network that is not conditioned."""
        if self.interval is None:
            return ()
        if semitones is None:
            raise ValueError(f"recipe {self.recipe.name} is conditioned: tell it the interval to undo, in semitones")
        told: tuple[Tensor, ...] = self.interval(semitones)
        return told


def told_share(semitones: Tensor) -> Tensor:
    """How much of what it makes a network adds that is told the interval: ``(B,)`` -> ``(B, 1, 1)``.

    Where nothing was shifted there is nothing to repair: none at 0, all from `WHOLE_FROM_SEMITONES` on.
    """
    return (semitones.abs() / WHOLE_FROM_SEMITONES).clamp(max=1)[:, None, None]


def require_causal(model: UNet) -> None:
    """Raises: ValueError that names the first layer that looks ahead, and by how much."""
    for name, layer in model.step_layers().items():
        if layer.lookahead:
            raise ValueError(
                f"recipe {model.recipe.name} is centred and cannot stream: layer {name} looks {layer.lookahead} frames "
                "ahead. Train it with --causal, or export it with --offline for whole files"
            )

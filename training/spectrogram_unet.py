"""The 2-D U-Net of the log's run 1: the same plan as `unet`, over the real and imaginary parts of a spectrogram.

It hears whole recordings only: its deepest frame spans 64 hops, so there is no low-latency form of it.
"""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.recipes import Recipe
from training.unet import EXPANSION, LAYER_SCALE_START

WINDOW = 1022
BINS = WINDOW // 2 + 1  # 512, which each of the factors divides
HOP = 256


class ImageNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each bin and frame: ``(B, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ImageBlock(nn.Module):
    """Depthwise look around in time and frequency, then an MLP on each point. ``(B, C, H, W)`` -> same shape."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = ImageNorm(channels, eps=1e-5)
        self.widen = nn.Conv2d(channels, EXPANSION * channels, 1)
        self.narrow = nn.Conv2d(EXPANSION * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels,), LAYER_SCALE_START))

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(F.gelu(self.widen(self.norm(self.look(x)))))
        return x + self.scale[:, None, None] * y


class ImageDown(nn.Module):
    """``(B, C, H, W)`` -> ``(B, D, H / factor, W / factor)``; the shortcut averages adjacent channels."""

    def __init__(self, channels: int, channels_out: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, factor + 1, factor, padding=factor // 2)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(x, self.factor)
        shortcut = folded.unflatten(1, (self.conv.out_channels, -1)).mean(dim=2)
        return self.conv(x) + shortcut


class ImageUp(nn.Module):
    """``(B, D, H, W)`` -> ``(B, C, H * factor, W * factor)``; the shortcut repeats channels."""

    def __init__(self, channels: int, channels_out: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels_out, 2 * factor, factor, padding=factor // 2)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        spread = F.pixel_shuffle(x, self.factor)
        return self.conv(x) + spread.repeat_interleave(self.conv.out_channels // spread.shape[1], dim=1)


class SpectrogramUNet(nn.Module):
    """Audio ``(B, 1, T)`` of any length -> audio of the same shape; cheapest when T + 256 is a multiple of 16,384."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        widths, kernel = recipe.channels, recipe.kernels[0]
        levels = list(enumerate(recipe.factors))

        def row(level: int) -> nn.Sequential:
            return nn.Sequential(*(ImageBlock(widths[level], kernel) for _ in range(recipe.blocks[level])))

        self.conv_in = nn.Conv2d(2, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(
            nn.Sequential(row(i), ImageDown(widths[i], widths[i + 1], factor)) for i, factor in levels
        )
        self.middle = nn.Sequential(*(ImageBlock(widths[-1], recipe.mid_kernel) for _ in range(recipe.mid_blocks)))
        self.decoders = nn.ModuleList(
            nn.Sequential(ImageUp(widths[i + 1], widths[i], factor), row(i)) for i, factor in reversed(levels)
        )
        self.merges = nn.ModuleList(nn.Conv2d(2 * widths[i], widths[i], 1) for i, _ in reversed(levels))
        self.conv_out = nn.Conv2d(widths[0], 2, 3, padding=1)
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    @property
    def total_stride(self) -> int:
        return HOP * prod(self.recipe.factors)

    def forward(self, audio: Tensor) -> Tensor:
        samples = audio.shape[-1]
        padded = F.pad(audio[:, 0], (0, -(samples + HOP) % self.total_stride))
        spectrum = torch.stft(padded.float(), WINDOW, HOP, window=self.window, return_complex=True, pad_mode="constant")
        image = self.restore(torch.stack([spectrum.real, spectrum.imag], dim=1))
        real, imaginary = image.float().unbind(dim=1)
        restored = torch.istft(torch.complex(real, imaginary), WINDOW, HOP, window=self.window, length=padded.shape[-1])
        return restored[:, None, :samples]

    def restore(self, image: Tensor) -> Tensor:
        """The network itself: image ``(B, 2, 512, frames)``, frames a multiple of 64 -> image of the same shape."""
        x = self.conv_in(image)
        skips = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(x)
        x = self.middle(x)
        for decoder, merge in zip(self.decoders, self.merges, strict=True):
            x = merge(torch.cat([decoder(x), skips.pop()], dim=1))
        restored: Tensor = self.conv_out(x)
        return restored

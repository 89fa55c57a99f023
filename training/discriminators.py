"""The discriminators of the adversarial stage: small networks that learn to tell restored sound from the original.

Two kinds, as in DAC (Kumar et al. 2023, arXiv:2306.06546): one folds the waveform by a period, the other looks at
spectrograms. Each answers with the output of every layer, and its verdict last: near 1 for "original".
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

PERIODS = (2, 3, 5, 7, 11)  # samples; primes, so that they overlap as little as can be
WINDOWS = (2048, 1024, 512)  # samples
BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the spectrum
_SLOPE = 0.1  # of the leaky rectifier, as in HiFi-GAN and DAC

Heard = list[Tensor]  # what one discriminator's layers made of a sound, the verdict last


class Stack(nn.ModuleList):
    """Layers in a row, rectified: x -> the output of each."""

    def forward(self, x: Tensor) -> Heard:
        heard = []
        for layer in self:
            x = F.leaky_relu(layer(x), _SLOPE)
            heard.append(x)
        return heard


class PeriodDiscriminator(nn.Module):
    """Hears every `period`-th sample as a signal of its own: ``(B, 1, T)`` -> layers ``(B, C, rows, period)``.

    Source: the multi-period discriminator of HiFi-GAN, Kong et al. 2020, arXiv:2010.05646, whose width is 32.
    """

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        channels = (1, width, 4 * width, 16 * width, 32 * width, 32 * width)
        strides = (3, 3, 3, 3, 1)
        self.layers = Stack(
            nn.Conv2d(before, after, (5, 1), (stride, 1), padding=(2, 0))
            for (before, after), stride in zip(pairwise(channels), strides, strict=True)
        )
        self.verdict = nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, audio: Tensor) -> Heard:
        padded = F.pad(audio, (0, -audio.shape[-1] % self.period), "reflect")
        heard = self.layers(padded.unflatten(-1, (-1, self.period)))
        return [*heard, self.verdict(heard[-1])]


class SpectrogramDiscriminator(nn.Module):
    """Hears the spectrogram of one window, each band by layers of its own: ``(B, 1, T)`` -> layers ``(B, C, N, bins)``.

    The complex spectrogram in bands is DAC's, Kumar et al. 2023, arXiv:2306.06546, whose width is 32. The magnitude
    beside it is what UnivNet's discriminator hears, Jang et al. 2021, arXiv:2106.07889.
    """

    def __init__(self, window: int, width: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        bins = window // 2 + 1
        edges = [int(share * bins) for share in BANDS]
        self.bands = tuple(high - low for low, high in pairwise(edges))
        self.stacks = nn.ModuleList(_band_stack(width) for _ in self.bands)
        self.verdict = nn.Conv2d(width, 1, (3, 3), padding=(1, 1))

    def forward(self, audio: Tensor) -> Heard:
        parts = self.spectrogram(audio).split(self.bands, dim=-1)
        bands = [stack(part) for stack, part in zip(self.stacks, parts, strict=True)]
        whole = torch.cat([band[-1] for band in bands], dim=-1)
        return [*(layer for band in bands for layer in band), self.verdict(whole)]

    def spectrogram(self, audio: Tensor) -> Tensor:
        """``(B, 1, T)`` -> ``(B, 3, T / hop + 1, window / 2 + 1)``: real part, imaginary part, magnitude.

        The hop is a quarter of the window. Divided by √window, which makes noise equally loud in every window.
        """
        spectrum = torch.stft(
            audio[:, 0],
            self.window,
            self.window // 4,
            window=self.get_buffer("hann"),
            normalized=True,
            return_complex=True,
        ).transpose(1, 2)
        real, imaginary = spectrum.real, spectrum.imag
        magnitude = torch.sqrt(real**2 + imaginary**2 + 1e-14)  # the offset gives silence a gradient: none
        return torch.stack([real, imaginary, magnitude], dim=1)


class Discriminators(nn.Module):
    """All of them: audio ``(B, 1, T)``, T above 1024 -> what each one heard.

    Args:
        width: channels of each one's first layer; the papers' is 32.
        normed: weight normalisation on every layer, as in the papers. Muon sets the scale of a matrix itself.
    """

    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, width) for period in PERIODS),
                *(SpectrogramDiscriminator(window, width) for window in WINDOWS),
            ]
        )
        if normed:
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    weight_norm(layer)

    def forward(self, audio: Tensor) -> list[Heard]:
        return [discriminator(audio) for discriminator in self.each]


def _band_stack(width: int) -> Stack:
    """The layers of one band, over time and frequency: bins of the last are an eighth."""
    return Stack(
        [
            nn.Conv2d(3, width, (3, 9), padding=(1, 4)),
            *(nn.Conv2d(width, width, (3, 9), (1, 2), padding=(1, 4)) for _ in range(3)),
            nn.Conv2d(width, width, (3, 3), padding=(1, 1)),
        ]
    )

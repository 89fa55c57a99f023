"""The log's training loss, mel distance over seven scales + 10 · L1; tested against `realtime.quality.metrics`.

Below it the terms of the adversarial stage: least squares, and the distance of what the discriminators' layers heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime.quality.metrics import MEL_COUNTS, MEL_FLOOR, MEL_WINDOWS, mel_filterbank


@dataclass(frozen=True)
class Loss:
    """The terms of one batch; `total` is what is minimised."""

    total: Tensor
    mel: Tensor
    l1: Tensor


class MelDistance(nn.Module):
    """Sum over seven scales of the mean |Δ log10 mel|: estimate, target ``(B, 1, T)`` -> scalar.

    Source: the mel loss of DAC, Kumar et al. 2023, arXiv:2306.06546, with the scales of `realtime.quality.metrics`.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for window, mels in zip(MEL_WINDOWS, MEL_COUNTS, strict=True):
            filters = torch.tensor(mel_filterbank(sample_rate, window, mels), dtype=torch.float32)
            self.register_buffer(f"filters_{window}", filters, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        total = estimate.new_zeros(())
        for window in MEL_WINDOWS:
            difference = self._log_mel(estimate, window) - self._log_mel(target, window)
            total = total + difference.abs().mean()
        return total

    def _log_mel(self, audio: Tensor, window: int) -> Tensor:
        spectrum = torch.stft(
            audio[:, 0], window, window // 4, window=self.get_buffer(f"window_{window}"), return_complex=True
        )
        # abs() of a complex zero has no gradient to follow; the tiny offset keeps it finite and is far below the floor.
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-14)
        mel = self.get_buffer(f"filters_{window}") @ magnitude
        return mel.clamp_min(MEL_FLOOR).log10()


class DeshiftLoss(nn.Module):
    """``mel_weight · mel + l1_weight · L1`` of waveforms, estimate and target ``(B, 1, T)``; the log has 1 and 10."""

    def __init__(self, sample_rate: int, l1_weight: float, mel_weight: float = 1.0) -> None:
        super().__init__()
        self.mel = MelDistance(sample_rate)
        self.l1_weight, self.mel_weight = l1_weight, mel_weight

    def forward(self, estimate: Tensor, target: Tensor) -> Loss:
        mel, l1 = self.mel(estimate, target), (estimate - target).abs().mean()
        return Loss(self.mel_weight * mel + self.l1_weight * l1, mel, l1)


# Below, `Sequence[Sequence[Tensor]]` is one row for each discriminator: what its layers heard, the verdict last.


def discriminator_loss(original: Sequence[Sequence[Tensor]], estimate: Sequence[Sequence[Tensor]]) -> Tensor:
    """Σ over discriminators of ``mean((1 - D(original))²) + mean(D(estimate)²)``.

    Source: least squares GAN, Mao et al. 2017, arXiv:1611.04076, as HiFi-GAN has it (Kong et al. 2020, eq. 3).
    """
    terms = [
        (1 - wanted[-1]).square().mean() + heard[-1].square().mean()
        for wanted, heard in zip(original, estimate, strict=True)
    ]
    return torch.stack(terms).sum()


def generator_loss(estimate: Sequence[Sequence[Tensor]]) -> Tensor:
    """Σ over discriminators of ``mean((1 - D(estimate))²)``: how far they are from being deceived. Source: as above."""
    return torch.stack([(1 - heard[-1]).square().mean() for heard in estimate]).sum()


def feature_loss(original: Sequence[Sequence[Tensor]], estimate: Sequence[Sequence[Tensor]]) -> Tensor:
    """Σ over discriminators and their layers, the verdict left out, of the mean absolute difference.

    Source: feature matching, Larsen et al. 2016, arXiv:1512.09300, as HiFi-GAN has it (Kong et al. 2020, eq. 7).
    """
    terms = [
        (wanted - heard).abs().mean()
        for both in zip(original, estimate, strict=True)
        for wanted, heard in zip(*(layers[:-1] for layers in both), strict=True)
    ]
    return torch.stack(terms).sum()

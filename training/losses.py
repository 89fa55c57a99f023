"""The log's training loss, mel distance over seven scales + 10 · L1; tested against `realtime.quality.metrics`."""

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
    """``mel + l1_weight · L1`` of the waveforms, estimate and target ``(B, 1, T)``; the log weighs L1 with 10."""

    def __init__(self, sample_rate: int, l1_weight: float) -> None:
        super().__init__()
        self.mel = MelDistance(sample_rate)
        self.l1_weight = l1_weight

    def forward(self, estimate: Tensor, target: Tensor) -> Loss:
        mel, l1 = self.mel(estimate, target), (estimate - target).abs().mean()
        return Loss(mel + self.l1_weight * l1, mel, l1)

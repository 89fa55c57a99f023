"""The log's validation: MR-STFT and SI-SDR over fixed centre crops, beside the floor of doing nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from training.models import Model
from training.pairs import Pair, centre_crops
from training.settings import TrainingError, TrainSettings

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """One validation clip, each array ``(1, T)``, and the shift in semitones that lies between them."""

    name: str
    shifted: Audio
    original: Audio
    semitones: float = 0.0


@dataclass(frozen=True)
class Scores:
    """Means over the clips; `mr_stft` and `mel` are distances (lower is better), `si_sdr_db` is in dB (higher is)."""

    mr_stft: float
    mel: float
    si_sdr_db: float


def fixed_clips(pairs: Sequence[Pair], settings: TrainSettings) -> tuple[Clip, ...]:
    """The clips of every validation; the silent ones are left out, since no figure says anything about silence.

    Raises: TrainingError if all of them are silent.
    """
    crops = centre_crops(pairs, settings.validation_crop, settings.validation_clips)
    clips = tuple(
        Clip(f"{pair.source} {pair.shifter} {pair.semitones:+g}", shifted, original, pair.semitones)
        for pair, shifted, original in crops
        if np.abs(original).max() > 1e-3
    )
    if not clips:
        raise TrainingError("the middle of every validation recording is silent: give other ones with --validation")
    return clips


def score(estimates: Iterable[Audio], clips: Sequence[Clip], sample_rate: int) -> Scores:
    rows = [
        (
            mr_stft(estimate, clip.original, sample_rate),
            mel_distance(estimate, clip.original, sample_rate),
            si_sdr(estimate, clip.original),
        )
        for estimate, clip in zip(estimates, clips, strict=True)
    ]
    return Scores(*(float(value) for value in np.mean(rows, axis=0)))


@torch.no_grad()
def restore(model: Model, shifted: Audio, semitones: float, device: torch.device) -> Audio:
    """Run a model over one whole clip ``(1, T)``, shifted by `semitones`; T must suit its total stride."""
    audio = torch.from_numpy(shifted)[None].to(device)
    told = [torch.tensor([semitones], device=device)] if model.recipe.conditioned else []
    restored: Audio = model(audio, *told)[0].float().cpu().numpy()
    return restored

"""What a plugin file is held against: its network in torch, behind the host's own vocoder where it has a pre-stage."""

import copy
import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from training.recipes import Recipe
from training.unet import UNet
from training.vocoder import prestage_delay, shift_back, vocoder_windows

Audio = NDArray[np.float32]


def shift_control(recipe: Recipe) -> bool:
    """Whether a file of this recipe has a knob for the interval that it undoes."""
    return bool(recipe.prestage) or recipe.conditioned


def delay_samples(recipe: Recipe) -> int:
    """By how much the pre-stage makes the output later than the network alone would."""
    return prestage_delay(recipe.prestage) if recipe.prestage else 0


def memory_samples(recipe: Recipe) -> int:
    """How far a sample reaches in the vocoder: its longer window; what it has turned by goes on to the next onset."""
    return max(pair.reach for pair in vocoder_windows(recipe.prestage)) if recipe.prestage else 0


def without_vocoder(model: UNet) -> UNet:
    """The network alone, which hears what its recipe's pre-stage would have given it."""
    alone = copy.copy(model)
    alone.recipe = dataclasses.replace(model.recipe, prestage="")
    return alone


def before_network(recipe: Recipe, audio: Audio, semitones: float) -> Audio:
    """What the network hears ``(N,)``, as late as the pre-stage makes it.

    At 0 semitones the vocoder is nothing but a delay; at others its numpy form does the work.
    """
    if not recipe.prestage:
        return audio
    delay = delay_samples(recipe)
    heard = shift_back(audio[None], semitones, recipe.prestage)[0] if semitones else audio
    return np.concatenate([np.zeros(delay, np.float32), heard])[: len(audio)]


@torch.no_grad()
def run_whole(model: UNet, audio: Audio, semitones: float = 0.0) -> Audio:
    """The model over a whole recording ``(N,)`` -> ``(N,)``."""
    heard = torch.from_numpy(before_network(model.recipe, audio, semitones))[None, None]
    restored: Audio = model(heard, *_told(model, semitones))[0, 0].numpy()
    return restored


@torch.no_grad()
def run_steps(model: UNet, audio: Audio, hop: int, semitones: float = 0.0) -> Iterator[Audio]:
    """The same, a hop at a time; `hop` divides N."""
    past = model.silence(1)
    heard = torch.from_numpy(before_network(model.recipe, audio, semitones))
    for block in heard.reshape(-1, 1, 1, hop):
        restored, past = model.step(block, past, *_told(model, semitones))
        yield restored[0, 0].numpy()


def _told(model: UNet, semitones: float) -> list[torch.Tensor]:
    return [torch.tensor([semitones])] if model.recipe.conditioned else []

"""From a recipe to its layers."""

from training.recipes import Recipe
from training.spectrogram_unet import SpectrogramUNet
from training.unet import UNet

Model = UNet | SpectrogramUNet


def build(recipe: Recipe) -> Model:
    """A model with fresh weights: audio ``(B, 1, T)`` -> audio of the same shape. `total_stride` must divide T."""
    return UNet(recipe) if recipe.kind == "waveform" else SpectrogramUNet(recipe)

"""The options of the adversarial stage, and what it changes about the others' defaults."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from training.settings import AdversarialSettings, TrainingError, TrainSettings

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = {  # option: (setting, what the help says)
    "discriminator-width": ("width", "Channels of a discriminator's first layer."),
    "discriminator-muon-rate": ("muon_lr", "Learning rate of the discriminators' matrices."),
    "discriminator-adamw-rate": ("adamw_lr", "Learning rate of the rest of them."),
    "generator-weight": ("generator_weight", "Weight of deceiving the discriminators."),
    "features-weight": ("features_weight", "Weight of what the discriminators' layers hear."),
    "mel-weight": ("mel_weight", "Weight of the mel distance beside them."),
}
_DEFAULTS = {field.name: field.default for field in fields(AdversarialSettings)}
_RATES = {"muon_rate": ("muon_lr", 1e-3), "adamw_rate": ("adamw_lr", 1e-4), "l1_weight": ("l1_weight", 0.0)}


def adversarial_options(command: Command) -> Command:
    """Add ``--adversarial`` and what belongs to it to a command."""
    for option, (setting, said) in reversed(_OPTIONS.items()):
        default = _DEFAULTS[setting]
        said = f"With --adversarial: {said[0].lower()}{said[1:]}  [default: {default:g}]"
        command = click.option(f"--{option}", type=type(default), help=said)(command)
    said = "The stage after the log's losses, usually from --init: discriminators learn beside the model."
    return click.option("--adversarial", is_flag=True, help=said)(command)


def adversarial_settings(options: dict[str, Any]) -> AdversarialSettings | None:
    """The stage as settings, None without it.

    Raises: TrainingError for an option of the stage without the stage; ValueError for a value it cannot have.
    """
    given = {option: options[option.replace("-", "_")] for option in _OPTIONS}
    given = {option: value for option, value in given.items() if value is not None}
    if not options["adversarial"]:
        if given:
            raise TrainingError(f"--{next(iter(given))} belongs to the adversarial stage: give --adversarial with it")
        return None
    return AdversarialSettings(**{_OPTIONS[option][0]: value for option, value in given.items()})


def rates_and_l1_weight(options: dict[str, Any]) -> dict[str, Any]:
    """The model's learning rates and L1 weight as settings: where they are not given, the log's for this stage."""
    chosen = {}
    for option, (setting, adversarial) in _RATES.items():
        default = adversarial if options["adversarial"] else getattr(TrainSettings, setting)
        chosen[setting] = default if options[option] is None else options[option]
    return chosen

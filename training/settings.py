"""How a recipe is trained, as data. The defaults are the log's protocol."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from training.augment import NO_GAIN_DB
from training.pairs import PairSettings

# What a run from before these were there means by not naming them.
_ADDED = {
    "residual": False,
    "conditioned": False,
    "biases": True,
    "prestage": "",
    "augment": 0.0,
    "gain_db": list(NO_GAIN_DB),
}
_LARGEST_GAIN_DB = 60.0


class TrainingError(RuntimeError):
    """Training cannot start or go on: one line with what, where and what to do."""


@dataclass(frozen=True)
class AdversarialSettings:
    """The adversarial stage: its loss is ``mel_weight · mel + l1_weight · L1 + generator_weight · (discriminators not
    deceived) + features_weight · (what their layers heard)``.

    `width` is the channels of each discriminator's first layer; the rates and the `clip` are the discriminators'.
    The defaults are those of DAC (Kumar et al. 2023, arXiv:2306.06546) and, for Muon's rate, of the log's later runs.
    """

    width: int = 32
    muon_lr: float = 1e-3
    adamw_lr: float = 1e-4
    generator_weight: float = 1.0
    features_weight: float = 2.0
    mel_weight: float = 15.0
    clip: float = 1e2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"the discriminators' width is {self.width}: give 1 or more")
        for name in ("muon_lr", "adamw_lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"the discriminators' {name} is {getattr(self, name)}: give more than 0")
        for name in ("generator_weight", "features_weight", "mel_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}: give 0 (without that term) or more")


@dataclass(frozen=True)
class TrainSettings:
    """One training run; `crop` and `validation_crop` in samples, `time_limit` and `log_every` in seconds.

    `rate_decay` lowers both learning rates linearly to zero at the last step; `ema` is the share of the running average
    of the weights that each step keeps (0: no average); `clip` limits the norm of the whole gradient. Every crop
    is amplified by one gain from `gain_db`, lowest and highest. With `adversarial`, discriminators learn beside the
    model and AdamW's β are 0.8 and 0.99, the log's for that stage.
    """

    steps: int = 10_000
    batch: int = 32
    crop: int = 32_768
    l1_weight: float = 10.0
    optimizer: Literal["muon", "adamw"] = "muon"
    muon_lr: float = 5e-3
    adamw_lr: float = 5e-4
    rate_decay: bool = False
    ema: float = 0.0
    clip: float = 1e3
    seed: int = 0
    validate_every: int = 1000
    validation_clips: int = 32
    validation_crop: int = 131_072
    precision: Literal["fp32", "tf32", "bf16"] = "tf32"
    compile: bool = False
    readers: int = 2
    gain_db: tuple[float, float] = NO_GAIN_DB
    adversarial: AdversarialSettings | None = None

    def __post_init__(self) -> None:
        counts = ("steps", "batch", "crop", "validate_every", "validation_clips", "validation_crop", "readers")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give 1 or more")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}: give 0 (none) up to, but not including, 1")
        for name in ("muon_lr", "adamw_lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: give more than 0")
        low, high = self.gain_db
        if not -_LARGEST_GAIN_DB <= low <= high <= _LARGEST_GAIN_DB:  # also catches NaN
            limit = f"{_LARGEST_GAIN_DB:g}"
            raise ValueError(f"a gain of {low:g} to {high:g} dB: give the lower end first, both within ±{limit} dB")
        if not 0 <= self.l1_weight < float("inf"):
            raise ValueError(f"l1_weight is {self.l1_weight}: give 0 (without that term) or more")
        if self.adversarial and self.precision == "bf16":  # the log's bf16 run was worse on every metric
            raise ValueError("the adversarial stage does not learn well in bf16: give --precision tf32 or fp32")

    @property
    def adamw_betas(self) -> tuple[float, float]:
        return (0.8, 0.99) if self.adversarial else (0.90, 0.95)

    def rate_factor(self, step: int) -> float:
        """What the learning rates are multiplied with at a step, counted from 0."""
        return 1 - step / self.steps if self.rate_decay else 1.0

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class DataFacts:
    """What a run was trained on; goes into every checkpoint and, through export, into the plugin file.

    `hours` counts each recording once; `source_hashes` are SHA-256 heads of the recordings' content, so that a
    judge can refuse a clip that the model has seen.
    """

    folders: tuple[str, ...]
    licences: str
    pairs: PairSettings
    hours: float
    validation_hours: float
    source_hashes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def changed_keys(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the facts of a saved run and those of today, both as JSON has them."""

    def same(theirs: Any, ours: Any) -> bool:
        both = isinstance(theirs, Mapping) and isinstance(ours, Mapping)
        return not changed_keys(theirs, ours) if both else theirs == ours

    return [key for key, value in now.items() if not same(saved.get(key, _ADDED.get(key)), value)]

"""Every system of the research log as data, and the small recipes that grew from it.

`output0` … `output21` are the log's 22 runs. Where the log is silent, its printed parameter counts fixed the values;
`tests/test_recipes.py` holds each of those counts.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from realtime.quality.prestage import prestage_window


@dataclass(frozen=True)
class Recipe:
    """One architecture, complete: two equal recipes build the same layers.

    ``channels`` has one entry more than ``blocks`` and ``factors``: the width of each level, then the middle's.
    Block j of every level looks through ``kernels[j]``; a single kernel serves all blocks.
    A `residual` network adds what it makes to its input, and begins by adding nothing; a `conditioned` one is told the
    interval that is undone. Without `biases` what is made of silence is silence. `prestage` shifts the damaged
    sound back before the network hears it, in training and in the host: one of `realtime.quality.prestage.PRESTAGES`,
    or empty for none.
    """

    name: str
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    mid_blocks: int
    factors: tuple[int, ...]
    kind: Literal["waveform", "spectrogram"] = "waveform"
    patch: int = 1
    kernels: tuple[int, ...] = (41,)
    mid_kernel: int = 41
    norm: Literal["none", "layer", "weight"] = "layer"
    activation: Literal["gelu", "snake"] = "gelu"
    causal: bool = False
    residual: bool = False
    conditioned: bool = False
    biases: bool = True
    prestage: str = ""
    steps: int = 10_000
    note: str = ""

    def __post_init__(self) -> None:
        levels = len(self.factors)
        if len(self.channels) != levels + 1 or len(self.blocks) != levels:
            raise ValueError(
                f"recipe {self.name}: {levels} factors need {levels + 1} channels and {levels} block counts, "
                f"not {len(self.channels)} and {len(self.blocks)}"
            )
        if len(self.kernels) > 1 and max(self.blocks) > len(self.kernels):
            raise ValueError(f"recipe {self.name}: {max(self.blocks)} blocks a level need as many kernels, or one")
        if self.kind == "spectrogram" and self.causal:
            raise ValueError(f"recipe {self.name}: spectrogram models have no causal form; choose a waveform recipe")
        if (self.conditioned or not self.biases) and self.kind == "spectrogram":
            raise ValueError(f"recipe {self.name}: only waveform models can be conditioned or do without biases")
        if self.residual and (self.kind == "spectrogram" or self.norm == "weight"):
            raise ValueError(f"recipe {self.name}: only waveform models without weight norm have a residual form")
        if self.prestage:
            try:
                prestage_window(self.prestage)
            except ValueError as error:
                raise ValueError(f"recipe {self.name}: {error}") from error

    def level_kernels(self, level: int) -> tuple[int, ...]:
        """The kernel of each block of a level, the same on the way down and up."""
        count = self.blocks[level]
        return self.kernels[:count] if len(self.kernels) > 1 else self.kernels * count

    def as_causal(self) -> "Recipe":
        return dataclasses.replace(self, causal=True)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Recipe":
        """Raises: ValueError for a key that no recipe has, or one that is missing."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"not a recipe: {error}") from error


_DAC_LIKE = (2, 4, 8, 8)
_PATCHED = Recipe("output13", (32, 64, 128, 256, 512), (3, 3, 3, 3), 3, (2, 2, 4, 8), patch=4, norm="none")


def _vary(base: Recipe, name: str, **changes: Any) -> Recipe:
    return dataclasses.replace(base, name=name, **changes)


_OUTPUT0 = Recipe("output0", (8, 32, 128, 256, 512), (1, 3, 4, 4), 4, (8, 8, 4, 2))
_OUTPUT10 = Recipe("output10", (16, 32, 64, 128, 512), (3, 3, 3, 3), 3, (2, 2, 4, 8), patch=4)

LOG_RECIPES: tuple[Recipe, ...] = (
    _OUTPUT0,
    Recipe("output1", (4, 16, 128, 256, 512), (1, 3, 4, 4), 4, (4, 4, 2, 2), "spectrogram", kernels=(7,), mid_kernel=7),
    _vary(_OUTPUT0, "output2", steps=20_000),
    _vary(_OUTPUT0, "output3", blocks=(2, 4, 6, 6), mid_blocks=6),
    Recipe("output4", (8, 32, 64, 128, 256, 512, 1024), (1, 3, 4, 4, 4, 4), 4, (8, 4, 2, 2, 2, 2)),
    Recipe("output5", (32, 64, 128, 256, 512), (1, 3, 3, 3), 3, _DAC_LIKE),
    Recipe("output6", (16, 32, 128, 256, 512), (1, 3, 3, 3), 3, _DAC_LIKE),
    Recipe("output7", (8, 16, 64, 256, 512), (1, 3, 3, 3), 3, _DAC_LIKE),
    Recipe("output8", (8, 16, 32, 64, 128, 256, 512), (1, 3, 3, 3, 3, 3), 3, (4, 2, 4, 2, 4, 2)),
    Recipe("output9", (8, 16, 32, 64, 128, 256, 512), (1, 3, 3, 3, 3, 3), 3, (2, 4, 2, 4, 2, 4)),
    _OUTPUT10,
    _vary(_OUTPUT10, "output11", patch=2),
    _vary(_PATCHED, "output12", norm="layer"),
    _PATCHED,
    _vary(_PATCHED, "output14", norm="weight"),
    _vary(_PATCHED, "output15", activation="snake"),
    _vary(_PATCHED, "output16", kernels=(7,), mid_kernel=7),
    _vary(_PATCHED, "output17", kernels=(23,), mid_kernel=23),
    _vary(_PATCHED, "output18", kernels=(97,), mid_kernel=97),
    _vary(_PATCHED, "output19", kernels=(7, 23, 41), mid_kernel=7),
    _vary(_PATCHED, "output20", blocks=(4, 4, 4, 4), mid_blocks=4, kernels=(7, 23, 41, 97), mid_kernel=7),
    _vary(_PATCHED, "output21", channels=(48, 96, 192, 384, 768), kernels=(7, 23, 41), mid_kernel=7),
)

_LIGHT = Recipe(
    "light",
    (16, 32, 64, 128, 256),
    (1, 2, 2, 2),
    2,
    (2, 2, 4, 8),
    patch=4,
    kernels=(7, 41),
    mid_kernel=7,
    norm="none",
    causal=True,
    note="output19's plan at half the width and two thirds of the depth, causal: live on one core",
)

OWN_RECIPES: tuple[Recipe, ...] = (
    _LIGHT,
    _vary(
        _LIGHT,
        "restore",
        residual=True,
        conditioned=True,
        biases=False,
        prestage="vocoder1024",
        note="light behind the host's vocoder, which shifts back; the network adds what the two shifts took",
    ),
    _vary(
        _LIGHT,
        "studio",
        residual=True,
        conditioned=True,
        biases=False,
        prestage="vocoder2048",
        note="as restore, behind the longer window: for files, where 21 ms more do not matter",
    ),
    Recipe(
        "tiny",
        (8, 16, 32),
        (1, 1),
        1,
        (2, 4),
        patch=4,
        kernels=(7,),
        mid_kernel=7,
        norm="none",
        causal=True,
        steps=100,
        note="for tests and first tries: trains in seconds, sounds of nothing",
    ),
)

RECIPES: tuple[Recipe, ...] = LOG_RECIPES + OWN_RECIPES


def find(name: str) -> Recipe:
    """Raises: ValueError, naming every recipe, if there is none called `name`."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise ValueError(f"no recipe is called {name!r}; there are {', '.join(recipe.name for recipe in RECIPES)}")

"""The models that are measured, and their graphs. An export takes half a minute: plain graphs are kept."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from benchmarks.graph_floor import Work, work_of
from export.graph import plain_copy, stream_graph
from realtime.bundled import FOLDER
from realtime.trust import read_plugin_file
from training import checkpoint
from training.models import build
from training.recipes import Recipe, find
from training.unet import Block, UNet

SEED = 0
ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "graphs"
MADE_BY = ("export/graph.py", "training/layers.py", "training/unet.py", "training/models.py", "training/recipes.py")
BUNDLED = ("voice_octave",)


class ImpossibleHopError(ValueError):
    """A hop that a recipe cannot have: one line with the recipe, the hop and what would do."""


@dataclass(frozen=True)
class Case:
    """A model and a hop. `shipped` are the bytes of a bundled file, empty for a recipe with random weights."""

    name: str
    recipe: Recipe
    model: UNet
    hop_samples: int
    shipped: bytes = b""

    @property
    def work(self) -> Work:
        """What a hop asks for."""
        return work_of(self.recipe, self.model, self.hop_samples)


def case_of(name: str, hop_samples: int) -> Case:
    """A recipe of this name, causal, with seeded random weights; or a bundled model with its own weights.

    Raises: ImpossibleHopError; ValueError for a name that is neither.
    """
    if name in BUNDLED:
        return _bundled(name, hop_samples)
    recipe = find(name).as_causal()
    check_hop(recipe, hop_samples)
    torch.manual_seed(SEED)
    made = build(recipe)
    model = plain_copy(made)
    for layer in model.modules():
        if isinstance(layer, Block):  # at the 1e-6 of a fresh model an error inside a block would be lost
            layer.scale.fill_(1.0)
    return Case(name, recipe, model, hop_samples)


def check_hop(recipe: Recipe, hop_samples: int) -> None:
    """Raises: ImpossibleHopError unless the hop is a multiple of the recipe's total stride."""
    stride = recipe.patch
    for factor in recipe.factors:
        stride *= factor
    if hop_samples < 1 or hop_samples % stride:
        raise ImpossibleHopError(f"{recipe.name} runs in multiples of {stride} samples: no hop of {hop_samples}")


def plain_graph(case: Case) -> onnx.ModelProto:
    """The exporter's own fp32 graph, from the cache or made now."""
    path = CACHE / f"{case.name}-{case.hop_samples}-{_digest(case)}.onnx"
    if path.exists():
        return onnx.load(path)
    graph = stream_graph(case.model, case.hop_samples).model
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(graph.SerializeToString())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return graph


def _bundled(name: str, hop_samples: int) -> Case:
    path = FOLDER / f"{name}.onnx"
    file = read_plugin_file(path)
    if hop_samples != file.facts.hop_samples:
        raise ImpossibleHopError(f"{name} was exported for {file.facts.hop_samples} samples: no hop of {hop_samples}")
    recipe = Recipe.from_json(dict(file.facts.recipe))
    model = plain_copy(build(recipe))
    checkpoint.put_weights(model, checkpoint.read_weights(path), path)
    return Case(name, recipe, model, hop_samples, file.model)


def _digest(case: Case) -> str:
    """Changes with the weights, the hop, the versions and the code that makes the graph."""
    digest = hashlib.sha256()
    facts = [case.recipe.to_json(), case.hop_samples, torch.__version__, onnx.__version__]
    digest.update(json.dumps(facts).encode())
    for path in MADE_BY:
        digest.update((ROOT / path).read_bytes())
    for weight in case.model.parameters():
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()[:16]

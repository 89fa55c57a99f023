"""From a plugin file back to its network: the recipe says how the layers lie, the initializers are their weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from export.graph import ExportError, plain_copy
from realtime.contract import ContractError, Facts
from training import checkpoint
from training.models import build
from training.recipes import Recipe
from training.unet import UNet, require_causal

LARGEST_DIFFERENCE = 1e-4  # as at export: what a certified file and its network may differ by
BLOCKS = 24
EIGHT_BIT = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}


@dataclass(frozen=True)
class Source:
    """What a plugin file says of itself, and its network: on the CPU, for inference, weights as the file holds them."""

    facts: Facts
    network: UNet


def read_source(path: Path) -> Source:
    """Read a plugin file whose network alone makes its sound.

    Raises: ExportError for what is no plugin file, an offline one, 8-bit weights, a vocoder before the model, controls
    (no recipe has any), or weights that do not give the file's output back within `LARGEST_DIFFERENCE`.
    """
    model = _read_onnx(path)
    try:
        facts = Facts.parse({entry.key: entry.value for entry in model.metadata_props})
    except ContractError as error:
        raise ExportError(f"{path}: {error}") from error
    _require_direct_stream(path, facts)
    if any(tensor.data_type in EIGHT_BIT for tensor in model.graph.initializer):
        raise ExportError(f"{path} holds 8-bit weights, which TorchScript cannot take over: export it without int8")
    network = _network(path, facts)
    difference = _difference(path, facts, network)
    if not difference <= LARGEST_DIFFERENCE:  # also catches NaN
        raise ExportError(
            f"{path}: the network of recipe {network.recipe.name} differs from the file by {difference:.1e} with the "
            "weights found in it: export the run again"
        )
    return Source(facts, network)


def _read_onnx(path: Path) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.load(path, load_external_data=False)
    except (OSError, ValueError, DecodeError) as error:
        raise ExportError(f"{path} cannot be read as a plugin file ({error}): give an exported .onnx file") from error
    return model


def _require_direct_stream(path: Path, facts: Facts) -> None:
    if facts.kind != "stream":
        raise ExportError(
            f"{path} is for whole files and cannot run in a plugin: export a causal run without --offline"
        )
    if facts.prestage_window_samples:
        raise ExportError(
            f"{path} needs the vocoder before it, which only deshift's own hosts run: "
            "give a model of a direct recipe, such as light"
        )
    if facts.controls:
        raise ExportError(
            f"{path} has controls ({', '.join(control.name for control in facts.controls)}), which no recipe's network "
            "can be rebuilt with: load it in a host that runs .onnx files"
        )


def _network(path: Path, facts: Facts) -> UNet:
    """The recipe's layers with the file's weights. Two equal weights may be stored as one: then a name is missing."""
    try:
        built = build(Recipe.from_json(dict(facts.recipe)))
        network = plain_copy(built)
        checkpoint.put_weights(network, checkpoint.read_weights(path), path)
        require_causal(network)
    except (ExportError, ValueError) as error:  # CheckpointError is a ValueError: it names the weight
        raise ExportError(f"{path}: its network cannot be rebuilt ({error}): export the run again") from error
    return network


@torch.no_grad()
def _difference(path: Path, facts: Facts, network: UNet) -> float:
    """The largest absolute difference between file and network over a few hops of noise, states carried."""
    hop = facts.hop_samples
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    states = {
        value.name: np.zeros((1, *value.shape[1:]), np.float32)
        for value in session.get_inputs()
        if value.name != "audio"
    }
    noise: NDArray[np.float32] = np.random.default_rng(0).normal(0, 0.2, (BLOCKS, 1, 1, hop)).astype(np.float32)
    past, largest = network.silence(1), 0.0
    for block in noise:
        results = dict(zip(names, session.run(names, {"audio": block, **states}), strict=True))
        states = {name: results[name.replace("state_", "next_", 1)] for name in states}
        restored, past = network.step(torch.from_numpy(block), past)
        largest = max(largest, float(np.abs(results["audio_out"] - restored.numpy()).max()))
    return largest

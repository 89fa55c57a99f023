"""Checkpoints: one safetensors file with weights and optimiser state and, as JSON in its header, everything else.

One file, so that a save is atomic. Nothing is pickled.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

FORMAT = "deshift checkpoint 1"


class CheckpointError(ValueError):
    """A file that cannot be used as weights: one line with what, where and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """`facts` is plain JSON: step, recipe, settings, versions, …; `adversary` is the state of an adversarial stage."""

    weights: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    facts: dict[str, Any]
    adversary: dict[str, Tensor] = field(default_factory=dict)

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights where an average was kept, else the weights as they stand."""
        return self.ema or self.weights


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write beside the target, then rename: a crash leaves the old file or the new one, never half of one.

    Raises: CheckpointError or OSError if it cannot be written, as on a full disk.
    """
    tensors = {
        f"{part}:{name}": tensor.detach().cpu().contiguous()
        for part, group in (
            ("weights", checkpoint.weights),
            ("ema", checkpoint.ema),
            ("optimizer", checkpoint.optimizer),
            ("adversary", checkpoint.adversary),
        )
        for name, tensor in group.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        save_file(tensors, partial, metadata={"format": FORMAT, "facts": json.dumps(checkpoint.facts)})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except safetensors.SafetensorError as error:  # its writer does not raise OSError
        raise CheckpointError(f"{path} cannot be written ({error}): make room for it, then go on") from error
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> Checkpoint:
    """Raises: CheckpointError if the file is missing, damaged or not a checkpoint of ours."""
    if not path.is_file():
        raise CheckpointError(
            f"{path} is not there: give a run folder that `deshift train` wrote, or a checkpoint file"
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): take an earlier checkpoint") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a deshift checkpoint (format {metadata.get('format')!r})")
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "ema": {}, "optimizer": {}, "adversary": {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition(":")
        parts[part][name] = tensor
    facts = json.loads(metadata["facts"])
    return Checkpoint(parts["weights"], parts["ema"], parts["optimizer"], facts, parts["adversary"])


def of_run(folder: Path) -> Path:
    """The checkpoint to export from a run folder: the best one, else the last; a file stands for itself."""
    if folder.is_file():
        return folder
    best = folder / "best.safetensors"
    return best if best.is_file() else folder / "last.safetensors"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, a run folder or a released plugin file (.onnx), by parameter name."""
    if path.suffix.lower() == ".onnx":
        return _weights_of_plugin_file(path)
    return load(of_run(path)).best_weights()


def read_adversary(path: Path) -> dict[str, Tensor]:
    """The state of the adversarial stage beside these weights; empty where there was none, or it was not kept."""
    return {} if path.suffix.lower() == ".onnx" else load(of_run(path)).adversary


def read_origin(path: Path) -> dict[str, Any]:
    """What a run that starts from these weights remembers of them; `origin` in it is what they themselves came from."""
    if path.suffix.lower() == ".onnx":
        return {"file": path.name, **_training_of_plugin_file(path)}
    facts = load(of_run(path)).facts
    kept = ("step", "seconds", "settings", "data", "origin")
    return {"file": path.name, **{key: facts[key] for key in kept if key in facts}}


def _training_of_plugin_file(path: Path) -> dict[str, Any]:
    """What a plugin file says it has heard, in the form of a run's facts; empty lists where it does not say."""
    import onnx  # only here: a training run from scratch needs none of it

    properties = {one.key: one.value for one in onnx.load(path, load_external_data=False).metadata_props}
    try:
        training = json.loads(properties.get("training", "{}"))
        hashes, shifters = (list(training.get(key, [])) for key in ("source_hashes", "shifters"))
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its facts on training are damaged ({error}): give a released .onnx") from error
    return {"data": {"source_hashes": hashes, "pairs": {"shifters": shifters}}}


def _weights_of_plugin_file(path: Path) -> dict[str, Tensor]:
    import onnx  # only here: a training run from scratch needs none of it
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
        return {
            tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()).float()
            for tensor in model.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        }
    except (OSError, ValueError, DecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a plugin file ({error}): give a released .onnx file"
        ) from error


def put_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Copy weights into a model, by name. A weight that is parametrised takes the plain one (weight norm).

    Raises: CheckpointError that names the first parameter which is missing or of another shape.
    """
    for name, parameter in model.state_dict().items():
        if name in weights:
            if weights[name].shape != parameter.shape:
                raise CheckpointError(
                    f"{source}: {name} has shape {tuple(weights[name].shape)}, this recipe needs "
                    f"{tuple(parameter.shape)}: give weights of the same recipe"
                )
        elif ".parametrizations." not in name or _plain_name(name) not in weights:
            raise CheckpointError(f"{source}: there is no {name} in it: give weights of the same recipe")
    with torch.no_grad():
        for name, parameter in model.state_dict().items():
            if name in weights:
                parameter.copy_(weights[name])
        for name, layer in model.named_modules():
            plain = f"{name}.weight"
            if parametrize.is_parametrized(layer, "weight") and plain in weights:
                layer.weight = weights[plain]


def _plain_name(name: str) -> str:
    """``a.parametrizations.weight.original0`` -> ``a.weight``."""
    return name.split(".parametrizations.")[0] + ".weight"


def as_json(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as they come back from a file: tuples become lists."""
    copied: dict[str, Any] = json.loads(json.dumps(facts))
    return copied

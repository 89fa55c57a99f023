"""What can be exported: a run, a checkpoint, or a plugin file that is written anew in another form."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.certificate import LARGEST_DIFFERENCE, LEAST_PRESTAGE_SNR_DB, below_db, trial
from export.graph import ExportError, plain_copy
from export.stream_file import read_whole
from training import checkpoint
from training.geometry import parameter_count
from training.loop import PROBE
from training.models import build
from training.recipes import Recipe
from training.unet import UNet

TRIAL_HOPS = 24
EIGHT_BIT = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


@dataclass(frozen=True)
class Source:
    """A network, and what is known of it whatever form it is exported in.

    `model`: plain, see `export.graph.plain_copy`; `facts`: arguments of `realtime.contract.Facts`; `probe`: a recording
    for the certificate, None where none lies beside it.
    """

    path: Path
    model: UNet
    facts: dict[str, Any]
    probe: Path | None
    weight_rounding: float = 0.0  # what storing these weights changed already, see `export.certificate.Certificate`

    @property
    def sample_rate(self) -> int:
        rate: int = self.facts["sample_rate"]
        return rate


def read_source(path: Path) -> Source:
    """Read a run folder, a checkpoint or a plugin file.

    Raises: ExportError or CheckpointError, one line, for what cannot be exported.
    """
    return _plugin_file(path) if path.suffix.lower() == ".onnx" else _run(path)


def with_residual(source: Source, share: float) -> Source:
    """The source with `share` of what its network adds to its input; the file's facts keep the share.

    Less than all is for caution: what a network adds on the average of its recordings is too much for some of them.
    Raises: ExportError for a network that makes its output anew.
    """
    if share == 1:
        return source
    if not source.model.recipe.residual:
        raise ExportError(
            f"{source.path}: recipe {source.model.recipe.name} adds nothing to its input, so there is no share of it "
            "to take: leave out --residual"
        )
    model = copy.deepcopy(source.model)
    for parameter in model.conv_out.parameters():
        parameter.data.mul_(share)
    training = source.facts["training"]
    kept = {**training, "residual": share * training.get("residual", 1.0)}
    return replace(source, model=model, facts={**source.facts, "training": kept})


def started_from(origin: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The runs whose weights came before, the latest first; of a plugin file only the name is known."""
    runs = []
    while origin:
        known = {"steps": origin["step"], "hours_of_training": origin["seconds"] / 3600} if "step" in origin else {}
        runs.append({"file": origin["file"], **known})
        origin = origin.get("origin")
    return runs


def ever_heard(data: dict[str, Any], origin: dict[str, Any] | None) -> tuple[list[str], list[str]]:
    """The shifters and the recordings (as hashes) of a run and of all that its weights came from.

    A shifter that an earlier run was trained with is none that the model never heard, nor is a recording.
    """
    shifters, hashes = list(data["pairs"]["shifters"]), list(data["source_hashes"])
    while origin:
        before = origin.get("data", {})
        shifters += before.get("pairs", {}).get("shifters", [])
        hashes += before.get("source_hashes", [])
        origin = origin.get("origin")
    return list(dict.fromkeys(shifters)), list(dict.fromkeys(hashes))


def _run(path: Path) -> Source:
    file = checkpoint.of_run(path)
    saved = checkpoint.load(file)
    recipe = Recipe.from_json(saved.facts["recipe"])
    trained = build(recipe)
    checkpoint.put_weights(trained, saved.best_weights(), file)
    model = plain_copy(trained)
    probe = file.parent / PROBE
    return Source(path, model, _facts_of_run(model, saved.facts), probe if probe.is_file() else None)


def _plugin_file(path: Path) -> Source:
    file, facts = read_whole(path)
    if any(tensor.data_type in EIGHT_BIT and len(tensor.dims) == 2 for tensor in file.graph.initializer):
        raise ExportError(
            f"{path} holds 8-bit weights, which are not the trained ones any more: give the run, or the float file"
        )
    try:
        trained = build(Recipe.from_json(dict(facts.recipe)))
        checkpoint.put_weights(trained, checkpoint.read_weights(path), path)
        model = plain_copy(trained)
    except ValueError as error:
        raise ExportError(f"{path}: its network cannot be rebuilt ({error}): give the run") from error
    if facts.kind == "stream":
        told = facts.shift_semitones[-1] if model.recipe.conditioned else 0.0
        _require_same(path, file.SerializeToString(), model, facts.hop_samples, told)
    kept = ("name", "description", "licence", "sample_rate", "shift_semitones", "parameters", "recipe", "training")
    return Source(
        path,
        model,
        {key: getattr(facts, key) for key in kept},
        None,
        float(facts.certificate.get("weight_rounding", 0)),
    )


def _require_same(path: Path, content: bytes, model: UNet, hop_samples: int, semitones: float) -> None:
    """Raises: ExportError where the network that the file tells of is not the one in it."""
    noise = np.random.default_rng(0).normal(0, 0.2, TRIAL_HOPS * hop_samples).astype(np.float32)
    heard, expected = (np.concatenate(list(run)) for run in trial(content, model, noise, hop_samples, semitones))
    difference = float(np.abs(heard - expected).max())
    moved = bool(model.recipe.prestage and semitones)  # then two vocoders differ a little, as `certify_prestage` says
    same = below_db(expected, heard) >= LEAST_PRESTAGE_SNR_DB if moved else difference <= LARGEST_DIFFERENCE
    if not same:  # also where a sample is NaN
        raise ExportError(
            f"{path}: the network of recipe {model.recipe.name} differs from the file by {difference:.1e} with the "
            "weights found in it: export the run again"
        )


def _facts_of_run(model: UNet, saved: dict[str, Any]) -> dict[str, Any]:
    data = saved["data"]
    semitones = data["pairs"]["semitone_range"] or data["pairs"]["semitones"]
    shifters, hashes = ever_heard(data, saved["origin"])
    return {
        "name": model.recipe.name,
        "description": "",
        "licence": "NOASSERTION",  # SPDX for: nobody has said
        "sample_rate": data["pairs"]["sample_rate"],
        "shift_semitones": (min(semitones), max(semitones)),
        "parameters": parameter_count(model),
        "recipe": model.recipe.to_json(),
        "training": {
            **{key: data[key] for key in ("folders", "licences", "hours")},
            "shifters": shifters,
            "semitones": semitones,
            "augment": data["pairs"].get("augment", 0.0),  # older runs had none
            "steps": saved["step"],
            "hours_of_training": saved["seconds"] / 3600,
            "started_from": started_from(saved["origin"]),
            "settings": saved["settings"],
            "validation": saved["validation"],
            "source_hashes": hashes,
            "versions": saved["versions"],
        },
    }

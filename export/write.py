"""From a run to a plugin file: graph, weights, certificate and metadata, written whole or not at all."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import soundfile
import soxr
import torch

from export.certificate import Audio, Certificate, certify_stream, certify_whole
from export.graph import ExportError, plain_copy, stream_graph, whole_graph
from export.rewrite import fold_layer_scale, store_weights_as_half, stored_weights
from realtime.contract import Facts, weights_sha256
from training import checkpoint
from training.geometry import geometry, parameter_count
from training.loop import PROBE
from training.models import build
from training.recipes import Recipe
from training.unet import UNet

LONGEST_PROBE_SECONDS = 12.0


@dataclass(frozen=True)
class ExportSettings:
    """`hop_samples`: of the stream, a multiple of the total stride; `half`: store weights as float16."""

    hop_samples: int = 512
    offline: bool = False
    half: bool = True
    name: str = ""
    description: str = ""
    licence: str = "NOASSERTION"  # SPDX for: nobody has said


def export_run(run: Path, target: Path, settings: ExportSettings, audio: Path | None) -> Facts:
    """Export a run folder, or one checkpoint, to `target`.

    Args: audio: a recording for the certificate; None takes the one the run left beside its checkpoint.
    Returns: what the file says of itself.
    Raises: ExportError, CheckpointError, ValueError or OSError: what cannot be, in one line. Nothing is left behind.
    """
    if target.suffix.lower() != ".onnx":
        raise ExportError(f"{target} does not end in .onnx: a plugin file does")
    if not target.parent.is_dir():
        raise ExportError(f"there is no folder {target.parent}: make it, or give -o another place")
    source = checkpoint.of_run(run)
    saved = checkpoint.load(source)
    recipe = Recipe.from_json(saved.facts["recipe"])
    trained = build(recipe)
    checkpoint.put_weights(trained, saved.best_weights(), source)
    rate = saved.facts["data"]["pairs"]["sample_rate"]
    probe = read_probe(audio or source.parent / PROBE, rate)
    exact = plain_copy(trained)
    graph = whole_graph(exact) if settings.offline else stream_graph(exact, settings.hop_samples)
    folded = fold_layer_scale(graph.model)
    model = store_weights_as_half(folded) if settings.half else folded
    stored = _with_weights(exact, stored_weights(model))
    if settings.offline:
        certificate = certify_whole(model.SerializeToString(), stored, exact, probe, rate)
    else:
        certificate = certify_stream(model.SerializeToString(), stored, exact, probe, graph.hop_samples, rate)
    facts = _facts(recipe, saved.facts, settings, model, certificate, graph.hop_samples)
    onnx.helper.set_model_props(model, facts.to_metadata())
    model.producer_name = "deshift"
    write_whole(target, model.SerializeToString())
    return facts


def started_from(origin: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The runs whose weights came before, the latest first; of a plugin file only the name is known."""
    runs = []
    while origin:
        known = {"steps": origin["step"], "hours_of_training": origin["seconds"] / 3600} if "step" in origin else {}
        runs.append({"file": origin["file"], **known})
        origin = origin.get("origin")
    return runs


def read_probe(path: Path, rate: int) -> Audio:
    """At most 12 s of a recording, mono ``(N,)``, at `rate`. Raises: ExportError if it cannot be read."""
    if not path.is_file():
        raise ExportError(f"there is no {path} to measure the certificate on: give --audio with a shifted recording")
    try:
        with soundfile.SoundFile(path) as file:
            audio = file.read(int(LONGEST_PROBE_SECONDS * file.samplerate), dtype="float32", always_2d=True)
            source_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise ExportError(f"{path} cannot be read ({error.error_string}): give --audio with a sound file") from error
    mono: Audio = soxr.resample(audio.mean(axis=1), source_rate, rate, quality="VHQ")
    return mono


def write_whole(target: Path, content: bytes) -> None:
    """Beside the target, then renamed."""
    partial = target.with_name(target.name + ".part")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _with_weights(model: UNet, weights: dict[str, Any]) -> UNet:
    """The model as the file stores it; weights that the exporter merged, being equal, keep their own value."""
    stored = copy.deepcopy(model)
    for name, parameter in stored.named_parameters():
        if name in weights:
            parameter.data.copy_(torch.from_numpy(weights[name]))
    return stored


def _facts(
    recipe: Recipe,
    saved: dict[str, Any],
    settings: ExportSettings,
    model: onnx.ModelProto,
    certificate: Certificate,
    hop: int,
) -> Facts:
    seen = geometry(recipe)
    data = saved["data"]
    semitones = data["pairs"]["semitone_range"] or data["pairs"]["semitones"]
    return Facts(
        name=settings.name or recipe.name,
        kind="offline" if settings.offline else "stream",
        description=settings.description,
        licence=settings.licence,
        sample_rate=data["pairs"]["sample_rate"],
        hop_samples=hop,
        lookahead_samples=seen.lookahead if settings.offline else 0,
        latency_samples=0 if settings.offline else hop,
        receptive_field_samples=seen.past + 1 + (seen.lookahead if settings.offline else 0),
        shift_semitones=(min(semitones), max(semitones)),
        parameters=parameter_count(plain_copy(build(recipe))),
        weights_sha256=weights_sha256(model.SerializeToString()),
        recipe=recipe.to_json(),
        training={
            **{key: data[key] for key in ("folders", "licences", "hours")},
            "shifters": data["pairs"]["shifters"],
            "semitones": semitones,
            "steps": saved["step"],
            "hours_of_training": saved["seconds"] / 3600,
            "started_from": started_from(saved["origin"]),
            "settings": saved["settings"],
            "validation": saved["validation"],
            "source_hashes": data["source_hashes"],
            "versions": saved["versions"],
        },
        certificate=certificate.to_json(),
    )

"""From a run to a plugin file: graph, weights, certificate and metadata, written whole or not at all."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import soundfile
import soxr
import torch

from export import readiness
from export.certificate import Audio, Certificate, certify_int8, certify_prestage, certify_stream, certify_whole
from export.fast_graph import fast_stream_graph
from export.graph import ExportError, Graph, whole_graph
from export.reference import delay_samples, memory_samples, shift_control, without_vocoder
from export.rewrite import Rewrites, store_weights_as_half, stored_weights
from export.source import Source, read_source, with_residual
from realtime.contract import SHIFT_CONTROL, Control, Facts, weights_sha256
from training.geometry import geometry
from training.unet import UNet

LONGEST_PROBE_SECONDS = 12.0


@dataclass(frozen=True)
class ExportSettings:
    """`hop_samples`: of the stream, a multiple of the total stride; `half`: store weights as float16; `int8`: the large
    products in 8 bit; `name`, `description`, `licence`: empty for the source's own; `residual`: the share of what a
    restoring network adds.
    """

    hop_samples: int = 512
    offline: bool = False
    half: bool = True
    int8: bool = False
    name: str = ""
    description: str = ""
    licence: str = ""
    tensorrt: bool = True  # see whether TensorRT would take it, where that can be found out
    residual: float = 1.0


def export_run(run: Path, target: Path, settings: ExportSettings, audio: Path | None) -> Facts:
    """Export a run folder, one checkpoint, or a plugin file anew, to `target`.

    Args: audio: a recording for the certificate; None takes the one the run left beside its checkpoint.
    Returns: what the file says of itself.
    Raises: ExportError, CheckpointError, ValueError or OSError: what cannot be, in one line. Nothing is left behind.
    """
    if target.suffix.lower() != ".onnx":
        raise ExportError(f"{target} does not end in .onnx: a plugin file does")
    if not target.parent.is_dir():
        raise ExportError(f"there is no folder {target.parent}: make it, or give -o another place")
    if settings.int8 and settings.offline:
        raise ExportError("8 bit is for streams: leave out --int8 or --offline")
    source = with_residual(read_source(run), settings.residual)
    probe = read_probe(audio or source.probe, source.sample_rate)
    graph, certificate = _certified(source, settings, probe)
    certificate = replace(certificate, weight_rounding=certificate.weight_rounding + source.weight_rounding)
    model = graph.model
    facts = _facts(source, settings, model, certificate, graph.hop_samples)
    onnx.helper.set_model_props(model, facts.to_metadata())
    model.producer_name = "deshift"
    write_whole(target, model.SerializeToString())
    return facts


def read_probe(path: Path | None, rate: int) -> Audio:
    """At most 12 s of a recording, mono ``(N,)``, at `rate`. Raises: ExportError if it cannot be read."""
    if path is None or not path.is_file():
        there = "nothing" if path is None else f"no {path}"
        raise ExportError(f"there is {there} to measure the certificate on: give --audio with a shifted recording")
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


def _certified(source: Source, settings: ExportSettings, probe: Audio) -> tuple[Graph, Certificate]:
    exact, rate = source.model, source.sample_rate
    if settings.offline:
        graph = _stored(whole_graph(exact), settings)
        stored = _with_weights(exact, stored_weights(graph.model))
        return graph, certify_whole(graph.model.SerializeToString(), stored, exact, probe, rate)
    graph = _stored(fast_stream_graph(exact, settings.hop_samples), settings)
    stored = _with_weights(exact, stored_weights(graph.model))
    content = graph.model.SerializeToString()
    ends = source.facts["shift_semitones"]
    told = ends if exact.recipe.conditioned else (0.0,)
    if exact.recipe.prestage:
        network = without_vocoder(exact)
        alone = _stored(fast_stream_graph(network, settings.hop_samples), settings).model.SerializeToString()
        certificate = certify_stream(alone, without_vocoder(stored), network, probe, graph.hop_samples, rate, told)
        certificate = certify_prestage(certificate, content, stored, probe, graph.hop_samples, ends)
    else:
        certificate = certify_stream(content, stored, exact, probe, graph.hop_samples, rate, told)
    if not settings.int8:
        return graph, certificate
    small = _stored(fast_stream_graph(exact, settings.hop_samples, Rewrites(int8=True)), settings)
    if not any(node.op_type == "MatMulInteger" for node in small.model.graph.node):
        raise ExportError(f"{exact.recipe.name} has no product large enough to gain from 8 bit: leave out --int8")
    return small, certify_int8(certificate, small.model.SerializeToString(), exact, probe, graph.hop_samples, told[-1])


def _stored(graph: Graph, settings: ExportSettings) -> Graph:
    return Graph(store_weights_as_half(graph.model), graph.hop_samples) if settings.half else graph


def _with_weights(model: UNet, weights: dict[str, Any]) -> UNet:
    """The model as the file stores it; weights that the exporter merged, being equal, keep their own value."""
    stored = copy.deepcopy(model)
    for name, parameter in stored.named_parameters():
        if name in weights:
            parameter.data.copy_(torch.from_numpy(weights[name]))
    return stored


def _facts(
    source: Source, settings: ExportSettings, model: onnx.ModelProto, certificate: Certificate, hop: int
) -> Facts:
    seen = geometry(source.model.recipe)
    given = {key: getattr(settings, key) for key in ("name", "description", "licence") if getattr(settings, key)}
    lookahead = seen.lookahead if settings.offline else delay_samples(source.model.recipe)
    content = model.SerializeToString()
    return Facts(
        **{**source.facts, **given},
        kind="offline" if settings.offline else "stream",
        hop_samples=hop,
        lookahead_samples=lookahead,
        latency_samples=0 if settings.offline else hop + lookahead,
        controls=_controls(source),
        receptive_field_samples=seen.past + 1 + lookahead + memory_samples(source.model.recipe),
        weights_sha256=weights_sha256(content),
        certificate={**certificate.to_json(), "tensorrt": _tensorrt(content, settings)},
    )


def _controls(source: Source) -> tuple[Control, ...]:
    """The interval to undo, where the graph is told it; at first none, so that nothing is bent that nobody spoke of."""
    if not shift_control(source.model.recipe):
        return ()
    low, high = source.facts["shift_semitones"]
    return (Control(SHIFT_CONTROL, "semitones", low, high, min(max(0.0, low), high)),)


def _tensorrt(content: bytes, settings: ExportSettings) -> str:
    return readiness.check(content).outcome if settings.tensorrt else readiness.NOT_CHECKED

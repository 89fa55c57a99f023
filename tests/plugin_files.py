"""Tiny plugin files, each with an independent reference: a gain, a delay line, a one-pole filter, a centred network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.graph_writer import GraphWriter
from export.vocoder_graph import vocoder
from realtime.contract import Control, Facts, weights_sha256
from training.vocoder import prestage_delay

RATE = 48_000
HOP = 64


def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def weight(name: str, values: Any, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def make_model(
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    states: dict[str, tuple[int, ...]] | None = None,
    hop: int | str = HOP,
    controls: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """A graph with the inputs and outputs of docs/plugin-format.md, without metadata."""
    shapes = {key: ("channels", *shape) for key, shape in (states or {}).items()}
    inputs = [tensor("audio", "channels", 1, hop)]
    inputs += [tensor(f"state_{key}", *shape) for key, shape in shapes.items()]
    inputs += [tensor(f"control_{name}", 1) for name in controls]
    outputs = [tensor("audio_out", "channels", 1, hop)]
    outputs += [tensor(f"next_{key}", *shape) for key, shape in shapes.items()]
    graph = helper.make_graph(nodes, "plugin", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def make_facts(model: onnx.ModelProto, **changes: Any) -> Facts:
    hop, lookahead = changes.get("hop_samples", HOP), changes.get("lookahead_samples", 0)
    streams = changes.get("kind", "stream") == "stream"
    values: dict[str, Any] = {
        "name": "test plugin",
        "kind": "stream",
        "description": "made by a test",
        "licence": "CC0-1.0",
        "sample_rate": RATE,
        "hop_samples": hop,
        "lookahead_samples": lookahead,
        "latency_samples": hop + lookahead if streams else 0,
        "receptive_field_samples": lookahead + 1,
        "shift_semitones": (12.0, 12.0),
        "parameters": sum(int(np.prod(w.dims)) for w in model.graph.initializer),
        "weights_sha256": weights_sha256(model.SerializeToString()),
        "recipe": {"name": "none"},
        "training": {"data": "none"},
        "certificate": {"stream_vs_offline": 0.0},
    }
    return Facts(**(values | changes))


def save(path: Path, model: onnx.ModelProto, metadata: dict[str, str]) -> Path:
    del model.metadata_props[:]
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


def gain_model(gain: float = 0.5, hop: int | str = HOP) -> onnx.ModelProto:
    return make_model([helper.make_node("Mul", ["audio", "gain"], ["audio_out"])], [weight("gain", [gain])], hop=hop)


def gain_plugin(path: Path, gain: float = 0.5, **changes: Any) -> Path:
    """y = gain * x."""
    hop = "samples" if changes.get("kind") == "offline" else changes.get("hop_samples", HOP)
    model = gain_model(gain, hop)
    return save(path, model, make_facts(model, **changes).to_metadata())


def delay_model(delay: int, hop: int = HOP) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Concat", ["state_line", "audio"], ["line"], axis=2),
        helper.make_node("Slice", ["line", "zero", "hop", "axis"], ["audio_out"]),
        helper.make_node("Slice", ["line", "hop", "end", "axis"], ["next_line"]),
    ]
    numbers = {"zero": 0, "hop": hop, "axis": 2, "end": hop + delay}
    weights = [weight(name, [value], np.int64) for name, value in numbers.items()]
    return make_model(nodes, weights, {"line": (1, delay)}, hop)


def delay_plugin(path: Path, delay: int = 100, **changes: Any) -> Path:
    """y[n] = x[n - delay]: a model that waits for `delay` samples of future and then changes nothing."""
    model = delay_model(delay, changes.get("hop_samples", HOP))
    facts = make_facts(model, **({"lookahead_samples": delay} | changes))
    return save(path, model, facts.to_metadata())


def one_pole_plugin(path: Path, pole: float = 0.9, hop: int = HOP, **changes: Any) -> Path:
    """y[n] = pole * y[n - 1] + (1 - pole) * x[n], a hop at a time: y = x @ powers + y[-1] * decay."""
    steps = np.arange(hop)
    ages = steps[None, :] - steps[:, None]
    powers = np.where(ages >= 0, (1 - pole) * pole ** np.maximum(ages, 0), 0)
    nodes = [
        helper.make_node("MatMul", ["audio", "powers"], ["heard"]),
        helper.make_node("Mul", ["state_memory", "decay"], ["tail"]),
        helper.make_node("Add", ["heard", "tail"], ["audio_out"]),
        helper.make_node("Slice", ["audio_out", "last", "end", "axis"], ["next_memory"]),
    ]
    weights = [weight("powers", powers), weight("decay", pole ** (steps + 1.0))]
    weights += [weight(k, [v], np.int64) for k, v in {"last": hop - 1, "end": hop, "axis": 2}.items()]
    model = make_model(nodes, weights, {"memory": (1, 1)}, hop)
    facts = make_facts(model, **({"hop_samples": hop, "receptive_field_samples": 4096} | changes))
    return save(path, model, facts.to_metadata())


def one_pole_reference(audio: NDArray[np.float32], pole: float = 0.9) -> NDArray[np.float64]:
    """The same filter, sample by sample, ``(C, N)``."""
    heard = np.zeros(audio.shape)
    memory = np.zeros(audio.shape[0])
    for n in range(audio.shape[1]):
        memory = pole * memory + (1 - pole) * audio[:, n]
        heard[:, n] = memory
    return heard


def centred_model(hop: int = 8, seed: int = 3) -> onnx.ModelProto:
    """A Conv that looks around, Tanh, a strided Conv and its transpose: a chunk's place on the hop grid matters."""
    draw = np.random.default_rng(seed)
    weights = [
        weight("around", draw.standard_normal((4, 1, 31)) / 4),
        weight("down", draw.standard_normal((6, 4, hop)) / 4),
        weight("up", draw.standard_normal((6, 1, hop)) / 4),
    ]
    nodes = [
        helper.make_node("Conv", ["audio", "around"], ["a"], pads=[15, 15]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "down"], ["c"], strides=[hop]),
        helper.make_node("ConvTranspose", ["c", "up"], ["audio_out"], strides=[hop]),
    ]
    return make_model(nodes, weights, hop="samples")


def centred_plugin(path: Path, hop: int = 8, **changes: Any) -> Path:
    """Sees 15 samples and the rest of its hop to either side."""
    model = centred_model(hop)
    reach = 15 + hop - 1
    facts = {
        "kind": "offline",
        "hop_samples": hop,
        "lookahead_samples": reach,
        "receptive_field_samples": 2 * reach + 1,
    }
    return save(path, model, make_facts(model, **(facts | changes)).to_metadata())


def undoing_plugin(path: Path, gain: float = 1.0, hop: int = 512, window: int = 1024, **changes: Any) -> Path:
    """The vocoder in the graph alone, times a gain: it undoes the shift that its control tells."""
    graph = GraphWriter()
    prestage = f"vocoder{window}"
    made = vocoder(graph, graph.audio(hop), graph.control("semitones"), hop, prestage)
    graph.node("Mul", made, graph.number(gain), out="audio_out")
    model = graph.model(hop)
    facts: dict[str, Any] = {
        "name": "undoes",
        "hop_samples": hop,
        "lookahead_samples": prestage_delay(prestage),
        "receptive_field_samples": 8 * window,
        "shift_semitones": (-12.0, 12.0),
        "controls": (Control("semitones", "semitones", -12.0, 12.0, 0.0),),
        "recipe": {"name": "none", "prestage": prestage},
    }
    return save(path, model, make_facts(model, **(facts | changes)).to_metadata())

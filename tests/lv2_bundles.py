"""LV2 bundles for tests: the binary is compiled once, then any model lies beside a copy of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from export.graph import ExportError
from export.lv2 import compile as build
from realtime.plugins.base import Samples
from realtime.plugins.plugin_file import PluginFile
from tests.plugin_files import HOP, make_facts, make_model, save, weight

URI = "urn:deshift:test-0123456789ab"
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-omit-frame-pointer")


def require_tools() -> Path:
    """The ONNX Runtime C package; skips with one line where it, the compiler or a header is missing."""
    try:
        build.find_compiler()
        return build.find_onnxruntime(None)
    except ExportError as error:
        pytest.skip(str(error))


def compiled(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """A folder with the binary and its libraries, without a model; warnings are errors here."""
    package = require_tools()
    folder.mkdir()
    build.compile_plugin(folder, URI, package, ("-Werror", *flags))
    return folder


def with_model(binary_folder: Path, folder: Path) -> Path:
    """The same binary in another folder, where a test puts a model.onnx; links, since ONNX Runtime is 30 MB."""
    folder.mkdir()
    for path in binary_folder.iterdir():
        os.link(path, folder / path.name)
    return folder


def cycles_program(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """tests/lv2_cycles.c, compiled."""
    program = folder / "lv2_cycles"
    source = Path(__file__).with_name("lv2_cycles.c")
    compiler = shutil.which("cc") or "cc"
    words = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, str(source), "-o", str(program), "-ldl"]
    subprocess.run(words, check=True)
    return program


def streamed(model: Path, audio: Samples) -> Samples:
    """What deshift's own host makes of it, hop by hop: ``(C, N)`` -> ``(C, N)``, where N is cut to whole hops."""
    plugin = PluginFile(model, audio.shape[0])
    hop = plugin.hop_samples
    whole = audio[:, : audio.shape[1] // hop * hop]
    blocks = [plugin.process(block) for block in np.split(whole, whole.shape[1] // hop, axis=1)]
    return np.concatenate(blocks, axis=1)


def slow_plugin(path: Path, width: int = 1 << 16, hop: int = HOP) -> Path:
    """y = x, by way of two products that take longer than the hop lasts."""
    there = np.zeros((hop, width), np.float32)
    there[:, :hop] = np.eye(hop)
    nodes = [helper.make_node("MatMul", ["audio", "there"], ["wide"]),
             helper.make_node("MatMul", ["wide", "back"], ["audio_out"])]  # fmt: skip
    model = make_model(nodes, [weight("there", there), weight("back", there.T)], hop=hop)
    return save(path, model, make_facts(model, hop_samples=hop).to_metadata())


def failing_plugin(path: Path) -> Path:
    """y = x + count, count grows by 1 a hop from 0. A sample of 1 makes the runtime fail, one below -1 makes NaN."""
    nodes = [
        helper.make_node("ReduceMax", ["audio", "axes"], ["top"], keepdims=0),
        helper.make_node("ReduceMax", ["top"], ["highest"], keepdims=1),
        helper.make_node("Cast", ["highest"], ["index"], to=7),
        helper.make_node("Gather", ["table", "index"], ["found"]),
        helper.make_node("ReduceMin", ["audio", "axes"], ["bottom"], keepdims=1),
        helper.make_node("Add", ["bottom", "one"], ["distance"]),
        helper.make_node("Sqrt", ["distance"], ["root"]),
        helper.make_node("Mul", ["root", "zero"], ["nothing"]),
        helper.make_node("Add", ["audio", "nothing"], ["kept"]),
        helper.make_node("Mul", ["kept", "found"], ["same"]),
        helper.make_node("Add", ["same", "state_count"], ["audio_out"]),
        helper.make_node("Add", ["state_count", "one"], ["next_count"]),
    ]
    weights = [weight("axes", [1, 2], np.int64), weight("table", [1.0]), weight("one", [1.0]), weight("zero", [0.0])]
    model = make_model(nodes, weights, {"count": (1, 1)})
    return save(path, model, make_facts(model).to_metadata())


def control_plugin(path: Path) -> Path:
    """y = x * gain + offset: two controls, in another order in the metadata than in the graph."""
    nodes = [helper.make_node("Mul", ["audio", "control_gain"], ["scaled"]),
             helper.make_node("Add", ["scaled", "control_offset"], ["audio_out"])]  # fmt: skip
    model = make_model(nodes, [], controls=("gain", "offset"))
    facts = make_facts(model).to_metadata()
    facts["controls"] = (
        '[{"name": "offset", "unit": "", "minimum": -0.5, "maximum": 0.5, "default": 0.0}, '
        '{"name": "gain", "unit": "dB", "minimum": 0, "maximum": 2.0, "default": 1.0}]'
    )
    return save(path, model, facts)

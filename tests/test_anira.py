"""anira's configuration: by the rules of its own reader, against its graph, and the states that must be carried."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import deshift
from export.anira import write_anira
from export.graph import ExportError
from tests.exports import audio_of
from tests.plugin_files import centred_plugin, delay_model, delay_plugin, make_facts, one_pole_plugin, save
from tests.signals import SAMPLE_RATE

ROOT = Path(__file__).parents[1]
BACKENDS = {"ONNX", "TFLITE", "LITERT", "LIBTORCH", "CUSTOM"}
SIZES = (
    "preprocess_input_channels",
    "postprocess_output_channels",
    "preprocess_input_size",
    "postprocess_output_size",
    "internal_model_latency",
)


def written(model: Path, target: Path, **options: Any) -> dict[str, Any]:
    write_anira(model, target, **options)
    document: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return document


def is_unsigned(value: object) -> bool:
    return type(value) is int and value >= 0


def read_as_anira(document: dict[str, Any]) -> dict[str, Any]:
    """What anira v2.2.1 demands: src/utils/JsonConfigLoader.cpp (commit 13652dc) and the sizes that
    include/anira/InferenceConfig.h (commit 08b9a20) works out. A whole number where it wants a float is refused there.
    """
    config = document["inference_config"]
    for entry in config["model_data"]:
        assert isinstance(entry["model_path"], str) and entry["inference_backend"] in BACKENDS
    assert config["model_data"] and config["tensor_shape"]
    for entry in config["tensor_shape"]:
        for shapes in (entry["input_shape"], entry["output_shape"]):
            assert shapes and all(shape and all(type(size) is int for size in shape) for shape in shapes)
        assert entry["inference_backend"] in BACKENDS | {"UNIVERSAL"}
    spec = config["processing_spec"]
    assert set(spec) == set(SIZES)
    for values in spec.values():
        assert values and all(is_unsigned(value) for value in values)
    assert type(config["max_inference_time"]) is float and config["max_inference_time"] > 0
    assert type(config["blocking_ratio"]) is float
    assert is_unsigned(config["warm_up"]) and is_unsigned(config["num_parallel_processors"])
    assert type(config["session_exclusive_processor"]) is bool
    (shape,) = config["tensor_shape"]
    for side, count in (("input", len(shape["input_shape"])), ("output", len(shape["output_shape"]))):
        for key in SIZES[:4]:
            assert side not in key or len(spec[key]) == count
    assert len(spec["internal_model_latency"]) == len(shape["output_shape"])
    for side, way in (("input", "pre"), ("output", "post")):
        for n, size in enumerate(np.prod(shape) for shape in shape[f"{side}_shape"]):
            streamed = spec[f"{way}process_{side}_size"][n] * spec[f"{way}process_{side}_channels"][n]
            assert streamed in (0, size)
    return config


def test_the_file_keeps_the_rules_of_anira_s_reader_and_describes_the_graph(exported_file, tmp_path):
    config = read_as_anira(written(exported_file, tmp_path / "tiny.json"))
    graph = onnx.load(exported_file).graph
    (shapes,) = config["tensor_shape"]
    for values, told in ((graph.input, shapes["input_shape"]), (graph.output, shapes["output_shape"])):
        dims = [[size.dim_value or 1 for size in value.type.tensor_type.shape.dim] for value in values]
        assert told == dims
    assert config["session_exclusive_processor"] is True
    assert config["max_inference_time"] == pytest.approx(512 / 48 / 2)
    assert config["processing_spec"]["preprocess_input_size"] == [512] + [0] * (len(graph.input) - 1)
    assert config["processing_spec"]["internal_model_latency"] == [0] * len(graph.output)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_host_that_goes_by_the_file_alone_hears_what_deshift_process_makes(exported_file, tmp_path, channels):
    target = tmp_path / "tiny.json"
    config = read_as_anira(written(exported_file, target, channels=channels))
    (shapes,), hop = config["tensor_shape"], config["processing_spec"]["preprocess_input_size"][0]
    session = onnxruntime.InferenceSession(target.parent / config["model_data"][0]["model_path"])
    names = [value.name for value in session.get_inputs()]  # anira's backend goes by the session's order
    states = [np.zeros(shape, np.float32) for shape in shapes["input_shape"][1:]]
    audio, heard = audio_of(20 * hop, channels), []
    for block in np.split(audio, 20, axis=1):
        tensors = [block.reshape(shapes["input_shape"][0]), *states]
        restored, *states = session.run(None, dict(zip(names, tensors, strict=True)))
        heard.append(restored.reshape(channels, hop))
    expected = np.stack([deshift.load(exported_file).process(one, SAMPLE_RATE) for one in audio])
    assert np.abs(np.concatenate(heard, axis=1) - expected).max() <= 1e-5


def test_lookahead_controls_and_a_time_of_one_s_own_are_told(tmp_path):
    config = read_as_anira(written(delay_plugin(tmp_path / "delay.onnx"), tmp_path / "delay.json", max_inference_ms=3))
    assert config["processing_spec"]["internal_model_latency"] == [100, 0]
    assert config["max_inference_time"] == 3.0
    assert config["tensor_shape"][0]["input_shape"] == [[1, 1, 64], [1, 1, 100]]


def test_the_path_of_the_model_is_seen_from_the_file(tmp_path):
    (tmp_path / "plugin/models").mkdir(parents=True)
    model = one_pole_plugin(tmp_path / "plugin/models/pole.onnx")
    config = written(model, tmp_path / "plugin/pole.json")["inference_config"]
    assert config["model_data"] == [{"model_path": "models/pole.onnx", "inference_backend": "ONNX"}]


def swapped_plugin(path: Path) -> Path:
    """A delay whose next state comes out before the audio."""
    model = delay_model(8)
    first, second = (onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend([second, first])
    return save(path, model, make_facts(model, lookahead_samples=8).to_metadata())


@pytest.mark.parametrize(
    "make, options, told",
    [
        (centred_plugin, {}, "works on whole files only and cannot run as a plugin"),
        (swapped_plugin, {}, "not in one order after the audio: export the run again"),
        (one_pole_plugin, {"max_inference_ms": 0}, "a hop takes more than 0 ms, not 0"),
        (one_pole_plugin, {"max_inference_ms": float("nan")}, "a hop takes more than 0 ms, not nan"),
        (one_pole_plugin, {"channels": 0}, "one inference takes 1 to 64 channels, not 0"),
        (lambda path: path.write_bytes(b"no model") and path, {}, "not an ONNX file, or cut short"),
        (lambda path: path.write_bytes(onnx.ModelProto().SerializeToString()) or path, {}, "not a deshift plugin file"),
    ],
)
def test_what_anira_could_not_run_is_refused_in_one_line_and_nothing_is_written(tmp_path, make, options, told):
    model = make(tmp_path / "model.onnx")
    with pytest.raises(ExportError, match=told) as refused:
        write_anira(model, tmp_path / "out.json", **options)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    model, target = one_pole_plugin(tmp_path / "pole.onnx"), tmp_path / "mine.json"
    target.write_text("{}", encoding="utf-8")
    with pytest.raises(ExportError, match="exists"):
        write_anira(model, target)
    assert target.read_text(encoding="utf-8") == "{}"
    read_as_anira(written(model, target, overwrite=True))
    with pytest.raises(ExportError, match=r"does not end in \.json"):
        write_anira(model, tmp_path / "mine.txt")
    with pytest.raises(ExportError, match="there is no folder"):
        write_anira(model, tmp_path / "nowhere/mine.json")


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler (Debian: g++)")
@pytest.mark.parametrize(
    "word, heard", [("on", "10 20 30 40 50 60"), ("forget", "10 20 30 10 20 30")], ids=["goes on", "starts anew"]
)
def test_the_example_for_anira_carries_states_between_hops_that_both_wait(tmp_path, word, heard):
    stand_in, program = ROOT / "tests/anira_stand_in", tmp_path / "carries_states"
    flags = ["-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{stand_in}", f"-I{ROOT / 'examples/anira'}"]
    subprocess.run(["c++", *flags, str(stand_in / "carries_states.cpp"), "-o", str(program)], check=True)
    told = subprocess.run([str(program), word], check=True, capture_output=True, text=True).stdout
    assert told.startswith(f"{heard} deshift: inputs and outputs do not pair up")

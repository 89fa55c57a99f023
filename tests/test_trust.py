"""A plugin file that is not what the format says, or was damaged, is refused in one line that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from realtime.contract import ContractError
from realtime.plugins.offline_file import OfflineFile
from realtime.plugins.plugin_file import PluginFile
from realtime.trust import read_plugin_file
from tests import plugin_files as files


def changed(path: Path, model: onnx.ModelProto, **changes: object) -> Path:
    return files.save(path, model, files.make_facts(model, **changes).to_metadata())


def renamed_output(model: onnx.ModelProto) -> None:
    model.graph.output[1].name = model.graph.node[2].output[0] = "next_other"


def fixed_channels(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def longer_next_state(model: onnx.ModelProto) -> None:
    model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = 99


def unknown_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(files.tensor("noise", 1))


def custom_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def control_flow(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("If", ["zero"], [], then_branch=body, else_branch=body))


def random_numbers(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("RandomNormal", [], ["noise"], shape=[1]))


def external_weight(model: onnx.ModelProto) -> None:
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../secrets"


def external_constant(model: onnx.ModelProto) -> None:
    value = files.weight("c", [1.0])
    value.data_location = onnx.TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def local_function(model: onnx.ModelProto) -> None:
    model.functions.add().name = "f"


def half_precision_audio(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


@pytest.mark.parametrize(
    "damage, told",
    [
        (renamed_output, "graph output 'next_line' is missing"),
        (fixed_channels, r"'audio' must have the shape \[channels, 1, 64\], not \[1, 1, 64\]"),
        (longer_next_state, r"'next_line' must have the shape \[channels, 1, 100\], not \[channels, 1, 99\]"),
        (unknown_input, "does not know: 'noise'"),
        (custom_domain, "outside standard ONNX, of domain 'com.example'"),
        (control_flow, "control flow in the graph: If"),
        (random_numbers, "random numbers in the graph: RandomNormal"),
        (external_weight, "weights in other files"),
        (external_constant, "weights in other files"),
        (local_function, "model-local functions"),
        (half_precision_audio, "'audio' must be a float32 tensor"),
    ],
)
def test_a_graph_that_is_not_as_the_format_says_is_refused_by_name(tmp_path: Path, damage, told: str) -> None:
    model = files.delay_model(100)
    damage(model)
    path = changed(tmp_path / "damaged.onnx", model, lookahead_samples=100)
    with pytest.raises(ContractError, match=told) as refusal:
        PluginFile(path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)


def test_a_hop_other_than_the_graph_s_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "hop.onnx", files.gain_model(hop=64), hop_samples=65)
    with pytest.raises(
        ContractError, match=r"'audio' must have the shape \[channels, 1, 65\], not \[channels, 1, 64\]"
    ):
        PluginFile(path)


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "gain.onnx", gain=0.5)
    half, quarter = np.float32(0.5).tobytes(), np.float32(0.25).tobytes()
    data = path.read_bytes()
    assert data.count(half) == 1
    path.write_bytes(data.replace(half, quarter))
    with pytest.raises(ContractError, match="damaged: its weights do not match their hash"):
        PluginFile(path)


def test_a_graph_the_runtime_refuses_gives_one_line(tmp_path: Path) -> None:
    model = files.make_model([helper.make_node("Mul", ["audio", "nowhere"], ["audio_out"])], [])
    path = changed(tmp_path / "invalid.onnx", model)
    with pytest.raises(ContractError, match="ONNX Runtime cannot run it") as refusal:
        PluginFile(path)
    assert "\n" not in str(refusal.value)


def test_a_graph_that_fails_when_it_runs_is_refused_on_loading(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["audio", "shape"], ["audio_out"])]
    model = files.make_model(nodes, [files.weight("shape", [7, 1, 3], np.int64)])
    with pytest.raises(ContractError, match="ONNX Runtime cannot run it"):
        PluginFile(changed(tmp_path / "reshape.onnx", model))


def sparse_weights(model: onnx.ModelProto) -> None:
    sparse = helper.make_sparse_tensor(files.weight("s", [1.0]), files.weight("i", [0], np.int64), [4])
    model.graph.sparse_initializer.append(sparse)


def hidden_subgraph(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["zero"], ["z"], body=helper.make_graph([], "body", [], [])))


def huge_state(model: onnx.ModelProto) -> None:
    for tensor in (model.graph.input[1], model.graph.output[1]):
        tensor.type.tensor_type.shape.dim[2].dim_value = 1 << 40


def empty_state(model: onnx.ModelProto) -> None:
    for tensor in (model.graph.input[1], model.graph.output[1]):
        tensor.type.tensor_type.shape.dim[2].dim_value = 0


def two_inputs_of_one_name(model: onnx.ModelProto) -> None:
    model.graph.input.append(model.graph.input[1])


def escape_sequence(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "\x1b[2J\n"


@pytest.mark.parametrize(
    "damage, told",
    [
        (sparse_weights, "it has sparse weights"),
        (hidden_subgraph, "a node with a graph inside"),
        (huge_state, "the states of one channel hold more than"),
        (empty_state, r"must have the shape \[channels, …fixed sizes > 0\], not \[channels, 1, 0\]"),
        (two_inputs_of_one_name, "two graph inputs have the same name"),
        (escape_sequence, r"not \['\\x1b\[2J\\n', 1, 64\]"),
    ],
)
def test_a_graph_that_would_harm_the_host_is_refused(tmp_path: Path, damage, told: str) -> None:
    model = files.delay_model(100)
    damage(model)
    with pytest.raises(ContractError, match=told) as refusal:
        PluginFile(changed(tmp_path / "harmful.onnx", model, lookahead_samples=100))
    assert str(refusal.value).isprintable()


def test_an_endless_name_is_refused(tmp_path: Path) -> None:
    path = files.delay_plugin(tmp_path / "delay.onnx", 100)
    model = onnx.load(path)
    model.graph.input[0].name = "a" * 5000
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ContractError, match="longer than 1024 bytes"):
        PluginFile(path)


def test_metadata_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "gain.onnx")
    again = onnx.ModelProto()
    helper.set_model_props(again, {"name": "another"})
    path.write_bytes(path.read_bytes() + again.SerializeToString())
    with pytest.raises(ContractError, match="metadata key 'name' stands in it twice"):
        PluginFile(path)


def test_an_offline_graph_of_another_length_is_refused_when_it_runs(tmp_path: Path) -> None:
    nodes = [helper.make_node("Concat", ["audio", "audio"], ["audio_out"], axis=2)]
    model = files.make_model(nodes, [], hop="samples")
    path = changed(tmp_path / "twice.onnx", model, kind="offline")
    with pytest.raises(ContractError, match=r"audio_out must be as long|ONNX Runtime cannot run it"):
        OfflineFile(read_plugin_file(path))

"""Whether TensorRT would take a file: known operators, fixed shapes, opset; parsed and built where tensorrt-rtx is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import export.readiness
from export.readiness import PACKAGE, Readiness, check
from realtime.bundled import bundled_models
from tests import plugin_files as files

needs_tensorrt = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="tensorrt-rtx is not installed")


def with_opset(model: onnx.ModelProto, opset: int) -> bytes:
    model.opset_import[0].version = opset
    return model.SerializeToString()


def half_stored(hop: int = files.HOP) -> bytes:
    """A product whose weights are stored as float16 and cast."""
    nodes = [
        helper.make_node("Cast", ["stored"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["audio", "weights"], ["product"]),
        helper.make_node("Add", ["product", "state_past"], ["audio_out"]),
        helper.make_node("Tanh", ["audio_out"], ["next_past"]),
    ]
    weights = [files.weight("stored", np.eye(hop) / 3, np.float16)]
    return files.make_model(nodes, weights, {"past": (1, hop)}).SerializeToString()


def eight_bit() -> bytes:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["audio"], ["bytes", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["bytes", "weights", "zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["sum"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sum", "scale"], ["audio_out"]),
    ]
    return files.make_model(nodes, [files.weight("weights", np.eye(files.HOP), np.int8)]).SerializeToString()


@needs_tensorrt
@pytest.mark.parametrize("kind", ["bundled", "stored as float16", "states"])
def test_a_good_file_is_parsed_and_built_and_the_version_is_named(kind: str, tmp_path: Path) -> None:
    model: bytes | Path = {
        "bundled": lambda: bundled_models()["voice_octave"],
        "stored as float16": half_stored,
        "states": lambda: files.delay_plugin(tmp_path / "delay.onnx", 100),
    }[kind]()
    found = check(model)
    version = importlib.import_module(PACKAGE).__version__
    assert found.outcome == f"parsed and built by TensorRT for RTX {'.'.join(version.split('.')[:3])}"
    assert found.ready is True and found.line == f"TensorRT: {found.outcome}"


def test_without_the_package_it_is_not_checked_and_the_line_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.readiness, "PACKAGE", "tensorrt_that_is_not_there")
    found = check(files.gain_model().SerializeToString())
    assert found == Readiness("not checked", "TensorRT: not checked: pip install tensorrt-rtx")
    assert found.ready is None


@pytest.mark.parametrize(("opset", "taken"), [(20, True), (21, False), (22, False)])
def test_an_opset_above_20_is_refused(opset: int, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.readiness, "PACKAGE", "tensorrt_that_is_not_there")
    found = check(with_opset(files.gain_model(), opset))
    assert (found.ready is None) == taken
    if not taken:
        assert found.outcome == f"no: opset {opset}: TensorRT takes at most 20"


def test_an_8_bit_file_is_sent_to_the_cpu_by_name() -> None:
    found = check(eight_bit())
    assert found.ready is False
    assert found.outcome.startswith("no: TensorRT has no DynamicQuantizeLinear, MatMulInteger")
    assert "give TensorRT the float file" in found.line


def test_a_length_that_is_not_fixed_is_refused_and_the_channels_are_taken_as_one(tmp_path: Path) -> None:
    found = check(files.centred_plugin(tmp_path / "centred.onnx"))
    assert found.outcome.startswith("no: the shape of 'audio' is not fixed")


def test_a_shape_that_depends_on_data_is_refused_by_the_operator_s_name() -> None:
    nodes = [
        helper.make_node("NonZero", ["audio"], ["places"]),
        helper.make_node("Identity", ["audio"], ["audio_out"]),
    ]
    assert check(files.make_model(nodes, []).SerializeToString()).outcome == "no: shapes that depend on data: NonZero"


def test_an_operator_of_another_domain_is_named() -> None:
    model = files.make_model([helper.make_node("Gelu", ["audio"], ["audio_out"], domain="com.microsoft")], [])
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = check(model.SerializeToString())
    assert found.outcome == "no: operators outside standard ONNX: com.microsoft.Gelu"


@pytest.mark.parametrize("content", [b"", b"not a graph", half_stored()[:300]])
def test_what_is_no_graph_is_an_outcome_in_one_line(content: bytes) -> None:
    found = check(content)
    assert found.ready is False and found.outcome.startswith("no: not a valid ONNX graph: ")
    assert "\n" not in found.line


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"absent\.onnx"):
        check(tmp_path / "absent.onnx")


@needs_tensorrt
def test_what_the_parser_refuses_is_named() -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "last"], ["complex"]),
        helper.make_node("DFT", ["complex"], ["spectrum"], axis=2),
        helper.make_node("ReduceSum", ["spectrum", "last"], ["audio_out"], keepdims=0),
    ]
    model = files.make_model(nodes, [files.weight("last", [3], np.int64)])
    found = check(model.SerializeToString())
    assert found.ready is False and "the parser refused the operator DFT" in found.outcome


def attention() -> onnx.ModelProto:
    """An operator of opset 23 on which TensorRT for RTX 1.7 does not report, but crash."""
    nodes = [
        helper.make_node("Reshape", ["audio", "heads"], ["rows"]),
        helper.make_node("Attention", ["rows", "rows", "rows"], ["mixed"]),
        helper.make_node("Reshape", ["mixed", "flat"], ["audio_out"]),
    ]
    weights = [files.weight("heads", [1, 2, 4, 8], np.int64), files.weight("flat", [1, 1, files.HOP], np.int64)]
    model = files.make_model(nodes, weights)
    model.opset_import[0].version = 23
    return model


@needs_tensorrt
def test_a_crash_of_the_builder_is_an_outcome_that_names_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.readiness, "HIGHEST_OPSET", 23)
    found = check(attention().SerializeToString())
    assert found.outcome == "no: Attention crashes TensorRT's builder (SIGSEGV)"


@needs_tensorrt
def test_a_check_that_takes_too_long_is_ended_and_says_so() -> None:
    found = check(files.gain_model().SerializeToString(), limit_s=0.01)
    assert found.outcome == "no: parsing and building took longer than 0.01 s"

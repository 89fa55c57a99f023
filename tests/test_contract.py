"""The facts of a plugin file: they survive the way through metadata, and what is missing or cannot be is named."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime import contract
from realtime.contract import ContractError, Control, Facts
from realtime.onnx_reader import OnnxFormatError, Operator, TensorInfo, read_onnx
from realtime.trust import examine
from tests import plugin_files as files

FACTS = replace(
    files.make_facts(files.gain_model()),
    lookahead_samples=3,
    latency_samples=67,
    receptive_field_samples=100,
    shift_semitones=(-5.0, 12.5),
    controls=(Control("level", "dB", -60.0, 0.0, -6.0),),
    training={"hours": 1.5, "licences": ["CC0-1.0"], "speaker": "Zoë"},
)


def test_facts_survive_the_way_through_metadata() -> None:
    metadata = FACTS.to_metadata()
    assert set(metadata) == set(contract.KEYS)
    assert all(isinstance(value, str) for value in metadata.values())
    assert Facts.parse(metadata) == FACTS


@settings(max_examples=30, deadline=None)
@given(
    hop=st.integers(1, 8192),
    lookahead=st.integers(0, 5000),
    past=st.integers(1, 100_000),
    shift=st.lists(st.floats(-60, 60), min_size=2, max_size=2).map(sorted),
    recipe=st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.floats(-1e9, 1e9), st.text(max_size=5))),
)
def test_any_possible_facts_survive(hop: int, lookahead: int, past: int, shift: list[float], recipe: dict) -> None:
    facts = replace(
        FACTS,
        hop_samples=hop,
        lookahead_samples=lookahead,
        latency_samples=hop + lookahead,
        receptive_field_samples=lookahead + past,
        shift_semitones=(shift[0], shift[1]),
        recipe=recipe,
    )
    assert Facts.parse(facts.to_metadata()) == facts


@pytest.mark.parametrize("key", [key for key in contract.KEYS if key != "format_version"])
def test_a_missing_key_is_named(key: str) -> None:
    metadata = FACTS.to_metadata()
    del metadata[key]
    with pytest.raises(ContractError, match=f"^metadata missing: {key}$"):
        Facts.parse(metadata)


def test_an_onnx_file_without_metadata_is_called_that() -> None:
    with pytest.raises(
        ContractError, match="an ONNX file, but not a deshift plugin file: metadata missing: format_ver"
    ):
        examine(files.gain_model().SerializeToString())


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("format_version", "2", r"made by a newer deshift \(format 2, this one reads 1\): update deshift"),
        ("format_version", "0", "format_version must be 1, not 0"),
        ("format_version", "one", "format_version must be a whole number"),
        ("name", "", "name must be non-empty printable"),
        ("name", "a\x1b[2J", "name must be non-empty printable"),
        ("description", "a\x07", "description must be printable"),
        ("kind", "live", "kind must be one of stream, offline"),
        ("sample_rate", "48e3", "sample_rate must be a whole number"),
        ("sample_rate", "999", "sample_rate must lie within 1000 … 768000"),
        ("hop_samples", "0", "hop_samples must lie within 1 …"),
        ("hop_samples", "٣", "hop_samples must be a whole number"),
        ("hop_samples", "9" * 5000, "hop_samples must be a whole number"),
        ("latency_samples", "64", r"latency_samples must be hop_samples \+ lookahead_samples = 67, not 64"),
        ("lookahead_samples", "100", "lookahead_samples must be smaller than receptive_field_samples"),
        ("shift_semitones", "[12]", "shift_semitones must be a JSON list of two numbers"),
        ("shift_semitones", "[12, -12]", r"shift_semitones must be \[low, high\]"),
        ("shift_semitones", "[NaN, 1]", "shift_semitones is not JSON"),
        ("shift_semitones", "[1e999, 1]", "not a number that can be used"),
        ("shift_semitones", "[true, 1]", "not a number that can be used"),
        ("recipe", "[]", "recipe must be a JSON object"),
        ("training", "{", "training is not JSON"),
        ("certificate", "[" * 100_000, "certificate is not JSON"),
        ("controls", "{}", "controls must be a JSON list"),
        ("controls", '[{"name": "x"}]', "each must be a JSON object with name, unit"),
        ("weights_sha256", "abc", "weights_sha256 must be 64 hexadecimal digits"),
    ],
)
def test_an_ill_formed_key_is_named(key: str, value: str, told: str) -> None:
    with pytest.raises(ContractError, match=told) as refusal:
        Facts.parse(FACTS.to_metadata() | {key: value})
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "control", [("Level", "", 0, 1, 0), ("level", "", 1, 0, 0), ("level", "", 0, 1, 2), ("level", "\n", 0, 1, 0)]
)
def test_an_impossible_control_is_refused(control: tuple) -> None:
    with pytest.raises(ContractError, match="controls"):
        Control(*control)
    entry = dict(zip(("name", "unit", "minimum", "maximum", "default"), control, strict=True))
    with pytest.raises(ContractError, match="controls"):
        Facts.parse(FACTS.to_metadata() | {"controls": json.dumps([entry])})


def test_two_controls_of_one_name_are_refused() -> None:
    with pytest.raises(ContractError, match="the same name"):
        replace(FACTS, controls=FACTS.controls * 2)


def test_an_offline_model_has_no_latency() -> None:
    with pytest.raises(ContractError, match="latency_samples must be 0 for an offline model"):
        replace(FACTS, kind="offline")
    assert replace(FACTS, kind="offline", latency_samples=0).past_samples == 96


def test_the_hash_is_that_of_the_initializers_alone(tmp_path: Path) -> None:
    model = files.delay_model(5)
    digest = hashlib.sha256()
    for initializer in model.graph.initializer:
        digest.update(initializer.SerializeToString())
    assert contract.weights_sha256(model.SerializeToString()) == digest.hexdigest()
    model.doc_string = "said something"
    assert contract.weights_sha256(model.SerializeToString()) == digest.hexdigest()
    model.graph.initializer[0].raw_data = bytes(8)[:-1] + b"\1"
    assert contract.weights_sha256(model.SerializeToString()) != digest.hexdigest()


def test_the_reader_agrees_with_the_onnx_package(tmp_path: Path) -> None:
    data = files.delay_plugin(tmp_path / "delay.onnx", 5).read_bytes()
    model, summary = onnx.load_from_string(data), read_onnx(data)
    assert summary.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert summary.opsets == {"": 18}
    assert summary.inputs == [
        TensorInfo("audio", onnx.TensorProto.FLOAT, ("channels", 1, 64)),
        TensorInfo("state_line", onnx.TensorProto.FLOAT, ("channels", 1, 5)),
    ]
    assert [output.name for output in summary.outputs] == ["audio_out", "next_line"]
    assert summary.operators == {Operator("", "Concat"), Operator("", "Slice")}
    assert [bytes(view) for view in summary.initializers] == [w.SerializeToString() for w in model.graph.initializer]
    assert not (summary.has_external_data or summary.has_functions or summary.has_subgraphs)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
@example(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")  # a graph of 2^63 bytes
@example(b"\x80" * 30)
@example(b"")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        examine(data)
    try:
        read_onnx(data)
    except OnnxFormatError as refusal:
        assert "\n" not in str(refusal)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_plugin_file_with_changed_bytes_is_read_or_refused(data: st.DataObject) -> None:
    model = files.delay_model(5)
    files.helper.set_model_props(model, files.make_facts(model, lookahead_samples=5).to_metadata())
    whole = bytearray(model.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        examine(bytes(whole))
    except ContractError as refusal:
        assert "\n" not in str(refusal)


def test_every_truncation_of_a_plugin_file_is_refused(tmp_path: Path) -> None:
    data = files.delay_plugin(tmp_path / "delay.onnx", 5).read_bytes()
    examine(data)
    for length in range(len(data)):
        with pytest.raises(ContractError):
            examine(data[:length])


def test_a_second_graph_cannot_hide_behind_the_first(tmp_path: Path) -> None:
    """Protocol Buffers merge repeated messages: the runtime would see more than was checked."""
    data = files.gain_plugin(tmp_path / "gain.onnx").read_bytes()
    hidden = onnx.ModelProto(graph=onnx.GraphProto(doc_string="more")).SerializeToString()
    with pytest.raises(ContractError, match="it has 2 graphs"):
        examine(data + hidden)


def test_the_contract_needs_the_standard_library_alone() -> None:
    statements = (
        "import sys; before = set(sys.modules); import realtime.trust\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert new <= sys.stdlib_module_names | {'realtime'}, new"
    )
    ran = subprocess.run([sys.executable, "-c", statements], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr

"""The graph that is written for speed: whatever is switched off, the same sound; in 8 bit, almost the same."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

from export.fast_graph import fast_stream_graph
from export.graph import plain_copy, stream_graph
from export.graph_writer import GraphWriter
from export.int8 import int8_product, quantised_rows
from export.rewrite import Rewrites, stored_weights
from realtime.trust import read_plugin_file
from tests.exports import TINY, audio_of, export, model_of, refused, run_blocks, run_torch
from tests.signals import decibels_below
from training.recipes import Recipe
from training.unet import UNet

WIDE = dataclasses.replace(TINY, name="wide", channels=(64, 128, 256))  # the middle is wide enough for 8 bit
ALL_KINDS = dataclasses.replace(TINY, name="kinds", norm="layer", activation="snake", kernels=(23,), residual=True)
LONG = 66 * 1024
SWITCHES = [field.name for field in dataclasses.fields(Rewrites) if field.default]


@pytest.fixture(scope="module")
def wide(loud_run: Callable[..., Path]) -> UNet:
    return model_of(loud_run(WIDE), half=False)


@pytest.mark.parametrize("switch", ["none", *SWITCHES])
@pytest.mark.parametrize("recipe", [TINY, ALL_KINDS], ids=lambda recipe: recipe.name)
def test_each_rewrite_can_be_switched_off_and_changes_no_sound(
    loud_run: Callable[..., Path], recipe: Recipe, switch: str
) -> None:
    model = model_of(loud_run(recipe), half=False)
    rewrites = Rewrites() if switch == "none" else dataclasses.replace(Rewrites(), **{switch: False})
    audio = audio_of(32 * 130, 2)
    heard = run_blocks(fast_stream_graph(model, 32, rewrites).model, audio, 32)
    assert np.abs(heard - run_torch(model, audio)).max() <= 2e-5


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_rewrite_changes_the_graph(switch: str, wide: UNet) -> None:
    def written(rewrites: Rewrites) -> bytes:
        return fast_stream_graph(wide, 512, rewrites).model.graph.SerializeToString()

    assert written(dataclasses.replace(Rewrites(), **{switch: False})) != written(Rewrites())


@pytest.mark.parametrize("hop", [32, 64, 2048])
def test_the_fast_graph_and_the_exporters_give_the_same_sound(wide: UNet, hop: int) -> None:
    audio = audio_of(hop * max(20, 8192 // hop), 2)
    fast, plain = (run_blocks(write(wide, hop).model, audio, hop) for write in (fast_stream_graph, stream_graph))
    assert np.abs(plain).max() > 0.02
    np.testing.assert_allclose(fast, plain, atol=1e-5)


def test_the_fast_graph_keeps_every_weight_by_its_name(wide: UNet) -> None:
    kept = stored_weights(fast_stream_graph(wide, 512).model)
    for name, parameter in wide.named_parameters():
        np.testing.assert_array_equal(kept[name], parameter.numpy(), err_msg=name)


def test_no_node_of_the_graph_leads_nowhere(wide: UNet) -> None:
    for rewrites in (Rewrites(), Rewrites(int8=True), Rewrites(fold_scale=False, fold_shortcuts=False)):
        graph = fast_stream_graph(wide, 512, rewrites).model.graph
        read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        assert all(read.intersection(node.output) for node in graph.node)
        assert all(tensor.name in read for tensor in graph.initializer)


@given(
    weight=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(-8, 8, width=16))
)
@settings(max_examples=60, deadline=None)
def test_a_weight_in_8_bit_is_off_by_half_a_step_of_its_row_at_most(weight: np.ndarray) -> None:
    small, scale = quantised_rows(weight)
    assert small.dtype == np.int8 and np.abs(small.astype(int)).max() <= 127
    assert np.all(np.abs(small * scale[:, None] - weight) <= 0.501 * np.abs(weight).max(axis=1, keepdims=True) / 127)


def product_session(weight: np.ndarray, bias: np.ndarray) -> onnxruntime.InferenceSession:
    writer = GraphWriter()
    result = int8_product(writer, "x", "layer", weight, bias)
    nodes, constants = writer._nodes, list(writer._constants.values())
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "product",
        [value("x", TensorProto.FLOAT, ["rows", weight.shape[1]])],
        [value(result, TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("rows", [1, 8, 65])
def test_a_product_in_8_bit_rounds_weights_by_row_and_activations_by_frame(rows: int) -> None:
    draw = np.random.default_rng(3)
    weight, bias = draw.standard_normal((48, 96)).astype(np.float32), draw.standard_normal(48).astype(np.float32)
    x = (draw.standard_normal((rows, 96)) * 10.0 ** draw.uniform(-6, 1, (rows, 1))).astype(np.float32)
    (heard,) = product_session(weight, bias).run(None, {"x": x})
    small, scale = quantised_rows(weight)
    step = np.abs(x).max(axis=1, keepdims=True) / 127
    expected = (np.round(x / step) @ small.T.astype(np.float64)) * step * scale + bias
    np.testing.assert_allclose(heard, expected, rtol=1e-4, atol=2e-2 * step.max() / 127)


def test_a_silent_frame_in_8_bit_gives_the_bias_and_nothing_else() -> None:
    bias = np.array([0.5, -2.0], np.float32)
    (heard,) = product_session(np.ones((2, 3), np.float32), bias).run(None, {"x": np.zeros((4, 3), np.float32)})
    np.testing.assert_array_equal(heard, np.tile(bias, (4, 1)))


def test_in_8_bit_the_sound_stays_the_models(wide: UNet) -> None:
    audio = audio_of(LONG)
    expected = run_torch(wide, audio)
    heard = run_blocks(fast_stream_graph(wide, 512, Rewrites(int8=True)).model, audio[:, : LONG // 512 * 512], 512)
    assert 25 < decibels_below(expected, heard - expected) < 90


def test_in_8_bit_the_result_does_not_depend_on_where_hops_begin(wide: UNet) -> None:
    audio = audio_of(16 * 2048)
    short, long = (
        run_blocks(fast_stream_graph(wide, hop, Rewrites(int8=True)).model, audio, hop) for hop in (256, 2048)
    )
    # Sums in another order may fall on the other side of a rounding step; a scale for each hop would be 30 dB worse.
    assert decibels_below(long, short - long) > 60


def test_in_8_bit_one_channel_does_not_touch_another(wide: UNet) -> None:
    graph = fast_stream_graph(wide, 512, Rewrites(int8=True)).model
    audio = audio_of(16 * 512, 2)
    audio[1] *= 30
    together = run_blocks(graph, audio, 512)
    for channel in (0, 1):
        alone = run_blocks(graph, audio[channel : channel + 1], 512)
        np.testing.assert_array_equal(together[channel : channel + 1], alone)


def test_an_8_bit_file_is_smaller_certified_and_trusted(
    loud_run: Callable[..., Path], probe_file: Path, tmp_path: Path
) -> None:
    run, large, small = loud_run(WIDE), tmp_path / "large.onnx", tmp_path / "small.onnx"
    assert export(run, "-o", large, "--audio", probe_file)[0] == 0
    exit_code, told = export(run, "-o", small, "--audio", probe_file, "--int8")
    assert exit_code == 0 and "dB below the output" in told
    assert small.stat().st_size < 0.75 * large.stat().st_size
    in_float, in_int8 = (read_plugin_file(path).facts.certificate for path in (large, small))
    assert (in_float["quantisation_error"], in_float["quantisation_snr_db"]) == (0, None)
    assert in_int8["quantisation_snr_db"] > 20
    assert 1e-4 < in_int8["quantisation_error"] == in_int8["torch_vs_onnx"]
    assert "8-bit weights" in refused(small, "-o", tmp_path / "again.onnx", "--audio", probe_file)


def test_a_plugin_file_can_be_exported_anew_in_another_form(
    exported_file: Path, probe_file: Path, tmp_path: Path
) -> None:
    anew = tmp_path / "anew.onnx"
    exit_code, told = export(exported_file, "-o", anew, "--hop", "64", "--audio", probe_file)
    assert exit_code == 0, told
    before, after = read_plugin_file(exported_file).facts, read_plugin_file(anew).facts
    assert (before.hop_samples, after.hop_samples) == (512, 64)
    for key in ("name", "licence", "training", "shift_semitones", "recipe", "parameters"):
        assert getattr(after, key) == getattr(before, key)
    audio = audio_of(32 * 512)
    heard = [run_blocks(onnx.load(path), audio, hop) for path, hop in ((exported_file, 512), (anew, 64))]
    np.testing.assert_allclose(heard[1], heard[0], atol=1e-5)


def test_what_8_bit_cannot_do_is_said_in_one_line(
    exported_file: Path, loud_run: Callable[..., Path], probe_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.onnx"
    assert "leave out --int8 or --offline" in refused(exported_file, "-o", target, "--int8", "--offline")
    assert "tiny has no product large enough" in refused(exported_file, "-o", target, "--int8", "--audio", probe_file)
    assert list(tmp_path.iterdir()) == []


def test_a_plain_copy_is_what_the_graph_is_written_from(loud_run: Callable[..., Path]) -> None:
    gained = dataclasses.replace(TINY, name="gained", norm="weight")
    model = plain_copy(model_of(loud_run(gained), half=False))
    audio = audio_of(32 * 64)
    assert np.abs(run_blocks(fast_stream_graph(model, 32).model, audio, 32) - run_torch(model, audio)).max() <= 1e-5

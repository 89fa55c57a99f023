"""Rewrites of the exported graph: the same sound, less work, every weight still there by its name."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from export.rewrite import fold_layer_scale, stored_weights
from tests.exports import TINY, audio_of, run_blocks
from training.recipes import Recipe
from training.unet import UNet

HOP = 512


@pytest.fixture
def plain(graphs: Callable[[Recipe, int], tuple[UNet, onnx.ModelProto]]) -> onnx.ModelProto:
    return graphs(TINY, HOP)[1]


def products_of_frames(model: onnx.ModelProto) -> int:
    """How many Mul nodes work on sound; those of weights with weights the runtime works out once."""
    constant = {tensor.name for tensor in model.graph.initializer}
    count = 0
    for node in model.graph.node:  # in an order in which every input is made before it is read
        if set(node.input) <= constant:
            constant |= set(node.output)
        elif node.op_type == "Mul":
            count += 1
    return count


def test_folding_the_layer_scale_changes_no_sample(plain: onnx.ModelProto) -> None:
    audio = audio_of(HOP * 65)
    before, after = (run_blocks(model, audio, HOP) for model in (plain, fold_layer_scale(plain)))
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(after, before, atol=2e-6)


def test_folding_takes_one_product_of_frames_from_every_block(plain: onnx.ModelProto) -> None:
    blocks = 2 * sum(TINY.blocks) + TINY.mid_blocks
    assert products_of_frames(plain) - products_of_frames(fold_layer_scale(plain)) == blocks


def test_folding_keeps_every_weight_by_its_name(plain: onnx.ModelProto) -> None:
    before, after = stored_weights(plain), stored_weights(fold_layer_scale(plain))
    for name, weight in before.items():
        np.testing.assert_array_equal(after[name], weight)

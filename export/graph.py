"""A trained model as an ONNX graph: named states in and out for a stream, or one graph for whole recordings."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import onnx
import onnx_ir
import onnxscript.optimizer
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from export.graph_writer import OPSET
from training.models import Model
from training.unet import UNet, require_causal
from training.vocoder import vocoder_windows


class ExportError(ValueError):
    """A model that cannot become a plugin file: one line with the reason and what to do."""


@dataclass(frozen=True)
class Graph:
    """`model` has no metadata yet; `hop_samples` is a stream's block, or the grid of an offline graph's lengths."""

    model: onnx.ModelProto
    hop_samples: int


class _Stream(nn.Module):
    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, audio: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        restored, present = self.unet.step(audio, past)
        return (restored, *present)


class _Whole(nn.Module):
    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, audio: Tensor) -> Tensor:
        restored: Tensor = self.unet(audio)
        return restored


def plain_copy(model: Model) -> UNet:
    """A copy on the CPU for inference, weight norm worked into the weights.

    Raises: ExportError for a spectrogram model.
    """
    if not isinstance(model, UNet):
        raise ExportError(
            f"{model.recipe.name} works on spectrograms, which a plugin file cannot hold: it can be trained "
            "and compared, but export takes the waveform recipes"
        )
    plain = copy.deepcopy(model).cpu().eval()
    for layer in plain.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
    for parameter in plain.parameters():
        parameter.requires_grad_(False)
    return plain


def state_names(model: UNet) -> list[str]:
    """One name for each layer with a memory, in running order."""
    return [name.replace(".", "_") for name in model.step_layers()]


def check_streams(model: UNet, hop_samples: int) -> None:
    """Raises: ExportError if a layer looks ahead, or the hop is no multiple of the total stride."""
    try:
        require_causal(model)
    except ValueError as error:
        raise ExportError(str(error)) from error
    if hop_samples < 1 or hop_samples % model.total_stride:
        raise ExportError(
            f"a hop of {hop_samples} samples is no multiple of {model.recipe.name}'s {model.total_stride}"
        )
    own_hop = vocoder_windows(model.recipe.prestage)[0].block if model.recipe.prestage else 1
    if hop_samples % own_hop:
        raise ExportError(f"a hop of {hop_samples} samples is no multiple of the vocoder's {own_hop}")


def stream_graph(model: UNet, hop_samples: int) -> Graph:
    """A graph for one hop: audio and states in, audio and the next states out; of the network alone.

    Raises: ExportError if a layer looks ahead, the hop is no multiple of the total stride, or the network is
    conditioned.
    """
    check_streams(model, hop_samples)
    if model.recipe.conditioned:
        raise ExportError(
            f"{model.recipe.name} is told the interval, which this graph has no input for: it runs as a fast one"
        )
    names = state_names(model)
    past = model.silence(batch=2)  # 2, since torch would take a batch of 1 for a constant
    channels = torch.export.Dim("channels", max=64)
    exported = _export(
        _Stream(model),
        (torch.zeros(2, 1, hop_samples), *past),
        ["audio", *(f"state_{name}" for name in names)],
        ["audio_out", *(f"next_{name}" for name in names)],
        ({0: channels}, tuple({0: channels} for _ in past)),
    )
    return Graph(exported, hop_samples)


def whole_graph(model: UNet) -> Graph:
    """A graph for whole recordings ``[channels, 1, samples]``, samples a multiple of the total stride.

    Raises: ExportError for a network that is conditioned or stands behind a vocoder.
    """
    if model.recipe.prestage:
        raise ExportError(f"{model.recipe.name} stands behind a vocoder, which runs as a stream: leave out --offline")
    if model.recipe.conditioned:
        raise ExportError(f"{model.recipe.name} is told the interval, which only a stream takes: leave out --offline")
    stride = model.total_stride
    channels, frames = torch.export.Dim("channels", max=64), torch.export.Dim("frames", min=2, max=1 << 20)
    exported = _export(
        _Whole(model), (torch.zeros(2, 1, 4 * stride),), ["audio"], ["audio_out"], ({0: channels, 2: stride * frames},)
    )
    for value in (exported.graph.input[0], exported.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_param = "samples"
    return Graph(exported, stride)


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], names: list[str], outputs: list[str], shapes: tuple[object, ...]
) -> onnx.ModelProto:
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=shapes,
            verbose=False,
            optimize=False,
        )
        assert program is not None
        onnxscript.optimizer.optimize_ir(program.model, should_fold=_is_no_weight)
    model: onnx.ModelProto = program.model_proto
    _tidy(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _tidy(model: onnx.ModelProto) -> None:
    """Name the weights as the model does, so that a released file can start a training run; drop all notes."""
    renamed = {tensor.name: tensor.name.removeprefix("unet.") for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        tensor.name = renamed[tensor.name]
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    del model.graph.value_info[:]  # a rewrite would have to keep these true; every reader infers them
    values = (*model.graph.input, *model.graph.output)
    for holder in (model, model.graph, *model.graph.node, *model.graph.initializer, *values):
        del holder.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "channels"
    for node in model.graph.node:
        node.doc_string = ""


def _is_no_weight(node: onnx_ir.Node) -> bool | None:
    """Shapes are worked out at export; weights stay as the model names them, and ONNX Runtime folds them on loading."""
    weights = any(value is not None and str(value.name).startswith("unet.") for value in node.inputs)
    return False if weights else None  # None: the optimiser's own rules


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports missing torchvision operators and its own deprecations, which no user of ours can act on."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

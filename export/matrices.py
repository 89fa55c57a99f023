"""The weights of a U-Net's layers as matrices for rows: written as constants of the graph, from the layers' own."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from export.graph_writer import GraphWriter
from training.layers import StepLayer
from training.unet import Block, Down, UNet, Up


@dataclass(frozen=True)
class Rows:
    """A value of the graph of shape ``[audio channels * frames, channels]``."""

    name: str
    frames: int
    channels: int

    def replaced(self, name: str) -> "Rows":
        return Rows(name, self.frames, self.channels)

    def folded(self, graph: GraphWriter, factor: int, back: bool = False) -> "Rows":
        """As `training.layers.fold` and `unfold`: in rows, the same numbers in the same places."""
        frames, channels = self.frames // factor, self.channels * factor
        if back:
            frames, channels = self.frames * factor, self.channels // factor
        return Rows(graph.reshape(self.name, -1, channels), frames, channels)


@dataclass(frozen=True)
class Matrix:
    """Names of a weight ``(outputs, inputs)`` and a bias ``(outputs,)``; `key` is the layer they are made of."""

    key: str
    weight: str
    bias: str
    outputs: int


class Matrices:
    """Every weight lies in the file under the model's own name, so that a released file can start a training run."""

    def __init__(self, graph: GraphWriter, model: UNet) -> None:
        self._graph = graph
        self._names = {module: name for name, module in model.named_modules()}

    def key(self, layer: StepLayer) -> str:
        """The name of the layer's state."""
        return self._names[layer].replace(".", "_")

    def of(self, module: nn.Module, part: str) -> str:
        values = getattr(module, part).detach().numpy()
        return self._graph.weight(f"{self._names[module]}.{part}", values)

    def scale(self, block: Block) -> str:
        return self._graph.reshape(self.of(block, "scale"), -1)

    def pointwise(self, layer: nn.Conv1d, scaled_by: Block | None = None) -> Matrix:
        """A convolution over single frames, times a block's layer scale."""
        graph = self._graph
        weight, bias = graph.reshape(self.of(layer, "weight"), layer.out_channels, -1), self.of(layer, "bias")
        if scaled_by is not None:
            weight = graph.node("Mul", weight, self.of(scaled_by, "scale"))
            bias = graph.node("Mul", bias, self.scale(scaled_by))
        return Matrix(self._names[layer], weight, bias, layer.out_channels)

    def down(self, down: Down, fold_shortcut: bool) -> Matrix:
        """For folded frames: the shares in the next output frame, then the shares in their own.

        Of the kernel's 2 * factor frames the first `factor` are past, and the second are the folded frame itself.
        """
        graph, layer = self._graph, down.conv
        outputs, inputs = layer.out_channels, down.factor * layer.in_channels
        by_frame = graph.node("Transpose", self.of(layer, "weight"), perm=[0, 2, 1])
        left, own = graph.split(graph.reshape(by_frame, outputs, 2 * inputs), (inputs, inputs), axis=1)
        if fold_shortcut:  # output channel c is the mean of the folded channels c * group …
            group = inputs // outputs
            mean = self._ones(np.arange(outputs)[:, None], np.arange(inputs)[None] // group)
            own = graph.node("Add", own, graph.node("Mul", mean, graph.number(1 / group)))
        bias = graph.node("Concat", self._zeros(outputs), self.of(layer, "bias"), axis=0)
        return Matrix(self._names[layer], graph.node("Concat", left, own, axis=0), bias, 2 * outputs)

    def up(self, up: Up, fold_shortcut: bool) -> Matrix:
        """For frames: the shares in their own output frames, folded, then the shares in the next ones."""
        graph, layer = self._graph, up.conv
        inputs, outputs = layer.in_channels, up.factor * layer.out_channels
        weight = graph.reshape(graph.node("Transpose", self.of(layer, "weight"), perm=[2, 1, 0]), 2 * outputs, inputs)
        if fold_shortcut:  # folded output channel c repeats input channel c // repeats
            repeats = outputs // inputs
            own, left = graph.split(weight, (outputs, outputs), axis=0)
            copies = self._ones(np.arange(outputs)[:, None] // repeats, np.arange(inputs)[None])
            weight = graph.node("Concat", graph.node("Add", own, copies), left, axis=0)
        bias = graph.node("Concat", *[self.of(layer, "bias")] * up.factor, self._zeros(outputs), axis=0)
        return Matrix(self._names[layer], weight, bias, 2 * outputs)

    def _zeros(self, size: int) -> str:
        return self._graph.weight(f"zeros_{size}", np.zeros(size, np.float32))

    def _ones(self, rows: np.ndarray, columns: np.ndarray) -> str:
        """A matrix with 1 where the numbers of row and column are the same; the file holds the numbers alone."""
        graph = self._graph
        numbers = [
            graph.weight(f"numbers_{'x'.join(map(str, part.shape))}_{part.max()}", part.astype(np.int64))
            for part in (rows, columns)
        ]
        return graph.node("Cast", graph.node("Equal", *numbers), to=1)

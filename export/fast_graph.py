"""A causal U-Net as the graph that streams fastest on one core: one row a frame, products, and little else.

The network is written anew from its layers, not taken from the exporter: between layers the frames lie as rows
``[channels of audio * frames, channels]``, so that a convolution over single frames is one matrix product, folding and
unfolding move nothing, and what a stream carries over is a contiguous block. Computes what `training.unet.UNet.step`
computes; the states hold the same sound in another form. docs/performance.md has the measurements behind each choice.
"""

import numpy as np
from torch import nn

from export.graph import Graph, check_streams
from export.graph_writer import GraphWriter
from export.int8 import int8_product, pays
from export.matrices import Matrices, Matrix, Rows
from export.reference import shift_control
from export.rewrite import Rewrites
from export.vocoder_graph import vocoder
from realtime.contract import SHIFT_CONTROL
from training.layers import ChannelNorm, Conv1d, Snake, StepLayer
from training.unet import WHOLE_FROM_SEMITONES, Block, Decoder, Down, Encoder, Row, UNet, Up


def fast_stream_graph(model: UNet, hop_samples: int, rewrites: Rewrites | None = None) -> Graph:
    """A graph for one hop, as `export.graph.stream_graph` makes it, but fast.

    Args: model: plain, see `export.graph.plain_copy`. Raises: ExportError as `stream_graph` does.
    """
    check_streams(model, hop_samples)
    writer = _UNetWriter(model, rewrites or Rewrites())
    writer.write(hop_samples)
    return Graph(writer.graph.model(hop_samples), hop_samples)


class _UNetWriter:
    def __init__(self, model: UNet, rewrites: Rewrites) -> None:
        self.graph = GraphWriter()
        self._model, self._rewrites = model, rewrites
        self._weights = Matrices(self.graph, model)

    def write(self, hop_samples: int) -> None:
        model, graph = self._model, self.graph
        patch = model.recipe.patch
        audio = graph.audio(hop_samples)
        control = graph.control(SHIFT_CONTROL) if shift_control(model.recipe) else ""
        if model.recipe.prestage:
            audio = vocoder(graph, audio, control, hop_samples, model.recipe.prestage)
        told = self._told(control)
        x = self._convolution(Rows(graph.reshape(audio, -1, patch), hop_samples // patch, patch), model.conv_in)
        skips = []
        for level, encoder in enumerate(model.encoders):
            assert isinstance(encoder, Encoder)
            skips.append(x)
            x = self._down(self._row(self._tell(x, told, level), encoder.blocks), encoder.down)
        x = self._row(self._tell(x, told, -1), model.middle)
        for decoder in model.decoders:
            assert isinstance(decoder, Decoder)
            x = self._row(self._up(x, decoder.up), decoder.blocks)
            x = self._merge(x, skips.pop(), decoder.merge)
        made = self._convolution(x, model.conv_out).name
        if model.recipe.residual:
            if model.interval is not None:
                made = graph.node("Mul", made, self._told_share(control))
            graph.node("Add", audio, graph.reshape(made, -1, 1, hop_samples), out="audio_out")
        else:
            graph.node("Reshape", made, graph.integers((-1, 1, hop_samples)), out="audio_out")

    def _told(self, control: str) -> list[str]:
        """What each level and the middle are multiplied with, ``[1, channels]``; see `training.unet.Interval`."""
        graph, interval = self.graph, self._model.interval
        if interval is None:
            return []
        octaves = graph.node("Mul", graph.reshape(control, 1, 1), graph.number(1 / 12))
        both = graph.node("Concat", octaves, graph.node("Abs", octaves), axis=1)
        spread = graph.node("Gemm", both, self._weights.of(interval.spread, "weight"), transB=1)
        return graph.split(graph.add(spread, graph.number(1.0)), interval.channels, axis=1)

    def _told_share(self, control: str) -> str:
        """As `training.unet.told_share`."""
        graph = self.graph
        semitones = graph.node("Abs", graph.reshape(control, 1, 1))
        return graph.node("Min", graph.node("Div", semitones, graph.number(WHOLE_FROM_SEMITONES)), graph.number(1.0))

    def _tell(self, x: Rows, told: list[str], level: int) -> Rows:
        return x.replaced(self.graph.node("Mul", x.name, told[level])) if told else x

    def _row(self, x: Rows, row: Row) -> Rows:
        for block in row:
            assert isinstance(block, Block)
            x = self._block(x, block)
        return x

    def _block(self, x: Rows, block: Block) -> Rows:
        y = self._norm(self._convolution(x, block.look), block.norm)
        wide = self._activation(self._product(y, self._weights.pointwise(block.widen)), block.activation)
        if self._rewrites.fold_scale:
            name = self._product(wide, self._weights.pointwise(block.narrow, block)).name
        else:
            y = self._product(wide, self._weights.pointwise(block.narrow))
            name = self.graph.node("Mul", y.name, self._weights.scale(block))
        return x.replaced(self.graph.node("Add", x.name, name))

    def _norm(self, x: Rows, norm: nn.Module) -> Rows:
        if not isinstance(norm, ChannelNorm):
            return x
        weight, bias = self._weights.of(norm, "weight"), self._weights.of(norm, "bias")
        y = self.graph.node("LayerNormalization", x.name, weight, bias, axis=-1, epsilon=norm.eps)
        return x.replaced(y)

    def _activation(self, x: Rows, activation: nn.Module) -> Rows:
        graph = self.graph
        if isinstance(activation, Snake):
            alpha = graph.reshape(self._weights.of(activation, "alpha"), x.channels)
            wave = graph.node("Sin", graph.node("Mul", x.name, alpha))
            wave = graph.node("Div", graph.node("Mul", wave, wave), graph.node("Add", alpha, graph.number(1e-9)))
            return x.replaced(graph.node("Add", x.name, wave))
        if self._rewrites.gelu:
            return x.replaced(graph.node("Gelu", x.name))
        bell = graph.node("Erf", graph.node("Div", x.name, graph.number(float(np.sqrt(2.0)))))
        half = graph.node("Mul", x.name, graph.number(0.5))
        return x.replaced(graph.node("Mul", half, graph.node("Add", bell, graph.number(1.0))))

    def _down(self, x: Rows, down: Down) -> Rows:
        """What each frame gives to its own output frame and to the next one is one product; the latter is the state."""
        graph, channels = self.graph, down.conv.out_channels
        folded = x.folded(graph, down.factor)
        matrix = self._weights.down(down, fold_shortcut=self._folds_shortcuts(folded, 2 * channels))
        y = self._overlap(self._product(folded, matrix), channels, down.conv, own_first=False)
        if self._folds_shortcuts(folded, 2 * channels):
            return y
        groups = graph.reshape(folded.name, -1, channels, folded.channels // channels)
        return y.replaced(graph.node("Add", y.name, graph.node("ReduceMean", groups, graph.integers([2]), keepdims=0)))

    def _up(self, x: Rows, up: Up) -> Rows:
        graph, channels = self.graph, up.factor * up.conv.out_channels
        matrix = self._weights.up(up, fold_shortcut=self._folds_shortcuts(x, 2 * channels))
        y = self._overlap(self._product(x, matrix), channels, up.conv, own_first=True)
        if not self._folds_shortcuts(x, 2 * channels):
            repeats = graph.integers((1, 1, channels // x.channels))
            columns = graph.node("Expand", graph.reshape(x.name, -1, x.channels, 1), repeats)
            y = y.replaced(graph.node("Add", y.name, graph.reshape(columns, -1, channels)))
        return y.folded(graph, up.factor, back=True)

    def _folds_shortcuts(self, x: Rows, outputs: int) -> bool:
        """Not into 8 bit: the shortcut's one large number a row would leave few steps for all the others."""
        return self._rewrites.fold_shortcuts and not self._is_int8(x, outputs)

    def _is_int8(self, x: Rows, outputs: int) -> bool:
        return self._rewrites.int8 and pays(outputs, x.channels)

    def _overlap(self, shares: Rows, channels: int, layer: StepLayer, own_first: bool) -> Rows:
        """Output frame n is its own share and what frame n - 1 has left for it."""
        graph, frames, key = self.graph, shares.frames, self._weights.key(layer)
        past = graph.state(key, (1, channels))
        parts = graph.split(graph.reshape(shares.name, -1, frames, 2 * channels), (channels, channels), axis=2)
        own, left = parts if own_first else reversed(parts)
        if frames == 1:
            graph.node("Identity", left, out=f"next_{key}")
        else:
            graph.slice(left, frames - 1, frames, 1, out=f"next_{key}")
            past = graph.node("Concat", past, graph.slice(left, 0, frames - 1, 1), axis=1)
        return Rows(graph.reshape(graph.node("Add", own, past), -1, channels), frames, channels)

    def _merge(self, x: Rows, skip: Rows, merge: nn.Conv1d) -> Rows:
        graph, matrix = self.graph, self._weights.pointwise(merge)
        joined = Rows("", x.frames, x.channels + skip.channels)
        if not self._rewrites.split_merge or self._is_int8(joined, matrix.outputs):
            joined = joined.replaced(graph.node("Concat", x.name, skip.name, axis=1))
            return self._product(joined, matrix)
        first, second = graph.split(matrix.weight, (x.channels, skip.channels), axis=1)
        from_skip = graph.node("Gemm", skip.name, second, matrix.bias, transB=1)
        return Rows(graph.node("Gemm", x.name, first, from_skip, transB=1), x.frames, matrix.outputs)

    def _convolution(self, x: Rows, layer: Conv1d) -> Rows:
        """A convolution with a past, of stride 1: channels first for this one, and back to rows."""
        graph, key, past = self.graph, self._weights.key(layer), layer.kernel_size[0] - 1
        frames = graph.reshape(x.name, -1, 1, x.frames, x.channels)
        joined = graph.node("Concat", graph.state(key, (1, past, x.channels)), frames, axis=2)
        graph.slice(joined, x.frames, x.frames + past, 2, out=f"next_{key}")
        weight, bias = self._weights.of(layer, "weight"), self._weights.of(layer, "bias")
        columns = graph.node("Transpose", joined, perm=[0, 3, 1, 2])
        if self._rewrites.blocked:
            weight = graph.node("Unsqueeze", weight, graph.integers([2]))
        else:
            columns = graph.reshape(columns, -1, x.channels, past + x.frames)
        y = graph.node("Conv", columns, weight, bias, group=layer.groups)
        y = graph.node("Transpose", y, perm=[0, 2, 3, 1] if self._rewrites.blocked else [0, 2, 1])
        return Rows(graph.reshape(y, -1, layer.out_channels), x.frames, layer.out_channels)

    def _product(self, x: Rows, matrix: Matrix) -> Rows:
        graph = self.graph
        if self._is_int8(x, matrix.outputs):
            y = int8_product(graph, x.name, matrix.key, graph.numbers(matrix.weight), graph.numbers(matrix.bias))
        elif self._rewrites.products:
            y = graph.node("Gemm", x.name, matrix.weight, matrix.bias, transB=1)
        else:
            columns = graph.node("Transpose", graph.reshape(x.name, -1, x.frames, x.channels), perm=[0, 2, 1])
            weight = graph.node("Unsqueeze", matrix.weight, graph.integers([2]))
            y = graph.node("Transpose", graph.node("Conv", columns, weight, matrix.bias), perm=[0, 2, 1])
            y = graph.reshape(y, -1, matrix.outputs)
        return Rows(y, x.frames, matrix.outputs)

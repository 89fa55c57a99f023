"""The Fourier transform of real frames and its inverse, as two small products with a twist between them."""

import math

import numpy as np

from export.graph_writer import GraphWriter

FIRST = 32  # the transform of length N goes by 32 and N / 32


class Transform:
    """Of frames of one length, a multiple of 64.

    With n = M n1 + n2 and k = k1 + 32 k2, where M = N / 32, the sum over n falls into a sum over n1, a turn by
    n2 k1 / N, and a sum over n2. Source: Bailey 1990, FFTs in external or hierarchical memory (the four-step method).
    Two matrices of some thousand numbers stand for one of N squared, and no operator is needed that TensorRT lacks.
    """

    def __init__(self, graph: GraphWriter, size: int) -> None:
        self._graph, self._size, self._second = graph, size, size // FIRST
        self._half = self._second // 2 + 1  # of k2: up to half the sample rate
        self._bins = size // 2 + 1

    def forward(self, frames: str) -> tuple[str, str]:
        """``[rows, N]`` -> real and imaginary part, each ``[rows, N / 2 + 1]``."""
        graph, second, half = self._graph, self._second, self._half
        cos, sin = _waves(FIRST, FIRST, FIRST)  # (k1, n1)
        first = self._constant("first", np.concatenate([cos, -sin]))
        x = graph.node("MatMul", first, graph.reshape(frames, -1, FIRST, second))
        real, imaginary = graph.split(x, (FIRST, FIRST), axis=1)
        cos, sin = _waves(FIRST, second, self._size)  # (k1, n2)
        x = graph.node("Concat", *self._times(real, imaginary, cos, -sin, "ahead"), axis=2)
        cos, sin = _waves(second, half, second)  # (n2, k2)
        x = graph.node("MatMul", x, self._constant("second", np.block([[cos, -sin], [sin, cos]])))
        x = graph.node("Transpose", graph.reshape(x, -1, FIRST, 2, half), perm=[0, 2, 3, 1])
        x = graph.slice(graph.reshape(x, -1, 2, half * FIRST), 0, self._bins, 2)
        parts = graph.split(x, (1, 1), axis=1)
        real, imaginary = (graph.node("Squeeze", part, graph.integers([1])) for part in parts)
        return real, imaginary

    def inverse(self, real: str, imaginary: str, last: int) -> str:
        """The halves of both outer bins, all others as `forward` gives them -> the last samples ``[rows, last]``."""
        graph, second, half = self._graph, self._second, self._half
        missing = graph.integers((0, 0, 0, half * FIRST - self._bins))
        parts = (graph.reshape(graph.node("Pad", x, missing), -1, half, FIRST) for x in (real, imaginary))
        cos, sin = _waves(second, half, second)  # (n2, k2)
        matrix = self._constant("inverse_second", np.block([[cos, -sin], [sin, cos]]))
        x = graph.node("MatMul", matrix, graph.node("Concat", *parts, axis=1))
        real, imaginary = graph.split(x, (second, second), axis=1)
        cos, sin = _waves(second, FIRST, self._size)  # (n2, k1)
        x = graph.node("Concat", *self._times(real, imaginary, cos, sin, "back"), axis=2)
        cos, sin = _waves(FIRST, FIRST, FIRST)  # (k1, n1); twice, for the mirror images
        runs = -(-last // second)  # of n1: so many hold the last samples, and perhaps some more
        wanted = np.concatenate([cos, -sin])[:, FIRST - runs :]
        matrix = self._constant("inverse_first", wanted * (2 / self._size))
        x = graph.node("Transpose", graph.node("MatMul", x, matrix), perm=[0, 2, 1])
        x, made = graph.reshape(x, -1, runs * second), runs * second
        return x if made == last else graph.slice(x, made - last, made, 1)

    def _times(self, real: str, imaginary: str, cos: np.ndarray, sin: np.ndarray, name: str) -> tuple[str, str]:
        graph, c, s = self._graph, self._constant(f"{name}_cos", cos), self._constant(f"{name}_sin", sin)
        by_cos, by_sin = (tuple(graph.node("Mul", x, wave) for x in (real, imaginary)) for wave in (c, s))
        return graph.node("Sub", by_cos[0], by_sin[1]), graph.add(by_sin[0], by_cos[1])

    def _constant(self, name: str, values: np.ndarray) -> str:
        return self._graph.weight(f"transform_{self._size}_{name}", values.astype(np.float32))


def _waves(rows: int, columns: int, period: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi r c / period."""
    turns = np.outer(np.arange(rows), np.arange(columns)) % period * (2 * math.pi / period)
    return np.cos(turns), np.sin(turns)

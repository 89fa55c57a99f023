"""Products in 8 bit with ONNX's own operators: a scale for each row of the weight, and one for each frame.

The scale of a frame follows from that frame alone, so the result does not depend on where hops begin, nor one channel
of the audio on another. Arithmetic after Jacob et al. 2018, arXiv:1712.05877, symmetric.
"""

import numpy as np
from onnx import TensorProto

from export.graph_writer import GraphWriter

LEAST_WEIGHTS = 1 << 16  # below, what 8 bit saves in reading weights it spends on rounding activations
STEPS = 127
MIDDLE = 128  # activations are unsigned, which every processor multiplies fast: zero lies here
SMALLEST = 1e-20  # a row of zeros has no scale


def pays(outputs: int, inputs: int) -> bool:
    """Whether a product is worth doing in 8 bit."""
    return outputs * inputs >= LEAST_WEIGHTS


def quantised_rows(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(M, K)`` float -> the same in -127 … 127, and the scale ``(M,)`` that takes it back."""
    scale = np.maximum(np.abs(weight).max(axis=1), SMALLEST) / STEPS
    return np.round(weight / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def int8_product(graph: GraphWriter, x: str, key: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """``x (rows, K)`` times ``weight (M, K)``, plus ``bias (M,)`` -> the name of ``(rows, M)``."""
    small, scale = quantised_rows(weight)
    largest = graph.node("ReduceMax", graph.node("Abs", x), graph.integers([1]), keepdims=0)
    step = graph.node("Mul", largest, graph.number(1 / STEPS))  # 0 in silence: whatever is summed there, times 0, is 0
    middle = graph.weight("middle", np.array(MIDDLE, np.uint8))
    middles = graph.node("Expand", graph.weight("middles", np.array([MIDDLE], np.uint8)), graph.node("Shape", step))
    rounded = graph.node("QuantizeLinear", x, step, middles, axis=0)
    sums = graph.node("MatMulInteger", rounded, graph.weight(f"{key}.weight_int8", small.T), middle)
    # One scale after the other: from the product of both ONNX Runtime (1.31) makes a MatMulIntegerToFloat, which takes
    # the first frame's scale for all.
    of_frame = graph.node("Unsqueeze", step, graph.integers([1]))
    products = graph.node("Mul", graph.node("Cast", sums, to=TensorProto.FLOAT), of_frame)
    scaled = graph.node("Mul", products, graph.weight(f"{key}.weight_scale", scale))
    return graph.node("Add", scaled, graph.weight(f"{key}.bias_float", bias))

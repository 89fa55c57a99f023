"""Changes to a finished graph, and the choices that `export.fast_graph` has in writing one.

Each keeps what the graph computes, up to the error that the certificate measures.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST_STORED_AS_HALF = 64  # elements; a bias is not worth a Cast
EXACT = (".weight_scale", ".bias_float")  # of 8-bit products: small numbers, of which float16 has few


@dataclass(frozen=True)
class Rewrites:
    """How `export.fast_graph` writes a stream. docs/performance.md has what each brings.

    `products`: a convolution over single frames as a matrix product (Gemm), its weights packed once, on loading.
    `blocked`: the other convolutions in two dimensions, the one kind that ONNX Runtime runs on whole vectors of
    channels. `fold_scale`, `fold_shortcuts`: layer scales and the parameter-free shortcuts as part of the weights.
    `gelu`: as one operator. `split_merge`: two products added instead of one over joined channels. `int8`: the large
    products of the deep levels in 8 bit, weights a scale a row, activations a scale a frame.
    """

    products: bool = True
    blocked: bool = True
    fold_scale: bool = True
    fold_shortcuts: bool = True
    gelu: bool = True
    split_merge: bool = True
    int8: bool = False


def store_weights_as_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Halve the file: large float32 weights are kept as float16 and cast back when the file is loaded.

    ONNX Runtime folds the casts into constants, so the arithmetic stays float32. Raises: ValueError if a weight is too
    large for float16.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    casts, readers = [], {}
    for tensor in changed.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST_STORED_AS_HALF:
            continue
        if "." not in tensor.name or tensor.name.endswith(EXACT):  # a name without a dot is no layer's: the vocoder's
            continue
        weights = numpy_helper.to_array(tensor)
        if np.abs(weights).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"{tensor.name} holds {np.abs(weights).max():g}, too large for float16: export with --fp32"
            )
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), tensor.name))
        readers[tensor.name] = f"{tensor.name}_float32"
        casts.append(helper.make_node("Cast", [tensor.name], [readers[tensor.name]], to=TensorProto.FLOAT))
    for node in changed.graph.node:
        node.input[:] = [readers.get(name, name) for name in node.input]
    nodes = [*casts, *changed.graph.node]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def stored_weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every floating-point weight as the graph computes with it: name -> float32."""
    return {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }

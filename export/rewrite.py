"""Changes to a finished graph. Each keeps what it computes, up to the error that the certificate measures."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST_STORED_AS_HALF = 64  # elements; a bias is not worth a Cast


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

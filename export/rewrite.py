"""Changes to a finished graph. Each keeps what it computes, up to the error that the certificate measures."""

import copy

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


def fold_layer_scale(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move each block's layer scale from its frames into the weights of the convolution before it.

    Both stay in the file under their own names; ONNX Runtime multiplies them once, when it loads the file.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    scales = {tensor.name for tensor in graph.initializer if tensor.name.endswith(".scale")}
    makers = {node.output[0]: node for node in graph.node}
    folded: dict[str, tuple[str, str]] = {}  # the convolution's output -> the scale, the product's name
    for node in graph.node:
        scale = next((name for name in node.input if name in scales), None)
        if node.op_type != "Mul" or scale is None:
            continue
        frames = next(name for name in node.input if name != scale)
        if frames in makers and makers[frames].op_type == "Conv" and _readers(graph, frames) == 1:
            folded[frames] = scale, node.output[0]
    nodes = []
    for node in graph.node:
        if node.op_type == "Mul" and any(name in folded for name in node.input):
            continue
        if node.op_type == "Conv" and node.output[0] in folded:
            nodes += _scaled(node, *folded[node.output[0]])
        nodes.append(node)
    for axis in (1, 2):
        graph.initializer.append(numpy_helper.from_array(np.array([axis], np.int64), f"fold_axis_{axis}"))
    kept = [copy.deepcopy(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def _readers(graph: onnx.GraphProto, name: str) -> int:
    return sum(list(node.input).count(name) for node in graph.node) + sum(value.name == name for value in graph.output)


def _scaled(conv: onnx.NodeProto, scale: str, product: str) -> list[onnx.NodeProto]:
    """What multiplies a convolution's weight ``(C, K, 1)`` and bias ``(C,)`` with a scale ``(C, 1)``."""
    weight, bias = conv.input[1], conv.input[2]
    made = [
        helper.make_node("Unsqueeze", [scale, "fold_axis_2"], [f"{scale}_of_weight"]),
        helper.make_node("Mul", [weight, f"{scale}_of_weight"], [f"{weight}_scaled"]),
        helper.make_node("Squeeze", [scale, "fold_axis_1"], [f"{scale}_of_bias"]),
        helper.make_node("Mul", [bias, f"{scale}_of_bias"], [f"{bias}_scaled"]),
    ]
    conv.input[1], conv.input[2], conv.output[0] = f"{weight}_scaled", f"{bias}_scaled", product
    return made

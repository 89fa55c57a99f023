"""An ONNX graph, written node by node: what `export.fast_graph` says it with."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu; TensorRT reads no further than 22
IR_VERSION = 10
Constant = NDArray[np.float32] | NDArray[np.int64] | NDArray[np.int8] | NDArray[np.uint8] | NDArray[np.int32]


class GraphWriter:
    """Collects nodes, constants, states; a value is known by its name.

    What is worked out from constants alone (a reshaped weight, say) is worked out once by the runtime, on loading: so a
    weight can lie in the file as the model has it and still be used in another form.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._controls: list[onnx.ValueInfoProto] = []
        self._names: dict[str, int] = {}

    def node(self, operator: str, *inputs: str, out: str = "", **attributes: object) -> str:
        """One node with one output, whose name is given back."""
        return self._node(operator, inputs, [out or self._new_name(operator)], attributes)[0]

    def split(self, value: str, sizes: Sequence[int], axis: int) -> list[str]:
        outputs = [self._new_name("Split") for _ in sizes]
        return self._node("Split", (value, self.integers(sizes)), outputs, {"axis": axis})

    def weight(self, name: str, values: Constant) -> str:
        """A weight under its own name; the same name again is the same weight."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """A list of whole numbers: a shape, sizes, axes."""
        name = "integers_" + "_".join(str(value).replace("-", "minus") for value in values)
        return self.weight(name, np.array(values, np.int64))

    def number(self, value: float) -> str:
        return self.weight(f"number_{value:.9g}", np.array(value, np.float32))

    def reshape(self, value: str, *shape: int) -> str:
        return self.node("Reshape", value, self.integers(shape))

    def slice(self, value: str, start: int, stop: int, axis: int, out: str = "") -> str:
        bounds = (self.integers([start]), self.integers([stop]), self.integers([axis]))
        return self.node("Slice", value, *bounds, out=out)

    def add(self, one: str, other: str) -> str:
        return self.node("Add", one, other)

    def squared(self, value: str) -> str:
        return self.node("Mul", value, value)

    def gather(self, rows: str, places: str) -> str:
        """Of each row ``[rows, M]`` the values at places of its own ``[rows, K]``, int64."""
        return self.node("GatherElements", rows, places, axis=1)

    def scatter(self, rows: str, places: str, values: str, reduction: str = "none") -> str:
        """Put (or add) values ``[rows, K]`` at places ``[rows, K]`` of each row ``[rows, M]``."""
        return self.node("ScatterElements", rows, places, values, axis=1, reduction=reduction)

    def constant_like(self, rows: str, value: float) -> str:
        """Rows of the same shape, filled with one value."""
        return self.node("Expand", self.number(value), self.node("Shape", rows))

    def counted_up(self, rows: str) -> str:
        """Each value and all before it in its row, added."""
        return self.node("CumSum", rows, self.weight("axis_1", np.array(1, np.int64)))

    def bin_numbers(self, bins: int) -> str:
        return self.weight(f"bin_numbers_{bins}", np.arange(bins, dtype=np.float32))

    def index(self, number: str, count: int) -> str:
        """A number as an index, int64, the nearest one where there is no such place; any one for NaN."""
        bounds = (self.weight(f"index_{bound}", np.array(bound, np.int64)) for bound in (0, count - 1))
        return self.node("Clip", self.node("Cast", number, to=TensorProto.INT64), *bounds)

    def neighbours(self, rows: str, bins: int) -> tuple[str, str]:
        """What lies one bin below and one above; 0 beyond the ends."""
        wider = self.node("Pad", rows, self.integers((0, 1, 0, 1)))
        return self.slice(wider, 0, bins, 1), self.slice(wider, 2, bins + 2, 1)

    def complex_product(self, real: str, imaginary: str, other: str, other_imaginary: str) -> tuple[str, str]:
        first, second = self.node("Mul", real, other), self.node("Mul", imaginary, other_imaginary)
        third, fourth = self.node("Mul", real, other_imaginary), self.node("Mul", imaginary, other)
        return self.node("Sub", first, second), self.add(third, fourth)

    def control(self, name: str) -> str:
        """A knob: one number, the same for all channels."""
        info = helper.make_tensor_value_info(f"control_{name}", TensorProto.FLOAT, [1])
        self._controls.append(info)
        return info.name

    def audio(self, hop_samples: int) -> str:
        self._inputs.append(_value("audio", (1, hop_samples)))
        return "audio"

    def state(self, key: str, shape: Sequence[int]) -> str:
        """Declare a state and its next value; the writer must make `next_<key>` too."""
        self._inputs.append(_value(f"state_{key}", shape))
        self._outputs.append(_value(f"next_{key}", shape))
        return f"state_{key}"

    def model(self, hop_samples: int) -> onnx.ModelProto:
        """The finished graph; `audio_out` and every next state must have been made."""
        outputs = [_value("audio_out", (1, hop_samples)), *self._outputs]
        model = self._model_of([*self._inputs, *self._controls], outputs)
        onnx.checker.check_model(model, full_check=True)
        return model

    def numbers(self, name: str) -> NDArray[np.float32]:
        """What a value worked out from constants alone is."""
        model = self._model_of([], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        values: NDArray[np.float32] = session.run([name], {})[0]
        return values

    def _model_of(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """What leads to these outputs, and nothing else."""
        wanted = {value.name for value in outputs}
        nodes: list[onnx.NodeProto] = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                nodes.insert(0, node)
        constants = [tensor for name, tensor in self._constants.items() if name in wanted]
        graph = helper.make_graph(nodes, "deshift", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _node(
        self, operator: str, inputs: Sequence[str], outputs: list[str], attributes: dict[str, object]
    ) -> list[str]:
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs

    def _new_name(self, operator: str) -> str:
        self._names[operator] = self._names.get(operator, -1) + 1
        return f"{operator.lower()}_{self._names[operator]}"


def _value(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["channels", *shape])

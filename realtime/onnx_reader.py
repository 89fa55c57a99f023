"""Read what a loader must know of an ONNX file, with the standard library alone, before anything is trusted with it.

ONNX is one Protocol Buffers message; the wire format is https://protobuf.dev/programming-guides/encoding/ and the field
numbers are those of onnx.proto3 (github.com/onnx/onnx). Fields that are not used here are stepped over.
Any bytes whatever give either an `OnnxSummary` or an `OnnxFormatError`; nothing is copied but names and metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

FLOAT32 = 1  # TensorProto.DataType.FLOAT
MAX_NAME_BYTES = 1 << 10
MAX_METADATA_BYTES = 1 << 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class OnnxFormatError(ValueError):
    """The bytes are not an ONNX model, or not all of one."""


@dataclass(frozen=True)
class TensorInfo:
    """A graph input or output: `element_type` as in TensorProto, None where it is not a tensor.

    A dimension is an int where it is fixed, a str where it has a name, None where neither is given.
    """

    name: str
    element_type: int | None
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Operator:
    """One kind of node in the graph; the domain of ONNX's own operators is the empty string."""

    domain: str
    name: str


@dataclass
class OnnxSummary:
    """What stands in a model file; `initializers` are views of the serialized TensorProtos, in file order."""

    metadata: dict[str, str] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: list[TensorInfo] = field(default_factory=list)
    outputs: list[TensorInfo] = field(default_factory=list)
    initializers: list[memoryview] = field(default_factory=list)
    operators: set[Operator] = field(default_factory=set)
    has_external_data: bool = False
    has_subgraphs: bool = False
    has_functions: bool = False
    has_sparse_weights: bool = False


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise OnnxFormatError("not an ONNX file, or one cut short: a number has no end")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value): an int for a varint, a view for bytes; fixed-width numbers are stepped over."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if number == 0 or wire_type not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            raise OnnxFormatError("not an ONNX file: its bytes are not Protocol Buffers")
        if wire_type == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, at = _varint(data, at)
        else:
            length = 8 if wire_type == _FIXED64 else 4
        if length > len(data) - at:
            raise OnnxFormatError("not an ONNX file, or one cut short: a field is longer than what is left of the file")
        if wire_type == _BYTES:
            yield number, data[at : at + length]
        at += length


def _parts(data: memoryview, *numbers: int) -> Iterator[tuple[int, memoryview]]:
    """Only the length-delimited fields with these numbers."""
    for number, value in _fields(data):
        if number in numbers and isinstance(value, memoryview):
            yield number, value


def _text(value: memoryview, max_bytes: int = MAX_NAME_BYTES) -> str:
    if len(value) > max_bytes:
        raise OnnxFormatError(f"not a usable ONNX file: a name or a metadata value is longer than {max_bytes} bytes")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise OnnxFormatError("not an ONNX file: a text in it is not UTF-8") from error


def _texts(data: memoryview) -> dict[int, str]:
    """Fields 1 and 2 of a small message as text; the last one counts, as in Protocol Buffers."""
    return {number: _text(value, MAX_METADATA_BYTES) for number, value in _parts(data, 1, 2)}


def _dimension(data: memoryview) -> int | str | None:
    found: int | str | None = None
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            found = value if value < 1 << 63 else value - (1 << 64)
        elif number == 2 and isinstance(value, memoryview):
            found = _text(value)
    return found


def _tensor_info(data: memoryview) -> TensorInfo:
    """A ValueInfoProto: name 1, type 2 {tensor_type 1 {elem_type 1, shape 2 {dim 1}}}."""
    name, element_type = "", None
    shape: list[int | str | None] = []
    for number, value in _parts(data, 1, 2):
        if number == 1:
            name = _text(value)
            continue
        for _, tensor_type in _parts(value, 1):
            for part, content in _fields(tensor_type):
                if part == 1 and isinstance(content, int):
                    element_type = content
                elif part == 2 and isinstance(content, memoryview):
                    shape += [_dimension(dimension) for _, dimension in _parts(content, 1)]
    return TensorInfo(name, element_type, tuple(shape))


def _is_external(tensor: memoryview) -> bool:
    """Whether a TensorProto points to another file: data_location 14 set, or any external_data 13."""
    return any(
        number == 13 or (number == 14 and value not in (0, b""))
        for number, value in _fields(tensor)
        if number in (13, 14)
    )


def _read_attribute(data: memoryview, summary: OnnxSummary) -> None:
    """AttributeProto: t 5, g 6, tensors 10, graphs 11, sparse_tensor 22, sparse_tensors 23."""
    for number, value in _parts(data, 5, 6, 10, 11, 22, 23):
        if number in (6, 11):
            summary.has_subgraphs = True
        elif number in (22, 23):
            summary.has_sparse_weights = True
        elif _is_external(value):
            summary.has_external_data = True


def _read_node(data: memoryview, summary: OnnxSummary) -> None:
    """NodeProto: op_type 4, attribute 5, domain 7."""
    domain = name = ""
    for number, value in _parts(data, 4, 5, 7):
        if number == 4:
            name = _text(value)
        elif number == 7:
            domain = _text(value)
        else:
            _read_attribute(value, summary)
    summary.operators.add(Operator("" if domain == "ai.onnx" else domain, name))


def _read_graph(data: memoryview, summary: OnnxSummary) -> None:
    """GraphProto: node 1, initializer 5, input 11, output 12, sparse_initializer 15."""
    for number, value in _parts(data, 1, 5, 11, 12, 15):
        if number == 1:
            _read_node(value, summary)
        elif number == 5:
            summary.initializers.append(value)
            summary.has_external_data |= _is_external(value)
        elif number == 11:
            summary.inputs.append(_tensor_info(value))
        elif number == 12:
            summary.outputs.append(_tensor_info(value))
        else:
            summary.has_sparse_weights = True


def read_onnx(model: bytes) -> OnnxSummary:
    """Summarise the bytes of a model file.

    Raises: OnnxFormatError where they are not an ONNX model with one graph, whole to the last byte.
    """
    summary, graphs = OnnxSummary(), 0
    if not model:
        raise OnnxFormatError("not an ONNX file: it is empty")
    for number, value in _parts(
        memoryview(model), 7, 8, 14, 25
    ):  # ModelProto: graph, opset_import, metadata, functions
        if number == 7:
            graphs += 1
            _read_graph(value, summary)
        elif number == 8:
            _read_opset(value, summary)
        elif number == 14:
            entry = _texts(value)
            if entry.get(1, "") in summary.metadata:
                raise OnnxFormatError(f"not a usable ONNX file: metadata key {entry.get(1, '')!r} stands in it twice")
            summary.metadata[entry.get(1, "")] = entry.get(2, "")
        else:
            summary.has_functions = True
    if graphs > 1:
        raise OnnxFormatError(f"not a usable ONNX file: it has {graphs} graphs")
    if not summary.outputs:
        raise OnnxFormatError("not an ONNX file, or one cut short: there is no graph with outputs in it")
    return summary


def _read_opset(data: memoryview, summary: OnnxSummary) -> None:
    domain, version = "", 0
    for number, value in _fields(data):
        if number == 1 and isinstance(value, memoryview):
            domain = _text(value)
        elif number == 2 and isinstance(value, int):
            version = value
    summary.opsets["" if domain == "ai.onnx" else domain] = version

"""Whether a plugin file can be trusted to be what it says: checked on its bytes, before a runtime sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from realtime.contract import ContractError, Facts
from realtime.onnx_reader import FLOAT32, OnnxFormatError, OnnxSummary, TensorInfo, read_onnx

MAX_FILE_BYTES = (1 << 31) - 1  # the limit of Protocol Buffers themselves
MAX_STATE_SAMPLES = 1 << 26  # of one channel: 256 MiB
CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
DATA_DEPENDENT = {"NonZero", "Unique", "Compress", "NonMaxSuppression"}


@dataclass(frozen=True)
class State:
    """A carried state: graph input ``state_<key>`` and output ``next_<key>``, float32 [channels, *shape]."""

    key: str
    shape: tuple[int, ...]

    @property
    def input_name(self) -> str:
        """Name of the graph input that takes the state."""
        return f"state_{self.key}"

    @property
    def output_name(self) -> str:
        """Name of the graph output that gives the next state."""
        return f"next_{self.key}"


@dataclass(frozen=True)
class TrustedFile:
    """A plugin file that passed every check: its bytes, its facts and its states, in the order of the graph."""

    path: Path
    model: bytes
    facts: Facts
    states: tuple[State, ...]


def read_plugin_file(path: Path) -> TrustedFile:
    """Read and check a plugin file.

    Raises: ContractError with one line that names the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            raise ContractError("this is a folder, not a plugin file (.onnx)")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ContractError("larger than 2 GiB, which no plugin file is")
        model = path.read_bytes()
        return TrustedFile(path, model, *examine(model))
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ContractError(f"{path}: {error}") from error


def examine(model: bytes) -> tuple[Facts, tuple[State, ...]]:
    """Check the bytes of a plugin file: format, facts, weights, operators, inputs and outputs.

    Raises: ContractError saying what is wrong (without a file name).
    """
    try:
        summary = read_onnx(model)
    except OnnxFormatError as error:
        raise ContractError(str(error)) from error
    facts = Facts.parse(summary.metadata)
    _check_one_file(summary)
    _check_operators(summary)
    states = _check_graph(summary, facts)
    digest = hashlib.sha256()
    for tensor in summary.initializers:
        digest.update(tensor)
    if digest.hexdigest() != facts.weights_sha256:
        raise ContractError("damaged: its weights do not match their hash (weights_sha256); fetch or export it again")
    return facts, states


def _check_one_file(summary: OnnxSummary) -> None:
    if summary.has_external_data:
        raise ContractError("refused: it points to weights in other files (external data); a plugin file is one file")
    if summary.has_sparse_weights:
        raise ContractError("refused: it has sparse weights, which the format does not know")
    if summary.has_functions:
        raise ContractError("refused: it has model-local functions; inline them before saving")


def _check_operators(summary: OnnxSummary) -> None:
    foreign = sorted({operator.domain for operator in summary.operators if operator.domain})
    if foreign:
        raise ContractError(f"refused: operators outside standard ONNX, of domain {', '.join(map(repr, foreign))}")
    names = {operator.name for operator in summary.operators}
    for forbidden, what in (
        (CONTROL_FLOW, "control flow"),
        (RANDOM, "random numbers"),
        (DATA_DEPENDENT, "shapes that depend on data"),
    ):
        if names & forbidden:
            raise ContractError(f"refused: {what} in the graph: {', '.join(sorted(names & forbidden))}")
    if summary.has_subgraphs:
        raise ContractError("refused: control flow in the graph (a node with a graph inside)")


def _by_name(tensors: list[TensorInfo], what: str) -> dict[str, TensorInfo]:
    found = {tensor.name: tensor for tensor in tensors}
    if len(found) != len(tensors):
        raise ContractError(f"two graph {what}s have the same name")
    for tensor in tensors:
        if tensor.element_type != FLOAT32:
            raise ContractError(f"graph {what} {tensor.name!r} must be a float32 tensor")
    return found


def _take(tensors: dict[str, TensorInfo], what: str, name: str, shape: tuple[int | str, ...]) -> None:
    tensor = tensors.pop(name, None)
    if tensor is None:
        raise ContractError(f"graph {what} {name!r} is missing")
    if tensor.shape != shape:
        raise ContractError(f"graph {what} {name!r} must have the shape {_shown(shape)}, not {_shown(tensor.shape)}")


def _shown(shape: tuple[int | str | None, ...]) -> str:
    """A shape as one line, whatever characters a name in it has."""
    words = ("?" if dimension is None else str(dimension) for dimension in shape)
    return "[" + ", ".join(word if word.isprintable() else repr(word) for word in words) + "]"


def _check_graph(summary: OnnxSummary, facts: Facts) -> tuple[State, ...]:
    inputs, outputs = _by_name(summary.inputs, "input"), _by_name(summary.outputs, "output")
    audio_shape = ("channels", 1, facts.hop_samples if facts.kind == "stream" else "samples")
    _take(inputs, "input", "audio", audio_shape)
    _take(outputs, "output", "audio_out", audio_shape)
    for control in facts.controls:
        _take(inputs, "input", f"control_{control.name}", (1,))
    states = []
    for name, tensor in list(inputs.items()):
        if facts.kind == "stream" and name.startswith("state_"):
            states.append(_state(tensor))
            _take(inputs, "input", name, ("channels", *states[-1].shape))
            _take(outputs, "output", states[-1].output_name, ("channels", *states[-1].shape))
    if inputs or outputs:
        unknown = ", ".join(map(repr, [*inputs, *outputs]))
        raise ContractError(f"graph inputs or outputs that the format does not know: {unknown}")
    if sum(_size(state.shape) for state in states) > MAX_STATE_SAMPLES:
        raise ContractError(f"the states of one channel hold more than {MAX_STATE_SAMPLES} numbers")
    return tuple(states)


def _state(tensor: TensorInfo) -> State:
    fixed = tuple(dimension for dimension in tensor.shape[1:] if isinstance(dimension, int) and dimension > 0)
    if tensor.shape[:1] != ("channels",) or len(fixed) != len(tensor.shape) - 1:
        raise ContractError(
            f"graph input {tensor.name!r} must have the shape [channels, …fixed sizes > 0], not {_shown(tensor.shape)}"
        )
    return State(tensor.name.removeprefix("state_"), fixed)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for dimension in shape:
        size *= dimension
    return size

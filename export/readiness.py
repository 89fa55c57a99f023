"""Whether TensorRT would take a graph, found out without a graphics card.

TensorRT for RTX (the package tensorrt-rtx) parses a graph and builds its engine on the processor alone. It stands for
TensorRT here: same parser, same layers; that an engine also runs is seen on a card only. Its builder can crash, so it
works in a process of its own.
"""

import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

PACKAGE = "tensorrt_rtx"
INSTALL = "pip install tensorrt-rtx"
HIGHEST_OPSET = 20
LONGEST_BUILD_SECONDS = 300.0
CHANNELS = "channels"
NOT_CHECKED = "not checked"
DATA_DEPENDENT = ("NonZero", "Unique", "Compress", "NonMaxSuppression", "If", "Loop", "Scan")
# TensorRT quantises with QuantizeLinear and fixed scales alone.
EIGHT_BIT = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv")


@dataclass(frozen=True)
class Readiness:
    """`outcome`, for the certificate: "parsed and built by TensorRT for RTX 1.7.1", "not checked", or "no: …"; `line`,
    for the screen: the same with what to do.
    """

    outcome: str
    line: str

    @property
    def ready(self) -> bool | None:
        """None where it was not checked."""
        return None if self.outcome == NOT_CHECKED else not self.outcome.startswith("no: ")


def check(model: bytes | Path, limit_s: float = LONGEST_BUILD_SECONDS) -> Readiness:
    """Look at a plugin file's graph and, where tensorrt-rtx is installed, let it parse the graph and build an engine.

    Args: model: a file, or its bytes; limit_s: how long parsing and building may take.
    Raises: OSError where the file cannot be read. A graph that is no good is an outcome, not an error.
    """
    content = model if isinstance(model, bytes) else model.read_bytes()
    try:
        graph = onnx.load_from_string(content)
        onnx.checker.check_model(graph)
    except Exception as error:  # noqa: BLE001  protobuf's errors and the checker's have no base of their own
        return _no(f"not a valid ONNX graph: {_one_line(error)}")
    fixed = _with_one_channel(graph)
    reason = _unfit(fixed)
    if reason:
        return _no(reason)
    if importlib.util.find_spec(PACKAGE) is None:
        return Readiness(NOT_CHECKED, f"TensorRT: {NOT_CHECKED}: {INSTALL}")
    answer = _built(fixed, limit_s)
    if "version" not in answer:
        return _no(answer["error"] if "error" in answer else _crash(fixed, answer["crash"], limit_s))
    outcome = f"parsed and built by TensorRT for RTX {'.'.join(answer['version'].split('.')[:3])}"
    return Readiness(outcome, f"TensorRT: {outcome}")


def _no(reason: str) -> Readiness:
    return Readiness(f"no: {reason}", f"TensorRT: no: {reason}")


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]


def _with_one_channel(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy for one channel: a session fixes the number when it starts, and so does TensorRT."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output, *fixed.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param == CHANNELS:
                dimension.dim_value = 1
    return fixed


def _unfit(model: onnx.ModelProto) -> str:
    """What TensorRT is known not to take, empty where there is nothing."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset > HIGHEST_OPSET:
        return f"opset {opset}: TensorRT takes at most {HIGHEST_OPSET}"
    foreign = sorted({f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in ("", "ai.onnx")})
    if foreign:
        return f"operators outside standard ONNX: {', '.join(foreign)}"
    used = {node.op_type for node in model.graph.node}
    eight_bit = [name for name in EIGHT_BIT if name in used]
    if eight_bit:
        return f"TensorRT has no {', '.join(eight_bit)}: an 8-bit file is for the CPU, give TensorRT the float file"
    depending = [name for name in DATA_DEPENDENT if name in used]
    if depending:
        return f"shapes that depend on data: {', '.join(depending)}"
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape
        if not all(dimension.HasField("dim_value") for dimension in shape.dim):
            return f"the shape of {value.name!r} is not fixed: TensorRT would build an engine for every length"
    return ""


def _built(model: onnx.ModelProto, limit_s: float) -> dict[str, Any]:
    """ "version" of what parsed and built it, or "error", or "crash": the signal that ended the process."""
    with tempfile.TemporaryDirectory(prefix="deshift-") as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            done = subprocess.run(
                [sys.executable, "-m", "export.readiness_worker", str(path)],
                cwd=Path(__file__).parents[1],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"parsing and building took longer than {limit_s:g} s"}
    if done.returncode < 0:
        return {"crash": -done.returncode}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = _one_line((done.stderr.strip().splitlines() or ["nothing was said"])[-1])
        return {"error": f"the check itself failed ({done.returncode}): {said}"}
    return answer


def _crash(model: onnx.ModelProto, number: int, limit_s: float) -> str:
    """What crashed TensorRT's builder: each kind of operator is tried by itself."""
    name = signal.Signals(number).name if number in {known.value for known in signal.Signals} else str(number)
    for kind, alone in _operators(model):
        if "crash" in _built(alone, limit_s):
            return f"{kind} crashes TensorRT's builder ({name})"
    return f"the graph crashes TensorRT's builder ({name}), though no operator does so by itself"


def _operators(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.ModelProto]]:
    """The first node of each kind, as a graph of its own."""
    inferred = onnx.shape_inference.infer_shapes(model)
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    types = {value.name: value for value in values}
    weights = {weight.name: weight for weight in inferred.graph.initializer}
    nodes = {node.op_type: node for node in reversed(inferred.graph.node)}
    for kind, node in nodes.items():
        inputs = [types[name] for name in dict.fromkeys(node.input) if name in types and name not in weights]
        outputs = [types[name] for name in node.output if name in types]
        if not outputs:
            continue
        kept = [weights[name] for name in dict.fromkeys(node.input) if name in weights]
        graph = onnx.helper.make_graph([node], "operator", inputs, outputs, kept)
        alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        yield kind, alone

"""``python -m export.readiness_worker FILE``: let TensorRT for RTX parse a graph and build its engine.

The last line of the standard output is JSON: {"version": "1.7.1.116"}, or {"error": what was refused}.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def build(path: Path) -> dict[str, str]:
    """Raises: nothing that TensorRT reports; what it crashes on ends the process."""
    tensorrt: Any = importlib.import_module("tensorrt_rtx")
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(path.read_bytes()):
        return {"error": _parser_errors(parser)}
    if builder.build_serialized_network(network, builder.create_builder_config()) is None:
        return {"error": "parsed, but no engine could be built"}
    return {"version": str(tensorrt.__version__)}


def _parser_errors(parser: Any) -> str:
    """The first error, with its operator."""
    if not parser.num_errors:
        return "the parser refused it without a reason"
    error = parser.get_error(0)
    said = " ".join(str(error.desc()).split())[:200]
    return f"the parser refused the operator {error.node_operator() or 'unknown'}: {said}"


if __name__ == "__main__":
    print(json.dumps(build(Path(sys.argv[1]))))

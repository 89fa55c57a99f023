"""The configuration with which anira, a C++ library for networks in audio plugins, runs a plugin file in ONNX Runtime.

Field names and rules: anira's `src/utils/JsonConfigLoader.cpp` and `include/anira/InferenceConfig.h` of v2.2.1. anira
hands a model's states to nobody by itself: examples/anira/ carries them, docs/neutone-anira.md says how.
"""

import json
import os
from pathlib import Path
from typing import Any

import onnx

from export.graph import ExportError
from export.stream_file import read_stream
from export.write import write_whole

LARGEST_SHARE_OF_HOP = 0.5  # what anira shall plan for: beyond half a hop a model is too slow for a plugin anyway
WARM_UP_HOPS = 10
STATE, NEXT = "state_", "next_"

Shape = list[int]


def write_anira(
    model: Path, target: Path, max_inference_ms: float | None = None, channels: int = 1, overwrite: bool = False
) -> None:
    """Write FILE.json for `anira::JsonConfigLoader`.

    The path of the model in it is relative to the JSON file, or absolute on another drive.
    Args: model: a stream plugin file; max_inference_ms: the longest time of one hop on the slowest machine that shall
    run it, by default half the hop's length; channels: that one inference takes, each with states of its own.
    Raises: ExportError or OSError, in one line, for an offline file or a target that exists.
    """
    if target.suffix.lower() != ".json":
        raise ExportError(f"{target} does not end in .json: anira's configuration does")
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists: remove it, or give another name")
    if not target.absolute().parent.is_dir():
        raise ExportError(f"there is no folder {target.absolute().parent}: make it, or give another place")
    if not 1 <= channels <= 64:
        raise ExportError(f"one inference takes 1 to 64 channels, not {channels}")
    document = describe(model, _seen_from(target, model), max_inference_ms, channels)
    write_whole(target, (json.dumps(document, indent=2) + "\n").encode())


def describe(model: Path, model_path: str, max_inference_ms: float | None, channels: int) -> dict[str, Any]:
    """The document. Tensors stand in the order of the graph, by which anira's ONNX backend goes; only audio streams."""
    file, facts = read_stream(model)
    graph = file.graph
    inputs = {value.name: _shape(value, channels) for value in graph.input}
    outputs = {value.name: _shape(value, channels) for value in graph.output}
    _require_order(model, list(inputs), list(outputs))
    hop_ms = 1000 * facts.hop_samples / facts.sample_rate
    longest_ms = LARGEST_SHARE_OF_HOP * hop_ms if max_inference_ms is None else float(max_inference_ms)
    if not 0 < longest_ms < float("inf"):
        raise ExportError(f"a hop takes more than 0 ms, not {longest_ms:g}: give the time that it takes at most")
    still_in, still_out = [0] * (len(inputs) - 1), [0] * (len(outputs) - 1)
    return {
        "inference_config": {
            "model_data": [{"model_path": model_path, "inference_backend": "ONNX"}],
            "tensor_shape": [
                {
                    "input_shape": list(inputs.values()),
                    "output_shape": list(outputs.values()),
                    "inference_backend": "ONNX",
                }
            ],
            "processing_spec": {
                "preprocess_input_channels": [channels, *(1 for _ in still_in)],
                "postprocess_output_channels": [channels, *(1 for _ in still_out)],
                "preprocess_input_size": [facts.hop_samples, *still_in],
                "postprocess_output_size": [facts.hop_samples, *still_out],
                "internal_model_latency": [facts.lookahead_samples, *still_out],  # the hop is anira's own buffering
            },
            "max_inference_time": longest_ms,  # a float: the loader takes no whole number
            "warm_up": WARM_UP_HOPS,
            "session_exclusive_processor": True,  # else two hops of one stream could run at once
            "blocking_ratio": 0.0,
            "num_parallel_processors": 1,
        }
    }


def _shape(value: onnx.ValueInfoProto, channels: int) -> Shape:
    """Fixed sizes; a named one is the number of channels, as docs/plugin-format.md has it."""
    return [channels if size.dim_param else size.dim_value for size in value.type.tensor_type.shape.dim]


def _require_order(path: Path, inputs: list[str], outputs: list[str]) -> None:
    """Tensor n of the outputs is the next state of tensor n of the inputs: what carries states may go by the index."""
    states = [name.removeprefix(STATE) for name in inputs if name.startswith(STATE)]
    following = [name.removeprefix(NEXT) for name in outputs if name.startswith(NEXT)]
    if inputs[: 1 + len(states)] != ["audio", *(STATE + name for name in states)] or outputs != [
        "audio_out",
        *(NEXT + name for name in states),
    ]:
        raise ExportError(
            f"{path}: states come in as {states} and go out as {following}, not in one order after the audio: "
            "export the run again"
        )


def _seen_from(target: Path, model: Path) -> str:
    try:
        return Path(os.path.relpath(model.absolute(), target.absolute().parent)).as_posix()
    except ValueError:  # another drive
        return model.absolute().as_posix()

"""Open a checked plugin file in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from realtime.contract import ContractError
from realtime.plugins.base import Samples
from realtime.trust import TrustedFile

RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
    ort_errors.NoModel,
    RuntimeError,  # a run with bound buffers of another shape
)
ERRORS_ONLY = 3
# An ONNX graph of one Identity node: the smallest session there is.
IDENTITY_GRAPH = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a0808"
    "0112040a02080142040a001012"
)
onnxruntime.disable_telemetry_events()  # some builds report to their maker otherwise
INAUDIBLE = np.float32(1e-10)  # -200 dB


PROVIDERS = {  # what a user calls it: what ONNX Runtime calls it
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


def compiled_providers() -> tuple[str, ...]:
    """The providers that this build of ONNX Runtime knows; only opening a session shows whether one works here."""
    known = set(onnxruntime.get_available_providers())
    return tuple(name for name, long_name in PROVIDERS.items() if long_name in known)


def open_session(file: TrustedFile, channels: int, threads: int, provider: str = "cpu") -> Any:
    """An `onnxruntime.InferenceSession` for this many channels, wholly on one provider.

    Raises: ContractError where the runtime does not accept the graph, or the provider cannot run all of it here.
    """
    if provider not in compiled_providers():
        raise ContractError(
            f"this ONNX Runtime has no provider {provider!r}; it has: {', '.join(compiled_providers())}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    options.add_free_dimension_override_by_name("channels", channels)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a spinning thread starves its neighbours
    if provider != "cpu":  # without this a missing driver ends on the CPU without a word
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        return onnxruntime.InferenceSession(file.model, options, providers=[PROVIDERS[provider]])
    except RUNTIME_ERRORS as error:
        raise ContractError(runtime_line(file, error)) from error


def flush_denormals() -> None:
    """Let the calling thread, and every thread that it starts later, take denormal numbers as zero.

    For a process of our own, before it opens any other session: ONNX Runtime heeds the option once in a process, and
    sets the arithmetic of the thread that opens the session, for good. numpy has no switch for this.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    onnxruntime.InferenceSession(IDENTITY_GRAPH, options, providers=["CPUExecutionProvider"])


def runtime_line(file: TrustedFile, error: Exception) -> str:
    """One line for what the runtime said, which is often a page."""
    return f"{file.path}: ONNX Runtime cannot run it: {' '.join(str(error).split())[:300]}"


def drop_inaudible(audio: Samples, scratch: Samples) -> None:
    """Set samples below -200 dB to 0, in place; `scratch` has the same shape.

    A fading tail that reaches denormal numbers makes a network of products hundreds of times slower. In a process that
    is not ours alone `flush_denormals` is not ours to call.
    """
    np.abs(audio, out=scratch)
    audio[scratch < INAUDIBLE] = 0

"""Open a checked plugin file in ONNX Runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from realtime.contract import ContractError
from realtime.plugins.base import Samples
from realtime.plugins.eight_bit import needs_precision
from realtime.plugins.engine_cache import EngineFolder, Machine, engine_folder, with_engine
from realtime.plugins.gpu import find_gpu, tensorrt_version
from realtime.plugins.huge_pages import LEAST_BYTES, prefer_huge_pages
from realtime.plugins.libraries import missing_libraries, missing_line
from realtime.plugins.providers import PROVIDERS, ProviderError, wheel_clash
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
WARNINGS, ERRORS_ONLY, NOTHING = 2, 3, 4  # ONNX Runtime's levels: its own default, and ours
# TensorFloat-32 rounds products to 10 bits: a model would not sound as it does on the CPU.
CUDA = {"device_id": "0", "use_tf32": "0"}
SETTINGS: dict[str, dict[str, str]] = {
    "cuda": CUDA,
    "directml": {},
    "coreml": {"ModelFormat": "MLProgram", "RequireStaticInputShapes": "1"},
}
# An ONNX graph of one Identity node: the smallest session there is.
IDENTITY_GRAPH = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a0808"
    "0112040a02080142040a001012"
)
onnxruntime.disable_telemetry_events()  # some builds report to their maker otherwise
INAUDIBLE = np.float32(1e-10)  # -200 dB


def compiled_providers() -> tuple[str, ...]:
    """The providers that this build of ONNX Runtime knows; only opening a session shows whether one works here."""
    known = set(onnxruntime.get_available_providers())
    return tuple(name for name, provider in PROVIDERS.items() if provider.long_name in known)


def require_provider(provider: str) -> None:
    """Whether this provider can start here at all, before any model is asked of it.

    Raises: ProviderError, one line: what is missing, and how to get it.
    """
    if provider not in compiled_providers():
        clash = wheel_clash()
        raise ProviderError(
            f"this ONNX Runtime has no provider {provider!r}; it has: {', '.join(compiled_providers())}"
            + (f"; {clash}" if clash else "")
        )
    names = missing_libraries(provider)
    if names:
        raise ProviderError(f"{provider} cannot run here: {missing_line(names)}")
    if PROVIDERS[provider].device == "cuda":
        try:
            find_gpu()
        except ProviderError as error:
            raise ProviderError(f"{provider} cannot run here: {error} (docs/providers.md)") from error


def open_session(
    file: TrustedFile, channels: int, threads: int, provider: str = "cpu", cuda_graphs: bool = False
) -> Any:
    """An `onnxruntime.InferenceSession` for this many channels, wholly on one provider.

    Args: cuda_graphs: let the provider "cuda" capture its work as CUDA graphs; the others take no notice.
    Raises: ProviderError where the provider cannot run all of it here; ContractError where the runtime does not accept
        the graph.
    """
    require_provider(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    options.add_free_dimension_override_by_name("channels", channels)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a spinning thread starves its neighbours
    if needs_precision():
        options.add_session_config_entry("session.x64quantprecision", "1")
    if provider != "cpu":
        return _open_elsewhere(file, channels, options, provider, cuda_graphs)
    try:
        session = onnxruntime.InferenceSession(file.model, options, providers=[PROVIDERS["cpu"].long_name])
    except RUNTIME_ERRORS as error:
        raise ContractError(runtime_line(file, error)) from error
    if len(file.model) >= LEAST_BYTES:
        prefer_huge_pages()
    return session


def _open_elsewhere(file: TrustedFile, channels: int, options: Any, provider: str, cuda_graphs: bool) -> Any:
    options.log_severity_level = NOTHING  # what goes wrong is raised, in one line
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")  # or it ends on the CPU without a word
    long_name = PROVIDERS[provider].long_name

    def opened(settings: dict[str, str]) -> Any:
        with _silent_runtime():
            return onnxruntime.InferenceSession(
                file.model, options, providers=[(long_name, settings)], enable_fallback=0
            )

    try:
        if provider == "tensorrt":
            return with_engine(engine_of(file, channels), opened, RUNTIME_ERRORS)
        options.enable_mem_pattern = provider != "directml"  # which does not know it
        return opened({"enable_cuda_graph": "1", **CUDA} if provider == "cuda" and cuda_graphs else SETTINGS[provider])
    except RUNTIME_ERRORS as error:
        raise ProviderError(_refusal(file, provider, error)) from error


def engine_of(file: TrustedFile, channels: int) -> EngineFolder:
    """Where TensorRT's engine of this file belongs. Raises: ProviderError where there is no card or no TensorRT."""
    return engine_folder(file.model, channels, Machine(find_gpu(), onnxruntime.__version__, tensorrt_version()))


@contextlib.contextmanager
def _silent_runtime() -> Iterator[None]:
    """Meanwhile ONNX Runtime prints nothing about what it could not load."""
    onnxruntime.set_default_logger_severity(NOTHING)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)


def _starts(provider: str) -> bool:
    """Whether the provider takes part in a session that may also use the CPU."""
    options, long_name = onnxruntime.SessionOptions(), PROVIDERS[provider].long_name
    options.log_severity_level = NOTHING
    try:
        with _silent_runtime():
            session = onnxruntime.InferenceSession(IDENTITY_GRAPH, options, providers=[long_name], enable_fallback=0)
    except RUNTIME_ERRORS:
        return False
    return long_name in session.get_providers()


def _refusal(file: TrustedFile, provider: str, error: Exception) -> str:
    if "fallback to CPU EP has been explicitly disabled" in str(error):
        if not _starts(provider):
            return (
                f"{provider} cannot run here: its libraries are there, but it does not start: other versions than this "
                "ONNX Runtime was built for, or a driver that is too old for them (docs/providers.md)"
            )
        return (
            f"{file.path}: {provider} does not take all of its operators, and deshift leaves none to the CPU unasked: "
            "run it with --provider cpu (docs/providers.md)"
        )
    return f"{file.path}: {provider} cannot run it here: {' '.join(str(error).split())[:300]}"


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

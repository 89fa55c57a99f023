"""What can run a model: ONNX Runtime's execution providers, by the names that a user gives them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from realtime.contract import ContractError

# All of them install the same folder, onnxruntime/, and overwrite each other's files.
WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-qnn")


class ProviderError(ContractError):
    """A provider cannot run a model here; one line says what is missing and what to do."""


@dataclass(frozen=True)
class Provider:
    """One way to run a model.

    Args:
        long_name: ONNX Runtime's.
        device: where its inputs and outputs lie, in ONNX Runtime's words; "cpu" is the main memory.
        fixed_shapes: every length of audio is a new graph to it, compiled for minutes: hops only, no whole files.
    """

    long_name: str
    device: str
    fixed_shapes: bool = False


PROVIDERS = {
    "cpu": Provider("CPUExecutionProvider", "cpu"),
    "cuda": Provider("CUDAExecutionProvider", "cuda"),
    "tensorrt": Provider("TensorrtExecutionProvider", "cuda", fixed_shapes=True),
    "directml": Provider("DmlExecutionProvider", "dml"),
    "coreml": Provider("CoreMLExecutionProvider", "cpu", fixed_shapes=True),
}
PROVIDER_NAMES = tuple(PROVIDERS)


def installed_wheels() -> tuple[str, ...]:
    """The packages of ONNX Runtime in this environment: one, if all is well."""
    found = []
    for name in WHEELS:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return tuple(found)


def wheel_clash(wheels: tuple[str, ...] | None = None) -> str:
    """One line where several packages share ONNX Runtime's folder, empty where all is well. None asks what there is."""
    found = installed_wheels() if wheels is None else wheels
    if len(found) < 2:
        return ""
    wanted = next((name for name in found if name != "onnxruntime"), found[0])
    return (
        f"{' and '.join(found)} are both installed and overwrite each other: "
        f"pip uninstall -y {' '.join(found)}; pip install {wanted}"
    )

"""The NVIDIA graphics card and its driver, asked through the driver's own libraries."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any

from realtime.plugins.providers import ProviderError

DRIVER, MANAGEMENT = ("nvcuda.dll", "nvml.dll") if sys.platform == "win32" else ("libcuda.so.1", "libnvidia-ml.so.1")
TENSORRT = "nvinfer_10.dll" if sys.platform == "win32" else "libnvinfer.so.10"
NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """The first card: its name, its compute capability ("9.0"), and the driver's version ("580.65.06")."""

    name: str
    capability: str
    driver: str


def find_gpu(driver: str = DRIVER, management: str = MANAGEMENT) -> Gpu:
    """The first card, through the CUDA driver API and NVML.

    Raises: ProviderError, one line, where there is no driver, no card, or the two do not answer.
    """
    cuda = _load(driver)
    _check("cuInit", cuda.cuInit(0))
    count, device, major, minor = (ctypes.c_int(0) for _ in range(4))
    _check("cuDeviceGetCount", cuda.cuDeviceGetCount(ctypes.byref(count)))
    if count.value < 1:
        raise ProviderError("the NVIDIA driver sees no graphics card")
    _check("cuDeviceGet", cuda.cuDeviceGet(ctypes.byref(device), 0))
    name = ctypes.create_string_buffer(NAME_BYTES)
    _check("cuDeviceGetName", cuda.cuDeviceGetName(name, NAME_BYTES, device))
    for value, attribute in ((major, 75), (minor, 76)):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        _check("cuDeviceGetAttribute", cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device))
    capability = f"{major.value}.{minor.value}"
    return Gpu(name.value.decode("utf-8", "replace"), capability, _driver_version(management))


def _driver_version(library: str) -> str:
    management = _load(library)
    _check("nvmlInit_v2", management.nvmlInit_v2())
    try:
        version = ctypes.create_string_buffer(NAME_BYTES)
        _check("nvmlSystemGetDriverVersion", management.nvmlSystemGetDriverVersion(version, NAME_BYTES))
        return version.value.decode("utf-8", "replace")
    finally:
        management.nvmlShutdown()


def tensorrt_version(library: str = TENSORRT) -> int:
    """What TensorRT says of itself: 10 13 3 is 101303. Raises: ProviderError where it cannot be loaded."""
    return int(_load(library).getInferLibVersion())


def _load(library: str) -> Any:
    try:
        return ctypes.CDLL(library)
    except OSError as error:
        raise ProviderError(f"{library} cannot be loaded: {' '.join(str(error).split())[:200]}") from error


def _check(call: str, code: int) -> None:
    """Codes of the CUDA driver API: 100 is no device, 803 a driver that does not match its kernel module."""
    if code:
        raise ProviderError(f"the NVIDIA driver does not work here: {call} gave error {code} (nvidia-smi says more)")

"""The shared libraries that a provider needs: which of them the system cannot find, and where they come from."""

from __future__ import annotations

import contextlib
import ctypes
import io
import mmap
import struct
import sys
from importlib import util
from pathlib import Path

LIBRARIES = {"cuda": ("cuda",), "tensorrt": ("cuda", "tensorrt")}  # ONNX Runtime's own, of each provider
LOADED_LATER = {"cuda": ("libcudnn.so.9",)}  # by name, at the first convolution
WINDOWS = {
    "cuda": ("nvcuda.dll", "cudart64_{cuda}.dll", "cublasLt64_{cuda}.dll", "cublas64_{cuda}.dll", "cudnn64_9.dll"),
    "tensorrt": ("nvinfer_10.dll", "nvonnxparser_10.dll"),
}
# How a library's name begins: what it is part of.
PARTS = {
    "libcudnn": "cuDNN",
    "cudnn": "cuDNN",
    "libnvinfer": "TensorRT",
    "libnvonnxparser": "TensorRT",
    "nvinfer": "TensorRT",
    "nvonnxparser": "TensorRT",
    "libcuda.so": "the NVIDIA driver",
    "nvcuda": "the NVIDIA driver",
}
CURES = {
    "CUDA": 'pip install "onnxruntime-gpu[cuda,cudnn]"',
    "cuDNN": 'pip install "onnxruntime-gpu[cuda,cudnn]"',
    "TensorRT": 'pip install "tensorrt-cu{cuda}<11"',
    "the NVIDIA driver": "install the driver of the graphics card",
}
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB = 1, 5


def needed_libraries(path: Path) -> tuple[str, ...]:
    """The libraries that a 64-bit ELF file is linked to, as its dynamic section lists them (System V gABI, chapter 5).

    Raises: ValueError where the file is no such file; OSError where it cannot be read.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,  # some hundred MB
        ):
            return _linked(content)
    except (struct.error, StopIteration, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: not a shared library that can be read: {error}") from error


def _linked(content: mmap.mmap) -> tuple[str, ...]:
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    start, size, count = *struct.unpack_from("<Q", content, 32), *struct.unpack_from("<HH", content, 54)
    headers = [struct.unpack_from("<IIQQQQ", content, start + size * at) for at in range(count)]
    dynamic = next(header for header in headers if header[0] == PT_DYNAMIC)
    entries = struct.iter_unpack("<qQ", content[dynamic[2] : dynamic[2] + dynamic[5] // 16 * 16])
    tags = [(tag, value) for tag, value in entries if tag in (DT_NEEDED, DT_STRTAB)]
    table = next(value for tag, value in tags if tag == DT_STRTAB)
    load = next(h for h in headers if h[0] == PT_LOAD and h[3] <= table < h[3] + h[5])
    names = load[2] + table - load[3]
    starts = [names + value for tag, value in tags if tag == DT_NEEDED]
    return tuple(content[at : content.find(b"\0", at)].decode("utf-8", "replace") for at in starts)


def missing_libraries(provider: str, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the libraries without which this provider does not start, in the order in which they are asked for.

    Libraries that came as Python packages are loaded on the way, so that ONNX Runtime finds them.

    Args: folder: of ONNX Runtime's own libraries; None is where they are installed.
    """
    wanted: dict[str, None] = {}
    for part in LIBRARIES.get(provider, ()):
        wanted |= dict.fromkeys(_wanted(part, folder))
    if not wanted:
        return ()
    load_packaged()
    return tuple(name for name in wanted if not _loads(name))


def _wanted(part: str, folder: Path | None) -> tuple[str, ...]:
    if sys.platform == "win32":
        return tuple(name.format(cuda=cuda_major()) for name in WINDOWS[part])
    own = (folder or _own_folder()) / f"libonnxruntime_providers_{part}.so"
    return (*needed_libraries(own), *LOADED_LATER.get(part, ())) if own.exists() else (own.name,)


def _own_folder() -> Path:
    spec = util.find_spec("onnxruntime")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(places[0] if places else "onnxruntime") / "capi"


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def load_packaged() -> None:
    """Load what pip installed: the CUDA and cuDNN packages, and TensorRT's; what is not there is no error."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find; we say it better
            onnxruntime.preload_dlls()
    spec = util.find_spec("tensorrt_libs")
    for place in list(spec.submodule_search_locations or []) if spec is not None else []:
        for pattern in ("libnvinfer.so.*", "libnvonnxparser.so.*", "nvinfer_*.dll", "nvonnxparser_*.dll"):
            for path in sorted(Path(place).glob(pattern)):
                _loads(str(path))


def cuda_major() -> str:
    """The version of CUDA that this ONNX Runtime was built for, as "13"; empty where it was built without."""
    from onnxruntime.capi import build_and_package_info

    return str(getattr(build_and_package_info, "cuda_version", "") or "").split(".")[0]


def missing_line(names: tuple[str, ...]) -> str:
    """One line for a user: which libraries are missing, what they are part of, and how to get them."""
    parts: dict[str, list[str]] = {}
    for name in names:
        part = next((part for start, part in PARTS.items() if name.startswith(start)), "CUDA")
        parts.setdefault(part, []).append(name)
    major = cuda_major()
    shown = [f"{', '.join(found)} ({_version(part, major)})" for part, found in parts.items()]
    cures = dict.fromkeys(CURES[part].format(cuda=major) for part in parts)
    return f"missing are {'; '.join(shown)}: {', '.join(cures)} (docs/providers.md)"


def _version(part: str, cuda: str) -> str:
    return {"CUDA": f"CUDA {cuda}", "cuDNN": "cuDNN 9", "TensorRT": "TensorRT 10"}.get(part, part)

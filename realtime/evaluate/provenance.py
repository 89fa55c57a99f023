"""What figures depend on: the command, the versions of what measured, the processor, and the plugin file's hash."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "deshift",
    "numpy",
    "soxr",
    "onnxruntime",
    "onnxruntime-gpu",
    "python-stretch",
    "pedalboard",
    "pyworld",
    "pesq",
    "pystoi",
)


def versions() -> dict[str, str]:
    """Of Python and every package that has a part in the figures; what is not installed is left out."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Its name, as the system tells it: real-time factors hold for it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def file_sha256(path: Path) -> str:
    """Of the whole file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def command_text(models: Sequence[str], data: Path, options: Sequence[tuple[str, object]]) -> str:
    """The command that gives these figures again. Folders above a name are somebody's own, and left out."""
    words = ["deshift", "evaluate", *(Path(model).name for model in models), "--data", data.resolve().name]
    for option, value in options:
        if value is True:
            words.append(option)
        elif value not in (None, False, ""):
            words += [option, str(value)]
    return shlex.join(words)

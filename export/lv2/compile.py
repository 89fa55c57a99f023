"""The plugin's binary from its C sources, with the libraries that it needs beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from export.graph import ExportError
from export.lv2.ttl import BINARY

SOURCES = Path(__file__).with_name("src")
REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = "DESHIFT_ONNXRUNTIME"
RUNTIME = "libonnxruntime.so.1"
BUNDLED = re.compile(r"libsamplerate\.so\.[0-9]+")  # what a musician's machine may lack
HEADERS = {  # what the sources include: the Debian package that has it
    "lv2/core/lv2.h": "lv2-dev",
    "samplerate.h": "libsamplerate0-dev",
}
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread")
# The bundle's own libraries come first, also for the libraries themselves, which a RUNPATH would not do; and what is
# loaded stays loaded, since ONNX Runtime leaves code behind that runs when a thread ends.
LINK_FLAGS = ("-Wl,--disable-new-dtags,-rpath,$ORIGIN", "-Wl,-z,nodelete", "-Wl,--no-undefined", "-lsamplerate", "-lm")


def find_onnxruntime(given: Path | None) -> Path:
    """The folder of the ONNX Runtime C package: given, else $DESHIFT_ONNXRUNTIME, else .cache/onnxruntime here.

    Raises: ExportError saying what to download, and how to name it.
    """
    named = os.environ.get(VARIABLE)
    folder = given or (Path(named) if named else REPOSITORY / ".cache" / "onnxruntime")
    if header_folder(folder) is None or not _libraries(folder):
        raise ExportError(
            f"{folder} is no ONNX Runtime C package (include/onnxruntime_c_api.h, lib/libonnxruntime.so): unpack "
            "onnxruntime-linux-x64-VERSION.tgz from github.com/microsoft/onnxruntime/releases and give its folder "
            f"with --onnxruntime, or as {VARIABLE}"
        )
    return folder


def header_folder(package: Path) -> Path | None:
    """Where in the package onnxruntime_c_api.h lies, or None."""
    for name in ("include", "include/onnxruntime", "include/onnxruntime/core/session"):
        if (package / name / "onnxruntime_c_api.h").is_file():
            return package / name
    return None


def _libraries(package: Path) -> list[Path]:
    return sorted(path for path in package.glob("lib*/libonnxruntime.so*") if path.is_file())


def compile_plugin(folder: Path, uri_base: str, package: Path, flags: tuple[str, ...] = ()) -> Path:
    """Compile the plugin into `folder`, with copies of the shared libraries that it loads.

    Args:
        uri_base: of the plugins, without ":mono" or ":stereo".
        package: what `find_onnxruntime` found.
        flags: for the compiler, behind the usual ones.
    Raises: ExportError naming what is missing and what to install, or with the compiler's first error.
    """
    compiler = find_compiler()
    runtime = folder / RUNTIME
    shutil.copyfile(_libraries(package)[-1].resolve(), runtime)
    runtime.chmod(0o755)
    binary = folder / BINARY
    command = [compiler, *FLAGS, f'-DDESHIFT_URI="{uri_base}"', "-I", str(header_folder(package)), *flags]
    command += [*map(str, sorted(SOURCES.glob("*.c"))), "-o", str(binary), str(runtime), *LINK_FLAGS]
    _run(command, "the plugin does not compile")
    _copy_libraries(binary)
    return binary


def find_compiler() -> str:
    """The C compiler, which finds the headers that the plugin needs.

    Raises: ExportError naming what is missing and the package that has it.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise ExportError("there is no C compiler, which --lv2 needs: install gcc (Debian: apt-get install gcc)")
    for header, debian_package in HEADERS.items():
        probe = subprocess.run(
            [compiler, "-fsyntax-only", "-x", "c", "-"], input=f"#include <{header}>\n", text=True, capture_output=True
        )
        if probe.returncode:
            raise ExportError(
                f"the header {header} is missing, which --lv2 needs: install {debian_package} "
                f"(Debian: apt-get install {' '.join(sorted(HEADERS.values()))})"
            )
    return compiler


def _copy_libraries(binary: Path) -> None:
    """The libraries that the loader finds on this machine, and that another one may not have."""
    listing = _run(["ldd", str(binary)], "its libraries cannot be listed")
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listing, re.MULTILINE):
        if BUNDLED.fullmatch(name) and not binary.with_name(name).exists():
            shutil.copyfile(Path(path).resolve(), binary.with_name(name))


def _run(command: list[str], trouble: str) -> str:
    result = subprocess.run(command, text=True, capture_output=True)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        first = next((line for line in lines if "error" in line), lines[-1])
        raise ExportError(f"{trouble}: {first.strip()[:300]}")
    return result.stdout

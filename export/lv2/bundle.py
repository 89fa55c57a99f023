"""A plugin file as an LV2 bundle: a folder that a musician copies into ~/.lv2."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from export.graph import ExportError
from export.lv2 import compile as build
from export.lv2 import ttl
from export.lv2.licences import write_licences
from export.stream_file import read_stream
from realtime.contract import Facts

MODEL = "model.onnx"


@dataclass(frozen=True)
class BundleFacts:
    """A bundle that was written: what a host calls its plugins, and how large it is."""

    path: Path
    name: str
    mono_uri: str
    stereo_uri: str
    size_bytes: int


def write_bundle(model: Path, target: Path, onnxruntime: Path | None = None, overwrite: bool = False) -> BundleFacts:
    """Write `target`, a folder whose name ends in .lv2, from a streaming plugin file.

    It is made beside the target, loaded once for a trial, and then renamed: there is never half a bundle.

    Args: onnxruntime: folder of the ONNX Runtime C package; see `export.lv2.compile.find_onnxruntime`.
    Raises: ExportError, one line: what cannot be, and what to do.
    """
    _check_target(target, overwrite)
    _, facts = read_stream(model)
    package = build.find_onnxruntime(onnxruntime)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
            folder = Path(beside) / target.name
            folder.mkdir()
            _fill(folder, model, facts, package)
            _try(folder, facts)
            _put(folder, target, Path(beside) / "old")
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror or error}") from error
    base = ttl.uri_base(facts)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return BundleFacts(target, facts.name, f"{base}:mono", f"{base}:stereo", size)


def _check_target(target: Path, overwrite: bool) -> None:
    if target.suffix.lower() != ".lv2":
        raise ExportError(f"{target} does not end in .lv2: hosts look for folders that do")
    if not target.parent.is_dir():
        raise ExportError(f"there is no folder {target.parent}: make it, or name another place")
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists: give --overwrite to replace it")
    if target.exists() and not (target / "manifest.ttl").is_file():
        raise ExportError(f"{target} is no LV2 bundle, so it is not replaced: move it away, or name another place")


def _fill(folder: Path, model: Path, facts: Facts, package: Path) -> None:
    shutil.copyfile(model, folder / MODEL)
    build.compile_plugin(folder, ttl.uri_base(facts), package)
    (folder / "manifest.ttl").write_text(ttl.manifest(facts), encoding="utf-8")
    (folder / "plugin.ttl").write_text(ttl.plugin(facts), encoding="utf-8")
    write_licences(folder, facts, package)


def _try(folder: Path, facts: Facts) -> None:
    """Make an instance in a process of its own, which a library that does not fit may end."""
    words = [sys.executable, "-m", "export.lv2.check", str(folder.resolve()), str(facts.sample_rate)]
    result = subprocess.run(words, text=True, capture_output=True, cwd=build.REPOSITORY)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"it ended with status {result.returncode}"]
        raise ExportError(f"the plugin was made but does not load: {lines[-1][:300]}")


def _put(folder: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise

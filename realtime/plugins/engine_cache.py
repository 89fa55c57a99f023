"""Engines that TensorRT built for one model on one machine, kept in the user's cache folder.

An engine fits one model, one graphics card, one driver, one TensorRT and one ONNX Runtime: all of them are in the name
of its folder, as hashes, so that nothing that a model file or a driver says becomes part of a path.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realtime.plugins.gpu import Gpu
from realtime.plugins.providers import ProviderError

LOG = logging.getLogger("deshift")
WORDS = {
    "absent": "tensorrt: building the engine for this GPU: takes a minute, once",
    "damaged": "tensorrt: the engine that was kept is damaged: building it again, takes a minute",
}
SEAL = "engine.json"  # written last: what the engine is for, and the hash of each file
PREFIX = "deshift"  # else the graph's own name would begin the file names
SUFFIXES = (".engine", ".profile")
DIGITS = 16


@dataclass(frozen=True)
class Machine:
    """Everything but the model that an engine depends on."""

    gpu: Gpu
    onnxruntime: str
    tensorrt: int


@dataclass(frozen=True)
class EngineFolder:
    """Where the engine of one model lies, with the timing cache of its machine beside it."""

    path: Path
    timing: Path
    meant_for: dict[str, Any]

    def state(self) -> str:
        """ "built", "absent", or "damaged": what is there is not what was written."""
        try:
            sealed: Any = json.loads((self.path / SEAL).read_text(encoding="utf-8"))
            whole = isinstance(sealed, dict) and bool(sealed.get("files")) and sealed["files"] == self._hashes()
        except FileNotFoundError:
            return "damaged" if self.path.is_dir() and any(self.path.iterdir()) else "absent"
        except (OSError, ValueError):
            return "damaged"
        return "built" if whole else "damaged"

    def prepare(self) -> None:
        """An empty folder, unless a whole engine lies there. Raises: ProviderError where none can be made."""
        try:
            if self.state() == "damaged":
                shutil.rmtree(self.path)
            for folder in (self.path, self.timing):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProviderError(f"{self.path}: no engine can be kept there: {error.strerror or error}") from error

    def discard(self) -> None:
        """Delete the engine. Raises: ProviderError where it stays."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ProviderError(f"{self.path}: delete this folder: {error.strerror or error}") from error

    def seal(self) -> None:
        """Note that what lies there now is whole. Raises: ProviderError where it cannot be written."""
        partial = self.path / f".{SEAL}.{os.getpid()}.partial"
        try:
            facts = {"for": self.meant_for, "files": self._hashes()}
            partial.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(self.path / SEAL)
        except OSError as error:
            raise ProviderError(f"{self.path}: no engine can be kept there: {error.strerror or error}") from error

    def options(self) -> dict[str, str]:
        """ONNX Runtime's TensorRT options: float32, engine and timings kept here."""
        return {
            "device_id": "0",
            "trt_fp16_enable": "0",
            "trt_bf16_enable": "0",
            "trt_int8_enable": "0",
            "trt_cuda_graph_enable": "0",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(self.path),
            "trt_engine_cache_prefix": PREFIX,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(self.timing),
        }

    def _hashes(self) -> dict[str, str]:
        found = sorted(path for path in self.path.iterdir() if path.suffix in SUFFIXES)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def engine_folder(model: bytes, channels: int, machine: Machine, root: Path | None = None) -> EngineFolder:
    """Where the engine of a plugin file for so many channels belongs on this machine.

    Args:
        model: the whole file; its metadata and weights are in its hash.
        root: None is the user's cache folder.
    """
    digest = hashlib.sha256(model).hexdigest()
    meant_for = {"model_sha256": digest, "channels": channels, **asdict(machine)}
    base = cache_root() if root is None else root
    return EngineFolder(
        base / f"{digest[:DIGITS]}-{_short(meant_for)}", base / f"timing-{_short(asdict(machine))}", meant_for
    )


def with_engine(
    folder: EngineFolder, opened: Callable[[dict[str, str]], Any], errors: tuple[type[Exception], ...]
) -> Any:
    """What `opened` makes with the kept engine, or with one that it builds: then, and where one is damaged, a line on
    the log "deshift" says so, which goes to the standard error.

    Args:
        opened: takes ONNX Runtime's options and gives a session, building what is not in the folder.
        errors: what it raises where the kept engine cannot be read; it is then built anew, once.
    Raises: ProviderError where nothing can be kept; one of `errors` where building fails.
    """
    state = folder.state()
    if state == "built":
        try:
            return opened(folder.options())
        except errors:
            folder.discard()
            state = "damaged"
    LOG.warning(WORDS[state])
    folder.prepare()
    session = opened(folder.options())
    folder.seal()
    return session


def _short(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:DIGITS]


def cache_root() -> Path:
    """The folder of all engines: ~/.cache/deshift/engines on Linux, its like elsewhere."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return base / "deshift" / "engines"

"""What is read of the model files in a chain, without loading them: on a thread of its own, and once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from realtime.contract import ContractError, Facts
from realtime.trust import read_plugin_file


@dataclass(frozen=True)
class Read:
    """A file as it was: `stamp` is its size and time; its facts, or the reason why it cannot be used."""

    stamp: tuple[int, int] | None
    facts: Facts | None
    reason: str = ""


def read_models(paths: Iterable[Path], before: Mapping[Path, Read]) -> dict[Path, Read]:
    """Those that are new or have changed since they were read before."""
    read = {}
    for path in paths:
        try:
            status = path.stat()
            stamp = (status.st_size, status.st_mtime_ns)
        except OSError:
            stamp = None  # reading it says why
        old = before.get(path)
        if old is None or old.stamp != stamp:
            read[path] = _read(path, stamp)
    return read


def _read(path: Path, stamp: tuple[int, int] | None) -> Read:
    try:
        facts = read_plugin_file(path).facts
        if facts.kind != "stream":
            raise ContractError(f"{path}: this model works on whole files, not live; use it on the files page")
    except ValueError as error:
        return Read(stamp, None, str(error))
    return Read(stamp, facts)

"""The devices chosen last, kept by name and host API in the user's settings folder."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from realtime.live.device import DeviceError

FILE_NAME = "devices.json"
VERSION = 1
SIDES = ("input", "output")


@dataclass(frozen=True)
class RememberedDevices:
    """ "name, host API" of each side; None: none was chosen."""

    input: str | None = None
    output: str | None = None


def default_path() -> Path:
    """The file in this user's settings folder."""
    return Path(click.get_app_dir("deshift")) / FILE_NAME


def load_remembered(path: Path) -> RememberedDevices:
    """What `remember` wrote; nothing where there is no file.

    Raises: DeviceError where the file is not what `remember` writes.
    """
    try:
        facts: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return RememberedDevices()
    except (OSError, ValueError) as error:
        raise DeviceError(f"{path}: the remembered devices cannot be read ({error}); delete the file") from error
    if not isinstance(facts, dict) or facts.get("version") != VERSION:
        raise DeviceError(f"{path}: not devices remembered by this version of deshift; delete the file")
    labels = {side: facts.get(side) for side in SIDES}
    if any(not (label is None or isinstance(label, str)) for label in labels.values()):
        raise DeviceError(f"{path}: a remembered device that is no name; delete the file")
    return RememberedDevices(**labels)


def remember(devices: RememberedDevices, path: Path) -> None:
    """Write the whole file, or leave the one that is there.

    Raises: DeviceError where the folder cannot be written.
    """
    text = json.dumps({"version": VERSION, **asdict(devices)}, indent=2, ensure_ascii=False) + "\n"
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise DeviceError(f"{path}: the devices cannot be remembered: {error.strerror or error}") from error


def forget_devices(path: Path) -> None:
    """Delete the file, whatever is in it.

    Raises: DeviceError where it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DeviceError(f"{path}: cannot be deleted: {error.strerror or error}") from error

"""What a user sends with a question: versions, devices, settings, the last session, the error; nothing personal."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from PyQt6.QtCore import PYQT_VERSION_STR, QT_VERSION_STR
from PyQt6.QtGui import QGuiApplication

from realtime.live.device_list import ListedDevice
from realtime.live.report import versions
from realtime.live.settings import LiveSettings

MOST_EVENTS = 100  # the newest, of a long session
USER, MACHINE = "(user)", "(computer)"
PACKAGES = ("pyqtgraph", "QtAwesome")
# Where systems keep what belongs to one user, whoever that is.
_PERSONAL = (
    r"(?:/home|/Users)/[^/\\\s:;,\"']+",
    r"[A-Za-z]:[\\/]+Users[\\/]+[^/\\:;,\"'\s]+",
    r"/root(?=/)",
    r"/(?:private/)?(?:var/)?tmp(?=/)",
    r"/(?:private/)?var/folders(?=/)",
    r"/run/user/\d+",
)
_PATH_ENDS = re.compile(r': |["“”\n]')


@dataclass(frozen=True)
class Person:
    """Whose traces are removed: folders, and names as whole words."""

    folders: tuple[str, ...]
    users: tuple[str, ...]
    machines: tuple[str, ...]

    @classmethod
    def here(cls) -> Person:
        """The one at this computer."""
        names = {Path.home().name, *(os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME"))}
        try:
            names.add(getpass.getuser())
        except (OSError, KeyError, ImportError):  # a user without an entry in the system's list
            names.discard("")
        folders = {str(Path.home()), tempfile.gettempdir()}
        folders |= {str(Path(folder).resolve()) for folder in folders}
        node = platform.node()
        return cls(_longest_first(folders), _longest_first(names), _longest_first({node, node.split(".")[0]}))


def diagnostics(
    settings: LiveSettings | None,
    devices: Sequence[ListedDevice],
    report: Mapping[str, Any] | None,
    error: str,
    person: Person | None = None,
) -> str:
    """One block of text for the clipboard: a line, and JSON.

    Args:
        settings: of the session that runs or ran last; None where there was none.
        devices: as listed last.
        report: of the last session, see `Host.report`.
        error: the sentence on the screen.
        person: whose names and folders are left out; None: the user of this computer.
    """
    document = {
        "error": error,
        "versions": _versions(),
        "devices": [_device(listed) for listed in devices],
        "settings": None if settings is None else settings.to_json_object(),
        "last_session": None if report is None else _shortened(report),
    }
    clean = Cleaner(person or Person.here())
    return "deshift diagnostics\n" + json.dumps(clean.value(document), indent=1, ensure_ascii=False) + "\n"


class Cleaner:
    """Cuts paths in personal folders down to their file names, and puts words in place of user and computer."""

    def __init__(self, person: Person) -> None:
        written = {way for folder in person.folders for way in _ways_to_write(folder)}
        folders = [re.escape(way.rstrip("/\\")) for way in _longest_first(written) if len(way.rstrip("/\\")) > 1]
        self._root = re.compile("|".join([*folders, *_PERSONAL]), re.IGNORECASE)
        self._words = [(_word(name), USER) for name in person.users if name]
        self._words += [(_word(name), MACHINE) for name in person.machines if name]

    def value(self, value: Any) -> Any:
        """The same JSON value without traces."""
        if isinstance(value, str):
            return self._without_names(self._whole_path(value) or self.text(value))
        if isinstance(value, Mapping):
            return {str(key): self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def text(self, text: str) -> str:
        """A sentence whose paths in personal folders are cut: up to the last separator before it goes on in words.

        A path ends at ": ", a quote, the next path, or a line's end. Where that is too far, words of the sentence go
        with it, rather than a folder's name staying.
        """
        kept, position = [], 0
        roots = list(self._root.finditer(text))
        for index, root in enumerate(roots):
            following = roots[index + 1].start() if index + 1 < len(roots) else len(text)
            ending = _PATH_ENDS.search(text, root.end(), following)
            last = _last_separator(text[root.end() : ending.start() if ending else following])
            kept += [text[position : root.start()], "" if last >= 0 else "…"]
            position = root.end() + last + 1
        return "".join([*kept, text[position:]])

    def _whole_path(self, text: str) -> str:
        """The file name where the text is a path in a personal folder and nothing else; else empty."""
        root = self._root.match(text)
        if root is None or ": " in text or "\n" in text:
            return ""
        if root.end() == len(text):
            return "…"
        windows = "\\" in root[0] or re.match(r"[A-Za-z]:", text) is not None
        return (PureWindowsPath(text) if windows else PurePosixPath(text)).name

    def _without_names(self, text: str) -> str:
        for pattern, word in self._words:
            text = pattern.sub(word, text)
        return text


def _last_separator(path: str) -> int:
    return max(path.rfind("/"), path.rfind("\\"))


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def _ways_to_write(folder: str) -> set[str]:
    """With either separator, and as Python prints it in an error."""
    return {folder, folder.replace("\\", "/"), folder.replace("\\", "\\\\")}


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(filter(None, texts), key=lambda text: (-len(text), text)))


def _versions() -> dict[str, str]:
    found = versions() | {"PyQt6": PYQT_VERSION_STR, "Qt": QT_VERSION_STR}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    screen = QGuiApplication.primaryScreen()
    found["display"] = QGuiApplication.platformName() or "none"
    if screen is not None:
        found["display"] += f", {screen.refreshRate():.0f} Hz, scale {screen.devicePixelRatio():g}"
    return found


def _device(listed: ListedDevice) -> dict[str, Any]:
    info = listed.info
    return {
        "name": info.label,
        "channels": [info.input_channels, info.output_channels],
        "own_rate": info.default_rate,
        "rates": None if listed.rates is None else list(listed.rates),
        "default": [info.is_default_input, info.is_default_output],
    }


def _shortened(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its newest events alone."""
    shorter = dict(report)
    for name in ("events", "warnings"):
        if isinstance(shorter.get(name), list):
            shorter[name] = shorter[name][-MOST_EVENTS:]
    return shorter

"""What the app remembers from one start to the next: one JSON file, a section for each part of the screen."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

FILE_NAME = "gui.json"
VERSION = 1
MAX_BYTES = 1 << 20


def default_path() -> Path:
    """The file in this user's settings folder."""
    return Path(click.get_app_dir("deshift")) / FILE_NAME


class Memory:
    """Sections of plain values; a damaged file is put aside, and `note` says so.

    Args:
        path: the file; it and its folder are made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note = ""
        self._sections: dict[str, dict[str, Any]] = {}
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self.note = f"{path}: the settings cannot be read ({error.strerror or error}); the app starts without them."
            return
        try:
            self._sections = _parsed(content)
        except ValueError as error:
            aside = path.with_name(f"{path.name}.damaged")
            with contextlib.suppress(OSError):
                path.replace(aside)
            self.note = f"{path}: the settings were damaged ({error}); they lie in {aside.name}, and all start anew."

    def read(self, section: str) -> dict[str, Any]:
        """A copy of a section; empty where nothing was written."""
        return dict(self._sections.get(section, {}))

    def write(self, section: str, values: Mapping[str, Any]) -> None:
        """Keep a section, at once and in one step.

        Raises: OSError where the file cannot be written; what was to be kept lasts until the app ends.
        """
        if self._sections.get(section) == dict(values):
            return
        self._sections[section] = dict(values)
        self._save()

    def clear(self) -> None:
        """Forget everything. Raises: OSError where the file cannot be removed."""
        self._sections = {}
        self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {"version": VERSION, "sections": self._sections}
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}.unfinished")
        try:
            unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)


def _parsed(content: bytes) -> dict[str, dict[str, Any]]:
    if len(content) > MAX_BYTES:
        raise ValueError("larger than 1 MiB")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"not version {VERSION} of the settings")
    sections = document.get("sections")
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise ValueError("no sections in it")
    return sections

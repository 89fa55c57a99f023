"""Presets of the chain as files: opened and saved off the screen's thread, and the last ones remembered."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from PyQt6.QtCore import QObject

from gui.live.chain_box import PRESETS, ChainBox
from gui.live.chain_document import ChainDocument
from gui.tasks import Tasks
from realtime.plugins.preset_entries import PresetError, Vst3Entry
from realtime.plugins.presets import Preset, load_preset, save_preset

MOST_RECENT = 8


def presets_folder() -> Path:
    """Where presets are kept unless another place is chosen."""
    return Path(click.get_app_dir("deshift")) / "presets"


class ChainPresets(QObject):
    """Opens and saves the document. `recent` are the paths of the last presets, the newest first."""

    def __init__(
        self,
        box: ChainBox,
        document: ChainDocument,
        tasks: Tasks,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._box, self._document, self._tasks, self._say, self._complain = box, document, tasks, say, complain
        self.recent: list[str] = []
        box.recent_clicked.connect(self._open_chosen)

    def restore(self, recent: object) -> None:
        """The paths of the last start; what is no path is left out."""
        if isinstance(recent, list):
            self.recent = [item for item in recent if isinstance(item, str)][:MOST_RECENT]
        self._box.show_recent(self.recent)

    def open(self) -> None:
        """Ask for a preset and open it."""
        dialog = self._box.ask_open(self._folder(), "Open a preset", PRESETS)
        dialog.fileSelected.connect(self._open_chosen)

    def open_path(self, path: Path) -> None:
        """Open a preset; where it cannot be read, that is told and the present chain stays."""
        self._tasks.run(partial(load_preset, path), partial(self._loaded, path), partial(self._not_loaded, path))

    def save(self) -> None:
        """Save where it came from, or ask where to."""
        if self._document.path is None:
            self.save_as()
        else:
            self.save_path(self._document.path)

    def save_as(self) -> None:
        """Ask where to save, and save."""
        name = re.sub(r'[<>:"/\\|?*]', "-", self._document.preset.name)  # what file names cannot have somewhere
        path = self._document.path or presets_folder() / f"{name}.json"
        self._tasks.run(partial(_make_folder, path.parent), partial(self._ask_save, path), self._not_saved)

    def save_path(self, path: Path) -> None:
        """Save there; where it cannot be written, that is told and nothing is half written."""
        path = path if path.suffix == ".json" else path.with_name(f"{path.name}.json")
        preset = self._document.to_save(path)
        self._tasks.run(partial(save_preset, path, preset), partial(self._saved, path, preset), self._not_saved)

    def _folder(self) -> Path:
        folder = presets_folder() if self._document.path is None else self._document.path.parent
        return folder if folder.is_dir() else Path.home()

    def _open_chosen(self, path: str) -> None:
        self.open_path(Path(path))

    def _loaded(self, path: Path, preset: Preset) -> None:
        foreign = [entry.path for entry in preset.plugins if isinstance(entry, Vst3Entry)]
        if foreign:
            question = self._box.ask_trust(path.name, foreign)
            question.accepted.connect(partial(self._take_over, path, preset))
        else:
            self._take_over(path, preset)

    def _take_over(self, path: Path, preset: Preset) -> None:
        self._document.take_over(preset, path)
        self._note_recent(path)

    def _not_loaded(self, path: Path, error: Exception) -> None:
        if str(path) in self.recent and not path.exists():
            self.recent.remove(str(path))
            self._box.show_recent(self.recent)
        self._complain(f"The preset was not opened, the present chain stays. {error}")

    def _ask_save(self, proposal: Path, _made: None) -> None:
        self._box.ask_save(proposal).fileSelected.connect(self._save_to)

    def _save_to(self, path: str) -> None:
        self.save_path(Path(path))

    def _saved(self, path: Path, preset: Preset, _nothing: None) -> None:
        self._document.saved_as(preset, path)
        self._note_recent(path)
        self._say(f"Saved as {path}")

    def _not_saved(self, error: Exception) -> None:
        self._complain(f"The preset was not saved. {error}")

    def _note_recent(self, path: Path) -> None:
        self.recent = [str(path), *(other for other in self.recent if other != str(path))][:MOST_RECENT]
        self._box.show_recent(self.recent)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PresetError(f"{folder}: the folder cannot be made: {error.strerror or error}") from error

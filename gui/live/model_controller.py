"""Between the model's box and plugin files: lists the bundled ones, remembers others, refuses what is not trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from gui.live.model_box import ModelBox
from gui.live.model_facts import summary, undone_shift
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.bundled import FOLDER, bundled_models, find_model
from realtime.contract import ContractError, Facts
from realtime.trust import read_plugin_file

SECTION = "models"
MOST_FILES = 8
LONGEST_PATH = 4096
CHOOSE = 0  # the value of the last line; models are texts
NO_MODEL = "No model came with this installation: choose a plugin file (.onnx)."
NOTHING_CHOSEN = "The chain has no model."


@dataclass(frozen=True)
class Known:
    """A model that was read: its file and its facts."""

    path: Path
    facts: Facts


def read_model(name: str, folder: Path = FOLDER) -> Known:
    """Read and check a plugin file, by a bundled model's name or a path. Blocks; loads no runtime.

    Raises: ContractError, one line, where it cannot be trusted, or works on whole files alone.
    """
    path = find_model(name, folder)
    facts = read_plugin_file(path).facts
    if facts.kind != "stream":
        raise ContractError(f"{path}: works on whole files and cannot run live: use it on the page for files")
    return Known(path, facts)


def read_bundled(folder: Path = FOLDER) -> dict[str, Known | ContractError]:
    """All models that came along, or why one cannot be trusted; those for whole files are left out. Blocks."""
    found: dict[str, Known | ContractError] = {}
    for name, path in bundled_models(folder).items():
        try:
            facts = read_plugin_file(path).facts
        except ContractError as error:
            found[name] = error
            continue
        if facts.kind == "stream":
            found[name] = Known(path, facts)
    return found


class ModelController(QObject):
    """A model is shown when its file was read and found good; until then the old one stays.

    Args:
        folder: of the bundled models.
        say: shows a note; complain: shows an error.
    """

    model_chosen = pyqtSignal(str)  # by the user: a bundled model's name, or a path

    def __init__(
        self,
        box: ModelBox,
        tasks: Tasks,
        memory: Memory,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
        folder: Path = FOLDER,
    ) -> None:
        super().__init__(parent)
        self._box, self._tasks, self._memory, self._folder = box, tasks, memory, folder
        self._say, self._complain = say, complain
        self._known: dict[str, Known] = {}
        self._bundled: dict[str, Known | ContractError] | None = None  # None: not read yet
        self._files = _files_from(memory.read(SECTION))
        self._current = ""
        self._trouble = ""
        box.picked.connect(self._picked)
        box.file_chosen.connect(self._choose)
        box.card_clicked.connect(self.show_card)
        self._show()
        tasks.run(partial(read_bundled, folder), self._bundled_read)

    @property
    def model(self) -> str:
        """What is shown: a bundled model's name, a path, or nothing."""
        return self._current

    @property
    def facts(self) -> Facts | None:
        """Of the model that is shown; None where it is not read yet, or cannot be."""
        known = self._known.get(self._current)
        return None if known is None else known.facts

    def show_model(self, name_or_path: str) -> None:
        """Show another one, which the chain has already; emits nothing. Empty: the chain has none."""
        if name_or_path == self._current:
            return
        self._current, self._trouble = name_or_path, ""
        self._show()
        if name_or_path and name_or_path not in self._known:
            read = partial(read_model, name_or_path, self._folder)
            self._tasks.run(read, partial(self._shown, name_or_path), partial(self._not_shown, name_or_path))

    def show_card(self) -> None:
        """Open the card of the model that is shown."""
        known = self._known.get(self._current)
        if known is not None:
            self._box.show_card(known.facts, known.path.name)

    # -- what the user does

    def _picked(self, value: object) -> None:
        if value != CHOOSE:
            self._choose(str(value))
            return
        self._show()  # the list goes back to what is chosen
        self._box.ask_for_file(str(Path(self._files[0]).parent) if self._files else "")

    def _choose(self, name: str) -> None:
        read = partial(read_model, name, self._folder)
        self._tasks.run(read, partial(self._good, name), self._refused)

    def _good(self, name: str, known: Known) -> None:
        self._known[name] = known
        self._current, self._trouble = name, ""
        if name not in (self._bundled or {}):
            self._files = [name, *(file for file in self._files if file != name)][:MOST_FILES]
            self._keep()
        self._show()
        self.model_chosen.emit(name)

    def _refused(self, error: Exception) -> None:
        self._show()
        self._complain(f"The model cannot be used; the old one stays. {error}.")

    # -- what was read

    def _bundled_read(self, found: dict[str, Known | ContractError]) -> None:
        self._bundled = found
        self._known |= {name: known for name, known in found.items() if isinstance(known, Known)}
        self._show()

    def _shown(self, name: str, known: Known) -> None:
        self._known[name] = known
        self._show()

    def _not_shown(self, name: str, error: Exception) -> None:
        if name == self._current:
            self._trouble = f"{error}."
            self._show()

    # -- inside

    def _keep(self) -> None:
        try:
            self._memory.write(SECTION, {"files": self._files})
        except OSError as error:
            self._say(f"The models chosen last cannot be remembered: {error}")

    def _show(self) -> None:
        bundled = self._bundled or {}
        options: list[tuple[str, object, str]] = [self._option(name) for name in bundled]
        options += [self._option(file) for file in self._files if file not in bundled]
        if self._current and self._current not in [value for _, value, _ in options]:
            options.append(self._option(self._current))
        if not self._current:
            options.insert(0, ("No model" if bundled or self._bundled is None else "No model installed", "", ""))
        options.append(("Choose a plugin file…", CHOOSE, "Any plugin file (.onnx) made by deshift export"))
        self._box.show_models(options, self._current)
        self._box.show_line(self._line(), self._current in self._known)

    def _option(self, name: str) -> tuple[str, object, str]:
        known, text = self._known.get(name), name if name in (self._bundled or {}) else Path(name).stem
        trouble = (self._bundled or {}).get(name)
        if isinstance(trouble, ContractError):
            return f"{text} (damaged)", name, str(trouble)
        return text, name, name if known is None else f"{known.path}\nUndoes {undone_shift(known.facts)}"

    def _line(self) -> str:
        known = self._known.get(self._current)
        if known is not None:
            return summary(known.facts)
        if self._trouble or self._current:
            return self._trouble
        return NO_MODEL if self._bundled == {} else NOTHING_CHOSEN


def _files_from(values: dict[str, Any]) -> list[str]:
    """The files that are remembered; whatever makes no sense is left out."""
    files = values.get("files")
    if not isinstance(files, list):
        return []
    sensible = [file for file in files if isinstance(file, str) and 0 < len(file) <= LONGEST_PATH and "\0" not in file]
    return list(dict.fromkeys(sensible))[:MOST_FILES]

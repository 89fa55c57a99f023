"""Between the chain as a document and the chain on the screen: edits, presets, and what is read of the models."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.live.chain_box import ChainBox
from gui.live.chain_document import ChainDocument
from gui.live.chain_facts import Read, read_models
from gui.live.chain_members import chain_latency_ms, rate_of, shown
from gui.live.chain_presets import ChainPresets
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.bundled import bundled_models, default_name
from realtime.contract import Control, Facts
from realtime.plugins.preset_entries import Entry, ModelEntry, Vst3Entry, from_json, to_json
from realtime.plugins.presets import Preset

SECTION = "chain"
REMEMBER_AFTER_MS = 1000  # a drag of a knob is written once
PLUGIN_FILES = "Plugin files (*.onnx)"
VST3_FILES = "VST3 effects (*.vst3)"
NO_EFFECTS = 'Effects need pedalboard: pip install "deshift[effects]"'


class ChainController(QObject):
    """Owns the chain's box. Files are read and written by `tasks`; `memory` keeps the chain from start to start.

    Args:
        say: shows a note.
        complain: shows an error, a sentence.
    """

    shown = pyqtSignal()  # the chain, or what is known of its models, has changed

    def __init__(
        self,
        box: ChainBox,
        document: ChainDocument,
        tasks: Tasks,
        memory: Memory,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._box, self._document, self._tasks, self._memory = box, document, tasks, memory
        self._say, self._complain = say, complain
        self._read: dict[Path, Read] = {}
        self._presets = ChainPresets(box, document, tasks, say, complain, self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REMEMBER_AFTER_MS)
        self._timer.timeout.connect(self.remember)
        self._undo_timer = QTimer(self)  # the stack itself moves on only after its step was taken
        self._undo_timer.setSingleShot(True)
        self._connect()
        self._restore()
        box.add_menu.show_models(bundled_models())
        box.add_menu.show_missing("" if importlib.util.find_spec("pedalboard") else NO_EFFECTS)
        document.changed.connect(self._timer.start)

    def _connect(self) -> None:
        box, document = self._box, self._document
        box.bypass_clicked.connect(self._bypass)
        box.parameter_turned.connect(self._turn)
        box.moved.connect(self._move)
        box.remove_clicked.connect(self._remove)
        box.add_clicked.connect(self.add)
        box.model_file_clicked.connect(self._ask_model)
        box.vst3_clicked.connect(self._ask_vst3)
        box.button_clicked.connect(self._clicked)
        box.dropped.connect(self._dropped)
        document.changed.connect(self._show)
        document.structure_changed.connect(self._look_at_models)
        self._undo_timer.timeout.connect(self._show_undo)
        document.changed.connect(self._undo_timer.start)

    # -- what the keyboard and the menus do

    def open(self) -> None:
        """Ask for a preset and open it."""
        self._presets.open()

    def open_path(self, path: Path) -> None:
        """Open a preset; where it cannot be read, that is told and the present chain stays."""
        self._presets.open_path(path)

    def save(self) -> None:
        """Save where it came from, or ask where to."""
        self._presets.save()

    def save_as(self) -> None:
        """Ask where to save, and save."""
        self._presets.save_as()

    def save_path(self, path: Path) -> None:
        """Save there; where it cannot be written, that is told and nothing is half written."""
        self._presets.save_path(path)

    def add(self, entry: Entry) -> None:
        """Put a plugin at the end of the chain, and select it."""
        self._try(partial(self._document.add, entry))
        self._box.focus_member(len(self._document.preset.plugins) - 1)

    def tell_shift(self, semitones: float) -> None:
        """Set the shift that there is to undo, where a model takes it."""
        undoing = self._document.shift_to_undo
        if undoing is not None:
            self._turn(undoing[0], undoing[1].name, semitones)

    def remember(self) -> None:
        """Write the chain to the memory now; also to be called before the end."""
        self._timer.stop()
        preset, path = self._document.preset, self._document.path
        values: dict[str, Any] = {
            "preset": to_json(preset.name, preset.plugins),
            "folder": str(preset.folder.absolute()),
            "path": None if path is None else str(path),
            "saved": self._document.is_saved,
            "recent": self._presets.recent,
        }
        try:
            self._memory.write(SECTION, values)
        except OSError as error:
            self._say(f"The chain is not remembered for the next start: {error}")

    def show_engine_facts(self, facts: Mapping[str, Any]) -> None:
        """What a running engine tells of its chain (`Host.facts`): the knobs of VST3s, known nowhere else."""
        entries = self._document.preset.plugins
        if len(facts.get("chain", ())) != len(entries):
            return
        for index, entry in enumerate(entries):
            if isinstance(entry, Vst3Entry):
                mine = [control for control in facts["controls"] if control["name"].startswith(f"{index}.")]
                self._document.learn(entry, [_control(told, index) for told in mine])
        self._show()

    # -- restoring

    def _restore(self) -> None:
        kept = self._memory.read(SECTION)
        path = kept.get("path")
        self._presets.restore(kept.get("recent"))
        try:
            name, entries = from_json(json.dumps(kept["preset"]))
            preset = Preset(name, entries, Path(str(kept["folder"])))
        except (KeyError, ValueError):
            preset, path, kept = self._default(), None, {"saved": True}
        place = Path(path) if isinstance(path, str) and path.strip() else None
        self._document.restore(preset, place, preset if kept.get("saved") is True else None)
        self._look_at_models()
        self._show()
        self._show_undo()

    def _default(self) -> Preset:
        try:
            name = default_name()
        except ValueError:
            self._complain("No model came with this installation: choose a plugin file (.onnx) under Add, Model.")
            return Preset("New chain", ())
        return Preset(name, (ModelEntry(name),))

    # -- showing

    def _show(self) -> None:
        document, entries = self._document, self._document.preset.plugins
        read = {
            index: self._read.get(document.place_of(e)) for index, e in enumerate(entries) if isinstance(e, ModelEntry)
        }
        facts = {index: told.facts for index, told in read.items() if told is not None and told.facts is not None}
        rate, folder = rate_of(facts), document.preset.folder
        members, undoing = [], document.shift_to_undo
        for index, entry in enumerate(entries):
            told = read.get(index)
            reason = "" if told is None else told.reason
            controls = document.controls_of(entry)
            if undoing is not None and undoing[0] == index:  # it has a place of its own, beside the model
                controls = tuple(control for control in controls or () if control != undoing[1])
            members.append(shown(entry, folder, facts.get(index), controls, rate, reason))
        self._box.show_members(members, chain_latency_ms(entries, facts))
        place = "" if document.path is None else str(document.path)
        self._box.show_preset(document.preset.name, document.is_saved, place)
        self.shown.emit()

    def _show_undo(self) -> None:
        stack = self._document.undo_stack
        self._box.show_undo(stack.undoText() if stack.canUndo() else "", stack.redoText() if stack.canRedo() else "")

    def _look_at_models(self) -> None:
        """Read the facts of the models, where their files are new or have changed."""
        document = self._document
        paths = {document.place_of(entry) for entry in document.preset.plugins if isinstance(entry, ModelEntry)}
        if paths:
            self._tasks.run(partial(read_models, sorted(paths), dict(self._read)), self._models_read)

    def _models_read(self, read: dict[Path, Read]) -> None:
        self._read |= read
        for entry in self._document.preset.plugins:
            if isinstance(entry, ModelEntry):
                facts: Facts | None = getattr(read.get(self._document.place_of(entry)), "facts", None)
                if facts is not None:
                    self._document.learn(entry, facts.controls)
        self._show()

    # -- edits

    def _try(self, edit: Callable[[], None]) -> None:
        try:
            edit()
        except ValueError as error:
            self._complain(f"The chain stays as it was: {error}")
            self._show()

    def _bypass(self, index: int, bypass: bool) -> None:
        self._try(partial(self._document.set_bypass, index, bypass))

    def _turn(self, index: int, name: str, value: float) -> None:
        self._try(partial(self._document.set_parameter, index, name, value))

    def _move(self, source: int, target: int) -> None:
        self._try(partial(self._document.move, source, target))
        self._box.focus_member(target)

    def _remove(self, index: int) -> None:
        self._try(partial(self._document.remove, index))
        self._box.focus_member(min(index, len(self._document.preset.plugins) - 1))

    def _clicked(self, name: str) -> None:
        stack = self._document.undo_stack
        actions = {
            "open": self.open,
            "save": self.save,
            "save_as": self.save_as,
            "undo": stack.undo,
            "redo": stack.redo,
        }
        actions[name]()

    # -- files

    def _dropped(self, path: Path) -> None:
        kind = path.suffix.lower()
        if kind == ".json":
            self.open_path(path)
        elif kind == ".onnx":
            self._document.set_model(str(path))
        else:
            self._add_vst3(str(path))

    def _ask_model(self) -> None:
        self._box.ask_open(Path.home(), "Add a model", PLUGIN_FILES).fileSelected.connect(self._add_model)

    def _add_model(self, path: str) -> None:
        self.add(ModelEntry(path))

    def _ask_vst3(self) -> None:
        """On Windows it may be a file; it is a folder everywhere else."""
        dialog = self._box.ask_open(Path.home(), "Add a VST3 effect", VST3_FILES, is_folder=sys.platform != "win32")
        dialog.fileSelected.connect(self._add_vst3)

    def _add_vst3(self, path: str) -> None:
        if Path(path).suffix.lower() == ".vst3":
            self.add(Vst3Entry(path))
        else:
            self._complain(f"{path} is no VST3 effect: choose a file or folder whose name ends in .vst3.")


def _control(told: Mapping[str, Any], index: int) -> Control:
    values = {name: told[name] for name in ("unit", "minimum", "maximum", "default")}
    return Control(told["name"].removeprefix(f"{index}."), **values)

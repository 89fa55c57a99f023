"""The chain as a document: a preset that is edited, undone, loaded and saved. Knows no widget."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QUndoCommand, QUndoStack

from gui.live.chain_changes import Known, live_changes, live_values, meaning, with_parameter
from realtime.contract import SHIFT_CONTROL, Control
from realtime.plugins.preset_entries import MAX_PLUGINS, Entry, ModelEntry, PresetError, Value, Vst3Entry, to_json
from realtime.plugins.presets import Preset, load_preset, save_preset

MERGE_SECONDS = 1.0  # turns of one knob that follow each other so closely are one step of undo
TURN, NEVER_MERGED = 1, -1
NEW_NAME = "New chain"


@dataclass(frozen=True)
class _State:
    """What a step of undo leads to: members and folder and, where it loads a file, name and path too."""

    preset: Preset
    loaded: bool = False
    path: Path | None = None


class _Step(QUndoCommand):
    """From one state to another and back; `turned` is the knob, where it is one."""

    def __init__(
        self,
        words: str,
        put: Callable[[_State], None],
        before: _State,
        after: _State,
        turned: tuple[int, str] | None = None,
    ) -> None:
        super().__init__(words)
        self.put, self.before, self.after, self.turned = put, before, after, turned
        self.when_s = time.monotonic()

    def id(self) -> int:
        """Qt's: only commands of one kind are merged."""
        return NEVER_MERGED if self.turned is None else TURN

    def mergeWith(self, other: QUndoCommand | None) -> bool:  # noqa: N802  Qt's name
        """Qt's: whether `other` is a further turn of the same knob."""
        if not isinstance(other, _Step) or other.turned != self.turned or other.when_s - self.when_s > MERGE_SECONDS:
            return False
        self.after, self.when_s = other.after, other.when_s
        self.setObsolete(self.after == self.before)
        return True

    def undo(self) -> None:
        """Qt's."""
        self.put(self.before)

    def redo(self) -> None:
        """Qt's; called once when it is pushed."""
        self.put(self.after)


class ChainDocument(QObject):
    """A chain as a value, and the edits that made it.

    `structure_changed`: the engine needs the whole chain anew (a swap). `control_turned("0.semitones", -5.0)`: a knob,
    or "0.bypass", that a running engine takes as it runs. `changed`: anything, the saved state included.
    """

    structure_changed = pyqtSignal()
    control_turned = pyqtSignal(str, float)
    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None, preset: Preset | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self._preset = preset or Preset(NEW_NAME, ())
        self._path: Path | None = None
        self._saved: dict[Path | None, Preset] = {None: self._preset}  # what each file holds
        self._known = Known()

    # -- what it is

    @property
    def preset(self) -> Preset:
        """The chain now; relative paths start at its folder."""
        return self._preset

    @property
    def path(self) -> Path | None:
        """The file it was loaded from or saved to; None before."""
        return self._path

    @property
    def model(self) -> str | None:
        """The name or the path of the first model; None where the chain has none."""
        return next((entry.model for entry in self._preset.plugins if isinstance(entry, ModelEntry)), None)

    @property
    def shift_to_undo(self) -> tuple[int, Control, float] | None:
        """The first model that is told the shift to undo: its place, the control, and its value; None without one."""
        for index, entry in enumerate(self._preset.plugins):
            for control in (self.controls_of(entry) or ()) if isinstance(entry, ModelEntry) else ():
                if control.name == SHIFT_CONTROL and isinstance(entry, ModelEntry):
                    return index, control, entry.controls.get(control.name, control.default)
        return None

    @property
    def is_saved(self) -> bool:
        """Whether the file holds just this; without a file, whether nothing was edited."""
        saved = self._saved.get(self._path)
        return saved is not None and meaning(saved, self._known) == meaning(self._preset, self._known)

    @property
    def control_values(self) -> dict[str, float]:
        """All that `control_turned` would tell: to be told again to an engine that was given an older chain."""
        return live_values(self._preset)

    def controls_of(self, entry: Entry) -> tuple[Control, ...] | None:
        """What can be turned while it runs; of a model or a VST3 None before `learn` was told."""
        return self._known.controls(entry, self._preset.folder)

    def learn(self, entry: Entry, controls: Sequence[Control]) -> None:
        """Remember the knobs of a model or a VST3: their defaults and ranges count from now on."""
        self._known.learnt[self._known.identity(entry, self._preset.folder)] = tuple(controls)

    def place_of(self, entry: ModelEntry | Vst3Entry) -> Path:
        """The file that is meant."""
        if isinstance(entry, Vst3Entry):
            return self._preset.folder / entry.path
        return self._known.bundled.get(entry.model, self._preset.folder / entry.model)

    # -- edits; each can be undone

    def add(self, entry: Entry, index: int | None = None) -> None:
        """Put a member before the one at `index`; at the end without one.

        Raises: PresetError where the chain is full.
        """
        entries = list(self._preset.plugins)
        if len(entries) >= MAX_PLUGINS:
            raise PresetError(f"a chain takes up to {MAX_PLUGINS} plugins: remove one first")
        entries.insert(len(entries) if index is None else index, entry)
        self._edit("Add a plugin", entries)

    def remove(self, index: int) -> None:
        """Take a member away. Raises: PresetError where there is none."""
        self._check(index)
        self._edit("Remove a plugin", [*self._preset.plugins[:index], *self._preset.plugins[index + 1 :]])

    def move(self, source: int, target: int) -> None:
        """Have the member at `source` stand at `target`. Raises: PresetError where there is no such place."""
        self._check(source)
        self._check(target)
        entries = list(self._preset.plugins)
        entries.insert(target, entries.pop(source))
        self._edit("Move a plugin", entries)

    def set_bypass(self, index: int, bypass: bool) -> None:
        """Take a member out, or in. Raises: PresetError where there is none."""
        self._check(index)
        self._replace("Bypass", index, replace(self._preset.plugins[index], bypass=bypass))

    def set_parameter(self, index: int, name: str, value: Value) -> None:
        """Turn a knob, or set a parameter that needs the chain anew. Turns in quick succession are one step of undo.

        Raises: PresetError where there is no such member or parameter, or it does not take the value.
        """
        self._check(index)
        entry = self._preset.plugins[index]
        changed = with_parameter(entry, name, value, self.controls_of(entry))
        self._replace(f"Turn {name.replace('_', ' ')}", index, changed, (index, name))

    def set_model(self, name_or_path: str, controls: Mapping[str, float] | None = None) -> None:
        """Put a model in the place of the first one, or in front where there is none.

        Its controls begin anew, those in `controls` with these values.
        """
        entries = list(self._preset.plugins)
        at = next((index for index, entry in enumerate(entries) if isinstance(entry, ModelEntry)), None)
        if at is None:
            self.add(ModelEntry(name_or_path, dict(controls or {})), 0)
            return
        old = entries[at]
        new = ModelEntry(name_or_path, dict(controls or {}), old.bypass)
        folder = self._preset.folder
        if self._known.identity(old, folder) != self._known.identity(new, folder):
            self._replace("Change the model", at, new)

    # -- files

    def load(self, path: Path) -> None:
        """Take over a preset; that can be undone. Raises: PresetError, one line; all stays as it was."""
        self.take_over(load_preset(path), path)

    def take_over(self, preset: Preset, path: Path | None) -> None:
        """The same with what `load_preset` read, perhaps on another thread."""
        self._saved[path] = preset
        before = _State(self._preset, True, self._path)
        self.undo_stack.push(_Step("Open a preset", self._put, before, _State(preset, True, path)))

    def save(self, path: Path) -> None:
        """Write it to a file, which it then belongs to. Raises: PresetError, one line; nothing is half written."""
        preset = self.to_save(path)
        save_preset(path, preset)
        self.saved_as(preset, path)

    def to_save(self, path: Path) -> Preset:
        """What is written to a file: named after it where it is a new one; what lies beside it by a relative path."""
        name = self._preset.name if path == self._path else path.stem
        near = tuple(_near(entry, self._preset.folder, path.parent) for entry in self._preset.plugins)
        return Preset(name if name.strip() and name.isprintable() else NEW_NAME, near, self._preset.folder)

    def saved_as(self, preset: Preset, path: Path) -> None:
        """What `to_save` gave has been written there, perhaps on another thread."""
        self._path, self._saved[path] = path, preset
        self._preset = replace(self._preset, name=preset.name)
        self.changed.emit()

    def restore(self, preset: Preset, path: Path | None, saved: Preset | None) -> None:
        """Begin with this chain, without a past; `saved` is what its file holds."""
        self.undo_stack.clear()
        self._saved = {path: saved} if saved is not None else {}
        self._put(_State(preset, True, path))

    def write_for_engine(self, folder: Path) -> Path:
        """Write the chain for the engine, under a name of its content; waits for the disk, on any thread.

        Raises: PresetError, one line, where it cannot be written.
        """
        preset = self._preset
        text = json.dumps([str(preset.folder), to_json(preset.name, preset.plugins)], sort_keys=True)
        path = folder / f"chain-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if not path.is_file():
            save_preset(path, preset)
        return path

    # -- inside

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self._preset.plugins):
            raise PresetError(f"there is no plugin {index + 1}: the chain has {len(self._preset.plugins)}")

    def _replace(self, words: str, index: int, entry: Entry, turned: tuple[int, str] | None = None) -> None:
        entries = list(self._preset.plugins)
        if entries[index] != entry:
            entries[index] = entry
            self._edit(words, entries, turned)

    def _edit(self, words: str, entries: Sequence[Entry], turned: tuple[int, str] | None = None) -> None:
        after = replace(self._preset, plugins=tuple(entries))
        self.undo_stack.push(_Step(words, self._put, _State(self._preset), _State(after), turned))

    def _put(self, state: _State) -> None:
        """Show another chain, and tell the engine what that takes."""
        before, name = self._preset, state.preset.name if state.loaded else self._preset.name
        self._preset = replace(state.preset, name=name)
        self._path = state.path if state.loaded else self._path
        turned = live_changes(before, self._preset, self._known)
        if turned is None:
            self.structure_changed.emit()
        else:
            for control, value in turned.items():
                self.control_turned.emit(control, value)
        self.changed.emit()


def _near(entry: Entry, old: Path, new: Path) -> Entry:
    """A file inside the preset's new folder by a relative path, so that both can be passed on together.

    Relative still to the old folder: `save_preset` goes on from there.
    """
    given = entry.model if isinstance(entry, ModelEntry) else entry.path if isinstance(entry, Vst3Entry) else ""
    if not Path(given).is_absolute() or not Path(given).is_relative_to(new.absolute()):
        return entry
    try:
        near = Path(os.path.relpath(given, old.absolute())).as_posix()
    except ValueError:  # Windows: another drive
        return entry
    if isinstance(entry, ModelEntry):
        return replace(entry, model=near)
    return replace(entry, path=near) if isinstance(entry, Vst3Entry) else entry

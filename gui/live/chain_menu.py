"""What can be added to a chain, as a menu."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QMenu, QWidget

from gui.live.chain_members import effect_title
from realtime.plugins.effects import KINDS
from realtime.plugins.preset_entries import EffectEntry, ModelEntry, VocoderEntry

GROUPS = {
    "Filters": ("highpass", "lowpass", "low_shelf", "high_shelf", "peak"),
    "Dynamics": ("gate", "compressor", "limiter", "brickwall"),
    "Level": ("gain", "invert"),
    "Space and echo": ("reverb", "delay", "chorus", "phaser"),
    "Distortion": ("clipping", "distortion", "bitcrush"),
}


class AddMenu(QMenu):
    """Models, the phase vocoder, effects by group, VST3; what needs a missing library is grey and says so."""

    chosen = pyqtSignal(object)  # an Entry
    model_file_clicked = pyqtSignal()
    vst3_clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self._models = self._part("Model", "A model that restores what was shifted.")
        self._put(self, "Phase vocoder", "Shifts pitch without a model, 11 to 43 ms later.", VocoderEntry())
        self.addSeparator()
        self._missing = QAction(self)
        self._missing.setEnabled(False)
        self.addAction(self._missing)
        self._effects = [self._group(title, names) for title, names in GROUPS.items()]
        self.addSeparator()
        self._vst3 = QAction("VST3 file…", self)
        self._vst3.setToolTip("A VST3 effect is machine code that runs with your rights: add only what you trust.")
        self._vst3.triggered.connect(self.vst3_clicked)
        self.addAction(self._vst3)
        self._file = QAction("File…", self)
        self._file.setToolTip("A plugin file (.onnx)")
        self._file.triggered.connect(self.model_file_clicked)
        self.show_models(())
        self.show_missing("")

    def show_models(self, names: Iterable[str]) -> None:
        """The bundled models, by name."""
        self._models.clear()
        for name in names:
            self._put(self._models, name, "Comes with deshift.", ModelEntry(name))
        self._models.addSeparator()
        self._models.addAction(self._file)

    def show_missing(self, reason: str) -> None:
        """Grey out what needs the library of effects, saying why; an empty reason allows it all."""
        self._missing.setText(reason)
        self._missing.setVisible(bool(reason))
        self._vst3.setEnabled(not reason)
        for menu in self._effects:
            menu.setEnabled(not reason)

    def _group(self, title: str, names: Iterable[str]) -> QMenu:
        menu = self._part(title, "")
        for name in names:
            description = KINDS[name].description
            self._put(menu, f"{effect_title(name)}: {_short(description)}", description, EffectEntry(name))
        return menu

    def _part(self, title: str, tip: str) -> QMenu:
        menu = QMenu(title, self)
        menu.setToolTipsVisible(True)
        menu.setToolTip(tip)
        self.addMenu(menu)
        return menu

    def _put(self, menu: QMenu, text: str, tip: str, entry: object) -> None:
        action = QAction(text, menu)
        action.setToolTip(tip)
        action.setData(entry)
        action.triggered.connect(self._chosen)
        menu.addAction(action)

    def _chosen(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.chosen.emit(action.data())


def _short(description: str) -> str:
    """The first clause of a description, as the end of a line: "keeps every sample below the ceiling"."""
    clause = description.split(":")[0].split(";")[0].rstrip(".")
    return clause[:1].lower() + clause[1:]

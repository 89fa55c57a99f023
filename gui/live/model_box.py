"""The model on the screen: a list, a line of facts, the way to its card, and the shift that it is to undo."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import QEvent, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QGridLayout, QGroupBox, QToolButton, QWidget

from gui.icons import icon
from gui.live.model_card import ModelCard
from gui.widgets.choice_box import ChoiceBox
from gui.widgets.knob import ParameterRow
from gui.widgets.words import Words
from gui.widgets.wrapped_label import WrappedLabel
from realtime.contract import Control, Facts

SHIFT = "Shift to undo"
SHIFT_HELP = "How far the sound was shifted that comes in: 12 for one that was raised by an octave."
NOTHING_UNDONE = "Nothing is undone at 0."
MODEL_FILES = "Plugin files (*.onnx);;All files (*)"


class ModelBox(QGroupBox):
    """Shows what it is told; what the user picks is not shown before `show_models` says so."""

    picked = pyqtSignal(object)  # the value of an option
    file_chosen = pyqtSignal(str)
    card_clicked = pyqtSignal()
    shift_turned = pyqtSignal(float)  # semitones

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Model", parent)
        self._dialog: QFileDialog | None = None
        self.list = ChoiceBox("Model", "The network that undoes the shift")
        self.list.chosen.connect(self.picked)
        self.card_button = QToolButton()
        self.card_button.setIcon(icon("info"))
        self.card_button.setAccessibleName("Card of the model")
        self.card_button.setToolTip("Card: what the model undoes, its latency, training, licence and certificate")
        self.card_button.clicked.connect(self.card_clicked)
        self.line = WrappedLabel("Facts of the model")
        self.shift: ParameterRow | None = None  # of a model that takes it
        self._range = (0.0, 0.0, 0.0)
        self._note = Words()
        self._note.say(NOTHING_UNDONE, "faint")
        self._note.hide()
        self._layout = layout = QGridLayout(self)
        layout.setColumnStretch(0, 1)
        layout.addWidget(self.list, 0, 0)
        layout.addWidget(self.card_button, 0, 1)
        layout.addWidget(self.line, 1, 0, 1, 2)
        layout.addWidget(self._note, 3, 0, 1, 2)
        self.show_line("", False)

    def show_models(self, options: Iterable[tuple[str, object, str]], value: object) -> None:
        """The list, ``(text, value, hint)``, and which one is chosen."""
        self.list.show_options(options, value)

    def show_line(self, text: str, has_card: bool) -> None:
        """The facts in a line, and whether there is a card to be seen."""
        self.line.setText(text)
        self.line.setVisible(bool(text))
        self.card_button.setEnabled(has_card)

    def show_shift(self, control: Control | None, value: float = 0.0) -> None:
        """The knob for the shift to undo, and what it is set to; None takes it away. Emits nothing."""
        limits = None if control is None else (control.minimum, control.maximum, control.default)
        if self.shift is not None and limits != self._range:
            self._layout.removeWidget(self.shift)
            self.shift.hide()
            self.shift.deleteLater()
            self.shift = None
        if limits is not None:
            if self.shift is None:
                self._range = limits
                self.shift = ParameterRow(SHIFT, "semitones", *limits, compact=True, digits=1)
                self.shift.setObjectName("shift_to_undo")
                self.shift.set_help(SHIFT_HELP)
                self.shift.value_changed.connect(self.shift_turned)
                self._layout.addWidget(self.shift, 2, 0, 1, 2)
                self.shift.show()
            self.shift.set_value(value)
        self._note.setVisible(limits is not None and value == 0)

    def ask_for_file(self, folder: str) -> None:
        """Open the dialog for a plugin file; `file_chosen` tells which."""
        if self._dialog is None:
            self._dialog = QFileDialog(self, "Choose a plugin file", folder, MODEL_FILES)
            self._dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            self._dialog.fileSelected.connect(self.file_chosen)
        self._dialog.open()

    def show_card(self, facts: Facts, file_name: str) -> ModelCard:
        """Open the card."""
        made = ModelCard(facts, file_name, self)
        made.finished.connect(made.deleteLater)
        made.open()
        return made

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  # Qt's name
        """Take the colours of another palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "card_button"):
            self.card_button.setIcon(icon("info"))

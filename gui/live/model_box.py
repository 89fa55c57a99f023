"""The model on the screen: a list, a line of facts, and the way to its card."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import QEvent, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QGridLayout, QGroupBox, QToolButton, QWidget

from gui.icons import icon
from gui.live.model_card import ModelCard
from gui.widgets.choice_box import ChoiceBox
from gui.widgets.wrapped_label import WrappedLabel
from realtime.contract import Facts

MODEL_FILES = "Plugin files (*.onnx);;All files (*)"


class ModelBox(QGroupBox):
    """Shows what it is told; what the user picks is not shown before `show_models` says so."""

    picked = pyqtSignal(object)  # the value of an option
    file_chosen = pyqtSignal(str)
    card_clicked = pyqtSignal()

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
        layout = QGridLayout(self)
        layout.setColumnStretch(0, 1)
        layout.addWidget(self.list, 0, 0)
        layout.addWidget(self.card_button, 0, 1)
        layout.addWidget(self.line, 1, 0, 1, 2)
        self.show_line("", False)

    def show_models(self, options: Iterable[tuple[str, object, str]], value: object) -> None:
        """The list, ``(text, value, hint)``, and which one is chosen."""
        self.list.show_options(options, value)

    def show_line(self, text: str, has_card: bool) -> None:
        """The facts in a line, and whether there is a card to be seen."""
        self.line.setText(text)
        self.line.setVisible(bool(text))
        self.card_button.setEnabled(has_card)

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

"""The level check on the screen: a button, a sentence and, while it listens, a meter."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QPushButton, QWidget

from gui.icons import icon
from gui.live.level_check_verdict import Verdict
from gui.theme import meanings
from gui.widgets.level_meter import LevelMeter
from gui.widgets.wrapped_label import WrappedLabel
from realtime.live.meters import Level

START_TEXT, STOP_TEXT = "Check level", "Stop check"
START_HINT = "Listen to the microphone without playing anything, and say whether its level is right"
STOP_HINT = "Let the microphone go"
IDLE_TEXT = "Is the microphone heard?"


class LevelCheckBox(QWidget):
    """Shows what it is told."""

    clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton(START_TEXT)
        self.button.clicked.connect(self.clicked)
        self.sentence = WrappedLabel("Verdict on the level", IDLE_TEXT)
        self.meter = LevelMeter("Input")
        self.meter.hide()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setColumnStretch(1, 1)
        layout.addWidget(self.button, 0, 0)
        layout.addWidget(self.sentence, 0, 1)
        layout.addWidget(self.meter, 1, 0, 1, 2)
        self._kind = ""
        self.show_checking(False)

    def show_checking(self, checking: bool) -> None:
        """Whether it listens: what the button will do."""
        self.button.setText(STOP_TEXT if checking else START_TEXT)
        self.button.setToolTip(STOP_HINT if checking else START_HINT)
        self.button.setIcon(icon("stop" if checking else "microphone"))
        self.meter.setVisible(checking)

    def show_level(self, level: Level) -> None:
        """On the meter."""
        self.meter.set_level(level)

    def show_verdict(self, verdict: Verdict) -> None:
        """The sentence in the colour of its kind."""
        self.show_sentence(verdict.text, verdict.kind)

    def show_sentence(self, text: str, kind: str = "") -> None:
        """Any sentence."""
        if (text, kind) != (self.sentence.text(), self._kind):
            self.sentence.setText(text)
            self._kind = kind
            self._colour()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  # Qt's name
        """Take the colours of another palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "_kind"):
            self._colour()
            self.button.setIcon(icon("microphone" if self.meter.isHidden() else "stop"))

    def _colour(self) -> None:
        colours = meanings()
        kinds = {"good": colours.good, "quiet": colours.warning, "silence": colours.warning, "loud": colours.bad}
        self.sentence.setStyleSheet(f"color: {kinds[self._kind]}" if self._kind in kinds else "")

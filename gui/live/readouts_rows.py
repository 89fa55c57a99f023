"""Rows of a readout: a name, a text with a tone, and, where it has one, its age."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QWidget

from gui.widgets.words import Tone, Words


class Rows(QWidget):
    """Names to the left in one column, texts to the right, ages at the right edge."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[Words, Words, Words]] = {}

    def add(self, name: str, tip: str) -> None:
        """One more row, at the end."""
        title, text, age = Words(tip), Words(tip), Words("How long ago this was measured")
        title.say(name, "faint")
        place = self._grid.rowCount()
        for column, words in enumerate((title, text, age)):
            self._grid.addWidget(words, place, column)
        title.setMinimumWidth(title.fontMetrics().horizontalAdvance(name) + 1)
        age.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        age.hide()
        self._rows[name] = title, text, age

    def add_widget(self, name: str, tip: str, widget: QWidget) -> None:
        """A row with a widget in place of a text."""
        title = Words(tip)
        title.say(name, "faint")
        place = self._grid.rowCount()
        self._grid.addWidget(title, place, 0)
        self._grid.addWidget(widget, place, 1, 1, 2)

    def say(self, name: str, text: str, tone: Tone = "plain", age: str = "") -> None:
        """Another text in a row."""
        _, words, aged = self._rows[name]
        words.say(text, tone)
        words.setAccessibleName(f"{name}: {text}")
        aged.say(age, "faint")
        aged.setVisible(bool(age))

    def text(self, name: str) -> str:
        """What a row says."""
        return self._rows[name][1].text()

    def tone(self, name: str) -> Tone:
        """How a row says it."""
        return self._rows[name][1].tone

    def age(self, name: str) -> str:
        """How old a row says it is."""
        return self._rows[name][2].text()

    def show_row(self, name: str, shown: bool) -> None:
        """Show or hide a row."""
        for words in self._rows[name][:2]:
            words.setVisible(shown)
        if not shown:
            self._rows[name][2].hide()

    def is_shown(self, name: str) -> bool:
        """Whether a row is there."""
        return not self._rows[name][1].isHidden()

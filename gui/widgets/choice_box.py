"""A list to choose from that stays narrow, and tells its user's choices alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QComboBox, QWidget

LEAST_LETTERS = 6


class ChoiceBox(QComboBox):
    """Shows options of text, value and hint. What is too long is cut, and told whole by the tool tip and the open list.

    Args:
        name: what is chosen, for those who hear the screen.
        hint: what the tool tip says of it.
    """

    chosen = pyqtSignal(object)  # the value, chosen by mouse or key

    def __init__(self, name: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hint = hint
        self.setAccessibleName(name)
        self.setToolTip(hint)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(LEAST_LETTERS)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.activated.connect(self._tell)
        self.currentIndexChanged.connect(self._show_tip)

    def show_options(self, options: Iterable[tuple[str, Any, str]], value: Any) -> None:
        """Other options, ``(text, value, hint)``, the one with this value chosen; tells nobody."""
        before = self.blockSignals(True)
        self.clear()
        for index, (text, option, hint) in enumerate(options):
            self.addItem(text, option)
            self.setItemData(index, hint, Qt.ItemDataRole.ToolTipRole)
        self.blockSignals(before)
        self.show_value(value)

    def show_value(self, value: Any) -> None:
        """The option with this value; tells nobody."""
        before = self.blockSignals(True)
        values = [self.itemData(index) for index in range(self.count())]
        self.setCurrentIndex(values.index(value) if value in values else -1)
        self.blockSignals(before)
        self._show_tip()

    @property
    def value(self) -> Any:
        """Of the option that is shown."""
        return self.currentData()

    def showPopup(self) -> None:  # noqa: N802  # Qt's name
        """Open the list, as wide as its longest line, within the screen."""
        view, screen = self.view(), self.screen()
        if view is not None and screen is not None:
            widest = view.sizeHintForColumn(0) + 2 * view.frameWidth() + self.fontMetrics().averageCharWidth() * 4
            view.setMinimumWidth(min(max(widest, self.width()), screen.availableGeometry().width() // 2))
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802  # Qt's name
        """Turn only what has the focus: who scrolls past it means the page."""
        if event is None or self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _tell(self) -> None:
        self.chosen.emit(self.currentData())

    def _show_tip(self) -> None:
        told = self.itemData(self.currentIndex(), Qt.ItemDataRole.ToolTipRole) or self.currentText()
        self.setToolTip(f"{told}\n{self._hint}" if told else self._hint)

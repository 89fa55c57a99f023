"""Text that has a tone, and that is shortened where it does not fit."""

from __future__ import annotations

from typing import Literal

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent
from PyQt6.QtWidgets import QLabel, QWidget

from gui.theme import meanings

Tone = Literal["plain", "faint", "good", "warning", "bad"]
LEAST_LETTERS = 6  # that a label may be squeezed to


def ink_on(colour: QColor) -> QColor:
    """Black or white, whichever is read better on a colour: by its relative luminance, WCAG 2.2."""
    linear = [_linear(part) for part in (colour.redF(), colour.greenF(), colour.blueF())]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return QColor("#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff")


class Words(QLabel):
    """A line that ends in "…" where it is too long, the whole of it in the tool tip; or, wrapped, a paragraph.

    Args:
        tip: what the text means, shown in the tool tip under a text that was shortened.
    """

    def __init__(self, tip: str = "", wrapped: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip = tip
        self.tone: Tone = "plain"
        self.setTextFormat(Qt.TextFormat.PlainText)  # names come from drivers: nothing in them is markup
        self.setWordWrap(wrapped)
        self.setToolTip(tip)

    def say(self, text: str, tone: Tone = "plain") -> None:
        """Show another text; does nothing where it is the same."""
        if (text, tone) == (self.text(), self.tone):
            return
        self.tone = tone
        if text != self.text():
            self.setText(text)
            self.setAccessibleName(text)
            self._tell_all()
        self.update()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """A few letters wide: what is too long is shortened, and never widens the window."""
        hint = super().minimumSizeHint()
        letters = min(LEAST_LETTERS, len(self.text()))
        return QSize(min(hint.width(), letters * self.fontMetrics().averageCharWidth()), hint.height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """What fits has changed."""
        super().resizeEvent(event)
        self._tell_all()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The text in its tone."""
        painter = QPainter(self)
        painter.setPen(self._colour())
        if self.wordWrap():
            flags = int(Qt.TextFlag.TextWordWrap) | int(self.alignment())
            painter.drawText(self.contentsRect(), flags, self.text())
            return
        painter.drawText(self.contentsRect(), int(self.alignment()), self._shortened())

    def _shortened(self) -> str:
        width = self.contentsRect().width()
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, width)

    def _tell_all(self) -> None:
        cut = not self.wordWrap() and self._shortened() != self.text()
        self.setToolTip("\n".join(filter(None, (self.text() if cut else "", self._tip))))

    def _colour(self) -> QColor:
        if self.tone == "plain":
            return self.palette().color(QPalette.ColorRole.WindowText)
        if self.tone == "faint":
            return self.palette().color(QPalette.ColorRole.PlaceholderText)
        return QColor(getattr(meanings(), self.tone))


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

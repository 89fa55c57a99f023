"""What stands behind a slider of a parameter: its scale, and a slider that obeys mouse, wheel and keys."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QSizePolicy, QSlider, QStyle

POSITIONS = 1000  # of a slider
DECADES_2 = 100.0  # from this ratio on a scale is logarithmic
NO_KEY = Qt.KeyboardModifier.NoModifier
STEPS = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_PageDown: -10,
    Qt.Key.Key_PageUp: 10,
}


@dataclass(frozen=True)
class Scale:
    """The range of a parameter, and how a slider runs through it: in equal ratios over two decades and more.

    `digits` after the point; None is what makes sense for the range.
    """

    unit: str
    minimum: float
    maximum: float
    digits: int | None = None

    @property
    def is_logarithmic(self) -> bool:
        """Whether equal ways on the slider are equal ratios."""
        return self.minimum > 0 and self.maximum >= DECADES_2 * self.minimum

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        if self.digits is not None:
            return self.digits
        if self.unit == "%" or (self.minimum >= 10 and self.maximum >= 1000):
            return 0
        return 1 if self.unit == "dB" or self.maximum - self.minimum > 50 else 2

    @property
    def step(self) -> float:
        """What an arrow key adds; a page key adds ten. On a logarithmic scale the box finds its own."""
        if self.unit == "dB":
            return 0.5
        span = self.maximum - self.minimum
        return max(math.pow(10, -self.decimals), math.pow(10, math.floor(math.log10(span / 40)))) if span > 0 else 1.0

    def position(self, value: float) -> int:
        """Where the slider stands for a value."""
        if self.maximum <= self.minimum:
            return 0
        if self.is_logarithmic:
            share = math.log(value / self.minimum) / math.log(self.maximum / self.minimum)
        else:
            share = (value - self.minimum) / (self.maximum - self.minimum)
        return round(POSITIONS * share)

    def value(self, position: int) -> float:
        """What the slider means where it stands: a round number."""
        share = position / POSITIONS
        if self.is_logarithmic:
            exact = self.minimum * math.pow(self.maximum / self.minimum, share)
            rounded = round(exact, min(self.decimals, 2 - math.floor(math.log10(exact))))  # three digits at most
        else:
            exact = self.minimum + share * (self.maximum - self.minimum)
            rounded = round(exact / self.step) * self.step
        return min(self.maximum, max(self.minimum, round(rounded, self.decimals)))


class Slider(QSlider):
    """Jumps to where it is clicked; turns by the wheel only with the focus; a double click asks for the default."""

    stepped = pyqtSignal(int)
    reset_asked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, POSITIONS)
        self.setPageStep(POSITIONS // 10)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(4 * self.fontMetrics().height())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  Qt's name
        """Arrows and page keys by the steps of the box; Backspace for the default."""
        if event is None:
            return
        key = Qt.Key(event.key())
        steps = STEPS.get(key)
        if key == Qt.Key.Key_Backspace:
            self.reset_asked.emit()
        elif steps is not None and event.modifiers() in (NO_KEY, Qt.KeyboardModifier.KeypadModifier):
            self.stepped.emit(steps)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802  Qt's name
        """Without the focus the page scrolls."""
        if event is None:
            return
        if self.hasFocus() and event.angleDelta().y():
            self.stepped.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  Qt's name
        """Put the handle where the mouse is, then drag it."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            style = self.style()
            handle = style.pixelMetric(QStyle.PixelMetric.PM_SliderLength, None, self) if style else 0
            at, room = round(event.position().x()) - handle // 2, self.width() - handle
            there = QStyle.sliderValueFromPosition(0, POSITIONS, at, room)
            if abs(there - self.value()) * room > handle * POSITIONS // 2:
                self.setValue(there)
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  Qt's name
        """Back to the default."""
        self.setSliderDown(False)
        self.reset_asked.emit()

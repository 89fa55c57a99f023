"""Two rolling pictures with their axes: one time below, frequencies on the left, levels on the right."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QPaintEvent

from gui.theme import meanings
from gui.widgets.spectrogram_image import (
    HIGH_DB,
    LOW_DB,
    LogFrequencyAxis,
    SecondsBeforeNowAxis,
    colour_map,
    log_span,
)
from gui.widgets.spectrogram_rolling import RollingImage

COLUMN_S = 512 / 48_000
_LEAST_LINES = 8  # of text: the height with which the axes can still be read
_CROSS_HAIR = "#ffffffb0"


class SpectrogramPlots(pyqtgraph.GraphicsLayoutWidget):
    """One column is one pixel wide; the axes are painted when the size or the colours change, not with each column.

    Signals:
        fitted: another number of columns, or another time for each.
        pointed: the mouse is over a picture: columns before the newest, log10 Hz.
        left: it is over none.

    Attributes:
        images: the pictures, from above.
        columns: how many there is room for.
        column_s: the time of one.
        spent_s: the time that painting took so far; may be set.

    Args:
        titles: of the pictures, from above.
        frequencies_hz: ``(R,)``, centres of the rows, of equal ratio.
    """

    fitted = pyqtSignal()
    pointed = pyqtSignal(int, float)
    left = pyqtSignal()

    def __init__(self, titles: tuple[str, ...], frequencies_hz: NDArray[np.floating]) -> None:
        super().__init__()
        self.column_s, self.columns, self.spent_s = COLUMN_S, 1, 0.0
        self.images = [RollingImage(frequencies_hz, COLUMN_S) for _ in titles]
        self._boxes = [pyqtgraph.ViewBox(enableMouse=False, enableMenu=False) for _ in titles]
        self._axes: list[pyqtgraph.AxisItem] = []
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumSize(QSize(1, _LEAST_LINES * self.fontMetrics().height()))
        self.ci.setContentsMargins(0, 6, 0, 0)  # half a label of the level stands above its scale
        self.ci.setSpacing(8)  # pixels: the axes reach 5 out of their place, and are painted with what they touch
        self._add_pictures(titles, frequencies_hz)
        self._add_time_and_levels()
        self._add_cross_hairs()
        self._boxes[0].sigResized.connect(self._fit)

    def set_column_time(self, column_s: float) -> None:
        """The time of one column, in seconds."""
        if column_s != self.column_s:
            self.column_s = column_s
            self._fit()

    def show_cross_hairs(self, age: int, log_hz: float) -> None:
        """In both pictures, over the column that came `age` columns before the newest."""
        for time_line, frequency_line in self._lines:
            time_line.setPos(-(age + 0.5) * self.column_s)
            frequency_line.setPos(log_hz)
            time_line.setVisible(True)
            frequency_line.setVisible(True)

    def hide_cross_hairs(self) -> None:
        """In both pictures."""
        for pair in self._lines:
            for line in pair:
                line.setVisible(False)

    def take_colours(self) -> None:
        """Those of the palette in use."""
        colours = meanings()
        self.setBackground(colours.background)
        for axis in self._axes:
            axis.setPen(colours.line)
            axis.setTextPen(colours.line)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """As ever, by the clock."""
        began_s = perf_counter()
        super().paintEvent(event)
        self.spent_s += perf_counter() - began_s

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Told here and not by the scene, which leaves out moves that come fast, even the last one."""
        super().mouseMoveEvent(event)
        self._point(self.mapToScene(event.position().toPoint()))

    # -- parts

    def _add_pictures(self, titles: tuple[str, ...], frequencies_hz: NDArray[np.floating]) -> None:
        low, high = log_span(frequencies_hz)
        for row, (box, image, title) in enumerate(zip(self._boxes, self.images, titles, strict=True)):
            axis = LogFrequencyAxis("left")
            axis.setLabel(f"{title}, Hz")
            axis.linkToView(box)
            box.setYRange(low, high, padding=0)
            box.addItem(image, ignoreBounds=True)
            self.ci.addItem(axis, row, 0)
            self.ci.addItem(box, row, 1)
            self._axes.append(axis)

    def _add_time_and_levels(self) -> None:
        time = SecondsBeforeNowAxis("bottom")
        time.setStyle(hideOverlappingLabels=False)  # "now" stands at the very end
        time.linkToView(self._boxes[0])
        self.ci.addItem(time, len(self._boxes), 1)
        bar = pyqtgraph.ColorBarItem(values=(LOW_DB, HIGH_DB), width=10, colorMap=colour_map(), interactive=False)
        bar.axis.setLabel("Level, dB")
        self.ci.addItem(bar, 0, 2, len(self._boxes), 1)
        self._axes += [time, bar.axis]

    def _add_cross_hairs(self) -> None:
        self._lines = []
        for box in self._boxes:
            pair = [pyqtgraph.InfiniteLine(angle=angle, pen=pyqtgraph.mkPen(_CROSS_HAIR)) for angle in (90, 0)]
            for line in pair:
                line.setVisible(False)
                box.addItem(line, ignoreBounds=True)
            self._lines.append(pair)

    def _fit(self) -> None:
        self.columns = max(1, int(self._boxes[0].width()))
        for box, image in zip(self._boxes, self.images, strict=True):
            image.show_columns(self.columns, self.column_s)
            box.setXRange(-self.columns * self.column_s, 0, padding=0)
        self.fitted.emit()

    def _point(self, place: QPointF) -> None:
        for box in self._boxes:
            if box.sceneBoundingRect().contains(place):
                at = box.mapSceneToView(place)
                self.pointed.emit(int(-at.x() / self.column_s), at.y())
                return
        self.left.emit()

"""A picture that rolls to the left: columns are written into a ring, drawn in two pieces, and never moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from gui.widgets.spectrogram_image import HIGH_DB, LOW_DB, colour_map, log_span

CAPACITY = 4096  # columns: as wide as a picture can be drawn
_SHADES = 256


class RollingImage(pyqtgraph.GraphicsObject):
    """The newest columns in a plot whose axes are seconds, up to 0, and log10 Hz; one column is one pixel wide.

    Args:
        frequencies_hz: ``(R,)``, centres of the rows, of equal ratio.
        column_s: the time of one column.
    """

    def __init__(self, frequencies_hz: NDArray[np.floating], column_s: float) -> None:
        super().__init__()
        self._low, self._high = log_span(frequencies_hz)
        self._rows = len(frequencies_hz)
        self._column_s = column_s
        self._visible = 1
        self._next = 0
        self._levels_db = np.full((self._rows, CAPACITY), np.nan, np.float32)
        self._pixels = np.zeros((self._rows, CAPACITY), np.uint32)  # row 0 is the highest; 0 is transparent
        self._colours = _packed_colours()
        self._image = _image_over(self._pixels)

    def append(self, db: NDArray[np.floating]) -> None:
        """Add ``(R, M)`` columns on the right; NaN leaves a gap."""
        db = db[:, -CAPACITY:]
        places = np.arange(self._next, self._next + db.shape[1]) % CAPACITY
        shades = (np.nan_to_num(db, nan=LOW_DB) - LOW_DB) * ((_SHADES - 1) / (HIGH_DB - LOW_DB))
        pixels = self._colours[np.clip(shades + 0.5, 0, _SHADES - 1).astype(np.intp)]
        pixels[np.isnan(db)] = 0
        self._levels_db[:, places] = db
        self._pixels[:, places] = pixels[::-1]
        self._next = (self._next + db.shape[1]) % CAPACITY
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._levels_db.fill(np.nan)
        self._pixels.fill(0)
        self.update()

    def show_columns(self, count: int, column_s: float) -> None:
        """How many columns of how many seconds the plot has room for."""
        self.prepareGeometryChange()
        self._visible, self._column_s = min(count, CAPACITY), column_s

    def level_db(self, age: int, row: int) -> float:
        """The level of the column that came `age` columns before the newest; NaN in a gap."""
        return float(self._levels_db[row, (self._next - 1 - age) % CAPACITY])

    def boundingRect(self) -> QRectF:  # noqa: N802
        """Seconds × log10 Hz."""
        width_s = self._visible * self._column_s
        return QRectF(-width_s, self._low, width_s, self._high - self._low)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw column for pixel, so that nothing shimmers as it rolls; rows are scaled smoothly to the height."""
        place = painter.worldTransform().mapRect(self.boundingRect())
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        right = round(place.right())
        newer = min(self._next, self._visible)  # columns from the ring's start on; older ones lie at its end
        older = self._visible - newer
        top = round(place.top())
        height = round(place.bottom()) - top
        if newer:
            source = QRectF(self._next - newer, 0, newer, self._rows)
            painter.drawImage(QRectF(right - newer, top, newer, height), self._image, source)
        if older:
            source = QRectF(CAPACITY - older, 0, older, self._rows)
            painter.drawImage(QRectF(right - self._visible, top, older, height), self._image, source)
        painter.restore()


def _packed_colours() -> NDArray[np.uint32]:
    """0xAARRGGBB for each shade, opaque."""
    table = colour_map().getLookupTable(0.0, 1.0, _SHADES).astype(np.uint32)
    packed: NDArray[np.uint32] = 0xFF000000 | table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]
    return packed


def _image_over(pixels: NDArray[np.uint32]) -> QImage:
    """An image that shows whatever stands in the array, which must outlive it."""
    memory: Any = pixels.data  # PyQt takes any buffer, whatever its stubs say
    rows, columns = pixels.shape
    return QImage(memory, columns, rows, pixels.strides[0], QImage.Format.Format_ARGB32_Premultiplied)

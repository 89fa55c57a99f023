"""A waveform in a pyqtgraph plot that stays cheap however long the sound: only what is in view is drawn."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QObject

from gui.widgets.waveform_envelope import Envelope

FEWEST_COLUMNS = 64


class Waveform(QObject):
    """Draws an `Envelope` into a view as one line from low to high to low, and again when the view moves.

    Args:
        view: of a plot; its x axis is in seconds, its y axis full scale ±1.
        colour: of the line, as Qt names colours.
    """

    def __init__(self, view: pg.ViewBox, colour: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._envelope: Envelope | None = None
        self._shift_s = 0.0
        self._drawn: tuple[float, float, int] | None = None
        self._curve = pg.PlotCurveItem(pen=pg.mkPen(colour, width=1), antialias=False)
        view.addItem(self._curve, ignoreBounds=True)
        view.sigXRangeChanged.connect(self._draw)
        view.sigResized.connect(self._draw)

    @property
    def envelope(self) -> Envelope | None:
        """What is drawn; None is nothing."""
        return self._envelope

    def set_envelope(self, envelope: Envelope | None, shift_s: float = 0.0) -> None:
        """Draw this sound from now on, so much later than it is."""
        self._envelope, self._shift_s, self._drawn = envelope, shift_s, None
        self._draw()

    def set_colour(self, colour: str) -> None:
        """Draw in another colour."""
        self._curve.setPen(pg.mkPen(colour, width=1))

    def drawn_points(self) -> int:
        """How many points the line has now."""
        return 0 if self._curve.xData is None else len(self._curve.xData)

    def _draw(self) -> None:
        if self._envelope is None:
            self._curve.setData([], [])
            return
        from_s, to_s = self._view.viewRange()[0]
        columns = max(int(self._view.width() * self._pixel_ratio()), FEWEST_COLUMNS)
        if self._drawn == (from_s, to_s, columns):
            return
        self._drawn = (from_s, to_s, columns)
        times_s, bounds = self._envelope.outline(from_s - self._shift_s, to_s - self._shift_s, columns)
        # Low and high take turns at one place in time, so that the line fills what lies between them.
        self._curve.setData(np.repeat(times_s + self._shift_s, 2), bounds.T.reshape(-1), skipFiniteCheck=True)

    def _pixel_ratio(self) -> float:
        """Pixels of the screen for one of the view's: with fewer columns there would be gaps between them."""
        widget = self._view.getViewWidget()
        return 1.0 if widget is None else float(widget.devicePixelRatioF())

"""The plots of the compare page: a waveform and a spectrogram for each file, all on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QWidget

from gui.files.compare_rows import PlotRow, Span, TimeBox
from gui.theme import meanings

SHORTEST_VIEW_S = 0.01
ZOOM = 2.0
_SEEK_S, _FINE_SEEK_S = 1.0, 0.1
_SPECTROGRAM_SHARE, _WAVEFORM_SHARE = 3, 2


class ComparePlots(pg.GraphicsLayoutWidget):
    """Up to four rows. Click goes there, drag selects, the wheel zooms, with Shift it scrolls; so do the keys.

    Keys: ← and → go 1 s (0.1 s with Shift), Home and End to the ends; + and − zoom, 0 shows the whole; [ and ] set the
    start and the end of the selection to the cursor, Escape removes it.
    """

    seek_wanted = pyqtSignal(float)  # seconds
    selection_changed = pyqtSignal(object)  # (from_s, to_s) or None, when people changed it
    view_changed = pyqtSignal(float, float)  # the seconds in view

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[int, PlotRow] = {}
        self.duration_s = 0.0
        self.cursor_s = 0.0
        self.selection: Span | None = None
        self.setObjectName("comparePlots")
        self.setAccessibleName("Waveforms and spectrograms")
        self.setAccessibleDescription(
            "Arrow keys move the cursor, plus and minus zoom, square brackets set the loop, Escape removes it."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.ci.layout.setContentsMargins(0, 0, 4, 0)
        self.ci.layout.setSpacing(2)
        self.restyle()

    def set_rows(self, rows: Sequence[PlotRow], duration_s: float) -> None:
        """Show these rows, top down, over so many seconds; the stretch in view stays where the length does."""
        before = self.view_span() if duration_s == self.duration_s and self.rows else None
        self.clear()
        self.rows = {row.index: row for row in rows}
        self.duration_s = duration_s
        for place, row in enumerate(rows):
            row.show_time_axis(place == len(rows) - 1)
            self.addItem(row.waveform_plot, row=2 * place, col=0)
            self.addItem(row.picture_plot, row=2 * place + 1, col=0)
            self.ci.layout.setRowStretchFactor(2 * place, _WAVEFORM_SHARE)
            self.ci.layout.setRowStretchFactor(2 * place + 1, _SPECTROGRAM_SHARE)
            row.region_changed.connect(self._region_moved)
        for place in range(2 * len(rows), 8):
            self.ci.layout.setRowStretchFactor(place, 0)
        self._link()
        self.restyle()
        self.show_span(*(before or (0.0, max(duration_s, SHORTEST_VIEW_S))))
        self.set_selection(self.selection)
        self.set_cursor(self.cursor_s)

    def boxes(self) -> list[TimeBox]:
        """The view boxes, top down."""
        return [box for row in self.rows.values() for box in row.boxes()]

    def view_span(self) -> Span:
        """The seconds in view."""
        boxes = self.boxes()
        if not boxes:
            return (0.0, 0.0)
        from_s, to_s = boxes[0].viewRange()[0]
        return float(from_s), float(to_s)

    def show_span(self, from_s: float, to_s: float) -> None:
        """Bring these seconds into view, as far as there are such."""
        boxes = self.boxes()
        if boxes:
            boxes[0].setXRange(from_s, to_s, padding=0)

    def show_all(self) -> None:
        """The whole length."""
        self.show_span(0.0, max(self.duration_s, SHORTEST_VIEW_S))

    def zoom(self, factor: float) -> None:
        """Show `factor` times as much around the cursor, or around the middle where the cursor is not in view."""
        from_s, to_s = self.view_span()
        middle = self.cursor_s if from_s <= self.cursor_s <= to_s else (from_s + to_s) / 2
        self.show_span(middle - (middle - from_s) * factor, middle + (to_s - middle) * factor)

    def zoom_in(self) -> None:
        """Half as much."""
        self.zoom(1 / ZOOM)

    def zoom_out(self) -> None:
        """Twice as much."""
        self.zoom(ZOOM)

    def set_cursor(self, at_s: float) -> None:
        """Put the line of what is heard there; the view follows in pages."""
        self.cursor_s = at_s
        for row in self.rows.values():
            row.set_cursor(at_s)

    def follow(self, at_s: float) -> None:
        """Turn the page where the cursor has run out of view."""
        from_s, to_s = self.view_span()
        if self.rows and to_s < self.duration_s and not from_s <= at_s <= to_s:
            self.show_span(at_s, at_s + to_s - from_s)

    def set_selection(self, span: Span | None) -> None:
        """Show this stretch as the loop, without telling anybody."""
        self.selection = span
        for row in self.rows.values():
            row.set_region(span)

    def restyle(self) -> None:
        """Take on the colours of the palette."""
        colours = meanings()
        self.setBackground(colours.background)
        for row in self.rows.values():
            row.restyle(colours)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "selection"):
            self.restyle()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """See the class."""
        if event is None or not self.rows or not self._key(event):
            super().keyPressEvent(event)

    def _key(self, event: QKeyEvent) -> bool:
        step = _FINE_SEEK_S if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _SEEK_S
        places = {
            Qt.Key.Key_Left: self.cursor_s - step,
            Qt.Key.Key_Right: self.cursor_s + step,
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: self.duration_s,
        }
        actions = {
            Qt.Key.Key_Plus: self.zoom_in,
            Qt.Key.Key_Equal: self.zoom_in,
            Qt.Key.Key_Minus: self.zoom_out,
            Qt.Key.Key_0: self.show_all,
            Qt.Key.Key_Escape: self._remove_selection,
            Qt.Key.Key_BracketLeft: self._mark_start,
            Qt.Key.Key_BracketRight: self._mark_end,
        }
        key = Qt.Key(event.key())
        if key in places:
            self._seek(places[key])
        elif key in actions:
            actions[key]()
        return key in places or key in actions

    def _link(self) -> None:
        boxes = self.boxes()
        for box in boxes:
            box.setLimits(xMin=0, xMax=max(self.duration_s, SHORTEST_VIEW_S), minXRange=SHORTEST_VIEW_S)
            if box is not boxes[0]:
                box.setXLink(boxes[0])
            box.seek_wanted.connect(self._seek)
            box.selecting.connect(self._select)
        if boxes:
            boxes[0].sigXRangeChanged.connect(self._view_moved)

    def _seek(self, at_s: float) -> None:
        at_s = min(max(at_s, 0.0), self.duration_s)
        self.set_cursor(at_s)
        self.follow(at_s)
        self.seek_wanted.emit(at_s)

    def _select(self, from_s: float, to_s: float, finished: bool) -> None:
        low, high = (min(max(at_s, 0.0), self.duration_s) for at_s in sorted((from_s, to_s)))
        self.set_selection((low, high))
        if finished:
            self.selection_changed.emit(self.selection)

    def _region_moved(self, from_s: float, to_s: float, finished: bool) -> None:
        self._select(from_s, to_s, finished)

    def _remove_selection(self) -> None:
        self.set_selection(None)
        self.selection_changed.emit(None)

    def _mark_start(self) -> None:
        end = self.selection[1] if self.selection is not None and self.selection[1] > self.cursor_s else self.duration_s
        self._select(self.cursor_s, end, True)

    def _mark_end(self) -> None:
        start = self.selection[0] if self.selection is not None and self.selection[0] < self.cursor_s else 0.0
        self._select(start, self.cursor_s, True)

    def _view_moved(self) -> None:
        self.view_changed.emit(*self.view_span())

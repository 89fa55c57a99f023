"""The plots of the compare page: a waveform and a spectrogram for each file, all on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QWidget

from gui.files.compare_files import Sound
from gui.files.compare_rows import PlotRow, Span, TimeAxis, TimeBox
from gui.theme import meanings

SHORTEST_VIEW_S = 0.01
MOST_ROWS = 4
ZOOM = 2.0
_SEEK_S, _FINE_SEEK_S = 1.0, 0.1
_SPECTROGRAM_SHARE, _WAVEFORM_SHARE = 3, 2
_GAP = 2  # pixels between the plots


@dataclass(frozen=True)
class Content:
    """What a row shows: 0 A, 1 B, 2 C, 3 the reference; `detail` stands in its title, `shift_s` aligns it."""

    index: int
    sound: Sound
    detail: str
    shift_s: float = 0.0


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
        self._made: dict[int, PlotRow] = {}
        self._following = False
        self._time_axis = TimeAxis("bottom")
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
        self.ci.layout.setSpacing(0)
        self.ci.layout.setColumnStretchFactor(1, 1)
        self.addItem(self._time_axis, row=2 * MOST_ROWS, col=1)
        self.restyle()

    def show_sounds(self, contents: Sequence[Content], duration_s: float) -> None:
        """Draw these files, top down, over so many seconds; the stretch in view stays where the length does."""
        before = self.view_span() if duration_s == self.duration_s and self.rows else None
        self.duration_s = duration_s
        if [content.index for content in contents] != list(self.rows):
            self._place([content.index for content in contents])
        for content in contents:
            self.rows[content.index].show_sound(content.sound, content.detail, content.shift_s)
        for view in self.views():
            view.setLimits(xMin=0, xMax=max(duration_s, SHORTEST_VIEW_S), minXRange=SHORTEST_VIEW_S)
        self.show_span(*(before or (0.0, max(duration_s, SHORTEST_VIEW_S))))
        self.set_selection(self.selection)
        self.set_cursor(self.cursor_s)

    def views(self) -> list[TimeBox]:
        """Waveforms and spectrograms, top down."""
        return [view for row in self.rows.values() for view in row.views()]

    def view_span(self) -> Span:
        """The seconds in view."""
        if not self.rows:
            return (0.0, 0.0)
        from_s, to_s = self.views()[0].viewRange()[0]
        return float(from_s), float(to_s)

    def show_span(self, from_s: float, to_s: float) -> None:
        """Bring these seconds into view, as far as there are such."""
        if self.rows:
            self.views()[0].setXRange(from_s, to_s, padding=0)
            self._view_moved(self.views()[0])

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
        self._time_axis.setPen(colours.line)
        self._time_axis.setTextPen(colours.line)
        for row in self._made.values():
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

    def _place(self, indexes: Sequence[int]) -> None:
        """Put in and take out rows; each has its own two lines, and only those that change cost time."""
        for index in [index for index in self.rows if index not in indexes]:
            self._take_out(index)
        for index in [index for index in indexes if index not in self.rows]:
            self._put_in(index)
        self.rows = {index: self._made[index] for index in indexes}
        if self.rows:
            self._time_axis.linkToView(self.views()[-1])

    def _put_in(self, index: int) -> None:
        row = self._made.get(index) or self._new_row(index)
        self._made[index] = row
        for line, (axis, view) in enumerate(zip(row.axes, row.views(), strict=True), start=2 * index):
            self.addItem(axis, row=line, col=0)
            self.addItem(view, row=line, col=1)
            self.ci.layout.setRowStretchFactor(line, _SPECTROGRAM_SHARE if line % 2 else _WAVEFORM_SHARE)
            self.ci.layout.setRowSpacing(line, _GAP)
        self.rows[index] = row

    def _take_out(self, index: int) -> None:
        row = self.rows.pop(index)
        for item in (*row.axes, *row.views()):
            self.removeItem(item)
        for line in (2 * index, 2 * index + 1):
            self.ci.layout.setRowStretchFactor(line, 0)
            self.ci.layout.setRowSpacing(line, 0)

    def _new_row(self, index: int) -> PlotRow:
        row = PlotRow(index, self)
        row.region_changed.connect(self._select)
        for view in row.views():
            view.seek_wanted.connect(self._seek)
            view.selecting.connect(self._select)
            view.sigXRangeChanged.connect(self._view_moved)
        return row

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

    def _remove_selection(self) -> None:
        self.set_selection(None)
        self.selection_changed.emit(None)

    def _mark_start(self) -> None:
        end = self.selection[1] if self.selection is not None and self.selection[1] > self.cursor_s else self.duration_s
        self._select(self.cursor_s, end, True)

    def _mark_end(self) -> None:
        start = self.selection[0] if self.selection is not None and self.selection[0] < self.cursor_s else 0.0
        self._select(start, self.cursor_s, True)

    def _view_moved(self, view: TimeBox) -> None:
        """All others follow. pyqtgraph's own links would do so again for every view that a new row makes smaller."""
        if self._following or view not in self.views():
            return
        self._following = True
        from_s, to_s = view.viewRange()[0]
        for other in self.views():
            if other is not view:
                other.setXRange(from_s, to_s, padding=0)
        self._following = False
        self.view_changed.emit(float(from_s), float(to_s))

"""One file on the compare page: its waveform, its spectrogram, the selection and the cursor in both."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QObject, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFontMetrics
from PyQt6.QtWidgets import QApplication

from gui.files.compare_files import Sound
from gui.theme import Meanings, meanings
from gui.widgets.spectrogram_image import colour_map, log_frequency_axis, log_span
from gui.widgets.waveform import Waveform

Span = tuple[float, float]

LETTERS = ("A", "B", "C", "R")
ROLES = ("Before", "DSP inverse", "After", "Reference")
_MEANINGS = ("raw", "inverse", "model", "reference")
_SHADE = 55  # of the selection, of 255
_WHEEL_PAGE = 0.15  # of the view, a notch with Shift
_SELECTED_PEN = 2


def colour_of(index: int, colours: Meanings) -> str:
    """The colour that means this row."""
    found: str = getattr(colours, _MEANINGS[index])
    return found


class TimeBox(pg.ViewBox):
    """A view whose left button goes to a place (click) or selects (drag), and whose wheel zooms in time alone."""

    seek_wanted = pyqtSignal(float)
    selecting = pyqtSignal(float, float, bool)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setMouseEnabled(x=True, y=False)

    def mouseClickEvent(self, event: Any) -> None:  # noqa: N802
        """A click goes there."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self.seek_wanted.emit(float(self.mapSceneToView(event.scenePos()).x()))

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802
        """The left button selects; the others move the view."""
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis=0)
            return
        event.accept()
        places = (self.mapSceneToView(place).x() for place in (event.buttonDownScenePos(), event.scenePos()))
        start, end = places
        self.selecting.emit(float(start), float(end), bool(event.isFinish()))

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802
        """Zooms; with Shift it scrolls."""
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            from_s, to_s = self.viewRange()[0]
            notches = event.delta() / 120
            self.translateBy(x=-notches * _WHEEL_PAGE * (to_s - from_s))
            event.accept()
        else:
            super().wheelEvent(event, axis=0)


class PlotRow(QObject):
    """The two plots of a file. Rows are 0 A before, 1 B inverse, 2 C after, 3 R reference.

    Args:
        sound: what was read of it; shift_s: how much later it is drawn than the file says, to align it.
    """

    region_changed = pyqtSignal(float, float, bool)

    def __init__(self, index: int, sound: Sound, shift_s: float = 0.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.index, self.sound, self.shift_s = index, sound, shift_s
        self.selected = False
        self.waveform_plot = self._plot(pg.AxisItem("left"))
        self.picture_plot = self._plot(log_frequency_axis())
        self.waveform = Waveform(self.waveform_plot, colour_of(index, meanings()), self)
        self.title = pg.TextItem(anchor=(0, 0))
        self._fill_waveform()
        self._fill_picture()
        self._regions = [self._region(plot) for plot in self.plots()]
        self._cursors = [self._cursor(plot) for plot in self.plots()]

    def plots(self) -> list[pg.PlotItem]:
        """Waveform and spectrogram."""
        return [self.waveform_plot, self.picture_plot]

    def boxes(self) -> list[TimeBox]:
        """Their view boxes."""
        return [plot.getViewBox() for plot in self.plots()]

    def show_time_axis(self, shown: bool) -> None:
        """Only the last row has the seconds below it."""
        self.picture_plot.showAxis("bottom", shown)

    def set_cursor(self, at_s: float) -> None:
        """Move the line of what is heard."""
        for cursor in self._cursors:
            cursor.setValue(at_s)

    def set_region(self, span: Span | None) -> None:
        """Move the shade of the selection, without a signal; None hides it."""
        for region in self._regions:
            region.setVisible(span is not None)
            if span is not None and tuple(region.getRegion()) != span:
                region.blockSignals(True)
                region.setRegion(span)
                region.blockSignals(False)

    def set_selected(self, selected: bool) -> None:
        """Whether it is the one that is heard: its title says so."""
        self.selected = selected
        self.restyle(meanings())

    def restyle(self, colours: Meanings) -> None:
        """Take on the colours of the palette."""
        colour = QColor(colour_of(self.index, colours))
        self.waveform.set_colour(colour.name())
        ink = QColor(colours.background) if self.selected else colour
        self.title.setText(self._title(), color=ink)
        self.title.fill = pg.mkBrush(colour if self.selected else QColor(colours.background))
        for plot in self.plots():
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(colours.line)
                plot.getAxis(side).setTextPen(colours.line)
        shade = QColor(colours.line)
        shade.setAlpha(_SHADE)
        for region in self._regions:
            region.setBrush(shade)
        for cursor, ink_name in zip(self._cursors, (colours.bad, "#ffffff"), strict=True):
            cursor.setPen(pg.mkPen(ink_name, width=1))

    def _title(self) -> str:
        heard = " ▶" if self.selected else ""
        return f" {LETTERS[self.index]}{heard}  {ROLES[self.index]} · {self.sound.path.name} "

    def _plot(self, axis: pg.AxisItem) -> pg.PlotItem:
        plot = pg.PlotItem(viewBox=TimeBox(), axisItems={"left": axis, "bottom": pg.AxisItem("bottom")})
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.showAxis("bottom", False)
        metrics = QFontMetrics(QApplication.font())
        plot.getAxis("left").setWidth(metrics.horizontalAdvance("0000") + metrics.height())
        plot.getAxis("bottom").setLabel("Time (s)")
        plot.getAxis("bottom").enableAutoSIPrefix(False)
        return plot

    def _fill_waveform(self) -> None:
        self.waveform_plot.setYRange(-1, 1, padding=0)
        self.waveform_plot.getAxis("left").setTicks([[(-1, "−1"), (0, "0"), (1, "1")]])
        self.waveform.set_envelope(self.sound.envelope, self.shift_s)
        self.title.setParentItem(self.waveform_plot.getViewBox())

    def _fill_picture(self) -> None:
        low, high = log_span(self.sound.frequencies_hz)
        self.picture_plot.setYRange(low, high, padding=0)
        if self.sound.picture.shape[1]:
            # Bytes under a table of 256 colours need no arithmetic before they are painted.
            image = pg.ImageItem(image=self.sound.picture, axisOrder="row-major", levels=(0, 255))
            image.setLookupTable(colour_map().getLookupTable(nPts=256))
            image.setRect(QRectF(self.shift_s, low, self.sound.picture_s, high - low))
            self.picture_plot.addItem(image, ignoreBounds=True)

    def _region(self, plot: pg.PlotItem) -> pg.LinearRegionItem:
        region = pg.LinearRegionItem(values=(0, 0), swapMode="sort")
        region.setVisible(False)
        region.setZValue(5)
        region.sigRegionChanged.connect(self._region_moves)
        region.sigRegionChangeFinished.connect(self._region_moved)
        plot.addItem(region, ignoreBounds=True)
        return region

    def _cursor(self, plot: pg.PlotItem) -> pg.InfiniteLine:
        cursor = pg.InfiniteLine(0, angle=90)
        cursor.setZValue(6)
        plot.addItem(cursor, ignoreBounds=True)
        return cursor

    def _region_moves(self, region: pg.LinearRegionItem) -> None:
        self.region_changed.emit(*map(float, region.getRegion()), False)

    def _region_moved(self, region: pg.LinearRegionItem) -> None:
        self.region_changed.emit(*map(float, region.getRegion()), True)

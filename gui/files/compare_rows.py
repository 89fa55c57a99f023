"""One file on the compare page: its waveform, its spectrogram, the selection and the cursor in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PyQt6.QtCore import QObject, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFontMetrics
from PyQt6.QtWidgets import QApplication

from gui.files.compare_files import Colours, Sound
from gui.theme import Meanings, meanings
from gui.widgets.spectrogram_image import colour_map, log_frequency_axis, log_span
from gui.widgets.waveform import Waveform

Span = tuple[float, float]

LETTERS = ("A", "B", "C", "R")
ROLES = ("Before", "DSP inverse", "After", "Reference")
_MEANINGS = ("raw", "inverse", "model", "reference")
_SHADE = 55  # of the selection, of 255
_TITLE_ROOM = 1.7  # the upper end of the waveform's axis, so that the title hides no more than its tips
_WHEEL_PAGE = 0.15  # of the view, a notch with Shift


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
        self.disableAutoRange()

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


class TimeAxis(pg.AxisItem):
    """Marks such as "1.5 s" and, from a minute on, "1:05"."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """The texts of marks at so many seconds."""
        decimals = max(0, math.ceil(-math.log10(spacing) - 1e-9))
        return [time_text(value, decimals) for value in values]


def time_text(seconds: float, decimals: int) -> str:
    """``"1.5 s"``, ``"1:05"``, ``"1:02:03.4"``."""
    if seconds < 60:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(round(seconds, decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest:0{decimals + 3 if decimals else 2}.{decimals}f}"


class PlotRow(QObject):
    """The two plots of one file; rows are 0 A before, 1 B inverse, 2 C after, 3 R reference.

    Two views and their axes, not pyqtgraph's PlotItem, whose hidden menus take longer to make than a picture lasts.
    """

    region_changed = pyqtSignal(float, float, bool)

    def __init__(self, index: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.index, self.selected = index, False
        self.sound: Sound | None = None
        self._detail, self._shift_s = "", 0.0
        self.waveform_view, self.picture_view = TimeBox(), TimeBox()
        self.axes = [pg.AxisItem("left"), log_frequency_axis()]
        self.title = pg.TextItem(anchor=(0, 0))
        self.title.setParentItem(self.waveform_view)
        self.waveform = Waveform(self.waveform_view, colour_of(index, meanings()), self)
        self._image, self._sharp = self._picture(), self._picture()
        self._place_axes()
        self._regions = [self._region(view) for view in self.views()]
        self._cursors = [self._cursor(view) for view in self.views()]
        self.restyle(meanings())

    def views(self) -> list[TimeBox]:
        """Waveform and spectrogram."""
        return [self.waveform_view, self.picture_view]

    def show_sound(self, sound: Sound, detail: str, shift_s: float) -> None:
        """Draw a file, `shift_s` later than it is; `detail` stands in its title."""
        self._detail = detail
        self.waveform.set_envelope(sound.envelope, shift_s)
        low, high = log_span(sound.frequencies_hz)
        self.picture_view.setYRange(low, high, padding=0)
        if sound is not self.sound:
            # Bytes under a table of 256 colours need no arithmetic before they are painted.
            self._image.setImage(sound.picture if sound.picture.shape[1] else None, autoLevels=False)
        if sound is not self.sound or shift_s != self._shift_s:
            self._sharp.setVisible(False)
        self._image.setRect(QRectF(shift_s, low, max(sound.picture_s, 1e-3), high - low))
        self.sound, self._shift_s = sound, shift_s
        self.restyle(meanings())

    def show_detail(self, picture: Colours, from_s: float, seconds: float) -> None:
        """A sharper picture of a stretch, over that of the whole."""
        low, high = self.picture_view.viewRange()[1]
        self._sharp.setImage(picture, autoLevels=False)
        self._sharp.setRect(QRectF(from_s, low, seconds, high - low))
        self._sharp.setVisible(True)

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
        if selected != self.selected:
            self.selected = selected
            self.restyle(meanings())

    def restyle(self, colours: Meanings) -> None:
        """Take on the colours of the palette."""
        colour = QColor(colour_of(self.index, colours))
        self.waveform.set_colour(colour.name())
        heard = " ▶" if self.selected else ""
        self.title.setText(f" {LETTERS[self.index]}{heard}  {ROLES[self.index]} · {self._detail} ")
        self.title.setColor(QColor(colours.background) if self.selected else colour)
        self.title.fill = pg.mkBrush(colour if self.selected else QColor(colours.background))
        for axis in self.axes:
            axis.setPen(colours.line)
            axis.setTextPen(colours.line)
        shade = QColor(colours.line)
        shade.setAlpha(_SHADE)
        for region in self._regions:
            region.setBrush(shade)
        for cursor, ink in zip(self._cursors, (colours.bad, "#ffffff"), strict=True):
            cursor.setPen(pg.mkPen(ink, width=1))

    def _picture(self) -> pg.ImageItem:
        image = pg.ImageItem(axisOrder="row-major", levels=(0, 255))
        image.setLookupTable(colour_map().getLookupTable(nPts=256))
        self.picture_view.addItem(image, ignoreBounds=True)
        return image

    def _place_axes(self) -> None:
        metrics = QFontMetrics(QApplication.font())
        for axis, view in zip(self.axes, self.views(), strict=True):
            axis.linkToView(view)
            axis.setWidth(metrics.horizontalAdvance("−0.5") + metrics.height())
        self.axes[0].setTicks([[(-0.5, "−0.5"), (0.5, "0.5")]])
        self.waveform_view.setYRange(-1, _TITLE_ROOM, padding=0)

    def _region(self, view: TimeBox) -> pg.LinearRegionItem:
        region = pg.LinearRegionItem(values=(0, 0), swapMode="sort")
        region.setVisible(False)
        region.setZValue(5)
        region.sigRegionChanged.connect(self._region_moves)
        region.sigRegionChangeFinished.connect(self._region_moved)
        view.addItem(region, ignoreBounds=True)
        return region

    def _cursor(self, view: TimeBox) -> pg.InfiniteLine:
        cursor = pg.InfiniteLine(0, angle=90)
        cursor.setZValue(6)
        view.addItem(cursor, ignoreBounds=True)
        return cursor

    def _region_moves(self, region: pg.LinearRegionItem) -> None:
        self.region_changed.emit(*map(float, region.getRegion()), False)

    def _region_moved(self, region: pg.LinearRegionItem) -> None:
        self.region_changed.emit(*map(float, region.getRegion()), True)

"""The last minutes as a strip: levels, the model's load, and a mark wherever something happened, with its cause."""

from __future__ import annotations

import numpy as np
import pyqtgraph
from PyQt6.QtCore import QEvent, QPointF, QSize, Qt
from PyQt6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from gui.theme import meanings
from gui.widgets.history_record import MINUTES, Mark, MarkKind, Moment, Record
from gui.widgets.words import Words

KINDS: dict[MarkKind, tuple[str, str, str]] = {  # symbol, which of the theme's meanings, what goes before its words
    "miss": ("t", "warning", "miss: "),
    "restart": ("s", "bad", "started anew: "),
    "swap": ("o", "good", ""),
    "lost": ("x", "bad", "no sound: "),
    "note": ("d", "line", ""),
}
CURVES = (("input", "raw"), ("output", "model"), ("load", "reference"))  # name, which of the theme's meanings
REACH_PIXELS = 8  # of the mouse around a mark
FLOOR_DB, TOP_PERCENT = -60.0, 150.0
LEVELS_FROM, MARKS_AT, TOP = 1.15, 2.4, 2.6  # the load lies within 0 … 1, the levels one above
TICK_SECONDS = {1: 15, 5: 60, 15: 180}


class Legend(QWidget):
    """A stroke in each curve's colour, and its name."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.setToolTip(
            "input, output: highest level in dBFS\nload: the time for a hop that 99 of 100 keep (p99), in % of a hop; "
            "at 100 % the model does not keep up"
        )

    def sizeHint(self) -> QSize:  # noqa: N802
        """Strokes and names in a row."""
        metrics = self.fontMetrics()
        return QSize(sum(self._width(name) for name, _ in CURVES), metrics.height())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """One after the other."""
        painter, metrics, x = QPainter(self), self.fontMetrics(), 0
        stroke = 2 * metrics.averageCharWidth()
        for name, meaning in CURVES:
            painter.setPen(QPen(QColor(getattr(meanings(), meaning)), 2))
            painter.drawLine(x, self.height() // 2, x + stroke, self.height() // 2)
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            room = self.rect().adjusted(x + stroke + 4, 0, 0, 0)
            painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter), name)
            x += self._width(name)

    def _width(self, name: str) -> int:
        metrics = self.fontMetrics()
        return metrics.horizontalAdvance(name) + 4 * metrics.averageCharWidth() + 4


class HistoryStrip(QWidget):
    """The strip. Left and Right go from mark to mark, Home and End to the first and the last, Esc to none."""

    def __init__(self) -> None:
        super().__init__()
        self.record, self._now_s = Record(), 0.0
        self.selected: Mark | None = None
        self.legend, self.words, self.span = Legend(), Words(), QComboBox()
        self.plot = pyqtgraph.PlotWidget()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("History of the last minutes")
        self.setToolTip("Left and Right arrow keys go from mark to mark; or point at one.")
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addLayout(self._header())
        column.addWidget(self.plot, 1)
        self._build_curves()
        self._build_plot()
        self._colour()
        self.plot.scene().sigMouseMoved.connect(self._point)

    def append(self, moment: Moment) -> None:
        """Show one more moment, the newest; about four a second."""
        self.record.append(moment)
        self._now_s = moment.at_s
        self._draw()

    @property
    def minutes(self) -> int:
        """How far back it reaches."""
        return int(self.span.currentData())

    def set_minutes(self, minutes: int) -> None:
        """Reach as far back: 1, 5 or 15; another number is taken as 5."""
        self.span.setCurrentIndex(MINUTES.index(minutes if minutes in MINUTES else 5))

    def visible_marks(self) -> list[Mark]:
        """Those in reach, oldest first."""
        return [mark for mark in self.record.marks if self._now_s - mark.at_s <= 60 * self.minutes]

    def select(self, mark: Mark | None) -> None:
        """Show a mark's words and a line through it."""
        if mark is not self.selected:
            self.selected = mark
            self._draw_marks()
            self._tell()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Nine lines of text high."""
        metrics = self.fontMetrics()
        return QSize(60 * metrics.averageCharWidth(), 9 * metrics.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Eight lines."""
        metrics = self.fontMetrics()
        return QSize(40 * metrics.averageCharWidth(), 8 * metrics.height())

    # -- events

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """From mark to mark."""
        marks = self.visible_marks()
        place = marks.index(self.selected) if self.selected in marks else len(marks)
        places = {
            Qt.Key.Key_Left: place - 1,
            Qt.Key.Key_Right: min(place + 1, len(marks) - 1),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: len(marks) - 1,
        }
        key = None if event is None else event.key()
        if key == Qt.Key.Key_Escape and self.selected is not None:
            self.select(None)
        elif marks and key in places:
            self.select(marks[max(0, places[Qt.Key(key)])])
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """The outline comes."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """The outline goes."""
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """An outline while it has the keyboard."""
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Plots do not follow the palette by themselves."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _point(self, position: QPointF) -> None:
        box = self.plot.getPlotItem().vb
        if not box.sceneBoundingRect().contains(position):
            self.select(None)
            return
        x = box.mapSceneToView(position).x()
        reach_s = REACH_PIXELS * box.viewPixelSize()[0]
        near = [mark for mark in self.visible_marks() if abs(mark.at_s - self._now_s - x) <= reach_s]
        self.select(min(near, key=lambda mark: abs(mark.at_s - self._now_s - x), default=None))

    # -- building

    def _header(self) -> QHBoxLayout:
        for minutes in MINUTES:
            self.span.addItem(f"{minutes} min", minutes)
        self.span.setCurrentIndex(MINUTES.index(5))
        self.span.setAccessibleName("Length of the history")
        self.span.setToolTip("How far back the history reaches, in minutes (min)")
        self.span.currentIndexChanged.connect(self._reach)
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout()
        for part, stretch in ((self.legend, 0), (self.words, 1), (self.span, 0)):
            row.addWidget(part, stretch)
        return row

    def _build_plot(self) -> None:
        item = self.plot.getPlotItem()
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(False, False)
        item.setYRange(0, TOP, padding=0)
        levels = [(LEVELS_FROM + 1 + level / -FLOOR_DB, f"{level} dB".replace("-", "−")) for level in (0, -30)]
        loads = [(percent / TOP_PERCENT, f"{percent} %") for percent in (0, 100)]
        item.getAxis("left").setTicks([levels + loads])
        item.getAxis("left").setWidth(self.fontMetrics().horizontalAdvance("−30 dB") + 12)
        for name in ("left", "bottom"):
            item.getAxis(name).setStyle(tickFont=self.font(), tickLength=-4)
        item.getAxis("bottom").setHeight(int(1.4 * self.fontMetrics().height()))
        self._reach()

    def _build_curves(self) -> None:
        self._curves = [self.plot.plot(connect="finite") for _ in range(3)]
        self._symbols = pyqtgraph.ScatterPlotItem(size=0.7 * self.fontMetrics().height())
        self._line = pyqtgraph.InfiniteLine()
        self._full = pyqtgraph.InfiniteLine(pos=100 / TOP_PERCENT, angle=0)
        for item in (self._symbols, self._line, self._full):
            self.plot.addItem(item)
        self._line.hide()

    def _colour(self) -> None:
        """Take the colours of the palette in use."""
        meaning = meanings()
        self.plot.setBackground(meaning.background)
        for curve, (_, name) in zip(self._curves, CURVES, strict=True):
            curve.setPen(getattr(meaning, name), width=1)
        for name in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(name)
            axis.setPen(meaning.line)
            axis.setTextPen(meaning.line)
        faint = QColor(meaning.line)
        faint.setAlpha(90)
        self._full.setPen(QPen(faint, 0, Qt.PenStyle.DashLine))
        self._line.setPen(meaning.line)
        self._draw_marks()

    # -- drawing

    def _reach(self) -> None:
        """The time axis of another length."""
        seconds = 60 * self.minutes
        named = [(-s, "now" if s == 0 else _named(s)) for s in range(0, seconds + 1, TICK_SECONDS[self.minutes])]
        self.plot.getPlotItem().getAxis("bottom").setTicks([named])
        self.plot.setXRange(-seconds, 0, padding=0.05)  # room for half of the outer names
        self._draw()

    def _draw(self) -> None:
        """Times are relative to the newest moment, so that the axis never moves."""
        values = self.record.since(self._now_s - 60 * self.minutes)
        x = values[:, 0] - self._now_s
        level = LEVELS_FROM + 1 - np.clip(values[:, 1:3], FLOOR_DB, 0) / FLOOR_DB
        load = np.clip(values[:, 3], 0, TOP_PERCENT) / TOP_PERCENT
        for curve, y in zip(self._curves, (level[:, 0], level[:, 1], load), strict=True):
            curve.setData(x, y)
        if self.selected not in self.visible_marks():
            self.selected = None
        self._draw_marks()
        self._tell()

    def _draw_marks(self) -> None:
        marks, meaning = self.visible_marks(), meanings()
        self._symbols.setData(
            x=[mark.at_s - self._now_s for mark in marks],
            y=[MARKS_AT] * len(marks),
            symbol=[KINDS[mark.kind][0] for mark in marks],
            brush=[getattr(meaning, KINDS[mark.kind][1]) for mark in marks],
            pen=None,
        )
        self._line.setVisible(self.selected is not None)
        if self.selected is not None:
            self._line.setPos(self.selected.at_s - self._now_s)

    def _tell(self) -> None:
        """The selected mark in words, or else the newest one."""
        marks = self.visible_marks()
        mark = self.selected or (marks[-1] if marks else None)
        if mark is None:
            self.words.say(f"nothing to report in the last {self.minutes} min", "faint")
            return
        past_s = max(0, round(self._now_s - mark.at_s))
        when = "now" if past_s == 0 else f"{_named(past_s)} ago"
        self.words.say(f"{when}: {KINDS[mark.kind][2]}{mark.words}", "plain" if self.selected else "faint")
        self.setAccessibleDescription(self.words.text())


def _named(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min {seconds % 60} s" if seconds % 60 else f"{seconds // 60} min"

"""Where the time goes: a stacked bar of milliseconds, their sum, and the measured round trip beside it."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPolygonF
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon
from gui.theme import is_dark
from gui.widgets.words import Words, ink_on

# After Okabe and Ito 2008: what the plugins need in blues and green, the host in orange, the devices in violets.
DARK = ("#56b4e9", "#2f86c1", "#2bbd8e", "#e69f00", "#cc79a7", "#9f6fb0")
LIGHT = ("#4a9fd8", "#0072b2", "#00906a", "#d08c00", "#c06a98", "#7d4f92")
COLUMNS = 3
BIG = 1.7  # of the sum's figures, relative to text


@dataclass(frozen=True)
class Part:
    """A stretch of the bar. `ms` is None where nobody says how long it is; `tip` says what it is."""

    name: str
    ms: float | None
    tip: str = ""


@dataclass(frozen=True)
class LatencyPicture:
    """Everything that is shown, ready to be drawn.

    Args:
        parts: at most six, in the order of the sound's way.
        total: the sum in words.
        measured_ms: of the round trip, for the mark; `measured` says it in words.
        sentence: what is wrong or not known; empty where all is well.
        warning: whether that is a warning.
    """

    parts: tuple[Part, ...] = ()
    total: str = "—"
    measured_ms: float | None = None
    measured: str = ""
    sentence: str = ""
    warning: bool = False


def colours() -> tuple[str, ...]:
    """Of the parts, in order, for the palette in use."""
    return DARK if is_dark() else LIGHT


class StackedBar(QWidget):
    """Parts side by side, as wide as they last, and a mark where the measured time lies."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = LatencyPicture()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """A line of text with room for the mark above."""
        metrics = self.fontMetrics()
        return QSize(24 * metrics.averageCharWidth(), int(1.9 * metrics.height()))

    def span_ms(self) -> float:
        """What the whole width means: the sum, or the measured time where that is longer."""
        known = sum(max(0.0, part.ms) for part in self.picture.parts if part.ms is not None)
        return max(known, self.picture.measured_ms or 0.0)

    def areas(self) -> list[QRectF]:
        """Where each part lies; empty rectangles for those that last no time."""
        span, x, areas = self.span_ms(), 0.0, []
        top = self._mark_height()
        for part in self.picture.parts:
            width = max(0.0, part.ms or 0.0) / span * self.width() if span > 0 else 0.0
            areas.append(QRectF(x, top, width, self.height() - top))
            x += width
        return areas

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Each part in its colour, its milliseconds in it where they fit."""
        painter = QPainter(self)
        top = self._mark_height()
        trough = QRectF(0, top, self.width(), self.height() - top)
        painter.fillRect(trough, self.palette().color(QPalette.ColorRole.Base))
        for part, area, colour in zip(self.picture.parts, self.areas(), colours(), strict=False):
            painter.fillRect(area.adjusted(0, 0, -1 if area.width() > 3 else 0, 0), QColor(colour))
            text = _figure(part.ms)
            if self.fontMetrics().horizontalAdvance(text) + 4 < area.width():
                painter.setPen(ink_on(QColor(colour)))
                painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), text)
        if self.picture.measured_ms is not None and self.span_ms() > 0:
            self._draw_mark(painter, self.picture.measured_ms / self.span_ms() * self.width())

    def _draw_mark(self, painter: QPainter, x: float) -> None:
        size = self._mark_height()
        x = min(self.width() - size / 2, max(size / 2, x))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        painter.setBrush(ink)
        painter.drawPolygon(QPolygonF([QPointF(x - size / 2, 0), QPointF(x + size / 2, 0), QPointF(x, size)]))
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))

    def _mark_height(self) -> float:
        return self.fontMetrics().height() * 0.45


class Swatch(QWidget):
    """The colour of a part, in the legend."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """A small square."""
        side = int(self.fontMetrics().height() * 0.6)
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """A square, in the middle of the height."""
        side = self.sizeHint().width()
        QPainter(self).fillRect(0, (self.height() - side) // 2, side, side, QColor(colours()[self._index]))


class LatencyBar(QWidget):
    """The sum in big figures, the bar, its legend in words, the measured time, and a sentence where one is due."""

    measure_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.total, self.measured, self.sentence = QLabel("—"), Words(), Words(wrapped=True)
        self.bar, self.measure, self._legend = StackedBar(), QToolButton(), QGridLayout()
        self._entries: list[tuple[Swatch, Words]] = []
        self.setAccessibleName("Latency")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(self._headline())
        column.addWidget(self.bar)
        column.addLayout(self._legend)
        column.addWidget(self.sentence)
        self.sentence.hide()
        self._lay_legend()

    def show_picture(self, picture: LatencyPicture) -> None:
        """Show another latency; does nothing where it is the same."""
        if picture == self.bar.picture:
            return
        self.bar.picture = picture
        self.bar.update()
        self.total.setText(picture.total)
        self.measured.say(picture.measured, "warning" if picture.warning else "plain")
        style = Qt.ToolButtonStyle  # the figure needs the room of the word
        self.measure.setToolButtonStyle(
            style.ToolButtonIconOnly if picture.measured else style.ToolButtonTextBesideIcon
        )
        self.sentence.say(picture.sentence, "warning" if picture.warning else "faint")
        self.sentence.setVisible(bool(picture.sentence))
        for place, (swatch, words) in enumerate(self._entries):
            there = place < len(picture.parts)
            swatch.setVisible(there)
            words.setVisible(there)
            if there:
                part = picture.parts[place]
                words.say(f"{part.name} {_figure(part.ms)}", "faint" if not part.ms else "plain")
                words.setToolTip(part.tip)
        told = [f"total {picture.total}", picture.measured, picture.sentence]
        self.setAccessibleDescription(", ".join(filter(None, told)))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Icons are made for a palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self.measure.setIcon(icon("measure"))

    def _headline(self) -> QHBoxLayout:
        font = self.total.font()
        font.setPointSizeF(font.pointSizeF() * BIG)
        font.setBold(True)
        self.total.setFont(font)
        self.total.setToolTip("From the sound at the microphone to the sound at the ear, in milliseconds (ms)")
        self.measured.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.measure.setIcon(icon("measure"))
        self.measure.setText("Measure")
        self.measure.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.measure.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.measure.setAccessibleName("Measure the latency")
        self.measure.setToolTip(
            "Measure the round trip in milliseconds: a short chirp is played and must come back.\n"
            "Connect the output to the input first, by a cable or a loop-back device."
        )
        self.measure.clicked.connect(self._ask)
        row = QHBoxLayout()
        for part, stretch in ((self.total, 0), (self.measured, 1), (self.measure, 0)):
            row.addWidget(part, stretch)
        return row

    def _ask(self) -> None:
        self.measure_clicked.emit()

    def _lay_legend(self) -> None:
        self._legend.setHorizontalSpacing(4)
        self._legend.setVerticalSpacing(0)
        for index in range(len(DARK)):
            swatch, words = Swatch(index), Words()
            row, column = divmod(index, COLUMNS)
            self._legend.addWidget(swatch, row, 2 * column, Qt.AlignmentFlag.AlignVCenter)
            self._legend.addWidget(words, row, 2 * column + 1)
            swatch.hide()
            words.hide()
            self._entries.append((swatch, words))


def _figure(length_ms: float | None) -> str:
    """With a tenth where it tells something."""
    if length_ms is None:
        return "?"
    return f"{length_ms:.1f}" if 0.05 <= length_ms < 99.95 else f"{length_ms:.0f}"

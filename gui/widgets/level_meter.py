"""A level meter: peak and mean level, the highest peak of late, and a lamp that remembers clipping."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from gui.theme import meanings
from gui.widgets.words import ink_on
from realtime.live.meters import Level

FLOOR_DB = -60.0
TICKS_DB = (-48, -36, -24, -12, -6)
NEAR_DB, CLOSE_DB = -6.0, -1.0  # from here on the bar is a warning, and bad
HOLD_S = 1.5
FALL_DB_PER_SECOND = 20.0
SILENT_DB = -120.0  # below that a figure says nothing


class PeakHold:
    """The highest peak: held for 1.5 s, then falling by 20 dB a second until another one is higher."""

    def __init__(self) -> None:
        self._peak_db, self._at_s = -1000.0, 0.0

    def update(self, peak_db: float, now_s: float) -> float:
        """Take a peak; what is held now, in dB."""
        held_db = self._peak_db - FALL_DB_PER_SECOND * max(0.0, now_s - self._at_s - HOLD_S)
        if peak_db >= held_db:
            self._peak_db, self._at_s = peak_db, now_s
        return max(peak_db, held_db)


class LevelBar(QWidget):
    """The bar itself, -60 … 0 dBFS from left to right."""

    def __init__(self) -> None:
        super().__init__()
        self.rms_db = self.peak_db = self.held_db = FLOOR_DB
        self._drawn: tuple[int, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as a line of text."""
        metrics = self.fontMetrics()
        return QSize(16 * metrics.averageCharWidth(), metrics.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Half as wide."""
        return QSize(self.sizeHint().width() // 2, self.sizeHint().height())

    def show_db(self, rms_db: float, peak_db: float, held_db: float) -> None:
        """Draw other levels, where a pixel changes."""
        self.rms_db, self.peak_db, self.held_db = rms_db, peak_db, held_db
        drawn = tuple(int(self._x(value)) for value in (rms_db, peak_db, held_db))
        if drawn != self._drawn:
            self._drawn = drawn
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Faint to the peak, full to the mean level, a line at the held peak."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
        for alpha, level_db in ((110, self.peak_db), (255, self.rms_db)):
            self._fill(painter, self._x(level_db), alpha)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid)))
        for tick_db in TICKS_DB:
            painter.drawLine(int(self._x(tick_db)), 0, int(self._x(tick_db)), self.height() // 5)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        if self.held_db > FLOOR_DB:
            x = min(self.width() - 2.0, self._x(self.held_db))
            painter.fillRect(QRectF(x, 0, 2, self.height()), QColor(self._colour(self.held_db)))

    def _fill(self, painter: QPainter, end: float, alpha: int) -> None:
        for low_db, high_db in ((FLOOR_DB, NEAR_DB), (NEAR_DB, CLOSE_DB), (CLOSE_DB, 0.0)):
            left, right = self._x(low_db), min(end, self._x(high_db))
            if right > left:
                colour = QColor(self._colour(low_db))
                colour.setAlpha(alpha)
                painter.fillRect(QRectF(left, 0, right - left, self.height()), colour)

    def _colour(self, level_db: float) -> str:
        meaning = meanings()
        if level_db >= CLOSE_DB:
            return meaning.bad
        return meaning.warning if level_db >= NEAR_DB else meaning.good

    def _x(self, level_db: float) -> float:
        share = (min(0.0, max(FLOOR_DB, level_db)) - FLOOR_DB) / -FLOOR_DB
        return share * self.width()


class ClipLamp(QToolButton):
    """Lit from the first clipped sample until it is clicked, or Space or Return is pressed on it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title, self._seen, self._cleared = title, 0, 0
        self.lit = False
        self.setText("CLIP")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(self.clear)
        self._describe()

    def count(self, clipped: int) -> None:
        """Take the number of clipped samples since the start; a lower one is a new count."""
        if clipped == self._seen:
            return
        if clipped < self._seen:
            self._cleared = 0
        self._seen = clipped
        if clipped > self._cleared:
            self.lit = True
        self._describe()
        self.update()

    def clear(self) -> None:
        """Put it out, until more is clipped."""
        self._cleared, self.lit = self._seen, False
        self._describe()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Its word and a margin."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance("CLIP") + metrics.averageCharWidth() * 2, metrics.height() + 4)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Return clears it as Space does."""
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Filled when lit, an outline when not, a second outline with the keyboard's focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area, palette = QRectF(self.rect()).adjusted(1, 1, -1, -1), self.palette()
        focus = palette.color(QPalette.ColorRole.Highlight)
        painter.setPen(QPen(focus if self.hasFocus() else palette.color(QPalette.ColorRole.Mid), 1 + self.hasFocus()))
        fill = QColor(meanings().bad) if self.lit else palette.color(QPalette.ColorRole.Base)
        painter.setBrush(fill)
        painter.drawRoundedRect(area, 3, 3)
        painter.setPen(ink_on(fill) if self.lit else palette.color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self.text())

    def _describe(self) -> None:
        samples = self._seen - self._cleared if self.lit else 0
        self.setAccessibleName(f"{self._title} clip lamp, {f'lit, {samples} samples clipped' if self.lit else 'off'}")
        said = f"{samples} samples of the {self._title.lower()} reached full scale. Click, or press Space, to clear."
        self.setToolTip(said if self.lit else f"Lights up when the {self._title.lower()} reaches full scale (0 dBFS).")


class LevelMeter(QWidget):
    """A row: title, bar, the held peak in dBFS, and the clip lamp.

    Args:
        title: one word, "Input".
        clock: seconds that only go up, for the hold.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._hold = clock, PeakHold()
        self.title, self.bar, self.figure, self.lamp = QLabel(title), LevelBar(), QLabel(), ClipLamp(title)
        self.setAccessibleName(f"{title} level")
        self.bar.setToolTip(f"{title}: mean level (full), peak (faint), highest peak of the last 1.5 s (line), in dBFS")
        self.figure.setToolTip(f"{title}: highest peak of the last 1.5 s, in dBFS")
        self.figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.figure.setMinimumWidth(self.fontMetrics().horizontalAdvance("−00.0 dBFS"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.bar, self.figure, self.lamp):
            row.addWidget(part, 1 if part is self.bar else 0)
        self.set_level_db(FLOOR_DB * 4, FLOOR_DB * 4, 0)

    def set_level(self, level: Level) -> None:
        """Show what a meter of the engine reads."""
        self.set_level_db(level.peak_db, level.rms_db, level.clipped)

    def set_level_db(self, peak_db: float, rms_db: float, clips: int) -> None:
        """Show levels in dBFS, and how many samples were clipped since the start."""
        held_db = self._hold.update(peak_db, self._clock())
        self.bar.show_db(rms_db, peak_db, held_db)
        text = f"{held_db:.1f} dBFS".replace("-", "−") if held_db > SILENT_DB else "silent"
        if text != self.figure.text():
            self.figure.setText(text)
        self.lamp.count(clips)

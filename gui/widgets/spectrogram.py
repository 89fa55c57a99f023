"""Two spectrograms that roll together, what goes in above what comes out, with a cursor that reads both."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon
from gui.widgets.spectrogram_image import frequency_text
from gui.widgets.spectrogram_plots import SpectrogramPlots
from gui.widgets.words import Words
from realtime.quality.spectrogram import note_name

FREQUENCIES_HZ: NDArray[np.float64] = np.geomspace(40.0, 16_000.0, 192)  # as `LogSpectrogram` has by default
_STEPS: dict[int, tuple[int, int]] = {  # columns into the past, rows up
    Qt.Key.Key_Left.value: (1, 0),
    Qt.Key.Key_Right.value: (-1, 0),
    Qt.Key.Key_Up.value: (0, 1),
    Qt.Key.Key_Down.value: (0, -1),
}
_LONG_STEP = 10  # with Shift
_HINT = "Point, or press an arrow key, to read frequency, note and level"


class SpectrogramView(QWidget):
    """Shows what `append` gives it. The newest column ends at "now"; a wider window shows a longer time.

    Signals:
        pause_clicked: the button was pressed; the answer is `set_paused`.

    Args:
        input_title, output_title: words for the two pictures.
        frequencies_hz: ``(R,)``, centres of the rows, of equal ratio.
    """

    pause_clicked = pyqtSignal()

    def __init__(
        self,
        input_title: str = "Input",
        output_title: str = "Output",
        frequencies_hz: NDArray[np.floating] = FREQUENCIES_HZ,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._titles = input_title, output_title
        self._log_hz = np.log10(frequencies_hz)
        self._row_height = float(self._log_hz[-1] - self._log_hz[0]) / (len(frequencies_hz) - 1)
        self._paused = False
        self._cursor: tuple[int, float] | None = None  # columns before the newest, log10 Hz
        self._plots = SpectrogramPlots(self._titles, frequencies_hz)
        self._plots.pointed.connect(self._put)
        self._plots.left.connect(self._hide)
        self._plots.fitted.connect(self._fitted)
        self._build()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"Spectrograms: {input_title} above {output_title}")
        self.setAccessibleDescription("Arrow keys move the cursor, with Shift in long steps; Escape hides it.")
        self._take_colours()

    # -- what it shows

    def append(self, input_db: NDArray[np.floating], output_db: NDArray[np.floating]) -> None:
        """Add the columns ``(R, M)`` of the same time to both pictures; NaN leaves a gap. Nothing while paused.

        Raises: ValueError where the two differ in shape.
        """
        if input_db.shape != output_db.shape or len(input_db) != len(self._log_hz):
            raise ValueError(f"two pictures of {len(self._log_hz)} rows, not {input_db.shape} and {output_db.shape}")
        if self._paused:
            return
        for image, db in zip(self._plots.images, (input_db, output_db), strict=True):
            image.append(db)
        if self._cursor is not None:
            self._read()

    def append_gap(self, columns: int) -> None:
        """Leave so many columns empty: there the sound is not known."""
        gap = np.full((len(self._log_hz), columns), np.nan, np.float32)
        self.append(gap, gap)

    def set_column_time(self, column_s: float) -> None:
        """The time of one column, in seconds, from now on."""
        self._plots.set_column_time(column_s)

    def set_paused(self, paused: bool) -> None:
        """Hold the pictures as they are, or let them roll again."""
        self._paused = paused
        self._pause.setIcon(icon("start" if paused else "pause"))
        self._pause.setAccessibleName("Let the spectrograms roll" if paused else "Hold the spectrograms")
        self._pause.setToolTip(self._pause.accessibleName() + " (P); the sound goes on")

    def set_rate_text(self, text: str) -> None:
        """How often it is drawn, for the corner."""
        if text != self._rate.text():
            self._rate.setText(text)

    def clear(self) -> None:
        """Empty both pictures."""
        for image in self._plots.images:
            image.clear()
        if self._cursor is not None:
            self._read()

    def take_paint_s(self) -> float:
        """The time that painting the pictures took since this was asked last."""
        spent_s, self._plots.spent_s = self._plots.spent_s, 0.0
        return spent_s

    @property
    def columns(self) -> int:
        """How many columns there is room for."""
        return self._plots.columns

    @property
    def readout(self) -> str:
        """What the cursor reads; "" where there is none."""
        return "" if self._cursor is None else self._words.text()

    # -- parts

    def _build(self) -> None:
        self._pause = QToolButton()
        self._pause.setAutoRaise(True)
        self._pause.clicked.connect(self.pause_clicked)
        self._words = Words()  # a long reading is shortened rather than widening the window
        self._words.setText(_HINT)
        self._words.setAccessibleName("Cursor")
        self._rate = QLabel()
        self._rate.setAccessibleName("Frames a second")
        self._rate.setToolTip("How often the pictures are drawn; rarer while the machine is busy, for the sound's sake")
        header = QHBoxLayout()
        header.setContentsMargins(0, 0, 4, 0)
        header.addWidget(self._pause)
        header.addWidget(self._words, 1)
        header.addWidget(self._rate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)  # room for the mark of the focus
        layout.setSpacing(2)
        layout.addLayout(header)
        layout.addWidget(self._plots, 1)

    def _take_colours(self) -> None:
        self._plots.take_colours()
        self.set_paused(self._paused)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Follow dark and light."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._take_colours()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Show where the keys go."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    # -- cursor

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Arrow keys move the cursor, Escape hides it; other keys belong to the window."""
        if event is None:
            return
        step = _STEPS.get(event.key())
        if step is not None:
            long = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self._move(step[0], step[1], _LONG_STEP if long else 1)
        elif event.key() == Qt.Key.Key_Escape and self._cursor is not None:
            self._hide()
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """The cursor goes with the mouse."""
        super().leaveEvent(event)
        self._hide()

    def _move(self, older: int, higher: int, factor: int) -> None:
        """From the middle of the picture where there is no cursor yet."""
        age, row = self.columns // 2, len(self._log_hz) // 2
        if self._cursor is not None:
            age, row = self._cursor[0] + factor * older, self._row(self._cursor[1]) + factor * higher
        self._put(age, float(self._log_hz[min(max(row, 0), len(self._log_hz) - 1)]))

    def _put(self, age: int, log_hz: float) -> None:
        age = min(max(age, 0), self.columns - 1)
        self._cursor = age, min(max(log_hz, float(self._log_hz[0])), float(self._log_hz[-1]))
        self._plots.show_cross_hairs(*self._cursor)
        self._read()

    def _hide(self) -> None:
        self._cursor = None
        self._words.setText(_HINT)
        self._plots.hide_cross_hairs()

    def _fitted(self) -> None:
        if self._cursor is not None:
            self._put(*self._cursor)

    def _row(self, log_hz: float) -> int:
        return round((log_hz - float(self._log_hz[0])) / self._row_height)

    def _read(self) -> None:
        assert self._cursor is not None
        age, log_hz = self._cursor
        row = self._row(log_hz)
        levels = [_level_text(image.level_db(age, row)) for image in self._plots.images]
        seen = [f"{title} {level}" for title, level in zip(self._titles, levels, strict=True)]
        when = f"{(age + 0.5) * self._plots.column_s:.2f} s ago"
        self._words.setText(" · ".join([frequency_text(10**log_hz), note_name(10**log_hz), *seen, when]))


def _level_text(level_db: float) -> str:
    return "no sound" if math.isnan(level_db) else f"{level_db:.0f} dB".replace("-", "−")

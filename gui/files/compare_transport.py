"""Play, loop and choose what is heard on the compare page."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QLabel, QToolButton, QWidget

from gui.files.compare_levels import MEASURE
from gui.files.compare_rows import LETTERS, ROLES, colour_of
from gui.icons import icon
from gui.theme import meanings


class TransportBar(QWidget):
    """Buttons and the clock; it tells what people want and shows what is."""

    play_clicked = pyqtSignal()
    loop_clicked = pyqtSignal()
    track_clicked = pyqtSignal(int)
    match_clicked = pyqtSignal(bool)
    zoom_in_clicked = pyqtSignal()
    zoom_out_clicked = pyqtSignal()
    zoom_all_clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self.play = self._button("start", "Play", "Play or pause (Space)")
        self.play.clicked.connect(self.play_clicked)
        self.loop = self._button("loop", "Loop the selection", "Repeat the selection, or the whole (L)")
        self.loop.setCheckable(True)
        self.loop.clicked.connect(self.loop_clicked)
        self._make_tracks()
        self._make_match()
        self._make_clock()
        self._make_zoom()
        self.show_available(())

    def show_available(self, indexes: Iterable[int]) -> None:
        """Which of A, B, C and R can be heard or made; without any nothing can be played."""
        known = set(indexes)
        for index, button in enumerate(self.tracks):
            button.setEnabled(index in known)
        for widget in (self.play, self.loop, self.match, *self._zooms):
            widget.setEnabled(bool(known))

    def show_selected(self, index: int) -> None:
        """Which one is heard."""
        self.tracks[index].setChecked(True)

    def show_playing(self, playing: bool) -> None:
        """Whether it plays."""
        self.play.setIcon(icon("pause" if playing else "start"))
        self.play.setText("Pause" if playing else "Play")
        self.play.setAccessibleName(self.play.text())

    def show_looping(self, looping: bool) -> None:
        """Whether the selection is repeated."""
        self.loop.setChecked(looping)

    def show_clock(self, position_s: float, length_s: float) -> None:
        """Where it is, of how much."""
        text = f"{clock_text(position_s)} / {clock_text(length_s)}"
        if text != self.clock.text():
            self.clock.setText(text)

    def restyle(self) -> None:
        """Icons in the colours of the palette."""
        self.loop.setIcon(icon("loop"))
        self.show_playing(self.play.text() == "Pause")
        colours = meanings()
        for index, button in enumerate(self.tracks):
            button.setStyleSheet(_checked(colour_of(index, colours), colours.background))
        self.loop.setStyleSheet(_checked(colours.good, colours.background))

    def _make_tracks(self) -> None:
        self.tracks: list[QToolButton] = []
        self._group = QButtonGroup(self)
        for index, (letter, role) in enumerate(zip(LETTERS, ROLES, strict=True)):
            button = self._button("", f"Hear {letter}: {role.lower()}", f"{role} ({index + 1})")
            button.setText(f" {letter} ")
            button.setCheckable(True)
            self._group.addButton(button, index)
            self.tracks.append(button)
        self._group.idClicked.connect(self.track_clicked)

    def _make_match(self) -> None:
        self.match = QCheckBox("Match levels")
        self.match.setToolTip(f"Bring all to the level of A, none beyond full scale.\nLevel: {MEASURE}.")
        self.match.setChecked(True)
        self.match.clicked.connect(self.match_clicked)
        self._line.addWidget(self.match)

    def _make_clock(self) -> None:
        self.clock = QLabel()
        self.clock.setAccessibleName("Position and length")
        self.clock.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.clock.setMinimumWidth(self.clock.fontMetrics().horizontalAdvance("0:00:00.0 / 0:00:00.0"))
        self._line.addWidget(self.clock, stretch=1)
        self.show_clock(0.0, 0.0)

    def _make_zoom(self) -> None:
        self._zooms = []
        words = (("−", "Zoom out", self.zoom_out_clicked), ("+", "Zoom in", self.zoom_in_clicked))
        for text, name, signal in (*words, ("All", "Show the whole length", self.zoom_all_clicked)):
            keys = {"−": "−", "+": "+", "All": "0"}
            button = self._button("", name, f"{name} ({keys[text]} while the plots have the focus)")
            button.setText(text)
            button.clicked.connect(signal)
            self._zooms.append(button)

    def _button(self, meaning: str, name: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setAccessibleName(name)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        if meaning:
            button.setIcon(icon(meaning))
            button.setText(name.split()[0])
        self._line.addWidget(button)
        return button


def _checked(colour: str, ink: str) -> str:
    """A pressed button in the colour of what it means: Fusion's own shade is too faint on dark."""
    style = f"background: {colour}; color: {ink}; border: 1px solid {colour}; border-radius: 3px; font-weight: bold"
    return f"QToolButton:checked:enabled {{ {style}; }}"


def clock_text(seconds: float) -> str:
    """``"0:03.2"``, ``"1:02:03.4"``."""
    tenths = max(0, int(10 * seconds + 1e-6))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"

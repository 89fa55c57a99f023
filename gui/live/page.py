"""The live page: set-up on the left, sound and pictures in the middle, readouts on the right."""

from __future__ import annotations

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QFrame, QScrollArea, QSplitter, QVBoxLayout, QWidget

from gui.live.chain_box import ChainBox
from gui.live.device_box import DeviceBox
from gui.live.level_check import LevelCheckBox
from gui.live.model_box import ModelBox
from gui.live.options_box import OptionsBox
from gui.live.quality import QualityPanel
from gui.live.readouts import LevelPair, LiveHistory, ReadoutsPanel
from gui.live.transport import Transport
from gui.widgets.named import named
from gui.widgets.spectrogram import SpectrogramView

LEFT_CHARACTERS, RIGHT_CHARACTERS = 46, 52  # of a side column, so that it grows with the font
STRETCHES = (0, 1, 0)
TURN_MS = 10


class LivePage(QWidget):
    """Holds the parts; each has its own controller."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = Transport()
        self.devices = DeviceBox()
        self.level_check = LevelCheckBox()
        self.model = ModelBox()
        self.chain = ChainBox()
        self.options = OptionsBox()
        self.spectrogram = SpectrogramView()
        self.history = LiveHistory()
        self.levels = LevelPair()
        self.readouts = ReadoutsPanel()
        self.quality = QualityPanel()
        self._later: tuple[QWidget, ...] = (self.spectrogram, self.history, self.readouts, self.quality, self.options)
        self._turn = 0
        self._turns = QTimer(self)
        self._turns.setInterval(TURN_MS)
        self._turns.timeout.connect(self._paint_next)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.transport)
        layout.addWidget(self._columns(), 1)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Paint column by column: all of it at once takes longer than a frame."""
        super().showEvent(event)
        for part in self._later:
            part.setUpdatesEnabled(False)
        self._turn = 0
        self._turns.start()

    def _paint_next(self) -> None:
        self._later[self._turn].setUpdatesEnabled(True)
        self._turn += 1
        if self._turn == len(self._later):
            self._turns.stop()

    def _columns(self) -> QSplitter:
        left = (self.devices, self.level_check, self.model, self.chain, self.options)
        middle = QWidget()
        inside = QVBoxLayout(middle)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.spectrogram, 1)
        inside.addWidget(self.history)
        columns = named(QSplitter(Qt.Orientation.Horizontal), "live_columns")
        columns.setChildrenCollapsible(False)
        columns.addWidget(self._column(left, "setup_column", LEFT_CHARACTERS))
        columns.addWidget(middle)
        right = (self.levels, self.readouts, self.quality)
        columns.addWidget(self._column(right, "readouts_column", RIGHT_CHARACTERS))
        for index, stretch in enumerate(STRETCHES):
            columns.setStretchFactor(index, stretch)
        return columns

    def _column(self, parts: tuple[QWidget, ...], name: str, characters: int) -> QScrollArea:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(6)
        for part in parts:
            layout.addWidget(part)
        layout.addStretch(1)
        area = named(QScrollArea(), name)
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setMinimumWidth(characters * self.fontMetrics().averageCharWidth())
        return area

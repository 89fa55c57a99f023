"""The row of big buttons over the live page: start, bypass, A/B/C, record, mute, mix and gains."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from gui.icons import icon
from gui.theme import meanings
from gui.widgets.knob import ParameterRow
from gui.widgets.named import named
from realtime.live.controls import GAIN_RANGE_DB, Controls, Listen

LISTEN: tuple[tuple[Listen, str, str], ...] = (
    ("raw", "A  Raw", "Hear the input as it came, delayed as much as the others (1)"),
    ("inverse", "B  DSP", "Hear the phase vocoder's inverse (2); turns the comparison on"),
    ("model", "C  Model", "Hear the chain with the model (3)"),
)


class Transport(QWidget):
    """Buttons and knobs; says what was asked for, and shows what it is told."""

    start_clicked = pyqtSignal()
    bypass_clicked = pyqtSignal()
    mute_clicked = pyqtSignal()
    record_clicked = pyqtSignal()
    compare_clicked = pyqtSignal(bool)
    listen_chosen = pyqtSignal(str)
    control_turned = pyqtSignal(str, float)

    def __init__(self) -> None:
        super().__init__()
        self._state = "stopped"
        self._make_buttons()
        self._make_listen()
        self._make_knobs()
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.start, 2)
        row.addWidget(self.bypass, 2)
        for button in self.listen.values():
            row.addWidget(button, 1)
        row.addWidget(self.compare)
        row.addWidget(self.mute)
        row.addWidget(self.record)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row, 0, 0, 1, len(self.knobs))
        for column, knob in enumerate(self.knobs.values()):
            layout.addWidget(knob, 1, column)
        self._colour()

    def show_state(self, state: str) -> None:
        """Args: state: "stopped", "starting", "running", "waiting" for a device, or "stopping"."""
        if state == self._state:
            return
        self._state = state
        words = {
            "stopped": "Start",
            "starting": "Starting…",
            "running": "Stop",
            "waiting": "Stop (waiting)",
            "stopping": "Stopping…",
        }
        self.start.setText(words[state])
        self.start.setEnabled(state not in ("starting", "stopping"))
        self.record.setEnabled(state == "running")
        self._colour()

    def show_controls(self, controls: Controls, compare: bool) -> None:
        """What is set now."""
        for button, value in ((self.bypass, controls.bypass), (self.mute, controls.muted), (self.compare, compare)):
            if button.isChecked() != value:
                button.setChecked(value)
        self.listen[controls.listen].setChecked(True)
        self.knobs["mix"].set_value(100 * controls.mix)
        self.knobs["input_gain_db"].set_value(controls.input_gain_db)
        self.knobs["output_gain_db"].set_value(controls.output_gain_db)

    def show_recording(self, recording: bool) -> None:
        """Whether sound is being written."""
        if self.record.isChecked() != recording:
            self.record.setChecked(recording)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Follow the palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _make_buttons(self) -> None:
        tip = "Start or stop the sound (Space)"
        self.start = named(QPushButton("Start"), "start_button", "Start or stop", tip)
        tip = "Hear the input as it came; the delay stays the same (B)"
        self.bypass = named(QPushButton("Bypass"), "bypass_button", "Bypass", tip)
        self.mute = named(QPushButton("Mute"), "mute_button", "Mute", "Silence the output (M)")
        tip = "Record input and output, aligned, as FLAC files (R)"
        self.record = named(QPushButton("Record"), "record_button", "Record", tip)
        tip = "Run the DSP inverse beside the model, so that B can be heard at once; adds its window to the latency"
        self.compare = named(QCheckBox("Compare"), "compare_check", "Compare with the DSP inverse", tip)
        for button in (self.bypass, self.mute, self.record):
            button.setCheckable(True)
        self.record.setEnabled(False)
        for button, signal in (
            (self.start, self.start_clicked),
            (self.bypass, self.bypass_clicked),
            (self.mute, self.mute_clicked),
            (self.record, self.record_clicked),
        ):
            _keeps_no_focus(button)
            button.clicked.connect(signal)
        _keeps_no_focus(self.compare)
        self.compare.clicked.connect(self.compare_clicked)
        for big in (self.start, self.bypass):
            big.setMinimumHeight(2 * big.fontMetrics().height() + 4)

    def _make_listen(self) -> None:
        self.listen: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        for number, (name, text, tip) in enumerate(LISTEN):
            button = named(QPushButton(text), f"{name}_button", f"Hear {text}", tip)
            button.setCheckable(True)
            _keeps_no_focus(button)
            self._group.addButton(button, number)
            self.listen[name] = button
        self._group.idClicked.connect(self._listen_clicked)
        self.listen["model"].setChecked(True)

    def _make_knobs(self) -> None:
        low, high = GAIN_RANGE_DB
        self.knobs = {
            "input_gain_db": ParameterRow("Input gain", "dB", low, high, 0.0),
            "mix": ParameterRow("Mix", "%", 0.0, 100.0, 100.0),
            "output_gain_db": ParameterRow("Output gain", "dB", low, high, 0.0),
        }
        for name, knob in self.knobs.items():
            knob.setObjectName(f"{name}_knob")
            knob.value_changed.connect(partial(self._turned, name))

    def _listen_clicked(self, number: int) -> None:
        self.listen_chosen.emit(LISTEN[number][0])

    def _turned(self, name: str, value: float) -> None:
        self.control_turned.emit(name, value / 100 if name == "mix" else value)

    def _colour(self) -> None:
        colours = meanings()
        self.start.setIcon(icon("start" if self._state == "stopped" else "stop"))
        self.bypass.setIcon(icon("bypass"))
        self.record.setIcon(icon("record"))
        for button, colour in (
            (self.bypass, colours.warning),
            (self.mute, colours.warning),
            (self.record, colours.bad),
            (self.listen["raw"], colours.raw),
            (self.listen["inverse"], colours.inverse),
            (self.listen["model"], colours.model),
        ):
            ink = colours.background
            button.setStyleSheet(f"QPushButton:checked {{ background: {colour}; color: {ink}; font-weight: bold; }}")


def _keeps_no_focus(button: QAbstractButton) -> None:
    """A click leaves the focus where it is, so that the space bar goes on to start and stop; Tab still reaches it."""
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

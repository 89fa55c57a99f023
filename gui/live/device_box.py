"""The sound devices on the screen: lists, two switches, a hint."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QToolButton,
    QWidget,
)

from gui.icons import icon
from gui.live.device_hints import HEADPHONES_TEXT
from gui.live.device_state import Option
from gui.theme import meanings
from gui.widgets.choice_box import ChoiceBox
from gui.widgets.wrapped_label import WrappedLabel

SOUND_FILES = "Sound files (*.wav *.flac *.ogg *.opus *.mp3 *.aif *.aiff);;All files (*)"
HEADPHONES_HINT = (
    "A loudspeaker is heard by the microphone of the same machine, and howls.\n"
    "Tick this when nothing that is played can reach the microphone."
)
SELF_TEST_HINT = (
    "A clean recording, pitch-shifted by what is to be undone, takes the microphone's place.\n"
    "Since the original is known, the quality of the output is measured against it."
)


class DeviceBox(QGroupBox):
    """Lists are `ChoiceBox`es, filled by the controller; their `chosen` tells what the user chose."""

    refresh_clicked = pyqtSignal()
    self_test_chosen = pyqtSignal(str)  # a file

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Sound devices", parent)
        self._dialog: QFileDialog | None = None
        self._grid = QGridLayout(self)
        self._grid.setColumnStretch(1, 2)
        self._grid.setColumnStretch(3, 3)
        self._make_lists()
        self._make_switches()
        self._make_hint()
        self._colour()
        self._order_tabs()

    def show_options(self, box: ChoiceBox, options: Iterable[Option], value: object) -> None:
        """Fill one of the lists."""
        box.show_options([(option.text, option.value, option.hint) for option in options], value)

    def show_hint(self, text: str) -> None:
        """A sentence below the lists; empty takes it away."""
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def show_busy(self, busy: bool) -> None:
        """While the devices are being listed."""
        self.refresh.setEnabled(not busy)

    def show_self_test(self, on: bool, file_name: str, whole_path: str) -> None:
        """The recording by its name; the tool tip has the whole path."""
        self.self_test.setChecked(on)
        self.self_test_name.setText(file_name)
        self.self_test_name.setCursorPosition(0)
        self.self_test_name.setToolTip(f"{whole_path}\n{SELF_TEST_HINT}" if whole_path else SELF_TEST_HINT)

    def ask_for_self_test(self, folder: str) -> None:
        """Open the dialog for a recording; `self_test_chosen` tells which."""
        if self._dialog is None:
            self._dialog = QFileDialog(self, "A clean recording for the self-test", folder, SOUND_FILES)
            self._dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            self._dialog.fileSelected.connect(self.self_test_chosen)
        self._dialog.open()

    def add(self, widget: QWidget) -> None:
        """One more row at the bottom, such as the level check."""
        self._grid.addWidget(widget, self._grid.rowCount(), 0, 1, 5)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  # Qt's name
        """Take the colours of another palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "hint"):
            self._colour()

    def _make_lists(self) -> None:
        self.host_api = ChoiceBox("Host API", "The sound system that the devices are reached through")
        self.input = ChoiceBox("Input", "The microphone")
        self.output = ChoiceBox("Output", "The loudspeaker or the headphones")
        self.rate = ChoiceBox("Sample rate in kHz", "Rates that both devices take, in kHz; their own is the safest")
        self.block = ChoiceBox("Block in frames", "Frames that the sound system moves at once: fewer, less latency")
        self.latency = ChoiceBox("Latency of the sound system", "High is safer where the sound crackles")
        self.refresh = QToolButton()
        self.refresh.setAccessibleName("Refresh the list of devices")
        self.refresh.setToolTip("Refresh: list the devices anew, with those plugged in since")
        self.refresh.clicked.connect(self.refresh_clicked)
        rows = (("Host API", self.host_api, 3), ("Input", self.input, 4), ("Output", self.output, 4))
        for row, (text, box, width) in enumerate(rows):
            self._grid.addWidget(_label(text, box), row, 0)
            self._grid.addWidget(box, row, 1, 1, width)
        self._grid.addWidget(self.refresh, 0, 4)
        self._grid.addWidget(_label("Rate", self.rate), 3, 0)
        self._grid.addWidget(self.rate, 3, 1)
        self._grid.addWidget(_label("Block", self.block), 3, 2)
        self._grid.addWidget(self.block, 3, 3, 1, 2)
        self._grid.addWidget(_label("Latency", self.latency), 4, 0)
        self._grid.addWidget(self.latency, 4, 1)

    def _make_switches(self) -> None:
        self.headphones = QCheckBox(HEADPHONES_TEXT)
        self.headphones.setToolTip(HEADPHONES_HINT)
        self.self_test = QCheckBox("Self-test with")
        self.self_test.setAccessibleName("Self-test: a clean recording in place of the microphone")
        self.self_test.setToolTip(SELF_TEST_HINT)
        self.self_test_name = QLineEdit()
        self.self_test_name.setReadOnly(True)
        self.self_test_name.setPlaceholderText("a clean recording")
        self.self_test_name.setAccessibleName("Recording of the self-test")
        self.self_test_name.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.self_test_name.setMinimumWidth(0)
        self.self_test_open = QToolButton()
        self.self_test_open.setAccessibleName("Choose the recording of the self-test")
        self.self_test_open.setToolTip("Choose a clean recording of a voice or an instrument")
        self._grid.addWidget(self.headphones, 5, 0, 1, 5)
        self._grid.addWidget(self.self_test, 6, 0, 1, 2)
        self._grid.addWidget(self.self_test_name, 6, 2, 1, 2)
        self._grid.addWidget(self.self_test_open, 6, 4)

    def _make_hint(self) -> None:
        self.hint = WrappedLabel("Hint on the sound devices")
        self.hint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.hint.hide()
        self._grid.addWidget(self.hint, 7, 0, 1, 5)

    def _colour(self) -> None:
        self.refresh.setIcon(icon("refresh"))
        self.self_test_open.setIcon(icon("open"))
        self.hint.setStyleSheet(f"color: {meanings().warning}")

    def _order_tabs(self) -> None:
        order = [self.host_api, self.refresh, self.input, self.output, self.rate, self.block, self.latency]
        order += [self.headphones, self.self_test, self.self_test_open]
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)


def _label(text: str, box: ChoiceBox) -> QLabel:
    label = QLabel(text)
    label.setBuddy(box)
    return label

"""The settings of a session that are seldom touched: channels, deadline, late hops, recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QStandardPaths, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QGroupBox, QPushButton

from gui.widgets.named import named
from realtime.live.plan import DEFAULT_DEADLINE_MS
from realtime.live.settings import LARGEST_DEADLINE_MS

CONCEALMENTS = (("dry", "Fade to the raw input"), ("silence", "Fade to silence"))
CHANNELS = ((1, "Mono"), (2, "Stereo"))


@dataclass(frozen=True)
class Options:
    """What is chosen; `recordings` is a folder."""

    channels: int = 1
    deadline_ms: float = DEFAULT_DEADLINE_MS
    concealment: str = "dry"
    limiter: bool = True
    level_match: bool = True
    recordings: str = ""

    def to_json_object(self) -> dict[str, Any]:
        """The same for the memory."""
        return asdict(self)


def options_from(values: Mapping[str, Any]) -> Options:
    """What was remembered; a value that makes no sense falls back to its default."""
    default = Options(recordings=str(default_recordings()))
    sound: dict[str, bool] = {
        "channels": type(values.get("channels")) is int and values["channels"] in dict(CHANNELS),
        "deadline_ms": type(values.get("deadline_ms")) in (int, float)
        and 0 <= values["deadline_ms"] <= LARGEST_DEADLINE_MS,
        "concealment": values.get("concealment") in [name for name, _ in CONCEALMENTS],
        "limiter": isinstance(values.get("limiter"), bool),
        "level_match": isinstance(values.get("level_match"), bool),
        "recordings": isinstance(values.get("recordings"), str) and bool(values["recordings"].strip()),
    }
    return replace(default, **{name: values[name] for name, good in sound.items() if good})


def default_recordings() -> Path:
    """deshift's folder in the user's music folder."""
    music = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation)
    return Path(music or Path.home()) / "deshift"


class OptionsBox(QGroupBox):
    """Shows and changes `Options`."""

    changed = pyqtSignal()
    folder_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__("Session")
        self._options = Options()
        self._channels = named(QComboBox(), "channels_combo", "Channels", "What the chain works on")
        for number, text in CHANNELS:
            self._channels.addItem(text, number)
        tip = "The time every hop has at least, in milliseconds: more is safer and adds as much latency"
        self._deadline = named(QDoubleSpinBox(), "deadline_spin", "Deadline in milliseconds", tip)
        self._deadline.setRange(0.0, LARGEST_DEADLINE_MS)
        self._deadline.setSuffix(" ms")
        tip = "What is heard in place of a hop that came too late"
        self._concealment = named(QComboBox(), "concealment_combo", "When a hop is late", tip)
        for name, text in CONCEALMENTS:
            self._concealment.addItem(text, name)
        self._limiter = named(QCheckBox("Limit peaks"), "limiter_check", "", "Hold the output below -1 dBFS")
        tip = "A, B and C are heard equally loud"
        self._level_match = named(QCheckBox("Match A/B/C levels"), "level_match_check", "", tip)
        self._folder = named(QPushButton(), "recordings_button", "Folder for recordings")
        self._lay_out()
        self._connect()

    @property
    def options(self) -> Options:
        """What is chosen now."""
        return self._options

    def show_options(self, options: Options) -> None:
        """Show these; nothing is emitted."""
        self._options = options
        self.blockSignals(True)
        self._channels.setCurrentIndex(self._channels.findData(options.channels))
        self._deadline.setValue(options.deadline_ms)
        self._concealment.setCurrentIndex(self._concealment.findData(options.concealment))
        self._limiter.setChecked(options.limiter)
        self._level_match.setChecked(options.level_match)
        self._folder.setText(Path(options.recordings).name or options.recordings)
        self._folder.setToolTip(f"Recordings go to {options.recordings}; click to choose another folder")
        self._options = options
        self.blockSignals(False)

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(8, 4, 8, 6)
        form.setVerticalSpacing(4)
        form.addRow("Channels", self._channels)
        form.addRow("Deadline", self._deadline)
        form.addRow("Late hop", self._concealment)
        form.addRow(self._limiter, self._level_match)
        form.addRow("Recordings", self._folder)

    def _connect(self) -> None:
        self._channels.currentIndexChanged.connect(self._take)
        self._deadline.valueChanged.connect(self._take)
        self._concealment.currentIndexChanged.connect(self._take)
        self._limiter.toggled.connect(self._take)
        self._level_match.toggled.connect(self._take)
        self._folder.clicked.connect(self.folder_clicked)

    def _take(self) -> None:
        self._options = Options(
            self._channels.currentData(),
            self._deadline.value(),
            self._concealment.currentData(),
            self._limiter.isChecked(),
            self._level_match.isChecked(),
            self._options.recordings,
        )
        self.changed.emit()

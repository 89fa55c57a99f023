"""The readouts of a live session: latency, speed, misses, rings, device; the level meters; the history."""

from __future__ import annotations

import time

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from gui.live import wording
from gui.live.readouts_history import Chronicle, Rising
from gui.live.readouts_rows import Rows
from gui.widgets.history import HistoryStrip
from gui.widgets.latency_bar import LatencyBar
from gui.widgets.level_meter import LevelMeter
from realtime.live.host_status import LiveStatus

ROWS = (
    ("Model", "The chain's time for one hop in milliseconds (ms): half of the hops (p50), 99 of 100 (p99)"),
    ("Host", "What the app itself adds to a hop, in milliseconds (ms): half of the hops (p50), 99 of 100 (p99)"),
    ("Load", "RTF: the model's time relative to the sound's, below 1 keeps up. CPU: of one core, in percent (%)"),
    (
        "Misses",
        "Sound that was replaced or lost. Late model: the model took longer than it has. Input overflow: captured\n"
        "sound did not fit. Device gap: the device delivered nothing. Interpreter stall: nobody fed the device.",
    ),
    ("Device", "Input and output as they are in use"),
    ("Format", "Sample rate in kHz, and the device's block in samples and milliseconds (ms)"),
    ("Clock", "Drift between two devices in parts per million (ppm), over- and underruns, urgency of the sound thread"),
)
RINGS_TIP = "Sound that waits for the model (in) and for the device (out), in milliseconds (ms)"
LATE_PERCENT = 100.0


class FillBar(QProgressBar):
    """How much lies in a ring, in words on a bar."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setRange(0, 1000)
        self.setAccessibleName(name)
        self.setToolTip(RINGS_TIP)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(self.fontMetrics().height() + 4)
        self.show_fill(0.0, 1.0, "—")

    def show_fill(self, fill_ms: float, scale_ms: float, words: str) -> None:
        """Show another fill; `words` stand on the bar."""
        self.setValue(round(1000 * min(1.0, max(0.0, fill_ms / scale_ms))))
        if words != self.format():
            self.setFormat(words)


class ReadoutsPanel(QWidget):
    """Everything but the quality, in a column. Refreshed a few times a second."""

    measure_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.latency, self.rows = LatencyBar(), Rows()
        self.input_fill, self.output_fill = FillBar("Input ring"), FillBar("Output ring")
        self._rising = Rising()
        self.latency.measure_clicked.connect(self.measure_clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.latency)
        column.addWidget(self.rows)
        column.addStretch(1)
        self._fill_rows()
        self.latency.measure.setEnabled(False)
        self.latency.show_picture(wording.latency_picture(None, 0.0))

    def show_status(self, status: LiveStatus, now_s: float | None = None) -> None:
        """Show a status. `now_s` is any clock that only goes up; by default the machine's."""
        engine = status.engine
        now_s = time.monotonic() if now_s is None else now_s
        hop_ms = None if engine.latency is None else engine.latency.hop_ms
        self.latency.show_picture(wording.latency_picture(engine.latency, wording.block_ms(engine.device)))
        self.latency.measure.setEnabled(engine.state == "running")
        late = (wording.load_percent(engine.speed, hop_ms) or 0.0) >= LATE_PERCENT
        self.rows.say("Model", wording.model_time(engine.speed, hop_ms), "warning" if late else "plain")
        self.rows.say("Host", wording.overhead(engine.speed))
        self.rows.say("Load", wording.load(engine.speed))
        rising = self._rising.update(engine.misses.total + status.restarts, now_s)
        told = wording.misses(status)
        self.rows.say("Misses", f"▲ {told}" if rising else told, "bad" if rising else "plain")
        self.rows.say("Device", wording.device(engine.device))
        self.rows.say("Format", wording.format_of(engine.device))
        self.rows.say("Clock", wording.clock(engine.device))
        scale_ms = wording.fill_scale_ms(engine)
        for bar, fill_ms, words in zip(
            (self.input_fill, self.output_fill),
            (engine.input_fill_ms, engine.output_fill_ms),
            wording.rings(engine),
            strict=True,
        ):
            bar.show_fill(fill_ms, scale_ms, words)

    def _fill_rows(self) -> None:
        fills = QWidget()
        row = QHBoxLayout(fills)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.input_fill)
        row.addWidget(self.output_fill)
        for name, tip in ROWS:
            self.rows.add(name, tip)
            if name == "Misses":
                self.rows.add_widget("Rings", RINGS_TIP, fills)
            self.rows.say(name, "—", "faint")


class LevelPair(QWidget):
    """The meters of input and output, one above the other. Refreshed up to thirty times a second."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.output = LevelMeter("Input"), LevelMeter("Output")
        widest = max(meter.title.sizeHint().width() for meter in (self.input, self.output))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for meter in (self.input, self.output):
            meter.title.setMinimumWidth(widest)
            column.addWidget(meter)

    def show_levels(self, status: LiveStatus) -> None:
        """Show the levels of a status."""
        self.input.set_level(status.engine.input_level)
        self.output.set_level(status.engine.output_level)


class LiveHistory(HistoryStrip):
    """The history strip of a session. Told four times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._chronicle = Chronicle()

    def append_status(self, status: LiveStatus, now_s: float | None = None) -> None:
        """Show one more status. `now_s` is any clock that only goes up; by default the machine's."""
        self.append(self._chronicle.look(status, time.monotonic() if now_s is None else now_s))

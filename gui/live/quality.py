"""How good the sound is right now: applied shift, consistency, bandwidth, and the figures of a self-test."""

from __future__ import annotations

from PyQt6.QtWidgets import QVBoxLayout, QWidget

from gui.live import wording
from gui.live.readouts_rows import Rows
from gui.widgets.words import Words
from realtime.live.host_status import LiveStatus
from realtime.quality.readouts import TRUSTED, Readouts

PITCH, SHIFT, CONSISTENCY, BANDWIDTH, LEVELS = "Pitch", "Shift", "Consistency", "Bandwidth", "Mean level"
SI_SDR = "SI-SDR"
ROWS = (
    (PITCH, "Median fundamental frequency (f0), input → output, in hertz (Hz)"),
    (SHIFT, "What was done to the pitch, in semitones (st), below zero is down; and how certain that is, 0 … 1"),
    (
        CONSISTENCY,
        "The output, shifted again, against the input: mel distance (an original has 0.8 … 1.3, lower is nearer)\n"
        "and distance of the pitches in cents (hundredths of a semitone)",
    ),
    (BANDWIDTH, "How far up the spectrum goes, input → output, in kilohertz (kHz)"),
    (LEVELS, "Mean level of the last second, input → output, in decibels below full scale (dBFS)"),
)
REFERENCE_TIP = (
    "The output against the clean original: mel distance and multi-resolution spectral distance (MR-STFT);\n"
    "lower is nearer"
)
SI_SDR_TIP = "The same in decibels (dB), higher is nearer; it follows the phase, and says little for a shift"
NOT_YET = "Figures come a few seconds after the sound starts."


class QualityPanel(QWidget):
    """The quality readouts in a column. Refreshed a few times a second.

    Args:
        reference_name: what the row of the reference figures is called.
    """

    def __init__(self, reference_name: str = "Self-test") -> None:
        super().__init__()
        self.rows, self.warning, self.notes = Rows(), Words(wrapped=True), Words(wrapped=True)
        self._reference = reference_name
        for name, tip in (*ROWS, (reference_name, REFERENCE_TIP), (SI_SDR, SI_SDR_TIP)):
            self.rows.add(name, tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for part in (self.rows, self.warning, self.notes):
            column.addWidget(part)
        column.addStretch(1)
        self._show_nothing()

    def show_status(self, status: LiveStatus) -> None:
        """Show a status, with the ages that it says."""
        if status.quality is None:
            self._show_nothing()
        else:
            self._show(status, status.quality)

    def _show(self, status: LiveStatus, quality: Readouts) -> None:
        ages, pitch = status.quality_ages_s, quality.pitch
        trusted = pitch.applied_confidence is not None and pitch.applied_confidence >= TRUSTED
        pitch_age = wording.youngest(ages, ("pitch", "consistency"))
        self.rows.say(PITCH, wording.pitches(pitch), age=pitch_age)
        self.rows.say(SHIFT, wording.shift(pitch), "plain" if trusted else "faint")
        self.rows.say(CONSISTENCY, wording.consistency(quality.consistency), age=wording.age(ages, "consistency"))
        self.rows.say(BANDWIDTH, wording.bandwidth(quality.levels))
        self.rows.say(LEVELS, wording.mean_levels(quality.levels))
        self._show_if(self._reference, wording.reference(quality.reference), wording.age(ages, "reference"))
        self._show_if(SI_SDR, wording.si_sdr(quality.reference))
        self._tell(self.warning, pitch.warning or "", warning=True)
        self._tell(self.notes, wording.notes(quality))

    def _show_nothing(self) -> None:
        for name, _ in ROWS:
            self.rows.say(name, "—", "faint")
        self._show_if(self._reference, "")
        self._show_if(SI_SDR, "")
        self._tell(self.warning, "")
        self._tell(self.notes, NOT_YET)

    def _show_if(self, name: str, text: str, age: str = "") -> None:
        self.rows.say(name, text, age=age)
        self.rows.show_row(name, bool(text))

    @staticmethod
    def _tell(words: Words, text: str, warning: bool = False) -> None:
        words.say(f"⚠ {text}" if warning and text else text, "warning" if warning else "faint")
        words.setVisible(bool(text))

"""One parameter on one line: its name, a slider and a box to type into. Also for mix and gains."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget

from gui.widgets.knob_slider import Scale, Slider

LABEL_CHARACTERS = 12
WIDEST = "−20000 Hz"
UNITS = {"semitones": "st", "semitone": "st", "cents": "ct"}  # where the usual sign is shorter
SHORT = {"cutoff_frequency_hz": "Frequency", "centre_frequency_hz": "Centre", "centre_delay_ms": "Delay"}
ENDINGS = ("_hz", "_db", "_ms", "_seconds", "_samples")


def label_of(name: str) -> str:
    """What a person calls a control: ``threshold_db`` -> Threshold."""
    if name in SHORT:
        return SHORT[name]
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    words = name.removesuffix(ending).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


class ParameterRow(QWidget):
    """A parameter to be turned by slider, keys, wheel, or a typed number.

    Args:
        name: as a person says it.
        unit: as shown behind the number; "" for none.
        compact: the label as narrow as its text, for rows that stand beside something else.
        live: report every step of a drag; without it only where the drag ends, for what is costly to change.
        digits: after the point; None is what makes sense for the range.

    `value_changed` follows what the user does; `set_value` does not cause it.
    Raises: ValueError where minimum ≤ default ≤ maximum does not hold.
    """

    value_changed = pyqtSignal(float)

    def __init__(
        self,
        name: str,
        unit: str,
        minimum: float,
        maximum: float,
        default: float,
        compact: bool = False,
        live: bool = True,
        digits: int | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        if not minimum <= default <= maximum:
            raise ValueError(f"{name}: the default {default:g} must lie within {minimum:g} … {maximum:g}")
        self._name, self._default, self._value = name, default, default
        self._scale = Scale(unit, minimum, maximum, digits)
        self._build_label(compact)
        self._build_slider(live)
        self._build_box()
        self._lay_out()
        self.set_value(default)

    def _build_label(self, compact: bool) -> None:
        self.label = QLabel(self._name)
        self._compact = compact
        self._size_label()
        self.label.installEventFilter(self)

    def _build_slider(self, live: bool) -> None:
        self.slider = Slider()
        self.slider.setTracking(live)
        self.slider.setAccessibleName(f"{self._name}, slider")
        self.slider.valueChanged.connect(self._slid)
        self.slider.stepped.connect(self._stepped)
        self.slider.reset_asked.connect(self.reset)

    def _build_box(self) -> None:
        scale = self._scale
        self.box = QDoubleSpinBox()
        self.box.setDecimals(scale.decimals)
        self.box.setRange(scale.minimum, scale.maximum)
        self.box.setKeyboardTracking(False)
        self.box.setAccelerated(True)
        self.box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.installEventFilter(self)
        if scale.unit:
            self.box.setSuffix(f" {UNITS.get(scale.unit, scale.unit)}")
        if scale.is_logarithmic:
            self.box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        else:
            self.box.setSingleStep(scale.step)
        self.box.setAccessibleName(f"{self._name}{f' in {scale.unit}' if scale.unit else ''}")
        self.box.valueChanged.connect(self._typed)

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.box)
        self._size_box()
        self._say(f"{self._name}: {self._range()}")

    # -- from outside

    @property
    def value(self) -> float:
        """As it was set or turned, not rounded to what is shown."""
        return self._value

    def set_value(self, value: float) -> None:
        """Show a value; nothing is emitted. What lies outside the range is shown at its end."""
        self._value = value
        with QSignalBlocker(self.box), QSignalBlocker(self.slider):
            within = min(self._scale.maximum, max(self._scale.minimum, value))
            self.box.setValue(within)
            if not self.slider.isSliderDown():
                self.slider.setValue(self._scale.position(within))

    def reset(self) -> None:
        """Back to the default, as if the user had typed it."""
        self._turn(self._default)

    def set_help(self, text: str) -> None:
        """A sentence in the tool tip, before the range and the keys."""
        self._say(f"{text} {self._range()}")

    # -- what the user does

    def _slid(self, position: int) -> None:
        self._turn(self._scale.value(position))

    def _stepped(self, steps: int) -> None:
        self.box.stepBy(steps)

    def _typed(self, value: float) -> None:
        self._turn(value)

    def _turn(self, value: float) -> None:
        if value != self._value:
            self.set_value(value)
            self.value_changed.emit(value)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """A double click on the name resets; the wheel over a box without the focus scrolls the page."""
        if event is not None and watched is self.label and event.type() == QEvent.Type.MouseButtonDblClick:
            self.reset()
            return True
        if event is not None and watched is self.box and event.type() == QEvent.Type.Wheel and not self.box.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  Qt's name
        """Another font has other widths."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._size_label()
            self._size_box()

    # -- looks

    def _range(self) -> str:
        scale = self._scale
        ends = (self._shown(end) for end in (scale.minimum, scale.maximum))
        unit = f" {scale.unit}" if scale.unit else ""
        return f"{' … '.join(ends)}{unit}, default {self._shown(self._default)}{unit} (double click or Backspace)."

    def _shown(self, value: float) -> str:
        return f"{value:.{self._scale.decimals}f}".replace("-", "−")

    def _say(self, text: str) -> None:
        for widget in (self.label, self.slider, self.box):
            widget.setToolTip(text)

    def _size_label(self) -> None:
        metrics = self.label.fontMetrics()
        if not self._compact:
            self.label.setFixedWidth(metrics.averageCharWidth() * LABEL_CHARACTERS)
            text = metrics.elidedText(self._name, Qt.TextElideMode.ElideRight, self.label.width())
            self.label.setText(text)

    def _size_box(self) -> None:
        """All boxes are of one width, so that they stand in a column."""
        metrics = self.box.fontMetrics()
        self.box.setFixedWidth(metrics.horizontalAdvance(WIDEST) + metrics.height())

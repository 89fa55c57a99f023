"""One member of the chain on the screen: a head with grip, switch, name and latency, and a row for each parameter."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QPalette, QShortcut
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon
from gui.live.chain_members import Choice, Knob, ShownMember
from gui.widgets.choice_box import ChoiceBox
from gui.widgets.knob import LABEL_CHARACTERS, ParameterRow, label_of
from gui.widgets.named import named
from gui.widgets.words import Words

REBUILT = "The chain is loaded anew when it changes."
MOVE_HELP = "Drag to move; Ctrl+Up and Ctrl+Down move the selected plugin, Delete removes it."


class Grip(QLabel):
    """Where a member is taken to be dragged; tells where the mouse is, on the whole screen."""

    dragged = pyqtSignal(QPoint)
    dropped = pyqtSignal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setToolTip(MOVE_HELP)
        self.show_icon()

    def show_icon(self) -> None:
        """In the colours of the palette."""
        side = round(1.2 * self.fontMetrics().height())
        self.setPixmap(icon("grip").pixmap(QSize(side, side)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  # Qt's name
        """The hand closes."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  # Qt's name
        """Underway."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged.emit(event.globalPosition().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  # Qt's name
        """There."""
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.dropped.emit(event.globalPosition().toPoint())


class MemberBox(QFrame):
    """Shows a `ShownMember`; whatever the user does to it is a signal. Can be shown anew as long as the form stays."""

    bypass_clicked = pyqtSignal(bool)
    remove_clicked = pyqtSignal()
    move_asked = pyqtSignal(int)  # -1 up, 1 down
    parameter_turned = pyqtSignal(str, float)

    def __init__(self, member: ShownMember, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.member = member
        self.rows: dict[str, ParameterRow] = {}
        self.choices: dict[str, ChoiceBox] = {}
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(6, 4, 6, 5)
        self._layout.setSpacing(3)
        self._build_head()
        for choice in member.choices:
            self._build_choice(choice)
        for knob in member.knobs:
            self._build_row(knob)
        self._note = Words(wrapped=True)
        self._layout.addWidget(self._note)
        for keys, target in (("Ctrl+Up", self._up), ("Ctrl+Down", self._down)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(target)
        self.show_member(member)

    def _build_head(self) -> None:
        self.grip = Grip()
        self.switch = named(QToolButton(), "member_switch", f"{self.member.title}: on or bypassed")
        self.switch.setCheckable(True)
        self.switch.setAutoRaise(True)
        self.switch.clicked.connect(self._switched)
        self.title = Words(self.member.help)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._latency = Words("What this plugin adds to the latency, also while it is bypassed.")
        self.trash = named(QToolButton(), "member_remove", f"Remove {self.member.title}", "Remove (Delete)")
        self.trash.setAutoRaise(True)
        self.trash.clicked.connect(self.remove_clicked)
        head = QHBoxLayout()
        head.setSpacing(2)
        for widget in (self.grip, self.switch, self.title, self._latency, self.trash):
            head.addWidget(widget, 1 if widget is self.title else 0)
        self._layout.addLayout(head)
        self._show_icons()

    def _build_row(self, knob: Knob) -> None:
        control = knob.control
        name, unit = label_of(control.name), control.unit
        row = ParameterRow(name, unit, control.minimum, control.maximum, control.default, live=knob.live)
        row.setObjectName(control.name)
        if not knob.live:
            row.set_help(f"{name}. {REBUILT}")
        row.value_changed.connect(self._turned)
        self.rows[control.name] = row
        self._layout.addWidget(row)

    def _build_choice(self, choice: Choice) -> None:
        label = QLabel(choice.label)
        label.setFixedWidth(label.fontMetrics().averageCharWidth() * LABEL_CHARACTERS)
        box = named(ChoiceBox(f"{self.member.title}: {choice.label}", REBUILT), choice.name)
        box.show_options([(text, value, text) for text, value in choice.options], choice.value)
        box.chosen.connect(self._chosen)
        self.choices[choice.name] = box
        line = QHBoxLayout()
        line.addWidget(label)
        line.addWidget(box, 1)
        self._layout.addLayout(line)

    # -- from outside

    def show_member(self, member: ShownMember) -> None:
        """New values for the same widgets; tells nobody."""
        self.member = member
        state = "bypassed" if member.bypass else "on"
        self.setAccessibleName(f"{member.title}, {state}")
        self.switch.setChecked(not member.bypass)
        self.switch.setToolTip("Bypassed: click to hear it" if member.bypass else "On: click to bypass")
        self.title.say(member.title, "faint" if member.bypass else "plain")
        latency = "" if member.latency_ms is None else f"{member.latency_ms:.1f} ms" if member.latency_ms else "0 ms"
        self._latency.say(", ".join(filter(None, ("bypassed" if member.bypass else "", latency))), "faint")
        for knob in member.knobs:
            self.rows[knob.control.name].set_value(knob.value)
        for choice in member.choices:
            self.choices[choice.name].show_value(choice.value)
        self._note.say(member.note, "bad" if member.failed else "faint")
        self._note.setVisible(bool(member.note))

    # -- what the user does

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  # Qt's name
        """Delete removes; the rest is Qt's."""
        if event is not None and event.key() == Qt.Key.Key_Delete:
            self.remove_clicked.emit()
        else:
            super().keyPressEvent(event)

    def _up(self) -> None:
        self.move_asked.emit(-1)

    def _down(self) -> None:
        self.move_asked.emit(1)

    def _switched(self, on: bool) -> None:
        self.bypass_clicked.emit(not on)

    def _turned(self, value: float) -> None:
        self.parameter_turned.emit(self._sender_name(), value)

    def _chosen(self, value: object) -> None:
        if isinstance(value, int):
            self.parameter_turned.emit(self._sender_name(), float(value))

    def _sender_name(self) -> str:
        sender = self.sender()
        return "" if sender is None else sender.objectName()

    # -- looks

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802  # Qt's name
        """Selected: drawn with a frame."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802  # Qt's name
        """And without."""
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  # Qt's name
        """A card, framed while it is selected."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        role = QPalette.ColorRole.Highlight if self.hasFocus() else QPalette.ColorRole.Mid
        painter.setPen(palette.color(role))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  # Qt's name
        """Icons in the colours of another palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "trash"):
            self._show_icons()

    def _show_icons(self) -> None:
        self.grip.show_icon()
        self.switch.setIcon(icon("bypass"))
        self.trash.setIcon(icon("remove"))

"""The chain on the screen: a bar for presets, the members in their order, a menu to add some, undo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QMenu,
    QMessageBox,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.icons import icon
from gui.live.chain_list import MemberList
from gui.live.chain_member_box import MemberBox
from gui.live.chain_members import ShownMember
from gui.live.chain_menu import AddMenu
from gui.widgets.named import named
from gui.widgets.words import Words

PRESETS = "Presets (*.json)"
DROPPED = (".json", ".onnx", ".vst3")
EMPTY = "An empty chain changes nothing: add a model or an effect."
BUTTONS = {  # name: icon, accessible name, tool tip
    "open": ("open", "Open a preset", "Open a preset… (Ctrl+O)"),
    "save": ("save", "Save the preset", "Save (Ctrl+S)"),
    "save_as": ("save_as", "Save the preset as", "Save as…"),
    "undo": ("undo", "Undo", "Undo (Ctrl+Z)"),
    "redo": ("redo", "Redo", "Redo (Ctrl+Shift+Z)"),
}


class NameButton(QToolButton):
    """As wide as there is room; what does not fit is cut."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def say(self, text: str) -> None:
        """Another text."""
        self._whole = text
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802  # Qt's name
        """What fits has changed."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = self.fontMetrics()
        text = metrics.elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width() - 2 * metrics.height())
        if text != self.text():
            self.setText(text)


class ChainBox(QGroupBox):
    """Shows what it is told; whatever the user wants is a signal. Members are told by their places."""

    bypass_clicked = pyqtSignal(int, bool)
    parameter_turned = pyqtSignal(int, str, float)
    moved = pyqtSignal(int, int)
    remove_clicked = pyqtSignal(int)
    add_clicked = pyqtSignal(object)  # an Entry
    model_file_clicked = pyqtSignal()
    vst3_clicked = pyqtSignal()
    button_clicked = pyqtSignal(str)  # a name of BUTTONS
    recent_clicked = pyqtSignal(str)
    dropped = pyqtSignal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Chain", parent)
        self.native_dialogs = True
        self.buttons: dict[str, QToolButton] = {}
        self.setAcceptDrops(True)
        self._layout = QVBoxLayout(self)
        self._layout.setSpacing(4)
        self._build_presets()
        self.members = MemberList()
        self.members.moved.connect(self.moved)
        self._layout.addWidget(self.members)
        self._empty = Words(wrapped=True)
        self._empty.say(EMPTY, "faint")
        self._layout.addWidget(self._empty)
        self._build_edits()
        self._layout.addStretch(1)
        self._show_icons()

    def _build_presets(self) -> None:
        self.preset = named(NameButton(), "preset_name", "Preset", "The preset; click for the last ones")
        self.preset.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.recent = QMenu(self.preset)
        self.preset.setMenu(self.recent)
        line = QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self.preset, 1)
        for name in ("open", "save", "save_as"):
            line.addWidget(self._button(name))
        self._layout.addLayout(line)

    def _build_edits(self) -> None:
        self.add = named(QToolButton(), "add_plugin", "Add a plugin to the chain", "Add a model or an effect")
        self.add.setText("Add")
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_menu = AddMenu(self.add)
        self.add_menu.chosen.connect(self.add_clicked)
        self.add_menu.model_file_clicked.connect(self.model_file_clicked)
        self.add_menu.vst3_clicked.connect(self.vst3_clicked)
        self.add.setMenu(self.add_menu)
        self._latency = Words("Algorithmic latency of the chain: its hop, and what its plugins wait for beyond theirs.")
        self._latency.setAlignment(Qt.AlignmentFlag.AlignCenter)
        line = QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self.add)
        line.addWidget(self._latency, 1)
        for name in ("undo", "redo"):
            line.addWidget(self._button(name))
        self._layout.addLayout(line)

    def _button(self, name: str) -> QToolButton:
        button = named(QToolButton(), name, *BUTTONS[name][1:])
        button.setAutoRaise(True)
        button.clicked.connect(self._clicked)
        self.buttons[name] = button
        return button

    # -- shows

    def show_members(self, members: Sequence[ShownMember], latency_ms: float | None) -> None:
        """The chain; cards whose form stays only take new values."""
        cards = self.members.cards
        for index, member in enumerate(members):
            if index < len(cards) and cards[index].member.form == member.form:
                cards[index].show_member(member)
            else:
                self.members.put(index, self._card(member))
        while len(cards) > len(members):
            self.members.take(len(members))
        self._empty.setVisible(not members)
        self._latency.say("" if latency_ms is None else f"Chain: {latency_ms:.1f} ms", "faint")

    def show_preset(self, name: str, is_saved: bool, place: str) -> None:
        """The preset's name, marked where it was edited; the tool tip has its file."""
        self.preset.say(f"{name}{'' if is_saved else ' •'}")
        self.preset.setAccessibleName(f"Preset {name}{'' if is_saved else ', edited'}")
        self.preset.setToolTip(f"{place or 'Not saved yet'}{'' if is_saved or not place else ', edited since'}")

    def show_recent(self, paths: Iterable[str]) -> None:
        """The presets that were opened or saved last."""
        self.recent.clear()
        for path in paths:
            action = QAction(Path(path).stem.replace("&", "&&"), self.recent)
            action.setToolTip(path)
            action.setData(path)
            action.triggered.connect(self._recent_chosen)
            self.recent.addAction(action)
        if self.recent.isEmpty():
            nothing = QAction("No presets opened yet", self.recent)
            nothing.setEnabled(False)
            self.recent.addAction(nothing)

    def show_undo(self, undo: str, redo: str) -> None:
        """What can be undone and done again; empty for nothing."""
        for name, words in (("undo", undo), ("redo", redo)):
            self.buttons[name].setEnabled(bool(words))
            keys = BUTTONS[name][2]
            self.buttons[name].setToolTip(f"{keys}: {words}" if words else keys)

    def focus_member(self, index: int) -> None:
        """Select a member."""
        if 0 <= index < len(self.members.cards):
            self.members.cards[index].setFocus(Qt.FocusReason.OtherFocusReason)

    # -- asks for files

    def ask_open(self, folder: Path, title: str, kinds: str, is_folder: bool = False) -> QFileDialog:
        """A dialog for a file (or folder) to open; the caller connects `fileSelected`."""
        mode = QFileDialog.FileMode.Directory if is_folder else QFileDialog.FileMode.ExistingFile
        return self._dialog(title, folder, kinds, mode, QFileDialog.AcceptMode.AcceptOpen)

    def ask_save(self, proposal: Path) -> QFileDialog:
        """A dialog for a preset to write; the caller connects `fileSelected`."""
        mode, accept = QFileDialog.FileMode.AnyFile, QFileDialog.AcceptMode.AcceptSave
        dialog = self._dialog("Save the preset", proposal.parent, PRESETS, mode, accept)
        dialog.setDefaultSuffix("json")
        dialog.selectFile(proposal.name)
        return dialog

    def ask_trust(self, preset: str, paths: Sequence[str]) -> QMessageBox:
        """Ask before a preset brings machine code; the caller connects `accepted`."""
        question = QMessageBox(self)
        question.setIcon(QMessageBox.Icon.Warning)
        question.setText(f"{preset} runs VST3 plugins. They are programs with your rights. Open it all the same?")
        question.setInformativeText("\n".join(paths))
        question.addButton("Open", QMessageBox.ButtonRole.AcceptRole)
        question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.open()
        return question

    def _dialog(
        self, title: str, folder: Path, kinds: str, mode: QFileDialog.FileMode, accept: QFileDialog.AcceptMode
    ) -> QFileDialog:
        dialog = QFileDialog(self, title, str(folder), kinds)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog, not self.native_dialogs)
        dialog.setFileMode(mode)
        dialog.setAcceptMode(accept)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    # -- what the user does

    def _card(self, member: ShownMember) -> MemberBox:
        card = MemberBox(member)
        card.bypass_clicked.connect(self._bypassed)
        card.remove_clicked.connect(self._removed)
        card.move_asked.connect(self._move_asked)
        card.parameter_turned.connect(self._turned)
        return card

    def _place(self) -> int:
        cards: list[object] = list(self.members.cards)
        return cards.index(self.sender())

    def _bypassed(self, bypass: bool) -> None:
        self.bypass_clicked.emit(self._place(), bypass)

    def _removed(self) -> None:
        self.remove_clicked.emit(self._place())

    def _move_asked(self, by: int) -> None:
        source = self._place()
        if 0 <= source + by < len(self.members.cards):
            self.moved.emit(source, source + by)

    def _turned(self, name: str, value: float) -> None:
        self.parameter_turned.emit(self._place(), name, value)

    def _clicked(self) -> None:
        sender = self.sender()
        if sender is not None:
            self.button_clicked.emit(sender.objectName())

    def _recent_chosen(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.recent_clicked.emit(action.data())

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802  # Qt's name
        """Presets, models and VST3s are welcome."""
        if event is not None and _files(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802  # Qt's name
        """Tell what was let go here."""
        if event is None:
            return
        for path in _files(event):
            self.dropped.emit(path)
        event.acceptProposedAction()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  # Qt's name
        """Icons in the colours of another palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and "redo" in getattr(self, "buttons", {}):
            self._show_icons()

    def _show_icons(self) -> None:
        for name, button in self.buttons.items():
            button.setIcon(icon(BUTTONS[name][0]))
        self.add.setIcon(icon("add"))


def _files(event: QDropEvent) -> list[Path]:
    data = event.mimeData()
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data is not None else []
    return [path for path in paths if path.suffix.lower() in DROPPED]

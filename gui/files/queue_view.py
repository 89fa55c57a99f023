"""The files page: the queue, the options of its results, the total below. Widgets and signals only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui.files.options_box import OptionsBox
from gui.files.queue_model import QueueModel
from gui.files.queue_table import QueueTable
from gui.icons import icon
from gui.widgets.named import named
from gui.widgets.words import Words
from realtime.audio_formats import FORMATS, NAMES
from realtime.batch_items import BatchItem

HINT = "Drop audio files or folders here"
TAKEN = f"{NAMES} · 1 to 8 channels · any rate and length"
STEPS = 1000


@dataclass(frozen=True)
class QueueButtons:
    """What can be done now. `start` is the text of the start button, `cancel` that of the cancel button."""

    start: str = "Start"
    cancel: str = "Cancel all"
    can_start: bool = False
    can_cancel: bool = False
    can_retry: bool = False
    can_remove: bool = False
    can_clear: bool = False
    can_compare: bool = False
    can_open_folder: bool = False


class QueueView(QWidget):
    """The page. Files can be dropped anywhere on it."""

    paths_chosen = pyqtSignal(object)  # list of Path, dropped or chosen
    foreign_dropped = pyqtSignal()  # something that is no file of this computer
    start_clicked = pyqtSignal()
    cancel_clicked = pyqtSignal()
    retry_clicked = pyqtSignal()
    remove_clicked = pyqtSignal()
    clear_clicked = pyqtSignal()
    compare_clicked = pyqtSignal()
    open_folder_clicked = pyqtSignal()
    selection_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queue_page")
        self.setAcceptDrops(True)
        self.options = OptionsBox()
        self._model = QueueModel(self)
        self._buttons: dict[str, tuple[QPushButton, str]] = {}
        layout = QVBoxLayout(self)
        layout.addLayout(self._build_top())
        layout.addLayout(self._build_middle(), 1)
        layout.addWidget(self._build_detail())
        layout.addLayout(self._build_bottom())
        self.show_buttons(QueueButtons())

    def selected(self) -> list[BatchItem]:
        """The items whose rows are selected."""
        return self._table.selected()

    def show_items(self, items: tuple[BatchItem, ...]) -> None:
        """The rows of the table, or the hint where there is none."""
        self._model.show_items(items)
        self._stack.setCurrentIndex(1 if items else 0)

    def show_total(self, fraction: float, words: str) -> None:
        """Progress of all, 0 … 1, and what to say of it."""
        self._total.setValue(round(STEPS * fraction))
        self._total_words.say(words)

    def show_detail(self, text: str, failed: bool) -> None:
        """The whole of what there is to say about the selected file; empty hides it."""
        self._detail.say(text, "bad" if failed else "plain")
        self._detail.setVisible(bool(text))

    def show_buttons(self, buttons: QueueButtons) -> None:
        """What can be clicked."""
        enabled = {
            "start": buttons.can_start,
            "cancel": buttons.can_cancel,
            "retry": buttons.can_retry,
            "remove": buttons.can_remove,
            "clear": buttons.can_clear,
            "compare": buttons.can_compare,
            "open_folder": buttons.can_open_folder,
        }
        for name, can in enabled.items():
            self._buttons[name][0].setEnabled(can)
        for name, text in (("start", buttons.start), ("cancel", buttons.cancel)):
            button = self._buttons[name][0]
            if button.text() != text:
                button.setText(text)
                button.setAccessibleName(text)
        start = self._buttons["start"][0]
        glyph = "pause" if buttons.start == "Pause" else "start"
        if self._buttons["start"][1] != glyph:
            self._buttons["start"] = start, glyph
            start.setIcon(icon(glyph))

    def ask_files(self) -> None:
        """Open a dialog for files; what is chosen comes as `paths_chosen`."""
        suffixes = " ".join(f"*{suffix} *{suffix.upper()}" for suffix in FORMATS)
        self._ask(QFileDialog.FileMode.ExistingFiles, "Add files", f"Audio files ({suffixes});;All files (*)")

    def ask_folder(self) -> None:
        """Open a dialog for a folder; what is chosen comes as `paths_chosen`."""
        self._ask(QFileDialog.FileMode.Directory, "Add a folder and all below it", "")

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Files are welcome."""
        self._judge(event)

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802 - Qt's name
        """Everywhere on the page."""
        self._judge(event)

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell which files and folders were dropped."""
        mime = event.mimeData() if event is not None else None
        if event is None or mime is None:
            return
        paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
        event.acceptProposedAction()
        if paths:
            self.paths_chosen.emit(paths)
        if len(paths) < len(mime.urls()):
            self.foreign_dropped.emit()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Icons and colours follow the palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "_hint_picture"):
            self._model.restyle()
            for button, glyph in self._buttons.values():
                button.setIcon(icon(glyph))
            self._draw_hint()

    def _build_top(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self._button(row, "add_files", "Add files…", "add", "Add audio files (Ctrl+O)").clicked.connect(self.ask_files)
        tip = "Add a folder and all below it (Ctrl+Shift+O)"
        self._button(row, "add_folder", "Add folder…", "open", tip).clicked.connect(self.ask_folder)
        row.addStretch(1)
        tip = "The selected files, or all that failed, were skipped or cancelled (Ctrl+R)"
        self._button(row, "retry", "Retry", "retry", tip).clicked.connect(self.retry_clicked)
        tip = "Take the selected files off the queue (Delete); no file is deleted"
        self._button(row, "remove", "Remove", "remove", tip).clicked.connect(self.remove_clicked)
        tip = "Take off the queue what is done, skipped or cancelled; what failed stays"
        self._button(row, "clear", "Clear finished", "done", tip).clicked.connect(self.clear_clicked)
        row.addStretch(1)
        tip = "See and hear the selected file before and after (Return or double click)"
        self._button(row, "compare", "Compare", "compare", tip).clicked.connect(self.compare_clicked)
        tip = "Open the folder of the result in the file manager"
        self._button(row, "open_folder", "Open output folder", "open", tip).clicked.connect(self.open_folder_clicked)
        return row

    def _build_middle(self) -> QHBoxLayout:
        self._table = QueueTable(self._model)
        self._table.remove_wanted.connect(self.remove_clicked)
        self._table.compare_wanted.connect(self.compare_clicked)
        self._table.selection_moved.connect(self.selection_changed)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._build_hint())
        self._stack.addWidget(self._table)
        side = QVBoxLayout()
        side.addWidget(self.options)
        side.addStretch(1)
        self.options.setFixedWidth(max(self.options.sizeHint().width(), 34 * self.fontMetrics().averageCharWidth()))
        row = QHBoxLayout()
        row.addWidget(self._stack, 1)
        row.addLayout(side)
        return row

    def _build_hint(self) -> QWidget:
        frame = named(QFrame(), "queue_hint", "Drop area")
        frame.setFrameShape(QFrame.Shape.StyledPanel)
        self._hint_picture, title, taken = QLabel(), QLabel(HINT), Words()
        font = title.font()
        font.setPointSizeF(1.4 * font.pointSizeF())
        title.setFont(font)
        taken.say(TAKEN, "faint")
        self._draw_hint()
        layout = QVBoxLayout(frame)
        layout.addStretch(1)
        for label in (self._hint_picture, title, taken):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addStretch(1)
        return frame

    def _draw_hint(self) -> None:
        size = 3 * self.fontMetrics().height()
        self._hint_picture.setPixmap(icon("open").pixmap(size, size))

    def _build_detail(self) -> QWidget:
        self._detail = named(Words(wrapped=True), "queue_detail")
        self._detail.hide()
        return self._detail

    def _build_bottom(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self._total = named(QProgressBar(), "queue_total", "Progress of all files", "Progress of all files in per cent")
        self._total.setRange(0, STEPS)
        self._total_words = named(Words(), "queue_words")
        bars = QVBoxLayout()
        bars.addWidget(self._total_words)
        bars.addWidget(self._total)
        row.addLayout(bars, 1)
        tip = "Stop the selected files, or everything (Esc); no unfinished file is left"
        self._button(row, "cancel", "Cancel selected", "cancel", tip).clicked.connect(self.cancel_clicked)
        tip = "Work on all that waits, or hold (Space)"
        start = self._button(row, "start", "Start", "start", tip)
        start.clicked.connect(self.start_clicked)
        start.setDefault(True)
        for name in ("cancel", "start"):
            button = self._buttons[name][0]
            button.setMinimumWidth(button.sizeHint().width())  # its text changes
            button.setMinimumHeight(round(1.4 * button.sizeHint().height()))
        return row

    def _button(self, row: QHBoxLayout, name: str, text: str, glyph: str, tip: str) -> QPushButton:
        button = named(QPushButton(icon(glyph), text), f"queue_{name}", text.rstrip("…"), tip)
        self._buttons[name] = button, glyph
        row.addWidget(button)
        return button

    def _ask(self, mode: QFileDialog.FileMode, title: str, names: str) -> None:
        dialog = QFileDialog(self, title, str(Path.home()), names)
        dialog.setObjectName("queue_dialog")
        dialog.setFileMode(mode)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(self._chosen)
        dialog.open()

    def _chosen(self, names: Sequence[str]) -> None:
        self.paths_chosen.emit([Path(name) for name in names])

    def _judge(self, event: QDropEvent | None) -> None:
        mime = event.mimeData() if event is not None else None
        if event is None or mime is None or not mime.hasUrls():
            return
        if any(url.isLocalFile() for url in mime.urls()):
            event.acceptProposedAction()

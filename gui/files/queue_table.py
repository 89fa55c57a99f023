"""The table of the queue: rows to select, a bar where a file runs, keys for what is done with them."""

from __future__ import annotations

from PyQt6.QtCore import QItemSelectionModel, QModelIndex, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QPainter
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionProgressBar,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from gui.files.queue_model import LENGTH, NAME, NOTE, PROGRESS, SPEED, STATE, QueueModel
from gui.files.queue_words import progress_words
from gui.widgets.named import named
from realtime.batch_items import BatchItem

WIDEST = {  # what a column is made wide enough for
    STATE: "✓ Cancelled",
    NAME: "A name of usual length.wav",
    LENGTH: "10:00:00",
    PROGRESS: "42 % · 9 min 59 s left",
    SPEED: "× real time",
}
STEPS = 1000


class ProgressDelegate(QStyledItemDelegate):
    """A bar in the cell of a file that runs."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """The cell, and the bar over it."""
        item = index.data(Qt.ItemDataRole.UserRole)
        if painter is None or not isinstance(item, BatchItem) or item.state != "running":
            super().paint(painter, option, index)
            return
        style = QApplication.style()
        if style is None:
            return
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        bar = QStyleOptionProgressBar()
        bar.rect = QRect(option.rect).adjusted(2, 3, -2, -3)
        bar.palette, bar.fontMetrics, bar.direction = option.palette, option.fontMetrics, option.direction
        bar.state = QStyle.StateFlag.State_Enabled | QStyle.StateFlag.State_Horizontal
        bar.maximum, bar.progress = STEPS, round(STEPS * item.fraction)
        bar.text, bar.textVisible, bar.textAlignment = progress_words(item), True, Qt.AlignmentFlag.AlignCenter
        style.drawControl(QStyle.ControlElement.CE_ProgressBar, bar, painter)


class QueueTable(QTableView):
    """Rows of a `QueueModel`. Delete asks for their removal, Return and a double click for a comparison."""

    remove_wanted = pyqtSignal()
    compare_wanted = pyqtSignal()
    selection_moved = pyqtSignal()

    def __init__(self, model: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "queue_table", "Files in the queue")
        self._queue = model
        self.setModel(model)
        self.setItemDelegateForColumn(PROGRESS, ProgressDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self._shape()
        self.doubleClicked.connect(self._double_clicked)
        selection = self.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._moved)
        model.modelReset.connect(self.selection_moved)

    def selected(self) -> list[BatchItem]:
        """The items whose rows are selected, from top to bottom."""
        selection = self.selectionModel()
        if selection is None:
            return []
        chosen = selection.selection()
        spans = [chosen[place] for place in range(len(chosen))]
        rows = {row for span in spans for row in range(span.top(), span.bottom() + 1)}
        return [self._queue.items[row] for row in sorted(rows) if row < len(self._queue.items)]

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Delete, Return; Space is left to the page."""
        if event is None:
            return
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if plain and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wanted.emit()
        elif plain and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.compare_wanted.emit()
        elif plain and event.key() == Qt.Key.Key_Space:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _shape(self) -> None:
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is None or columns is None:
            return
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)  # or every row would be measured
        rows.setDefaultSectionSize(round(1.9 * self.fontMetrics().height()))
        columns.setSectionsClickable(False)
        # Whenever it is painted a header asks of every row whether it is selected; it gets an empty selection to ask.
        columns.setSelectionModel(QItemSelectionModel(self._queue, self))
        for column, text in WIDEST.items():
            self.setColumnWidth(
                column, self.fontMetrics().horizontalAdvance(text) + round(1.2 * self.fontMetrics().height())
            )
        columns.setSectionResizeMode(NOTE, QHeaderView.ResizeMode.Stretch)

    def _double_clicked(self, _index: QModelIndex) -> None:
        self.compare_wanted.emit()

    def _moved(self) -> None:
        self.selection_moved.emit()

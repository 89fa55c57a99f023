"""The table of the queue: rows to select, a bar where a file runs, keys for what is done with them."""

from __future__ import annotations

from PyQt6.QtCore import QItemSelectionModel, QModelIndex, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QPainter, QPalette
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

from gui.files.queue_model import ALIGNMENTS, LENGTH, NAME, NOTE, PROGRESS, SPEED, STATE, TEXTS, QueueModel
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
TEXT_ONLY = QStyleOptionViewItem.ViewItemFeature.HasDisplay
TEXT_AND_ICON = TEXT_ONLY | QStyleOptionViewItem.ViewItemFeature.HasDecoration


class CellDelegate(QStyledItemDelegate):
    """Draws the cells.

    It fills in each cell by one call: the usual delegate asks the model for a dozen roles, which takes ten times as
    long while the queue's thread wants the interpreter, too.
    """

    def __init__(self, model: QueueModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._queue = model

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:  # noqa: N802 - Qt's name
        """What the cell shows."""
        if option is None:
            return
        item, column = self._queue.items[index.row()], index.column()
        option.text, option.displayAlignment = TEXTS[column](item), ALIGNMENTS[column]
        option.features = TEXT_ONLY
        colour = self._queue.colour_of(item, column)
        if colour is not None:
            option.palette.setColor(QPalette.ColorRole.Text, colour)
        if column == STATE:
            option.icon, option.features = self._queue.icon_of(item.state), TEXT_AND_ICON


class ProgressDelegate(CellDelegate):
    """Draws a bar where a file runs."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """The cell, or its bar."""
        item, style = self._queue.items[index.row()], QApplication.style()
        if painter is None or style is None or item.state != "running":
            super().paint(painter, option, index)
            return
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        bar = QStyleOptionProgressBar()
        bar.rect = QRect(option.rect).adjusted(2, 3, -2, -3)
        bar.palette, bar.fontMetrics, bar.direction = option.palette, option.fontMetrics, option.direction
        bar.state = QStyle.StateFlag.State_Enabled | QStyle.StateFlag.State_Horizontal
        bar.maximum, bar.progress = STEPS, round(STEPS * item.fraction)
        bar.text, bar.textVisible, bar.textAlignment = TEXTS[PROGRESS](item), True, Qt.AlignmentFlag.AlignCenter
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
        self.setItemDelegate(CellDelegate(model, self))
        self.setItemDelegateForColumn(PROGRESS, ProgressDelegate(model, self))
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

"""The queue as a table that a QTableView shows; it follows the queue's snapshots row by row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PyQt6.QtGui import QColor, QIcon

from gui.files.queue_words import STATE_WORDS, length_words, note_words, progress_words, speed_words, whole_note
from gui.icons import icon
from gui.theme import meanings
from realtime.batch_items import BatchItem, State

STATE, NAME, LENGTH, PROGRESS, SPEED, NOTE = range(6)
HEADERS = ("State", "File", "Length", "Progress", "× real time", "Note")
HEADER_TIPS = (
    "",
    "",
    "Minutes and seconds of audio",
    "Of the file that runs, and how long it takes yet",
    "Seconds of audio per second of work",
    "The result, or what went wrong and what to do",
)
ICONS: dict[State, str] = {
    "waiting": "waiting",
    "running": "start",
    "done": "done",
    "skipped": "skip",
    "failed": "warning",
    "cancelled": "cancel",
}
MOST_PIECES = 100  # of removed rows; beyond it one reset is cheaper than telling the view of each
NOWHERE = QModelIndex()
TEXTS: tuple[Callable[[BatchItem], str], ...] = (
    lambda item: STATE_WORDS[item.state],
    lambda item: item.input.name,
    lambda item: length_words(item.seconds),
    progress_words,
    lambda item: speed_words(item.times_real_time),
    note_words,
)
ItemRole = Qt.ItemDataRole
DECORATION, FOREGROUND = int(ItemRole.DecorationRole), int(ItemRole.ForegroundRole)


class QueueModel(QAbstractTableModel):
    """One row per file. Ids ascend from row to row, as the queue gives them out."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.items: tuple[BatchItem, ...] = ()
        self._icons: dict[State, QIcon] = {}
        self._take_colours()

    def show_items(self, items: tuple[BatchItem, ...]) -> None:
        """Change, add and remove rows until the table shows these items; what is unchanged costs nothing."""
        if items is self.items:
            return
        if any(old.id != new.id for old, new in zip(self.items, items, strict=False)) or len(items) < len(self.items):
            self._remove_missing(items)
        self._change(items)
        first = len(self.items)
        if len(items) > first:
            self.beginInsertRows(NOWHERE, first, len(items) - 1)
            self.items = items
            self.endInsertRows()
        self.items = items

    def restyle(self) -> None:
        """The palette has changed."""
        self._icons = {}
        self._take_colours()
        if self.items:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.items) - 1, len(HEADERS) - 1))

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Files in the queue."""
        return 0 if parent.isValid() else len(self.items)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Of the table."""
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = ItemRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == ItemRole.DisplayRole:
            return HEADERS[section]
        if role == ItemRole.ToolTipRole:
            return HEADER_TIPS[section]
        return _alignment(section) if role == ItemRole.TextAlignmentRole else None

    def data(self, index: QModelIndex, role: int = ItemRole.DisplayRole) -> Any:
        """What a cell shows, says and looks like."""
        answer = ANSWERS.get(int(role))
        if answer is not None:
            return answer(self.items[index.row()], index.column())
        if role == FOREGROUND:
            return self.colour_of(self.items[index.row()], index.column())
        if role == DECORATION and index.column() == STATE:
            return self.icon_of(self.items[index.row()].state)
        return None

    def icon_of(self, state: State) -> QIcon:
        """In the colours of the palette in use."""
        if state not in self._icons:
            self._icons[state] = icon(ICONS[state])
        return self._icons[state]

    def colour_of(self, item: BatchItem, column: int) -> QColor | None:
        """The colour of a cell's text where it means something."""
        if item.state == "failed" and column in (STATE, NOTE):
            return self._bad
        if item.state == "done" and column == STATE:
            return self._good
        if column == NOTE and (item.state == "skipped" or item.warnings):
            return self._warning
        return None

    def _take_colours(self) -> None:
        colours = meanings()
        self._bad, self._good, self._warning = map(QColor, (colours.bad, colours.good, colours.warning))

    def _remove_missing(self, items: Sequence[BatchItem]) -> None:
        kept = {item.id for item in items}
        missing = [row for row, item in enumerate(self.items) if item.id not in kept]
        pieces = _pieces(missing)
        if len(pieces) > MOST_PIECES:
            self.beginResetModel()
            self.items = tuple(item for item in self.items if item.id in kept)
            self.endResetModel()
            return
        for first, last in reversed(pieces):
            self.beginRemoveRows(NOWHERE, first, last)
            self.items = self.items[:first] + self.items[last + 1 :]
            self.endRemoveRows()

    def _change(self, items: Sequence[BatchItem]) -> None:
        changed = [row for row, (old, new) in enumerate(zip(self.items, items, strict=False)) if old is not new]
        if not changed:
            return
        self.items = tuple(items[: len(self.items)])
        for first, last in _pieces(changed):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(HEADERS) - 1))


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in (LENGTH, SPEED) else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _pieces(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending rows as runs, first and last row each."""
    if not rows:
        return []
    breaks = [place for place, (row, following) in enumerate(itertools.pairwise(rows)) if following - row > 1]
    firsts, lasts = [0, *(place + 1 for place in breaks)], [*breaks, len(rows) - 1]
    return [(rows[first], rows[last]) for first, last in zip(firsts, lasts, strict=True)]


def _text(item: BatchItem, column: int) -> str:
    return TEXTS[column](item)


def _accessible_text(item: BatchItem, column: int) -> str:
    return f"{HEADERS[column]}: {TEXTS[column](item) or 'none'}"


def _tip(item: BatchItem, column: int) -> str:
    return whole_note(item) if column in (NAME, NOTE) else HEADER_TIPS[column]


ALIGNMENTS = tuple(map(_alignment, range(len(HEADERS))))
# A view asks for a dozen roles of every cell whenever it paints: those without an answer must cost next to nothing.
ANSWERS: dict[int, Callable[[BatchItem, int], Any]] = {
    int(ItemRole.DisplayRole): _text,
    int(ItemRole.AccessibleTextRole): _accessible_text,
    int(ItemRole.ToolTipRole): _tip,
    int(ItemRole.UserRole): lambda item, column: item,
    int(ItemRole.TextAlignmentRole): lambda item, column: ALIGNMENTS[column],
}

"""The table of figures on the compare page: a line for each figure, a column for each file."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from gui.files.compare_rows import LETTERS, ROLES
from realtime.quality.file_figures import FIGURES, Figure, FileFigures

UNKNOWN = "–"
_ROWS = (0, 1, 2)  # the files that have figures: the reference is what they are measured by


class FigureTable(QTableWidget):
    """Figures of A, B and C; what is not known is a dash, with the reason as its tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(len(FIGURES), len(_ROWS), parent)
        self.setObjectName("compareFigures")
        self.setAccessibleName("Figures of A, B and C")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self._fill_headers()
        self.show_figures({})
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(self._needed_width())
        self.setMaximumHeight(self._needed_height())

    def show_figures(self, found: Mapping[int, FileFigures]) -> None:
        """The figures by row, 0 A … 2 C."""
        for column, index in enumerate(_ROWS):
            figures = found.get(index)
            for line, figure in enumerate(FIGURES):
                item = QTableWidgetItem(_text(figures, figure))
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(_tip(figures, figure))
                self.setItem(line, column, item)

    def _fill_headers(self) -> None:
        for column, index in enumerate(_ROWS):
            header = QTableWidgetItem(LETTERS[index])
            header.setToolTip(ROLES[index])
            self.setHorizontalHeaderItem(column, header)
        for line, figure in enumerate(FIGURES):
            name = f"{figure.name} ({figure.unit})" if figure.unit else figure.name
            header = QTableWidgetItem(name)
            header.setToolTip(figure.explanation)
            header.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            self.setVerticalHeaderItem(line, header)
        across, down = self.horizontalHeader(), self.verticalHeader()
        if across is not None:
            across.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            across.setMinimumSectionSize(self.fontMetrics().horizontalAdvance("−000.000"))
        if down is not None:
            down.setDefaultSectionSize(round(1.5 * self.fontMetrics().height()))

    def _needed_width(self) -> int:
        across, down = self.horizontalHeader(), self.verticalHeader()
        columns = len(_ROWS) * (across.minimumSectionSize() if across is not None else 0)
        return columns + (down.sizeHint().width() if down is not None else 0) + 2 * self.frameWidth()

    def _needed_height(self) -> int:
        across, down = self.horizontalHeader(), self.verticalHeader()
        lines = len(FIGURES) * (down.defaultSectionSize() if down is not None else 0)
        return lines + (across.sizeHint().height() if across is not None else 0) + 2 * self.frameWidth()


def _text(figures: FileFigures | None, figure: Figure) -> str:
    value = None if figures is None else getattr(figures, figure.key)
    if value is None:
        return UNKNOWN
    text = f"{value:.{figure.decimals}f}".replace("-", "−")
    return "0" if text == "−0" else text


def _tip(figures: FileFigures | None, figure: Figure) -> str:
    notes = figures.notes if figures is not None and getattr(figures, figure.key) is None else ()
    return "\n".join([figure.explanation, *notes])

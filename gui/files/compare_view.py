"""The compare page: plots, transport, figures. Widgets and signals; what they do is the controller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollBar,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from gui.files.compare_plots import ComparePlots, Content
from gui.files.compare_rows import LETTERS
from gui.files.compare_table import FigureTable
from gui.files.compare_transport import TransportBar
from gui.icons import icon
from gui.widgets.words import Words
from realtime.audio_formats import FORMATS
from realtime.plugins.vocoder import LARGEST_SHIFT_SEMITONES
from realtime.quality.file_figures import FileFigures

HINT = (
    "Drop one to three audio files here: the file before, the file after, and the original if you have it.\n"
    "Or open them with the buttons above."
)
_OPENERS = (("before", "Open before…"), ("after", "Open after…"), ("reference", "Open reference…"))
_MILLISECONDS = 1000


class CompareView(QWidget):
    """What is compared, heard and measured."""

    open_clicked = pyqtSignal(str)  # "before", "after" or "reference"
    dropped = pyqtSignal(list)  # of Path, in the order they were given
    render_clicked = pyqtSignal()
    shift_edited = pyqtSignal(float)  # semitones
    export_clicked = pyqtSignal()
    picture_clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparePage")
        self.setAcceptDrops(True)
        self.plots = ComparePlots()
        self.transport = TransportBar()
        self.table = FigureTable()
        page = QVBoxLayout(self)
        page.setContentsMargins(6, 6, 6, 6)
        page.setSpacing(4)
        page.addLayout(self._top_line())
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.addWidget(self._left_side())
        self._split.addWidget(self._right_side())
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 0)
        self._split.setCollapsible(0, False)
        page.addWidget(self._split, stretch=1)
        page.addWidget(self.transport)
        self._connect()
        self.set_shift(-LARGEST_SHIFT_SEMITONES)
        self.show_sounds((), 0.0)
        self.show_figures({}, "")
        self.show_work("", None)
        self.allow_inverse(False)

    def show_sounds(self, contents: Sequence[Content], duration_s: float) -> None:
        """These files over one another; without any, the hint."""
        self.plots.show_sounds(contents, duration_s)
        self._stack.setCurrentIndex(1 if contents else 0)
        self.scroll_bar.setVisible(bool(contents))
        self.save_picture.setEnabled(bool(contents))
        self._show_scroll()

    def show_figures(self, found: Mapping[int, FileFigures], caption: str) -> None:
        """The table, and a line on what it was measured."""
        self.table.show_figures(found)
        self.caption.say(caption or "Figures appear here.", "faint")
        lines = [f"{LETTERS[index]}: {note}" for index in sorted(found) if index for note in found[index].notes]
        self.notes.say("\n".join(lines), "faint")
        self.export.setEnabled(bool(found))

    def show_work(self, text: str, fraction: float | None) -> None:
        """What is being done, and how far; nothing where the text is empty."""
        self.work.say(text, "faint")
        self.progress.setVisible(fraction is not None)
        self.progress.setValue(round(100 * (fraction or 0.0)))

    def set_shift(self, semitones: float) -> None:
        """The shift that B is made with; tells nobody."""
        self.shift.blockSignals(True)
        self.shift.setValue(semitones)
        self.shift.blockSignals(False)

    def allow_inverse(self, allowed: bool) -> None:
        """Whether B can be made now."""
        self.render_button.setEnabled(allowed)
        self.shift.setEnabled(allowed)

    def ask_open(self, title: str, folder: str) -> Path | None:
        """A file to read, chosen by people; None where they thought better of it."""
        patterns = " ".join(f"*{suffix}" for suffix in FORMATS)
        name, _ = QFileDialog.getOpenFileName(self, title, folder, f"Audio ({patterns});;All files (*)")
        return Path(name) if name else None

    def ask_save(self, title: str, proposal: str, kind: str) -> Path | None:
        """A file to write, chosen by people; the dialog asks before one is replaced."""
        name, _ = QFileDialog.getSaveFileName(self, title, proposal, kind)
        return Path(name) if name else None

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Files may be dropped anywhere on the page."""
        if event is not None and event.mimeData() is not None and _paths(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Before, after and reference, by their order."""
        if event is not None and _paths(event):
            event.acceptProposedAction()
            self.dropped.emit(_paths(event))

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "openers"):
            self._restyle()

    def _top_line(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(4)
        self.openers: list[QPushButton] = []
        for name, text in _OPENERS:
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(
                f"Choose the file {name}" if name != "reference" else "Choose the original to compare with"
            )
            button.clicked.connect(self._opener_clicked)
            line.addWidget(button)
            self.openers.append(button)
        self.work = Words()
        self.work.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress of the work on this page")
        self.progress.setMaximumWidth(self.fontMetrics().averageCharWidth() * 18)
        line.addWidget(self.work, stretch=1)
        line.addWidget(self.progress)
        return line

    def _left_side(self) -> QWidget:
        side = QWidget()
        self._stack = QStackedLayout()
        hint = QLabel(HINT)
        hint.setWordWrap(True)
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint.setFrameShape(QFrame.Shape.StyledPanel)
        self._stack.addWidget(hint)
        self._stack.addWidget(self.plots)
        self.scroll_bar = QScrollBar(Qt.Orientation.Horizontal)
        self.scroll_bar.setAccessibleName("Stretch in view")
        self.scroll_bar.setToolTip("Scroll through the files")
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._stack, stretch=1)
        column.addWidget(self.scroll_bar)
        return side

    def _right_side(self) -> QWidget:
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.caption = Words()
        column.addWidget(self.caption)
        column.addWidget(self.table, stretch=2)
        self.notes = Words(wrapped=True)
        self.notes.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.notes, stretch=1)
        column.addLayout(self._inverse_line())
        buttons = QHBoxLayout()
        self.export = QPushButton("Export figures…")
        self.export.setToolTip("Save the figures as a table, CSV (Ctrl+S)")
        self.save_picture = QPushButton("Save picture…")
        self.save_picture.setToolTip("Save the plots as a picture, PNG")
        buttons.addWidget(self.export)
        buttons.addWidget(self.save_picture)
        column.addLayout(buttons)
        return side

    def _inverse_line(self) -> QHBoxLayout:
        line = QHBoxLayout()
        self.shift = QDoubleSpinBox()
        self.shift.setRange(-LARGEST_SHIFT_SEMITONES, LARGEST_SHIFT_SEMITONES)
        self.shift.setDecimals(2)
        self.shift.setSuffix(" st")
        self.shift.setAccessibleName("Shift of B in semitones")
        self.shift.setToolTip("By how many semitones B is shifted: what undoes the shift of the file before")
        label = QLabel("&B: DSP inverse")
        label.setBuddy(self.shift)
        self.render_button = QPushButton("Render B")
        self.render_button.setToolTip(
            "Shift the file before back with the phase vocoder alone, to hear it beside the others"
        )
        line.addWidget(label, stretch=1)
        line.addWidget(self.shift)
        line.addWidget(self.render_button)
        return line

    def _connect(self) -> None:
        self.render_button.clicked.connect(self.render_clicked)
        self.shift.valueChanged.connect(self.shift_edited)
        self.export.clicked.connect(self.export_clicked)
        self.save_picture.clicked.connect(self.picture_clicked)
        self.plots.view_changed.connect(self._show_scroll)
        self.scroll_bar.valueChanged.connect(self._scrolled)
        self.transport.zoom_in_clicked.connect(self.plots.zoom_in)
        self.transport.zoom_out_clicked.connect(self.plots.zoom_out)
        self.transport.zoom_all_clicked.connect(self.plots.show_all)
        self._restyle()

    def _opener_clicked(self) -> None:
        button = self.sender()
        if button is not None:
            self.open_clicked.emit(button.objectName())

    def _show_scroll(self) -> None:
        from_s, to_s = self.plots.view_span()
        page = round(_MILLISECONDS * (to_s - from_s))
        self.scroll_bar.blockSignals(True)
        self.scroll_bar.setRange(0, max(0, round(_MILLISECONDS * self.plots.duration_s) - page))
        self.scroll_bar.setPageStep(max(1, page))
        self.scroll_bar.setSingleStep(max(1, page // 10))
        self.scroll_bar.setValue(round(_MILLISECONDS * from_s))
        self.scroll_bar.blockSignals(False)

    def _scrolled(self, value_ms: int) -> None:
        from_s, to_s = self.plots.view_span()
        start = value_ms / _MILLISECONDS
        self.plots.show_span(start, start + to_s - from_s)

    def _restyle(self) -> None:
        for button in self.openers:
            button.setIcon(icon("open"))
        self.export.setIcon(icon("save"))
        self.save_picture.setIcon(icon("save"))
        self.transport.restyle()


def _paths(event: QDropEvent) -> list[Path]:
    data = event.mimeData()
    return [] if data is None else [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]

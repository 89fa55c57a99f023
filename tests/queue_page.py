"""The files page under test: the view in use, its controller, and files dropped as a file manager does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QApplication, QPushButton, QWidget

from gui.files.options_memory import FilesSettings, to_memory
from gui.files.queue_controller import QueueController
from gui.files.queue_model import PROGRESS, STATE
from gui.files.queue_table import QueueTable
from gui.files.queue_view import QueueView
from gui.memory import Memory
from gui.tasks import Tasks
from gui.widgets.choice_box import ChoiceBox
from realtime.batch_items import BatchOptions

LIMIT_MS = 60_000


@dataclass
class Page:
    """The page in use: its view and controller, and what they told."""

    view: QueueView
    controller: QueueController
    tasks: Tasks
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def button(self, name: str) -> QPushButton:
        found = self.view.findChild(QPushButton, f"queue_{name}")
        assert found is not None
        return found

    @property
    def table(self) -> QueueTable:
        found = self.view.findChild(QueueTable)
        assert found is not None
        return found

    def choice(self, name: str) -> ChoiceBox:
        found = self.view.findChild(ChoiceBox, f"files_{name}")
        assert found is not None
        return found

    def column(self, column: int) -> list[str]:
        model = self.table.model()
        assert model is not None
        return [model.data(model.index(row, column)) for row in range(model.rowCount())]

    def has_fraction(self) -> bool:
        return any("%" in text and not text.startswith("0 %") for text in self.column(PROGRESS))


def drop(target: QWidget, urls: list[QUrl]) -> bool:
    """As Qt tells it when a file manager drops files there."""
    mime = QMimeData()
    mime.setUrls(urls)
    words = Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(5, 5), *words)
    QApplication.sendEvent(target, entering)
    if entering.isAccepted():
        QApplication.sendEvent(target, QDropEvent(QPointF(5, 5), *words))
    return entering.isAccepted()


def urls(*paths: Path) -> list[QUrl]:
    return [QUrl.fromLocalFile(str(path)) for path in paths]


def run(qtbot, page: Page) -> None:
    qtbot.mouseClick(page.button("start"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.controller.busy, timeout=LIMIT_MS)
    qtbot.waitUntil(lambda: not {"Waiting", "Running"} & set(page.column(STATE)), timeout=LIMIT_MS)


def add(qtbot, page: Page, *paths: Path) -> None:
    before = len(page.said)
    page.controller.add(paths)
    qtbot.waitUntil(lambda: len(page.said) > before, timeout=LIMIT_MS)


def open_pages(qtbot: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Gives ``open_page(model=…)``: a page that remembers in one file; called again, it is the app's next start."""
    pages: list[Page] = []

    def build(**options: Any) -> Page:
        memory = Memory(tmp_path / "settings" / "gui.json")
        if options:
            memory.write("files", to_memory(FilesSettings(BatchOptions(**options), options.get("folder"))))
        view, tasks, said, complaints = QueueView(), Tasks("queue"), [], []
        qtbot.addWidget(view)
        controller = QueueController(view, tasks, memory, said.append, complaints.append)
        pages.append(Page(view, controller, tasks, said, complaints))
        view.resize(1012, 620)
        view.show()
        return pages[-1]

    yield build
    for page in pages:
        page.controller.close()
        page.tasks.end()
        qtbot.waitUntil(lambda page=page: not page.controller.busy, timeout=LIMIT_MS)

"""The window: menus, the message bar, three pages, the status line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import QByteArray, Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeyEvent
from PyQt6.QtWidgets import QLabel, QMainWindow, QTabWidget, QVBoxLayout, QWidget

from gui.actions import PAGES, TITLES, Actions, Page
from gui.message_bar import MessageBar
from gui.widgets.named import named

SMALLEST = (800, 560)
USUAL = (1280, 800)


class Shell(QMainWindow):
    """The main window; `close_wanted` is asked whether it may close, so that sound and queue end first."""

    page_changed = pyqtSignal(str)

    def __init__(self, pages: Mapping[Page, QWidget], close_wanted: Callable[[], bool]) -> None:
        super().__init__()
        self.setObjectName("shell")
        self.setWindowTitle("deshift")
        self.setMinimumSize(*SMALLEST)
        self.resize(*USUAL)
        self._close_wanted = close_wanted
        self.messages = MessageBar()
        self._tabs = named(QTabWidget(), "tabs", "Pages")
        self._tabs.setDocumentMode(True)
        for page in PAGES:
            self._tabs.addTab(pages[page], TITLES[page])
        self._tabs.currentChanged.connect(self._changed)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 0)
        layout.addWidget(self.messages)
        layout.addWidget(self._tabs, 1)
        self.setCentralWidget(body)
        self._note = named(QLabel(), "status_note", "Status")
        self.statusBar().addWidget(self._note, 1)  # type: ignore[union-attr]  # it has one
        self.actions_of_app = Actions(self)
        self.actions_of_app.fill(self.menuBar())  # type: ignore[arg-type]  # and one of these
        self.actions_of_app.show_page(self.page)

    @property
    def page(self) -> Page:
        """The one in front."""
        return PAGES[self._tabs.currentIndex()]

    def show_page(self, page: Page) -> None:
        """Bring it to the front."""
        self._tabs.setCurrentIndex(PAGES.index(page))

    def say(self, sentence: str) -> None:
        """Tell it in the status line."""
        self._note.setText(sentence)

    def show_error(self, sentence: str) -> None:
        """Tell it at the top."""
        self.messages.show_error(sentence)

    def geometry_text(self) -> str:
        """Size and place, as `restore` reads it."""
        return self.saveGeometry().toBase64().data().decode("ascii")

    def restore_geometry_text(self, text: object) -> bool:
        """Take size and place again; False where the text is none."""
        if not isinstance(text, str) or not text.isascii():
            return False
        return self.restoreGeometry(QByteArray.fromBase64(text.encode("ascii")))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 (Qt's name)
        """The space bar plays, unless a button, a list or a field has taken it for itself."""
        plain = event is not None and event.modifiers() == Qt.KeyboardModifier.NoModifier
        if event is not None and plain and event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.actions_of_app.space(self.page)
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Close, unless something has to end first."""
        if event is not None and not self._close_wanted():
            event.ignore()

    def _changed(self, _index: int) -> None:
        self.actions_of_app.show_page(self.page)
        self.page_changed.emit(self.page)

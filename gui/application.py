"""The app as a whole: window, pages, their controllers, and a clean end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer
from PyQt6.QtWidgets import QApplication, QDialog, QMessageBox, QWidget

from gui import theme
from gui.actions import Page
from gui.diagnostics import diagnostics
from gui.example import Example
from gui.files.compare_controller import CompareController
from gui.files.compare_view import CompareView
from gui.files.queue_controller import QueueController
from gui.files.queue_view import QueueView
from gui.first_steps import FirstSteps
from gui.help import show_keys
from gui.live.controller import LiveController
from gui.live.page import LivePage
from gui.memory import Memory
from gui.shell import Shell
from gui.tasks import Tasks

THEMES: tuple[theme.Theme, ...] = ("system", "dark", "light")


class Application(QObject):
    """Makes everything; `show` opens the window.

    Args:
        app: the QApplication.
        memory: where everything is remembered.
        ended: called when the window is closed and everything has ended.
    """

    def __init__(self, app: QApplication, memory: Memory, ended: Callable[[], object]) -> None:
        super().__init__()
        self._app, self.memory, self._ended = app, memory, ended
        self._ending = self._over = False
        self._dialogs: dict[str, QDialog] = {}
        self._apply_theme(str(memory.read("window").get("theme", "system")))
        self.live_page, self.queue_view, self.compare_view = LivePage(), QueueView(), CompareView()
        pages: dict[Page, QWidget] = {"live": self.live_page, "files": self.queue_view, "compare": self.compare_view}
        self.shell = Shell(pages, self._close_wanted)
        self._make_controllers()
        self._connect()
        self.shell.restore_geometry_text(memory.read("window").get("geometry"))

    def show(self) -> None:
        """Open the window; at the first start, the first steps as well."""
        self.shell.show()
        if self.memory.note:
            self.shell.show_error(self.memory.note)
        if not self.memory.read("window").get("introduced"):
            QTimer.singleShot(0, self._show_first_steps)

    def add_files(self, paths: Sequence[Path]) -> None:
        """Put files and folders into the queue, and show it."""
        if paths:
            self.shell.show_page("files")
            self.queue.add(list(paths))

    def quit(self) -> None:
        """End without a question, as on a signal."""
        if not self._ending:
            self._ending = True
            QTimer.singleShot(0, self._begin_to_end)

    # -- inside

    def _make_controllers(self) -> None:
        shell, memory = self.shell, self.memory
        self._file_tasks, self._compare_tasks = Tasks("queue", self), Tasks("compare", self)
        self.live = LiveController(self.live_page, memory, shell.say, shell.show_error, self)
        self.queue = QueueController(self.queue_view, self._file_tasks, memory, shell.say, shell.show_error, self)
        self.compare = CompareController(
            self.compare_view, self._compare_tasks, memory, shell.say, shell.show_error, self
        )
        self.queue.compare_requested.connect(self._compare)

    def _connect(self) -> None:
        shell, compare = self.shell, self.compare
        shell.messages.copy_clicked.connect(self._copy_diagnostics)
        actions = shell.actions_of_app
        actions.handle(self.live.handlers)
        actions.handle(self.queue.handlers)
        actions.handle(
            {
                "play": compare.toggle_play,
                "loop": compare.toggle_loop,
                "open_pair": partial(self.compare_view.open_clicked.emit, "before"),
                "save_figures": compare.save_figures,
                "save_picture": compare.save_picture,
                **{f"select_{number + 1}": partial(compare.select, number) for number in range(4)},
                **{f"page_{page}": partial(shell.show_page, page) for page in ("live", "files", "compare")},
                **{f"theme_{name}": partial(self._choose_theme, name) for name in THEMES},
                "help": self._show_keys,
                "first_steps": self._show_first_steps,
                "diagnostics": self._copy_diagnostics,
                "restore": self._restore_defaults,
                "quit": shell.close,
            }
        )

    def _compare(self, before: Path, after: Path, undone: tuple[float, float] | None) -> None:
        self.shell.show_page("compare")
        self.compare.open(before, after, None, undone)

    def _apply_theme(self, name: str) -> None:
        theme.apply(self._app, next((known for known in THEMES if known == name), "system"))

    def _choose_theme(self, name: str) -> None:
        self._apply_theme(name)
        self.shell.actions_of_app.draw_icons()
        self._remember(theme=name)

    def _remember(self, **values: object) -> None:
        try:
            self.memory.write("window", {**self.memory.read("window"), **values})
        except OSError as error:
            self.shell.say(f"The settings cannot be kept: {self.memory.path.name}: {error.strerror or error}")

    def _show_keys(self) -> None:
        self._dialogs["keys"] = show_keys(self.shell)

    def _show_first_steps(self) -> None:
        dialog = FirstSteps(self.shell)
        Example(dialog, self.memory, self)
        dialog.accepted.connect(self._introduced)
        dialog.rejected.connect(self._introduced)
        dialog.open()

    def _introduced(self) -> None:
        self._remember(introduced=True)

    def _copy_diagnostics(self) -> None:
        settings, error = self.live.last_settings, self.shell.messages.text
        text = diagnostics(settings, self.live.devices.devices, self.live.session.report(), error)
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
            self.shell.say("Diagnostics are in the clipboard: paste them where you report the problem.")

    def _restore_defaults(self) -> None:
        question = "Forget all settings, devices and window sizes? The app closes and starts fresh the next time."
        if QMessageBox.question(self.shell, "deshift", question) == QMessageBox.StandardButton.Yes:
            try:
                self.memory.clear()
            except OSError as error:
                self.shell.show_error(f"{self.memory.path}: cannot be removed: {error.strerror or error}")
            else:
                self.quit()

    # -- the end

    def _close_wanted(self) -> bool:
        if self._over:
            return True
        if not self._ending and self._agreed():
            self._ending = True
            QTimer.singleShot(0, self._begin_to_end)  # not within the event that is refused here
        return False

    def _agreed(self) -> bool:
        going = [
            *(["sound is running"] if self.live.session.is_live else []),
            *(["files are being processed"] if self.queue.busy else []),
        ]
        if not going:
            return True
        question = f"{' and '.join(going).capitalize()}. Stop and quit?"
        return QMessageBox.question(self.shell, "deshift", question) == QMessageBox.StandardButton.Yes

    def _begin_to_end(self) -> None:
        self._remember(geometry=self.shell.geometry_text())
        self.shell.setEnabled(False)
        self.shell.say("Ending…")
        self.compare.close()
        self.queue.close()
        self.live.end(self._all_ended)

    def _all_ended(self) -> None:
        self._over = True
        self._file_tasks.end(wait=False)
        self._compare_tasks.end(wait=False)
        self.shell.close()
        self._ended()

"""Start the app: one QApplication, its signals, its last resort for errors."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

from gui.application import Application
from gui.memory import Memory, default_path

LOOK_FOR_SIGNALS_MS = 200  # Python sees a signal only when it runs


class DisplayError(ValueError):
    """There is no screen to show a window on. One line."""


def check_display() -> None:
    """Qt ends the process where it finds no screen; this says so in one line before.

    Raises: DisplayError.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise DisplayError("there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set): use `deshift live` here")
    if not os.environ.get("WAYLAND_DISPLAY"):
        try:
            ctypes.CDLL("libxcb-cursor.so.0")
        except OSError as error:
            raise DisplayError("Qt needs the library libxcb-cursor: apt install libxcb-cursor0") from error


def run_app(paths: Sequence[Path] = ()) -> int:
    """Show the window and run until it is closed; the exit code.

    Raises: DisplayError where there is no screen.
    """
    check_display()
    app = QApplication(sys.argv[:1])
    app.setApplicationName("deshift")
    app.setApplicationDisplayName("deshift")
    app.setQuitOnLastWindowClosed(False)  # sound and queue end first
    application = Application(app, Memory(default_path()), app.quit)
    sys.excepthook = _LastResort(application)
    _end_on_signals(application)
    gc.collect()
    gc.freeze()  # a full collection over all widgets and modules takes longer than a frame
    application.show()
    application.add_files(paths)
    code: int = app.exec()
    return code


class _LastResort:
    """A fault in the program: told in the window and on the terminal; the sound goes on."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        self._application.shell.show_error(
            f"A fault in deshift: {kind.__name__}: {error}. What runs goes on; please report it with the diagnostics."
        )


def _end_on_signals(application: Application) -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        application.quit()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    timer = QTimer(application)
    timer.timeout.connect(_nothing)
    timer.start(LOOK_FOR_SIGNALS_MS)


def _nothing() -> None:
    """Lets the interpreter run."""

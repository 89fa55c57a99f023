"""The app as `deshift gui` starts it, and a thread that tells the tests where its widgets are and what they show.

usage: real_window_probe.py WORDS OF THE COMMAND…

Reads a JSON list a line, the question's name first; answers with a line ``@{"answer": …}`` or ``@{"error": …}``.
It only looks: mouse and keyboard come from outside, through the X server.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from PyQt6.QtCore import QAbstractListModel, QCoreApplication, QEvent, QObject, QPoint, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QCheckBox, QLabel, QWidget

import deshift
from tests.gui_watchdog import Watchdog


class Probe(QObject):
    """Answers on the screen's own thread. `painted_s`: when the first window was painted, `time.monotonic`."""

    asked = pyqtSignal(list)

    def __init__(self, app: QCoreApplication) -> None:
        super().__init__()
        self.moveToThread(app.thread())
        self._watchdog: Watchdog | None = None
        self._painted_s: float | None = None
        self.asked.connect(self._answer, type=Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        if event is not None and event.type() == QEvent.Type.Paint:
            self._painted_s = time.monotonic()
            QApplication.instance().removeEventFilter(self)  # type: ignore[union-attr]  # it runs
        return False

    def watch(self) -> bool:
        """From now on, note the first paint."""
        QApplication.instance().installEventFilter(self)  # type: ignore[union-attr]
        return True

    def painted_s(self) -> float | None:
        return self._painted_s

    def busy(self) -> dict[str, Any]:
        """How long the event loop was held up since this was last asked; from the first time on."""
        if self._watchdog is None:
            self._watchdog = Watchdog().__enter__()
        return vars(self._watchdog.look())

    def modal(self) -> list[str]:
        """Title of the dialog that is in front, and what it says; empty without one."""
        dialog = QApplication.activeModalWidget()
        return [] if dialog is None else [dialog.windowTitle(), *_texts(dialog)]

    def popup(self) -> bool:
        """Whether a list or a menu is open."""
        return QApplication.activePopupWidget() is not None

    def names(self) -> list[str]:
        """Of all that can be seen."""
        return sorted({widget.objectName() for widget in QApplication.allWidgets() if widget.isVisible()} - {""})

    def where(self, name: str) -> list[int]:
        """Centre on the display, and width and height; of the page's own tab for ``tabs:Files``."""
        name, _, tab = name.partition(":")
        widget = _found(name)
        area = QRect(QPoint(0, 0), widget.size())
        if tab:
            bar = widget.tabBar()  # type: ignore[attr-defined]  # asked of tabs alone
            (number,) = [n for n in range(bar.count()) if bar.tabText(n).replace("&", "") == tab]
            widget, area = bar, bar.tabRect(number)
        if isinstance(widget, QCheckBox):
            area.setWidth(area.height())  # all beside the box and its text is dead
        return [*_pixels(widget, area.center()), area.width(), area.height()]

    def get(self, name: str, what: str) -> Any:
        """A Qt property: ``text``, ``checked``, ``enabled``, ``visible``…"""
        value = _found(name).property(what)
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    def texts(self, name: str) -> list[str]:
        """What the visible labels in it say."""
        return _texts(_found(name))

    def rows(self, name: str) -> list[list[str]]:
        """What a list, table or tree shows, without the rows beneath rows."""
        view = _found(name)
        assert isinstance(view, QAbstractItemView)
        model = view.model()
        assert model is not None
        columns = range(1 if isinstance(model, QAbstractListModel) else model.columnCount())
        return [[str(model.index(row, column).data() or "") for column in columns] for row in range(model.rowCount())]

    def row_at(self, name: str, row: int) -> list[int]:
        """Centre of a row on the display."""
        view = _found(name)
        assert isinstance(view, QAbstractItemView)
        model, port = view.model(), view.viewport()
        assert model is not None and port is not None
        return _pixels(port, view.visualRect(model.index(row, 0)).center())

    def focus(self) -> str:
        """The name of the widget that gets the keys."""
        widget = QApplication.focusWidget()
        return "" if widget is None else widget.objectName()

    def focused(self) -> bool:
        """Whether a window of the app gets the keys."""
        return QApplication.activeWindow() is not None

    def picture(self, path: str) -> bool:
        """The main window as PNG, without what lies over it."""
        return _found("shell").grab().save(path)

    def shot(self, path: str) -> bool:
        """The whole display as PNG."""
        screen = QGuiApplication.primaryScreen()
        assert screen is not None
        return screen.grabWindow().save(path)

    def _answer(self, words: list[Any]) -> None:
        try:
            reply = {"answer": getattr(self, words[0])(*words[1:])}
        except Exception as error:  # noqa: BLE001  # the test that asked is to fail with it
            reply = {"error": repr(error)}
        print("@" + json.dumps(reply), flush=True)


def _pixels(widget: QWidget, point: QPoint) -> list[int]:
    """Where a point of a widget lies on the display."""
    place, scale = widget.mapToGlobal(point), widget.devicePixelRatio()
    return [round(scale * place.x()), round(scale * place.y())]


def _texts(widget: QWidget) -> list[str]:
    labels = [label for label in widget.findChildren(QLabel) if label.isVisible()]
    return [label.text() for label in labels if label.text()]


def _found(name: str) -> QWidget:
    """The one visible widget of this name: its object name, what a screen reader calls it, or the text on a button."""
    every = [widget for widget in QApplication.allWidgets() if widget.isVisible()]
    widgets = [widget for widget in every if name in (widget.objectName(), widget.accessibleName())]
    widgets = widgets or [widget for widget in every if isinstance(widget, QAbstractButton) and widget.text() == name]
    if len(widgets) != 1:
        raise LookupError(f"{len(widgets)} visible widgets are called {name}")
    return widgets[0]


def _listen() -> None:
    """Hand every line of the input to the probe, once there is an application."""
    while (app := QCoreApplication.instance()) is None:
        time.sleep(0.002)
    probe = Probe(app)
    probe.asked.emit(["watch"])
    for line in sys.stdin:
        probe.asked.emit(json.loads(line))


if __name__ == "__main__":
    threading.Thread(target=_listen, daemon=True).start()
    deshift.main(["gui", *sys.argv[1:]])

"""A small window of another program, out of which files can be dragged.

usage: real_window_drag.py X Y FILE…; prints "ready" when it can be seen, "welcome" when what
is below the mouse would take the files, then "dropped" or "refused". It must live on until they were fetched.
"""

from __future__ import annotations

import sys

from PyQt6.QtCore import QMimeData, Qt, QTimer, QUrl
from PyQt6.QtGui import QDrag, QMouseEvent
from PyQt6.QtWidgets import QApplication, QLabel


class Files(QLabel):
    """Gives its files to whoever they are dropped on."""

    _welcome = False

    def mouseMoveEvent(self, ev: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(file) for file in sys.argv[3:]])
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.actionChanged.connect(self._judged)
        done = drag.exec(Qt.DropAction.CopyAction)
        print("dropped" if done == Qt.DropAction.CopyAction else "refused", flush=True)

    def _judged(self, action: Qt.DropAction) -> None:
        if action == Qt.DropAction.CopyAction and not self._welcome:
            self._welcome = True
            print("welcome", flush=True)

    def tell(self) -> None:
        print("ready", flush=True)


if __name__ == "__main__":
    app = QApplication(sys.argv[:1])
    files = Files("files", flags=Qt.WindowType.FramelessWindowHint)
    files.setGeometry(int(sys.argv[1]), int(sys.argv[2]), 100, 100)
    files.show()
    QTimer.singleShot(300, files.tell)
    app.exec()

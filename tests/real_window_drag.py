"""A small window of another program, out of which files can be dragged.

usage: real_window_drag.py X Y FILE…; prints "ready" when it can be seen, then "dropped" or "refused".
"""

from __future__ import annotations

import sys

from PyQt6.QtCore import QMimeData, Qt, QTimer, QUrl
from PyQt6.QtGui import QDrag, QMouseEvent
from PyQt6.QtWidgets import QApplication, QLabel


class Files(QLabel):
    """Gives its files to whoever they are dropped on."""

    def mouseMoveEvent(self, ev: QMouseEvent | None) -> None:  # noqa: N802 (Qt's name)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(file) for file in sys.argv[3:]])
        drag = QDrag(self)
        drag.setMimeData(data)
        done = drag.exec(Qt.DropAction.CopyAction)
        print("dropped" if done == Qt.DropAction.CopyAction else "refused", flush=True)

    def tell(self) -> None:
        print("ready", flush=True)


if __name__ == "__main__":
    app = QApplication(sys.argv[:1])
    files = Files("files", flags=Qt.WindowType.FramelessWindowHint)
    files.setGeometry(int(sys.argv[1]), int(sys.argv[2]), 100, 100)
    files.show()
    QTimer.singleShot(300, files.tell)
    app.exec()

"""A sentence at the top of the window: what went wrong, and the way to pass it on."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton

from gui.icons import icon
from gui.theme import meanings
from gui.widgets.named import named


class MessageBar(QFrame):
    """Hidden until there is something to tell."""

    copy_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message_bar")
        self._text = named(QLabel(), "message_text", "Message")
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        tip = "Copy versions, devices, settings and the last report, to paste into a bug report"
        self._copy = named(QPushButton("Copy diagnostics"), "copy_diagnostics_button", "", tip)
        self._copy.clicked.connect(self.copy_clicked)
        self._close = named(QToolButton(), "close_message_button", "Close the message")
        self._close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        for widget in (self._text, self._copy, self._close):
            layout.addWidget(widget)
        self._colour()
        self.hide()

    @property
    def text(self) -> str:
        """The sentence that is shown, or was shown last."""
        text: str = self._text.text()
        return text

    def show_error(self, sentence: str) -> None:
        """Show it until it is closed, or the next one comes."""
        self._text.setText(sentence)
        self.show()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Follow the palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _colour(self) -> None:
        self._copy.setIcon(icon("copy"))
        self._close.setIcon(icon("close"))
        self.setStyleSheet(f"#message_bar {{ border: 1px solid {meanings().bad}; border-radius: 4px; }}")

"""The card of a model: a window of its own, with text that can be selected and copied."""

from __future__ import annotations

from html import escape

from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from gui.icons import icon
from gui.live.model_facts import Section, card, card_text
from realtime.contract import Facts

COLUMNS, LINES = 72, 30  # of text that the window has room for


class ModelCard(QDialog):
    """What a plugin file says of itself."""

    def __init__(self, facts: Facts, file_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Model: {facts.name}")
        self._text = card_text(facts, file_name)
        self.browser = QTextBrowser()
        self.browser.setAccessibleName("Card of the model")
        self.browser.setOpenLinks(False)
        self.browser.setHtml(_page(facts, card(facts, file_name)))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = self.buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        assert copy is not None
        copy.setIcon(icon("copy"))
        copy.setToolTip("Copy the whole card as text")
        copy.clicked.connect(self.copy)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.browser)
        layout.addWidget(self.buttons)
        metrics = self.fontMetrics()
        self.resize(COLUMNS * metrics.averageCharWidth(), LINES * metrics.lineSpacing())

    def copy(self) -> None:
        """The card as plain text, to the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._text)


def _page(facts: Facts, sections: tuple[Section, ...]) -> str:
    """Rich text; whatever the file says is escaped."""
    parts = [f"<h2>{escape(facts.name)}</h2>"]
    if facts.description:
        parts.append(f"<p>{escape(facts.description)}</p>")
    parts.append("<table cellspacing='0' cellpadding='2' width='100%'>")
    for section in sections:
        parts.append(f"<tr><td colspan='2'><br><b>{escape(section.title)}</b></td></tr>")
        for what, value in section.rows:
            parts.append(f"<tr><td width='38%'>{escape(what)}</td><td>{escape(value)}</td></tr>")
    return "".join([*parts, "</table>"])

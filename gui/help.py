"""F1: all keys, made from the table of actions."""

from __future__ import annotations

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from gui.actions import COMMANDS, TITLES
from gui.widgets.named import named

MORE = (
    ("Tab, Shift+Tab", "go from part to part"),
    ("Enter, Space", "press the button that has the focus"),
    ("Ctrl+↑, Ctrl+↓, Delete", "move or remove the selected member of the chain"),
    ("Arrows, Page Up, Page Down", "turn the knob that has the focus; type a number to set it"),
)


def keys_text() -> str:
    """The list as HTML, page by page."""
    parts = []
    for page, title in TITLES.items():
        rows = [
            (command.keys, command.text.removesuffix("…"))
            for command in COMMANDS
            if command.keys and (page in command.pages or (page == "any" and not command.pages))
        ]
        rows += MORE if page == "any" else ()
        lines = "".join(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for keys, text in rows)
        parts.append(f"<h3>{title}</h3><table>{lines}</table>")
    return "".join(parts)


def show_keys(parent: QWidget) -> QDialog:
    """Open the list; it closes by Escape."""
    dialog = named(QDialog(parent), "keys_dialog", "Keys")
    dialog.setWindowTitle("deshift: keys")
    text = named(QTextBrowser(), "keys_text", "All keys")
    text.setHtml(keys_text())
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(text)
    layout.addWidget(buttons)
    width = dialog.fontMetrics().averageCharWidth()
    dialog.resize(75 * width, 95 * width)
    dialog.open()
    return dialog

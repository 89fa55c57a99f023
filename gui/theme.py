"""Dark and light: palettes for the Fusion style, and the few colours that mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication

Theme = Literal["system", "dark", "light"]


@dataclass(frozen=True)
class Meanings:
    """Colours with a meaning, after Okabe and Ito 2008 for the colour-blind; never the only sign of it."""

    good: str
    warning: str
    bad: str
    raw: str  # A
    inverse: str  # B
    model: str  # C
    reference: str
    background: str  # of plots
    line: str  # of plots: axes and grid


DARK = Meanings("#2bbd8e", "#e69f00", "#ff6f59", "#56b4e9", "#e69f00", "#2bbd8e", "#cc79a7", "#16181c", "#9aa0a8")
LIGHT = Meanings("#007a55", "#a06400", "#c03a10", "#0072b2", "#a06400", "#007a55", "#a04f7d", "#ffffff", "#50565e")

_DARK_ROLES = {
    "Window": "#22252b",
    "WindowText": "#e8eaed",
    "Base": "#1a1c21",
    "AlternateBase": "#22252b",
    "Text": "#e8eaed",
    "Button": "#30343c",
    "ButtonText": "#e8eaed",
    "BrightText": "#ffffff",
    "Highlight": "#2f6fb0",
    "HighlightedText": "#ffffff",
    "ToolTipBase": "#30343c",
    "ToolTipText": "#e8eaed",
    "PlaceholderText": "#9aa0a8",
    "Link": "#7ab8f5",
    "Mid": "#3d424b",
    "Light": "#4a505a",
}
_LIGHT_ROLES = {
    "Window": "#f3f4f6",
    "WindowText": "#17191c",
    "Base": "#ffffff",
    "AlternateBase": "#eceef1",
    "Text": "#17191c",
    "Button": "#e6e8ec",
    "ButtonText": "#17191c",
    "BrightText": "#000000",
    "Highlight": "#1f5f9e",
    "HighlightedText": "#ffffff",
    "ToolTipBase": "#ffffff",
    "ToolTipText": "#17191c",
    "PlaceholderText": "#5c636c",
    "Link": "#0b57a4",
    "Mid": "#c4c8ce",
    "Light": "#ffffff",
}


def is_dark() -> bool:
    """Whether the palette in use is a dark one."""
    return bool(QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128)


def meanings() -> Meanings:
    """The colours for the palette in use."""
    return DARK if is_dark() else LIGHT


def apply(app: QApplication, theme: Theme) -> None:
    """Set style and palette; "system" follows the desktop, and is dark where that has no wish."""
    hints = app.styleHints()
    wants_light = hints is not None and hints.colorScheme() == Qt.ColorScheme.Light
    dark = theme == "dark" or (theme == "system" and not wants_light)
    app.setStyle("Fusion")
    app.setPalette(_palette(_DARK_ROLES if dark else _LIGHT_ROLES, dark))


def _palette(roles: dict[str, str], dark: bool) -> QPalette:
    palette = QPalette()
    for name, colour in roles.items():
        palette.setColor(QPalette.ColorRole[name], QColor(colour))
    faint = QColor("#7d838c" if dark else "#80868e")
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, faint)
    return palette

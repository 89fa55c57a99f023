"""Names of widgets: one for the program and its tests, one for people who hear the screen."""

from __future__ import annotations

from typing import TypeVar

from PyQt6.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, accessible: str = "", tip: str = "") -> W:
    """The same widget with its object name, what a screen reader calls it, and its tool tip."""
    widget.setObjectName(name)
    if accessible:
        widget.setAccessibleName(accessible)
    if tip:
        widget.setToolTip(tip)
    return widget

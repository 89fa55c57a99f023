"""Icons of the app: Material Design glyphs out of QtAwesome, in the colours of the palette."""

from __future__ import annotations

from functools import cache

import qtawesome
from PyQt6.QtCore import QSize
from PyQt6.QtGui import QIcon, QPalette
from PyQt6.QtWidgets import QApplication

SIZES = (16, 24, 32, 48)  # pixels; the larger ones for screens of 150 to 300 %
NAMES = {  # what it means: the glyph
    "start": "mdi6.play",
    "stop": "mdi6.stop",
    "pause": "mdi6.pause",
    "bypass": "mdi6.power",
    "record": "mdi6.record-circle-outline",
    "refresh": "mdi6.refresh",
    "add": "mdi6.plus",
    "remove": "mdi6.trash-can-outline",
    "up": "mdi6.arrow-up",
    "down": "mdi6.arrow-down",
    "open": "mdi6.folder-open-outline",
    "save": "mdi6.content-save-outline",
    "retry": "mdi6.replay",
    "cancel": "mdi6.close-circle-outline",
    "info": "mdi6.information-outline",
    "copy": "mdi6.content-copy",
    "warning": "mdi6.alert-outline",
    "done": "mdi6.check",
    "waiting": "mdi6.clock-outline",
    "loop": "mdi6.repeat",
    "undo": "mdi6.undo",
    "redo": "mdi6.redo",
    "measure": "mdi6.ruler",
    "help": "mdi6.help-circle-outline",
    "close": "mdi6.close",
    "microphone": "mdi6.microphone",
    "save_as": "mdi6.content-save-edit-outline",
    "grip": "mdi6.drag-vertical",
    "skip": "mdi6.skip-next-outline",
    "compare": "mdi6.compare-horizontal",
    "headphones": "mdi6.headphones",
}


def icon(name: str) -> QIcon:
    """The icon of a meaning out of `NAMES`, in the text's colour now. Raises: KeyError for an unknown one."""
    palette = QApplication.palette()
    text = palette.color(QPalette.ColorRole.ButtonText)
    faint = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
    return _drawn(NAMES[name], text.name(), faint.name())


@cache
def _drawn(glyph: str, text: str, faint: str) -> QIcon:
    """As pictures, since QtAwesome's own icons draw their glyph anew, in Python, whenever their button is painted."""
    source = qtawesome.icon(glyph, color=text, color_disabled=faint)
    made = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled):
        for pixels in SIZES:
            made.addPixmap(source.pixmap(QSize(pixels, pixels), mode), mode)
    return made

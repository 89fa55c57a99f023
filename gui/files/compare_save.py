"""What the compare page writes: lines of figures, and a picture."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from PyQt6.QtGui import QImage

from gui.files.compare_files import Sound
from gui.files.compare_measure import INVERSE
from gui.files.compare_pair import ComparePair
from gui.files.compare_rows import LETTERS, ROLES
from realtime.quality.file_figures import FigureRow


class PictureError(ValueError):
    """A picture that cannot be written."""


def figure_rows(pair: ComparePair) -> list[FigureRow]:
    """A line for each file whose figures are known. B has no file of its own that would last: its source is named."""
    return [
        FigureRow(f"{LETTERS[index]} {ROLES[index].lower()}", _file(index, pair.sounds), figures)
        for index, figures in sorted(pair.figures.items())
    ]


def write_picture(picture: QImage, path: Path) -> None:
    """Write a PNG in one step.

    Raises: PictureError, one line, where it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        if not picture.save(str(unfinished), "PNG"):
            raise PictureError(f"{path}: the picture cannot be written; choose another folder or name")
        unfinished.replace(path)
    except OSError as error:
        raise PictureError(
            f"{path}: the picture cannot be written: {error.strerror or error}; choose another folder or name"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # there may be none, or not even a folder
            unfinished.unlink()


def _file(index: int, sounds: dict[int, Sound]) -> str:
    return str(sounds[0 if index == INVERSE else index].path)

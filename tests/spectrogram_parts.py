"""Reading the pictures of a `SpectrogramView` off the screen, pixel by pixel; a clock that stands still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPoint, QRect
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QWidget

from gui.widgets.spectrogram import FREQUENCIES_HZ, SpectrogramView
from gui.widgets.spectrogram_plots import SpectrogramPlots

Pixels = NDArray[np.uint8]


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def pixels_of(widget: QWidget) -> Pixels:
    """``(height, width, 3)``: red, green, blue."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    whole = np.frombuffer(bits.asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1)
    return whole[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def plots_of(view: SpectrogramView) -> SpectrogramPlots:
    plots = view.findChild(SpectrogramPlots)
    assert isinstance(plots, SpectrogramPlots)
    return plots


def place_of(view: SpectrogramView, which: int) -> QRect:
    """Where the picture of input (0) or output (1) lies in the view, to the pixel: its right edge is now."""
    plots = plots_of(view)
    scene = plots.images[which].sceneBoundingRect()
    right, top, bottom = round(scene.right()), round(scene.top()), round(scene.bottom())
    place = QRect(right - view.columns, top, view.columns, bottom - top)
    return place.translated(plots.mapTo(view, QPoint(0, 0)))


def picture(view: SpectrogramView, which: int) -> Pixels:
    """What is seen in a picture's place; the last column of pixels is the newest."""
    place = place_of(view, which)
    return pixels_of(view)[place.y() : place.y() + place.height(), place.x() : place.x() + place.width()]


def brightness(pixels: Pixels) -> NDArray[np.int64]:
    """Of each pixel; the colours of a level grow lighter with it."""
    return pixels.astype(int).sum(axis=2)


def point_at(view: SpectrogramView, which: int, age: int, frequency_hz: float) -> QPoint:
    """The place of a column and a frequency, in the plots' widget."""
    plots = plots_of(view)
    scene = plots.images[which].sceneBoundingRect()
    low, high = np.log10(FREQUENCIES_HZ[[0, -1]])
    half = (high - low) / (len(FREQUENCIES_HZ) - 1) / 2
    share = (np.log10(frequency_hz) - low + half) / (high - low + 2 * half)
    x = scene.right() - (age + 0.5) * scene.width() / view.columns
    return plots.mapFromScene(x, scene.bottom() - share * scene.height())


def row_hz(view: SpectrogramView, which: int, row: int) -> float:
    """The frequency in the middle of a row of pixels."""
    height = place_of(view, which).height()
    low, high = np.log10(FREQUENCIES_HZ[[0, -1]])
    half = (high - low) / (len(FREQUENCIES_HZ) - 1) / 2
    return float(10 ** (high + half - (row + 0.5) / height * (high - low + 2 * half)))

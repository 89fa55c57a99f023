"""Sharper spectrograms of what is in view: those of a whole long file have columns of up to a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event

from PyQt6.QtCore import QObject, QTimer

from gui.files.compare_files import FINEST_HOP, Colours, Sound, in_colours, read_stretch
from gui.files.compare_pair import ComparePair
from gui.files.compare_plots import ComparePlots
from gui.tasks import Tasks
from realtime.quality.spectrogram import LogSpectrogram

LONGEST_S = 60.0
COLUMNS = 1000
_CALM_MS = 250  # the view has to stay for so long


class ComparePictures(QObject):
    """Draws the stretch in view anew where it has too few columns, once the view stands still."""

    def __init__(
        self, plots: ComparePlots, pair: ComparePair, say: Callable[[str], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._plots, self._pair, self._say = plots, pair, say
        self._tasks = Tasks("compare-pictures", self)
        self._stop = Event()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_CALM_MS)
        self._timer.timeout.connect(self._draw)
        plots.view_changed.connect(self._wait)
        pair.drawn.connect(self._timer.start)

    def close(self) -> None:
        """End what is being drawn, for good."""
        self._stop.set()
        self._timer.stop()
        self._tasks.end()

    def _wait(self, from_s: float, to_s: float) -> None:
        self._stop.set()
        self._timer.start()

    def _draw(self) -> None:
        self._stop.set()
        self._stop = Event()
        from_s, to_s = self._plots.view_span()
        if not 0 < to_s - from_s <= LONGEST_S:
            return
        for content in self._pair.contents():
            sound, span = content.sound, (from_s - content.shift_s, to_s - content.shift_s)
            if _too_coarse(sound, to_s - from_s):
                done = partial(self._show, self._stop, content.index, sound, content.shift_s + max(0.0, span[0]))
                self._tasks.run(partial(sharp_picture, sound, *span, self._stop), done, self._fail)

    def _show(self, stop: Event, index: int, sound: Sound, from_s: float, found: tuple[Colours, float] | None) -> None:
        row = self._plots.rows.get(index)
        if found is not None and not stop.is_set() and row is not None and row.sound is sound:
            row.show_detail(found[0], from_s, found[1])

    def _fail(self, error: Exception) -> None:
        self._say(str(error))


def sharp_picture(sound: Sound, from_s: float, to_s: float, stop: Event) -> tuple[Colours, float] | None:
    """The spectrogram of a stretch, ``(R, M)`` with M at most 1000, and how many seconds it lasts; None if stopped.

    Raises: AudioFileError, one line, where the file cannot be read any more.
    """
    if stop.is_set():
        return None
    audio = read_stretch(sound.path, max(0.0, from_s), max(0.0, to_s), sound.sample_rate, stop)
    if audio is None or not len(audio):
        return None
    picture = LogSpectrogram(sound.sample_rate, hop_samples=FINEST_HOP).whole(audio, COLUMNS)
    return in_colours(picture), len(audio) / sound.sample_rate


def _too_coarse(sound: Sound, seconds: float) -> bool:
    columns = int(sound.picture.shape[1])
    column_s: float = sound.picture_s / max(columns, 1)
    return columns > 0 and column_s > 1.01 * FINEST_HOP / sound.sample_rate and seconds / column_s < COLUMNS / 2

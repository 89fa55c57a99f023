"""What the compare page has done beside the screen: files are read, B is rendered, figures are measured."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.files.compare_files import Sound, scan
from gui.files.compare_inverse import render_inverse
from gui.files.compare_measure import INVERSE, measure, reference_offset
from gui.tasks import Tasks
from realtime.bundled import bundled_models, find_model
from realtime.quality.file_figures import FileFigures
from realtime.trust import read_plugin_file

_PROGRESS_MS = 100


class CompareWork(QObject):
    """One thing after the other on a thread of its own; `drop` ends all of it, and nothing of it is told any more."""

    scanned = pyqtSignal(int, object)  # index, Sound
    broken = pyqtSignal(int, str)  # index, a sentence
    aligned = pyqtSignal(object)  # samples at the reference's rate, or None
    measured = pyqtSignal(int, object)  # index, FileFigures
    default_shift = pyqtSignal(float)  # that undoes what the bundled model does, in semitones; not if it must be told
    failed = pyqtSignal(str)
    progress = pyqtSignal(str, object)  # what is being done, "" for nothing; 0 … 1 or None

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = Tasks("compare-files", self)
        self._stop = Event()
        self._folder: Path | None = None
        self._renders = 0
        self._doing, self._fraction = "", 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_PROGRESS_MS)
        self._timer.timeout.connect(self._tell)

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._tasks.busy

    def drop(self) -> None:
        """End what is being done, forget the rest, and remove the rendered files."""
        self._stop.set()
        self._stop = Event()
        folder, self._folder = self._folder, None
        if folder is not None:
            self._tasks.run(partial(shutil.rmtree, folder, ignore_errors=True))

    def close(self) -> None:
        """End what is being done, for good, and wait for it: it stops within a block."""
        self._stop.set()
        self._timer.stop()
        self._tasks.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def read(self, index: int, path: Path) -> None:
        """Read a file: `scanned` or `broken` follows."""
        self._run(partial(self._scan, self._stop, path), partial(self._scanned, index), partial(self._broken, index))

    def render(self, source: Path, semitones: float) -> None:
        """Render B and read it: `scanned` or `broken` follows."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="deshift-compare-"))
        self._renders += 1
        target = self._folder / f"inverse_{self._renders}.wav"
        work = partial(self._render, self._stop, source, target, semitones)
        self._run(work, partial(self._scanned, INVERSE), partial(self._broken, INVERSE))

    def align(self, sounds: Mapping[int, Sound]) -> None:
        """See where the reference lies: `aligned` follows."""
        self._run(partial(self._align, self._stop, dict(sounds)), self._aligned, self._fail)

    def measure(self, sounds: Mapping[int, Sound], index: int, trained_shift: tuple[float, float] | None) -> None:
        """Have the figures of a file: `measured` follows."""
        work = partial(self._measure, self._stop, dict(sounds), index, trained_shift)
        self._run(work, partial(self._measured, index), self._fail)

    def look_up_shift(self) -> None:
        """Ask the bundled model what it undoes: `default_shift` follows, unless it undoes what it is told."""
        self._run(_bundled_shift, self._shift_known, self._fail)

    # -- on the thread; each gets the event of the pair it belongs to

    def _scan(self, stop: Event, path: Path) -> Sound | None:
        self._doing, self._fraction = f"Reading {path.name}", 0.0
        return scan(path, stop, self._note)

    def _render(self, stop: Event, source: Path, target: Path, semitones: float) -> Sound | None:
        self._doing, self._fraction = "Rendering B", 0.0
        if not render_inverse(source, target, semitones, stop, self._note):
            return None
        return self._scan(stop, target)

    def _align(self, stop: Event, sounds: Mapping[int, Sound]) -> tuple[int | None]:
        self._doing, self._fraction = "Aligning the reference", 0.0
        return (reference_offset(sounds, stop),)

    def _measure(
        self, stop: Event, sounds: Mapping[int, Sound], index: int, trained_shift: tuple[float, float] | None
    ) -> FileFigures | None:
        self._doing, self._fraction = f"Measuring {sounds[index].path.name}", 0.0
        return None if stop.is_set() else measure(sounds, index, trained_shift, stop)

    def _note(self, fraction: float) -> None:
        self._fraction = fraction

    # -- on the screen's thread

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        stop = self._stop
        self._tasks.run(work, partial(self._deliver, stop, done), partial(self._deliver, stop, failed))
        self._timer.start()

    def _deliver(self, stop: Event, receiver: Callable[[Any], None], outcome: Any) -> None:
        """Only what belongs to the pair that is open now, and was not stopped half way."""
        if not stop.is_set() and outcome is not None:
            receiver(outcome)
        self._tell()

    def _tell(self) -> None:
        if self._tasks.busy:
            self.progress.emit(self._doing, self._fraction or None)
        else:
            self._timer.stop()
            self.progress.emit("", None)

    def _scanned(self, index: int, sound: Sound) -> None:
        self.scanned.emit(index, sound)

    def _broken(self, index: int, error: Exception) -> None:
        self.broken.emit(index, str(error))

    def _aligned(self, found: tuple[int | None]) -> None:
        self.aligned.emit(found[0])

    def _measured(self, index: int, figures: FileFigures) -> None:
        self.measured.emit(index, figures)

    def _shift_known(self, semitones: float) -> None:
        self.default_shift.emit(semitones)

    def _fail(self, error: Exception) -> None:
        self.failed.emit(str(error))


def _bundled_shift() -> float | None:
    if not bundled_models():
        return None
    facts = read_plugin_file(find_model()).facts
    return None if facts.shift_control is not None else -sum(facts.shift_semitones) / 2

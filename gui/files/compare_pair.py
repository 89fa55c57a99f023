"""The files that are compared: read, aligned, measured, and B rendered from the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from gui.files.compare_files import Sound
from gui.files.compare_levels import matching_gains
from gui.files.compare_measure import AFTER, BEFORE, INVERSE, REFERENCE
from gui.files.compare_plots import Content
from gui.files.compare_work import CompareWork
from realtime.live.player import Track
from realtime.plugins.vocoder import LARGEST_SHIFT_SEMITONES
from realtime.quality.file_figures import FileFigures
from realtime.quality.readouts import TRUSTED


class ComparePair(QObject):
    """What is known of the files, by index: 0 before, 1 B, 2 after, 3 reference.

    Attributes:
        sounds, figures: as far as they are known.
        offset_samples: how much later the reference is, at its own rate.
        trained_shift: the lowest and highest shift of its input, in semitones, that the model undoes, if known.
        playable: all files are read and aligned.
        rendering: B is being made.
    """

    drawn = pyqtSignal()  # what is to be seen has changed
    loaded = pyqtSignal()  # and what is to be heard
    rendered = pyqtSignal()  # B is there
    measured = pyqtSignal()
    shift_proposed = pyqtSignal(float)  # what B could be made with, in semitones
    noted = pyqtSignal(str)
    failed = pyqtSignal(str)

    def __init__(self, work: CompareWork, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self.trained_shift: tuple[float, float] | None = None
        self._waiting: set[int] = set()
        self.rendering, self._semitones = False, 0.0
        self._forget()
        work.scanned.connect(self._scanned)
        work.broken.connect(self._broken)
        work.aligned.connect(self._aligned)
        work.measured.connect(self._measured)
        work.default_shift.connect(self._propose)
        work.failed.connect(self.failed)

    def open(self, paths: Mapping[int, Path], trained_shift: tuple[float, float] | None) -> None:
        """Read these; what was open before is dropped."""
        self._work.drop()
        self._forget()
        self.trained_shift = trained_shift
        self._waiting = set(paths)
        self.loaded.emit()
        self.drawn.emit()
        self.measured.emit()
        for index in sorted(paths):
            self._work.read(index, paths[index])
        if trained_shift is None:
            self._work.look_up_shift()
        else:
            self._propose(-sum(trained_shift) / 2)

    def render(self, semitones: float) -> bool:
        """Make B, in place of the one that was; False where there is nothing to make it from, or it is being made."""
        if BEFORE not in self.sounds or self.rendering:
            return False
        self.rendering, self._semitones = True, semitones
        self.figures.pop(INVERSE, None)
        if self.sounds.pop(INVERSE, None) is not None:
            self.drawn.emit()
            self.loaded.emit()
        self._work.render(self.sounds[BEFORE].path, semitones)
        return True

    @property
    def order(self) -> list[int]:
        """The indexes of what can be heard, in the order of `tracks`; empty until all is read."""
        return sorted(self.sounds) if self.playable else []

    def tracks(self, matching: bool) -> list[Track]:
        """What the player is given: aligned, and where `matching` is set, as loud as the first."""
        sounds = [self.sounds[index] for index in self.order]
        gains_db = [0.0] * len(sounds)
        if matching:
            gains_db = matching_gains([sound.level_dbfs for sound in sounds], [sound.peak for sound in sounds])
        return [
            Track(str(sound.path), self.offset_samples if index == REFERENCE else 0, gain_db)
            for index, sound, gain_db in zip(self.order, sounds, gains_db, strict=True)
        ]

    def contents(self) -> list[Content]:
        """What is drawn, aligned."""
        inverse = f"{self._semitones:+.2f} st".replace("-", "−")
        return [
            Content(index, sound, inverse if index == INVERSE else sound.path.name, self._shift_s(index))
            for index, sound in sorted(self.sounds.items())
        ]

    def _shift_s(self, index: int) -> float:
        """How much later a file is drawn than it lies."""
        return -self.offset_samples / self.sounds[index].sample_rate if index == REFERENCE else 0.0

    @property
    def length_s(self) -> float:
        """Of the longest, aligned."""
        return max((sound.duration_s + self._shift_s(index) for index, sound in self.sounds.items()), default=0.0)

    @property
    def reading(self) -> bool:
        """Whether files are still to be read."""
        return bool(self._waiting)

    def _forget(self) -> None:
        self.sounds: dict[int, Sound] = {}
        self.figures: dict[int, FileFigures] = {}
        self.offset_samples = 0
        self.playable = self.rendering = False
        self._waiting = set()

    def _scanned(self, index: int, sound: Sound) -> None:
        self.sounds[index] = sound
        for warning in sound.warnings:
            self.noted.emit(f"{sound.path.name}: {warning}")
        if index == INVERSE:
            self.rendering = False
            self.rendered.emit()
            self.drawn.emit()
            self._hear()
            self._work.measure(self.sounds, INVERSE, self.trained_shift)
        else:
            self._waiting.discard(index)
            self.drawn.emit()
            self._go_on()

    def _broken(self, index: int, sentence: str) -> None:
        if index == BEFORE:
            self._work.drop()
            self._forget()
        elif index == INVERSE:
            self.rendering = False
        self.failed.emit(sentence)
        self.drawn.emit()
        if index not in (BEFORE, INVERSE):
            self._waiting.discard(index)
            self._go_on()

    def _go_on(self) -> None:
        """Once all are read: align, hear, measure."""
        if self._waiting or not self.sounds:
            return
        if REFERENCE in self.sounds:
            self._work.align(self.sounds)
        else:
            self._ready()
        for index in (AFTER, BEFORE):
            if index in self.sounds:
                self._work.measure(self.sounds, index, self.trained_shift)

    def _aligned(self, offset_samples: int | None) -> None:
        if offset_samples is None:
            self.noted.emit("The reference could not be aligned: it plays and is drawn as it lies in its file.")
        self.offset_samples = offset_samples or 0
        self.drawn.emit()
        self._ready()

    def _ready(self) -> None:
        self.playable = True
        self._hear()

    def _hear(self) -> None:
        if self.playable:
            self.loaded.emit()

    def _measured(self, index: int, figures: FileFigures) -> None:
        self.figures[index] = figures
        self.measured.emit()
        applied, confidence = figures.applied_semitones, figures.applied_confidence
        if index == AFTER and applied is not None and confidence is not None and confidence >= TRUSTED:
            self._propose(applied)

    def _propose(self, semitones: float) -> None:
        if INVERSE not in self.sounds and not self.rendering:
            limit = LARGEST_SHIFT_SEMITONES
            self.shift_proposed.emit(min(max(semitones, -limit), limit))

"""What the working thread of a queue needs: files found, models opened, time measured."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.audio_files import AudioReader
from realtime.audio_formats import AudioFileError
from realtime.batch_items import BatchOptions
from realtime.bundled import default_name, find_model
from realtime.contract import Control
from realtime.files import FileModel, Job, search
from realtime.model import Model, load_model
from realtime.plugins.presets import load_preset
from realtime.shift import EXAMPLE, ShiftError
from realtime.trust import read_plugin_file

if TYPE_CHECKING:
    from realtime.live.as_live import LiveModel

FAULT = "a fault in the program stopped it; copy the diagnostics for a report"
NICE = 10  # added for the working thread: sound and screen come first


class CancelledError(Exception):
    """Raised in mid-file where its item is not wanted any more."""


class Clock:
    """Seconds of work: it stands while the work is held."""

    def __init__(self) -> None:
        self._before_s = 0.0
        self._since_s: float | None = None

    def go(self) -> None:
        """Run on."""
        if self._since_s is None:
            self._since_s = time.perf_counter()

    def hold(self) -> None:
        """Stand still."""
        self._before_s, self._since_s = self.seconds(), None

    def seconds(self) -> float:
        """How long it has run in all."""
        return self._before_s + (0.0 if self._since_s is None else time.perf_counter() - self._since_s)


def found(path: Path) -> Iterator[tuple[Job, Path]]:
    """A file, or the audio files in a folder as they are found, each with the folder it lies in seen from there."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        yield Job(path, None, f"{path}: cannot be read: {error.strerror or error}"), Path()
        return
    if not is_folder:
        yield Job(path, path), Path()
        return
    for job in search(path, None):
        yield job, job.input.parent.relative_to(path) if job.output is not None else Path()


def length(path: Path) -> tuple[float, str]:
    """The seconds of audio that a file claims, and why it cannot be read, if so."""
    try:
        with AudioReader(path) as reader:
            return reader.claimed_frames / reader.sample_rate, ""
    except AudioFileError as error:
        return 0.0, error.on_screen


def open_model(options: BatchOptions) -> FileModel:
    """The model, or the live path, that options name, told the shift to undo where it takes one.

    Raises: ValueError, OSError: one line.
    """
    model = _opened(options)
    if options.semitones and model.shift_control is not None:
        model.set_shift(options.semitones)
    if model.untold:
        raise ShiftError(f"{model.untold}: set “Shift to undo”, {EXAMPLE}")
    return model


def _opened(options: BatchOptions) -> Model | LiveModel:
    if not options.runs_live:
        return load_model(options.model or default_name(for_files=True))
    from realtime.live.as_live import LiveModel  # the live half is loaded only where it is asked for

    return LiveModel(preset=options.model) if options.is_preset else LiveModel(model=options.model or None)


def shift_control_of(options: BatchOptions) -> Control | None:
    """What takes the shift to undo of the model that options name; None where nothing does. Reads files, runs nothing.

    Raises: ValueError, OSError: one line.
    """
    if options.is_preset:
        found = [file.facts for file in load_preset(options.model).model_files().values()]
    else:
        name = options.model or default_name(for_files=not options.runs_live)
        found = [read_plugin_file(find_model(name)).facts]
    return next((facts.shift_control for facts in found if facts.shift_control is not None), None)


def lower_priority() -> None:
    """Let the calling thread stand back. On Linux alone a nice value is that of a single thread."""
    if sys.platform == "linux":
        os.nice(NICE)

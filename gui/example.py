"""The example of the first steps: the sentence that came with the app, and what the model makes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

from PyQt6.QtCore import QObject, QTimer

from gui.files.compare_inverse import render_inverse
from gui.first_steps import FirstSteps
from gui.live.device_hints import on_screen
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.audio_formats import AudioFileError
from realtime.bundled import default_name
from realtime.files import Job, process_file
from realtime.live.player import Player, Track
from realtime.model import load_model

EXAMPLE = Path(__file__).parent / "assets" / "example_shifted.flac"
EXAMPLE_SEMITONES = 12.0  # so far it was shifted up
POLL_MS = 100
CLOSE_SECONDS = 2.0


class Example(QObject):
    """Plays the example for the dialog; the model works on it when it is asked for the first time."""

    def __init__(self, dialog: FirstSteps, memory: Memory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dialog = dialog
        self._tasks = Tasks("example", self)
        self._folder = tempfile.TemporaryDirectory(prefix="deshift-")
        output = memory.read("devices").get("output")
        self._player = Player(output if isinstance(output, str) else None)
        self._wanted: int | None = None
        self._loaded = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)
        dialog.play_clicked.connect(self._play)
        dialog.stop_clicked.connect(self._stop)
        dialog.finished.connect(self._end)

    def _play(self, which: int) -> None:
        self._wanted = which
        self._dialog.show_playing(which, "" if self._loaded else "The model works on it; this takes a moment…")
        self._tasks.run(partial(self._prepared, which), self._playing, self._failed)

    def _prepared(self, which: int) -> None:
        """On the thread: make the de-shifted files once, then play."""
        if not self._loaded:
            inverse, after = (Path(self._folder.name) / f"example_{name}.wav" for name in ("inverse", "model"))
            render_inverse(EXAMPLE, inverse, -EXAMPLE_SEMITONES, Event())
            model = load_model(default_name(for_files=True))
            if model.shift_control is not None:
                model.set_shift(EXAMPLE_SEMITONES)
            result = process_file(Job(EXAMPLE, after), model, overwrite=True)
            if result.error:
                raise AudioFileError(result.error)
            self._player.load([Track(str(path)) for path in (EXAMPLE, inverse, after)])
            self._loaded = True
        self._player.select(which)
        if self._player.status().state == "ended":
            self._player.seek(0.0)
        if self._player.status().state != "playing":
            self._player.play()

    def _playing(self, _nothing: None) -> None:
        self._timer.start()

    def _look(self) -> None:
        status = self._player.status()
        if status.state == "playing":
            self._dialog.show_playing(self._wanted, f"Through {status.output_name}" if status.output_name else "")
            return
        self._timer.stop()
        self._dialog.show_playing(None, status.message if status.state == "failed" else "")

    def _stop(self) -> None:
        self._tasks.run(self._player.pause, self._paused, self._failed)

    def _paused(self, _nothing: object) -> None:
        self._look()

    def _failed(self, error: Exception) -> None:
        self._timer.stop()
        self._dialog.show_playing(None, on_screen(error))

    def _end(self, _result: int) -> None:
        self._timer.stop()
        close: Callable[[], bool] = partial(self._player.close, CLOSE_SECONDS)
        self._tasks.run(close, self._closed, self._closed)

    def _closed(self, _outcome: object) -> None:
        self._tasks.end()
        self._folder.cleanup()
        self._dialog.deleteLater()
        self.deleteLater()

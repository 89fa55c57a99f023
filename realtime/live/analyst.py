"""The analyst's process: measures the quality of what is heard, at low priority, and never in the sound's way."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from realtime.audio_formats import AudioFileError
from realtime.live.commands_reader import Commands
from realtime.live.reference import ReferenceTrack
from realtime.live.shared import Audio, SharedMemory
from realtime.plugins.base import Samples
from realtime.quality.rolling import RollingReadouts

POLL_SECONDS = 0.2
NICENESS = 10


class Analyst:
    """Reads the audio out of the shared memory, and writes the readouts into it.

    Args:
        token: of the shared memory.
    """

    def __init__(self, token: str) -> None:
        self._shared = SharedMemory.attach(token)
        self._models: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._model: dict[str, Any] = {}
        self._rolling: RollingReadouts | None = None
        self._epoch = -1
        self._rate = 0
        self._next = 0
        self._track: ReferenceTrack | None = None
        self._trouble = ""  # with the reference

    def run(self, source: BinaryIO, answers: BinaryIO) -> None:
        """Until the host is gone."""
        if hasattr(os, "nice"):
            os.nice(NICENESS)
        commands = Commands(source, answers, {}, {"model": self._take_model})
        commands.start()
        while not commands.over.wait(POLL_SECONDS):
            self.step()

    def step(self) -> bool:
        """Take the audio that came, measure, write; whether there was any."""
        newest = None
        while not self._models.empty():  # a knob that is being turned is told step by step
            newest = self._models.get()
        if newest is not None:
            self._begin(newest)
        audio = self._shared.read_audio(self._next, 1 << 19)
        if not self._model or not audio.frames or not audio.sample_rate:
            return False
        if audio.epoch != self._epoch or self._rolling is None:
            self._epoch, self._rate = audio.epoch, audio.sample_rate
            self._begin(self._model)
        assert self._rolling is not None
        self._next = audio.start + audio.frames
        self._rolling.feed(audio.signals["raw"], audio.signals["heard"], self._reference(audio))
        figures: dict[str, Any] = self._rolling.update().as_dict()
        figures["notes"] = [*self._notes(audio), *figures["notes"]]
        ages = {name: round(age_s, 2) for name, age_s in self._rolling.ages_s.items()}
        self._shared.write("readouts", {"pid": os.getpid(), "readouts": _finite({**figures, "ages_s": ages})})
        return True

    def _take_model(self, command: dict[str, Any]) -> dict[str, Any]:
        self._models.put(command)
        return {}

    def _begin(self, model: dict[str, Any]) -> None:
        """Figures of another model, or of another rate, start from nothing."""
        self._model = model
        if not self._rate:
            return
        shift = model["shift_semitones"]
        trained = None if shift is None else (float(shift[0]), float(shift[1]))
        self._rolling = RollingReadouts(self._rate, trained)
        self._track, self._trouble = None, ""
        if model["reference"] is not None:
            try:
                self._track = ReferenceTrack(Path(model["reference"]), self._rate)
            except AudioFileError as error:
                self._trouble = f"No figures against the reference: {error}."

    def _reference(self, audio: Audio) -> Samples | None:
        if audio.has_reference:
            return audio.signals["reference"]
        return None if self._track is None else self._track.follow(audio.start, audio.signals["raw"])

    def _notes(self, audio: Audio) -> list[str]:
        if self._trouble:
            return [self._trouble]
        searching = self._track is not None and self._track.offset is None
        return ["What is heard was not found in the reference yet."] if searching else []


def _finite(value: Any) -> Any:
    """The same with None for what is no number: JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value

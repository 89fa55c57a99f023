"""A clean recording, shifted as the model is to undo it, in the microphone's place: the original is then known."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from realtime.audio_files import AudioReader
from realtime.audio_formats import AudioFileError
from realtime.plugins.base import Samples
from realtime.quality.shifters import band_limit, shift
from realtime.resample import Resampler

LONGEST_SECONDS = 20.0
SHORTEST_SECONDS = 0.5
SEAM_SECONDS = 0.02
FULL_SCALE = 0.99


class SelfTest:
    """Loops the recording's first 20 s without end; a `realtime.live.pipeline.Source`.

    Shifted and original are made as a training pair is: band-limited to what the shift leaves, shifted, and scaled down
    together where that passes full scale. Both fade out and in at the seam.

    Args:
        path: the recording, of any rate; what it has too many of channels is averaged, one is spread.
        sample_rate, channels: of the plugin.
        semitones: the shift that damages it; shifter: see `realtime.quality.shifters.shift`.
    Raises: AudioFileError, ShifterError: one line.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, semitones: float, shifter: str = "vocoder") -> None:
        self._recording = read_beginning(path, sample_rate, channels, LONGEST_SECONDS)
        self._sample_rate, self._shifter = sample_rate, shifter
        self._shift(semitones)

    def again(self, semitones: float) -> SelfTest:
        """The same recording with another shift, from its start. Raises: ShifterError."""
        made = copy.copy(self)
        made._shift(semitones)
        return made

    def _shift(self, semitones: float) -> None:
        sample_rate, self.semitones = self._sample_rate, semitones
        clean = band_limit(self._recording, sample_rate, semitones)
        pair = np.stack([shift(clean, sample_rate, semitones, self._shifter), clean])
        peak = float(np.abs(pair).max())
        if peak > FULL_SCALE:
            pair *= np.float32(FULL_SCALE / peak)
        ramp = np.linspace(0, 1, max(2, int(SEAM_SECONDS * sample_rate)), dtype=np.float32)
        pair[..., : len(ramp)] *= ramp
        pair[..., -len(ramp) :] *= ramp[::-1]
        self._shifted: Samples = pair[0]
        self._original: Samples = pair[1]
        self._frames = len(pair[0][0])
        self._at = 0

    @property
    def frames(self) -> int:
        """Until it begins anew."""
        return self._frames

    @property
    def shifted(self) -> Samples:
        """What it plays, once, ``(C, N)``."""
        return self._shifted

    @property
    def original(self) -> Samples:
        """Its reference, once, ``(C, N)``."""
        return self._original

    def read(self, count: int) -> tuple[Samples, Samples]:
        """The next input and its reference, each ``(C, count)``."""
        places = np.arange(self._at, self._at + count) % self.frames
        self._at = (self._at + count) % self.frames
        return self._shifted[:, places], self._original[:, places]


class Follower:
    """Makes a self-test anew when another shift is to be undone: beside the sound, and only for the newest shift.

    Args: put: takes what was made.
    """

    def __init__(self, source: SelfTest, put: Callable[[SelfTest], None]) -> None:
        self._source, self._put = source, put
        self._wanted = source.semitones
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def follow(self, semitones: float) -> None:
        """Have it shifted by so much, soon."""
        with self._lock:
            self._wanted = semitones
            if self._thread is None and semitones != self._source.semitones:
                self._thread = threading.Thread(target=self._work, name="self-test", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            while (wanted := self._next()) is not None:
                self._source = self._source.again(wanted)
                self._put(self._source)
        finally:
            with self._lock:
                self._thread = None

    def _next(self) -> float | None:
        """What it is to be shifted by; None where it is."""
        with self._lock:
            if self._wanted != self._source.semitones:
                return self._wanted
            self._thread = None
            return None


def read_beginning(path: Path, sample_rate: int, channels: int, longest_s: float) -> Samples:
    """The recording's first seconds at this rate: ``(C, N)``.

    Raises: AudioFileError where it cannot be read, is shorter than half a second, or silent.
    """
    with AudioReader(path) as reader:
        resampler = Resampler(reader.sample_rate, sample_rate, channels)
        wanted = int(longest_s * reader.sample_rate)
        parts: list[Samples] = []
        for block in reader.blocks():
            parts.append(resampler.process(_fit(block[:, :wanted], channels)))
            wanted -= block.shape[1]
            if wanted <= 0:
                break
        audio = np.concatenate([*parts, resampler.finish()], axis=1)
    if audio.shape[1] < SHORTEST_SECONDS * sample_rate:
        raise AudioFileError(f"{path}: too short: give at least {SHORTEST_SECONDS:g} s of clean sound")
    if float(np.abs(audio).max()) < 1e-4:
        raise AudioFileError(f"{path}: its first {longest_s:g} s are silence")
    return audio


def _fit(block: Samples, channels: int) -> Samples:
    if block.shape[0] == channels:
        return block
    mean: Samples = block.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(mean, channels, axis=0) if channels > 1 else mean

"""What the player reads: several files of the same content as one reel, at the device's rate, from any position."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from realtime.audio_files import AudioReader
from realtime.audio_formats import AudioFileError
from realtime.plugins.base import Samples
from realtime.resample import Resampler

CHANNELS = 2
READ_FRAMES = 4096
PREROLL_SECONDS = 0.1  # by then a rate conversion that began in the middle, or an MP3 decoder, is itself again
MOST_TRACKS = 16
LARGEST_GAIN_DB = 60.0


@dataclass(frozen=True)
class Track:
    """One file of the same content as the others.

    Args:
        path: of an audio file; one channel is heard on both sides, of more than two the first two are heard.
        offset_samples: at the file's own rate; so many of its samples are skipped, below zero as much silence precedes.
        gain_db: louder or softer than the file is. Where one of the tracks is raised, all are lowered by as much: what
            fits into full scale still does, and they keep their relation.

    Raises: ValueError naming what cannot be.
    """

    path: str
    offset_samples: int = 0
    gain_db: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise ValueError(f"a track needs the path of a file, not {self.path!r}")
        if isinstance(self.offset_samples, bool) or not isinstance(self.offset_samples, int):
            raise ValueError(f"{self.path}: the offset must be a whole number of samples, not {self.offset_samples!r}")
        number = isinstance(self.gain_db, int | float) and not isinstance(self.gain_db, bool)
        if not number or not math.isfinite(self.gain_db) or abs(self.gain_db) > LARGEST_GAIN_DB:
            raise ValueError(f"{self.path}: the gain must lie within ±{LARGEST_GAIN_DB:g} dB, not {self.gain_db!r}")


def factors(tracks: Sequence[Track]) -> Samples:
    """The factor of each track, none above 1: ``(tracks,)``."""
    gains_db = np.array([track.gain_db for track in tracks])
    headroom_db = max(0.0, float(gains_db.max(initial=0.0)))
    return (10 ** ((gains_db - headroom_db) / 20)).astype(np.float32)


class Sound:
    """A file that was checked, for any number of readers.

    A seek in an Ogg Vorbis file may land 896 samples away (libsndfile 1.2.2), so such a file is unpacked, into a
    temporary file without a name.

    Raises: AudioFileError, one line, where it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._unpacked: Samples | None = None
        with AudioReader(Path(path)) as reader:
            self.rate, self.frames = int(reader.sample_rate), int(reader.claimed_frames)
            if reader.subtype == "VORBIS":
                self._unpacked = _unpacked(reader)
                self.frames = len(self._unpacked)

    def opened(self) -> Any:
        """What `read_at` reads: None for what is unpacked."""
        if self._unpacked is not None:
            return None
        try:
            return soundfile.SoundFile(self.path)
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioFileError(f"{self.path}: cannot be read any more: {error}") from error

    def read_at(self, file: Any, start: int, count: int, placed: bool) -> Samples:
        """``(N, C)`` from there on; fewer where a damaged file has no more. `placed`: the last read ended there."""
        if self._unpacked is not None:
            return self._unpacked[start : start + count]
        try:
            if not placed:
                file.seek(start)
            frames: Samples = file.read(count, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError):
            self.frames = min(self.frames, start)  # damaged: silence from here on, as where a file is shorter
            return np.zeros((0, CHANNELS), dtype=np.float32)
        return np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)


def _unpacked(reader: AudioReader) -> Samples:
    """All of a file ``(N, C)``, on the disk."""
    try:
        with tempfile.TemporaryFile(prefix="deshift-") as file:
            for block in reader.blocks():
                file.write(np.ascontiguousarray(block.T).tobytes())
            file.flush()
            shape = (reader.read_frames, reader.channels)
            return np.memmap(file, dtype=np.float32, mode="r", shape=shape)
    except OSError as error:
        reason = error.strerror or error
        raise AudioFileError(f"{reader.path}: there is no room to unpack it for playing: {reason}") from error


class TrackReader:
    """One track at another rate: frame n is at n / `rate` seconds of the content, silence before and after the file.

    Raises: AudioFileError, one line, where the file cannot be opened.
    """

    def __init__(self, sound: Sound, offset_samples: int, rate: int) -> None:
        self._sound, self._rate, self.offset_samples = sound, rate, offset_samples
        self._file = sound.opened()
        self._read_to = -1
        self.seek(0)

    @property
    def length_frames(self) -> int:
        """Of the content, at `rate`."""
        frames = max(0, self._sound.frames - self.offset_samples)
        return -(-frames * self._rate // self._sound.rate)

    def seek(self, frame: int) -> None:
        """The next frame that `read` gives. The conversion begins earlier, on a frame that both rates have."""
        file_rate = self._sound.rate
        divisor = math.gcd(file_rate, self._rate)
        file_step, step = file_rate // divisor, self._rate // divisor
        preroll = math.ceil(PREROLL_SECONDS * self._rate)
        steps = max(0, (frame - preroll) // step)
        self._resampler = Resampler(file_rate, self._rate, CHANNELS)
        self._at = steps * file_step  # of the content, at the file's rate
        self._ready = np.zeros((CHANNELS, 0), dtype=np.float32)
        self._drop = frame - steps * step

    def read(self, count: int) -> Samples:
        """The next ``(2, count)``."""
        while self._ready.shape[1] < count or self._drop:
            more = self._resampler.process(self._next())
            dropped = min(self._drop, more.shape[1])
            self._drop -= dropped
            self._ready = np.concatenate([self._ready, more[:, dropped:]], axis=1)
        heard, self._ready = self._ready[:, :count], self._ready[:, count:]
        return heard

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _next(self) -> Samples:
        """A block of the content at the file's rate, ``(2, READ_FRAMES)``."""
        start, self._at = self._at + self.offset_samples, self._at + READ_FRAMES
        block = np.zeros((READ_FRAMES, CHANNELS), dtype=np.float32)
        before = min(READ_FRAMES, max(0, -start))
        wanted = min(READ_FRAMES - before, self._sound.frames - (start + before))
        if wanted > 0:
            placed = self._read_to == start + before
            found = self._sound.read_at(self._file, start + before, wanted, placed)
            self._read_to = start + before + wanted
            block[before : before + len(found)] = found[:, :CHANNELS]  # one channel goes to both sides
        return block.T


class Reel:
    """All tracks side by side, always at the same position.

    Raises: AudioFileError, one line, where a file cannot be opened.
    """

    def __init__(self, sounds: Sequence[Sound], tracks: Sequence[Track], rate: int) -> None:
        self._readers: list[TrackReader] = []
        try:
            for sound, track in zip(sounds, tracks, strict=True):
                self._readers.append(TrackReader(sound, track.offset_samples, rate))
        except ValueError:
            self.close()
            raise

    @property
    def length_frames(self) -> int:
        """Of the longest."""
        return max((reader.length_frames for reader in self._readers), default=0)

    def seek(self, frame: int) -> None:
        """The next frame of every track."""
        for reader in self._readers:
            reader.seek(frame)

    def shift(self, tracks: Sequence[Track], frame: int) -> None:
        """The same files with other offsets, from this frame on."""
        for reader, track in zip(self._readers, tracks, strict=True):
            reader.offset_samples = track.offset_samples
        self.seek(frame)

    def read(self, weights: Samples) -> Samples:
        """The weighted sum of the next frames: ``(tracks, N)`` -> ``(2, N)``."""
        mixed = np.zeros((CHANNELS, weights.shape[1]), dtype=np.float32)
        for reader, weight in zip(self._readers, weights, strict=True):
            mixed += reader.read(weights.shape[1]) * weight
        return mixed

    def close(self) -> None:
        """Let go of all files."""
        for reader in self._readers:
            reader.close()

"""Memory that the engine's process, the analyst's and their host share: small JSON documents, and the newest audio.

Nobody waits for anybody. A document lies in one of two places in turn, each with its number, length and CRC-32, so a
reader takes a whole one or none, and a writer that is killed in the middle leaves the one before. The audio lies in
rings with a counter before and a counter after each write, so a reader knows what was overwritten while it read.

All of it is a file without a name where the system has such a thing, and each process maps it: nothing is left behind
when all of them are killed.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sys
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.plugins.base import Samples

MAGIC = 0x6465736869667403  # "deshift", layout 3
SIGNALS: tuple[str, ...] = ("raw", "model", "heard", "reference")
SLOTS: dict[str, int] = {"status": 65_536, "readouts": 65_536}  # bytes that a document may have
RING_FRAMES = 1 << 19  # 10.9 s at 48 kHz
GUARD_FRAMES = 1 << 16  # of the oldest: too close to what is written next to be read
TRIES = 16

_HEADER_WORDS = 16  # 64 bit each
_SLOT_WORDS = 8  # newest number; then number, length, CRC of each of two places
_AT_WRITING, _AT_WRITTEN, _AT_RATE, _AT_EPOCH, _AT_EPOCH_START, _AT_REFERENCE = range(2, 8)

Words = NDArray[np.uint64]


class SharedMemoryError(ValueError):
    """Memory that is not what another process of this version shares, or a document that does not fit."""


@dataclass(frozen=True)
class Audio:
    """A stretch of what was heard; `signals` name -> float32 ``(N,)``, all aligned.

    Args:
        start: frames since the engine began, of the first one.
        epoch: changes when the sound begins anew or its rate changes; then nothing before belongs to it.
        has_reference: whether `reference` is one, or silence.
    """

    signals: Mapping[str, Samples]
    start: int
    sample_rate: int
    epoch: int
    has_reference: bool

    @property
    def frames(self) -> int:
        """Of each signal."""
        return len(self.signals[SIGNALS[0]])


def total_bytes(ring_frames: int = RING_FRAMES) -> int:
    """Size of the whole."""
    documents = sum(2 * capacity for capacity in SLOTS.values())
    return 8 * (_HEADER_WORDS + _SLOT_WORDS * len(SLOTS)) + documents + 4 * len(SIGNALS) * ring_frames


class SharedMemory:
    """One process's view. Every document and the audio have one writer at a time.

    `create` makes it, `attach` joins it by the token that `share` gives.
    """

    def __init__(self, memory: mmap.mmap, descriptor: int, path: Path | None, ring_frames: int) -> None:
        self._memory, self._descriptor, self._path, self._ring_frames = memory, descriptor, path, ring_frames
        words = _HEADER_WORDS + _SLOT_WORDS * len(SLOTS)
        all_words: Words = np.frombuffer(memory, np.uint64, words)
        self._header = all_words[:_HEADER_WORDS]
        self._slots: dict[str, Words] = {}
        self._places: dict[str, tuple[int, int]] = {}
        at = 8 * words
        for index, (name, capacity) in enumerate(SLOTS.items()):
            start = _HEADER_WORDS + _SLOT_WORDS * index
            self._slots[name] = all_words[start : start + _SLOT_WORDS]
            self._places[name] = at, at + capacity
            at += 2 * capacity
        rings: Samples = np.frombuffer(memory, np.float32, len(SIGNALS) * ring_frames, at)
        self._rings = rings.reshape(len(SIGNALS), ring_frames)

    # -- life

    @classmethod
    def create(cls, ring_frames: int = RING_FRAMES) -> SharedMemory:
        """Make it, all zeros.

        Raises: OSError where there is no room.
        """
        size = total_bytes(ring_frames)
        path = None
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("deshift")
        else:
            descriptor, name = tempfile.mkstemp(prefix="deshift-")
            path = Path(name)
            if os.name == "posix":
                path.unlink()
                path = None
        if sys.platform != "win32":
            descriptor = _beyond_standard(descriptor)
        os.ftruncate(descriptor, size)
        shared = cls(mmap.mmap(descriptor, size), descriptor, path, ring_frames)
        shared._header[1] = ring_frames
        shared._header[0] = MAGIC
        return shared

    @classmethod
    def attach(cls, token: str) -> SharedMemory:
        """Join by the token, in a process that `share` was told about.

        Raises: SharedMemoryError where there is no such memory, or it has another layout.
        """
        kind, _, value = token.partition(":")
        try:
            descriptor = int(value) if kind == "fd" else os.open(value, os.O_RDWR | getattr(os, "O_BINARY", 0))
            size = os.fstat(descriptor).st_size
            memory = mmap.mmap(descriptor, size)
        except (OSError, ValueError) as error:
            raise SharedMemoryError(f"shared memory {token!r} cannot be joined: {error}") from error
        head = np.frombuffer(memory, np.uint64, 2)
        if int(head[0]) != MAGIC or size != total_bytes(int(head[1])):
            raise SharedMemoryError(f"shared memory {token!r} was made by another version of deshift")
        return cls(memory, descriptor, None, int(head[1]))

    @property
    def token(self) -> str:
        """What a child process gives to `attach`; on POSIX it must inherit `descriptor`."""
        return f"fd:{self._descriptor}" if self._path is None else f"path:{self._path}"

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._descriptor

    def close(self) -> None:
        """Let go of it. What others have mapped stays theirs."""
        del self._header, self._slots, self._rings
        with contextlib.suppress(BufferError):  # an array that was read points into it: it goes with that array
            self._memory.close()
        os.close(self._descriptor)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    # -- documents

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace a document. One process at a time may write it.

        Raises: SharedMemoryError where it is too long; ValueError where JSON cannot hold it.
        """
        data = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        if len(data) > SLOTS[name]:
            raise SharedMemoryError(f"{name}: a document of {len(data)} bytes does not fit into {SLOTS[name]}")
        slot = self._slots[name]
        number = int(slot[0]) + 1
        turn = number % 2
        at, start = 1 + 3 * turn, self._places[name][turn]
        slot[at] = 0  # not valid while it is written
        self._memory[start : start + len(data)] = data
        slot[at + 1], slot[at + 2] = len(data), _checksum(number, data)
        slot[at] = number
        slot[0] = number

    def count(self, name: str) -> int:
        """How many times the document was written: a heartbeat."""
        return int(self._slots[name][0])

    def read(self, name: str) -> dict[str, Any] | None:
        """The newest document, None where there is none (or it was replaced again and again while it was read)."""
        slot = self._slots[name]
        for _ in range(TRIES):
            number = int(slot[0])
            if not number:
                return None
            data = self._whole(name, number)
            if data is not None:
                document: dict[str, Any] = json.loads(data)
                return document
        return None

    def _whole(self, name: str, number: int) -> bytes | None:
        slot, turn = self._slots[name], number % 2
        at, start = 1 + 3 * turn, self._places[name][turn]
        length = int(slot[at + 1])
        if int(slot[at]) != number or length > SLOTS[name]:
            return None
        data = self._memory[start : start + length]
        return data if int(slot[at + 2]) == _checksum(number, data) else None

    # -- audio

    def begin_audio(self, sample_rate: int, has_reference: bool) -> None:
        """The sound that follows is new: at this rate, with or without a reference."""
        header = self._header
        header[_AT_RATE], header[_AT_REFERENCE] = sample_rate, has_reference
        header[_AT_EPOCH_START] = header[_AT_WRITTEN]
        header[_AT_EPOCH] += np.uint64(1)

    def write_audio(self, *signals: Samples) -> None:
        """Append one block, ``(N,)`` for each of `SIGNALS` in their order; N at most `GUARD_FRAMES`. Never waits."""
        header, size = self._header, self._ring_frames
        count = len(signals[0])
        written = int(header[_AT_WRITTEN])
        header[_AT_WRITING] = written + count
        start = written % size
        first = min(count, size - start)
        for ring, signal in zip(self._rings, signals, strict=True):
            ring[start : start + first] = signal[:first]
            ring[: count - first] = signal[first:]
        header[_AT_WRITTEN] = written + count

    @property
    def audio_frames(self) -> int:
        """How many frames were written so far."""
        return int(self._header[_AT_WRITTEN])

    def read_audio(self, start: int, most_frames: int) -> Audio:
        """Frames from `start` on, or from the oldest of this epoch that is safe to read; at most so many."""
        for _ in range(TRIES):
            header = self._header
            epoch, rate, reference = (int(header[at]) for at in (_AT_EPOCH, _AT_RATE, _AT_REFERENCE))
            end = int(header[_AT_WRITTEN])
            oldest = max(int(header[_AT_EPOCH_START]), end - self._ring_frames + GUARD_FRAMES)
            first = min(max(start, oldest), end)
            count = min(end - first, max(0, most_frames))
            places = np.arange(first, first + count) % self._ring_frames
            signals = {name: ring[places] for name, ring in zip(SIGNALS, self._rings, strict=True)}
            untouched = first >= int(header[_AT_WRITING]) - self._ring_frames
            if untouched and epoch == int(header[_AT_EPOCH]):
                return Audio(signals, first, rate, epoch, bool(reference))
        return Audio({name: np.zeros(0, np.float32) for name in SIGNALS}, start, rate, epoch, bool(reference))

    def newest_audio(self, frames: int) -> Audio:
        """The last frames, as many as there are."""
        return self.read_audio(max(0, self.audio_frames - frames), frames)


def _checksum(number: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(number.to_bytes(8, "little")))


if sys.platform != "win32":
    import fcntl

    def _beyond_standard(descriptor: int) -> int:
        """The same file under a number above 2: where the host was started without a standard input, 0 is free, and a
        child's own would take its place."""
        if descriptor > 2:
            return descriptor
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(descriptor)
        return moved

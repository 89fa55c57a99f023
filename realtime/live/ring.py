"""Frames from one thread to another, without a lock."""

from __future__ import annotations

import numpy as np

from realtime.plugins.base import Samples


class Ring:
    """A ring of frames ``(N, C)`` for one writing and one reading thread.

    Each thread moves one counter only, and moves it last, after the frames are in place: neither waits for the other.
    Nothing is allocated but views.
    """

    def __init__(self, frames: int, channels: int) -> None:
        if frames < 1 or channels < 1:
            raise ValueError(f"a ring needs a frame and a channel at least, not {frames} and {channels}")
        self._frames = np.zeros((frames, channels), dtype=np.float32)
        self._written = 0
        self._read = 0

    @property
    def capacity(self) -> int:
        """Frames it can hold."""
        return len(self._frames)

    @property
    def readable(self) -> int:
        """Frames that wait to be read."""
        return self._written - self._read

    @property
    def writable(self) -> int:
        """Frames it has room for."""
        return self.capacity - self.readable

    def write(self, block: Samples) -> int:
        """Take as many of the block's first frames as there is room for; returns how many."""
        count = min(len(block), self.writable)
        start = self._written % self.capacity
        first = min(count, self.capacity - start)
        self._frames[start : start + first] = block[:first]
        self._frames[: count - first] = block[first:count]
        self._written += count
        return count

    def write_silence(self, count: int) -> int:
        """The same with frames of zeros."""
        count = min(count, self.writable)
        start = self._written % self.capacity
        first = min(count, self.capacity - start)
        self._frames[start : start + first] = 0
        self._frames[: count - first] = 0
        self._written += count
        return count

    def read_into(self, out: Samples) -> int:
        """Fill the first frames of `out` with what is there; returns how many."""
        count = min(len(out), self.readable)
        start = self._read % self.capacity
        first = min(count, self.capacity - start)
        out[:first] = self._frames[start : start + first]
        out[first:count] = self._frames[: count - first]
        self._read += count
        return count

    def skip(self, count: int) -> int:
        """Drop up to `count` frames unread; returns how many."""
        count = min(count, self.readable)
        self._read += count
        return count

    def clear(self) -> None:
        """Drop all that waits; for the reading thread."""
        self.skip(self.readable)

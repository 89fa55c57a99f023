"""What the feeder sees of the device's callback: the frames it moves through the C rings, and when it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.live.device import Block

SHORTEST_GAP_S, GAP_BLOCKS = 0.25, 8


class Lane:
    """One direction: a C ring, and the action by which the callback moves frames through it.

    Args:
        stream: of rtmixer; knows which actions still run.
        ring: of rtmixer, over `memory` ``(frames, C)``.
        begin: starts a new action on the ring and returns it.
        recording: whether the callback writes and we read.
    """

    def __init__(self, stream: Any, ring: Any, memory: Block, begin: Callable[[], Any], recording: bool) -> None:
        self._stream, self._ring, self._memory = stream, ring, memory
        self._begin, self._recording = begin, recording
        self._position = 0
        self._now: tuple[Any, int, int, int] = (None, 0, 0, 0)  # the action; frames, callbacks, flags before it
        self.largest_block_frames = 0
        self.blocks_vary = False

    def begin(self) -> None:
        """Start the action, at first and after it ended."""
        past = (self.frames, self.callbacks, self.flagged) if self._now[0] is not None else (0, 0, 0)
        self._now = (self._begin(), *past)

    @property
    def frames(self) -> int:
        """Frames the callback moved since the start."""
        action, frames, _, _ = self._now
        return frames + int(action.done_frames)

    @property
    def callbacks(self) -> int:
        """Callbacks that found the action running."""
        action, _, callbacks, _ = self._now
        return callbacks + int(action.stats.blocks)

    @property
    def flagged(self) -> int:
        """Callbacks before which the sound system lost frames of this direction."""
        action, _, _, flagged = self._now
        stats = action.stats
        if self._recording:
            return flagged + int(stats.input_overflows) + int(stats.input_underflows)
        return flagged + int(stats.output_underflows) + int(stats.output_overflows)

    def look(self) -> None:
        """Follow the sizes of the blocks; cheap."""
        stats = self._now[0].stats
        self.largest_block_frames = max(self.largest_block_frames, int(stats.max_blocksize))
        self.blocks_vary |= stats.min_blocksize != stats.max_blocksize

    def ended(self) -> bool:
        """Whether the ring ran dry, or full, and the callback gave the action up."""
        return bool(self._now[0] not in self._stream.actions)

    @property
    def channels(self) -> int:
        """Of its frames."""
        return int(self._memory.shape[1])

    @property
    def waiting(self) -> int:
        """Frames in the ring: recorded and not yet taken, or given and not yet played."""
        return int(self._ring.read_available)

    @property
    def room(self) -> int:
        """Frames that can be given."""
        return int(self._ring.write_available)

    def take(self, use: Callable[[Block], None]) -> int:
        """Hand all that was recorded to `use`, in one or two views; returns how many frames."""
        count = int(self._ring.get_read_buffers(self.waiting)[0])  # this call, and not `waiting`, is a memory barrier
        self._views(count, use)
        self._ring.advance_read_index(count)
        return count

    def give(self, frames: int, fill: Callable[[Block], None]) -> None:
        """Let `fill` write up to so many frames to be played, in one or two views."""
        count = int(self._ring.get_write_buffers(frames)[0])
        self._views(count, fill)
        self._ring.advance_write_index(count)

    def _views(self, count: int, use: Callable[[Block], None]) -> None:
        size = len(self._memory)
        first = min(count, size - self._position)
        if first:
            use(self._memory[self._position : self._position + first])
        if count > first:
            use(self._memory[: count - first])
        self._position = (self._position + count) % size


class Pulse:
    """When a callback came, when the next one may come, and whether there are any. Times of `perf_counter`."""

    def __init__(self, rate: int, block_frames: int, now_s: float) -> None:
        self._rate, self._block_frames = rate, block_frames
        self._origin_s = now_s  # the earliest line on which frame n is moved at origin + n / rate
        self._turn_s = self.seen_s = now_s
        self._bursting = 0.0  # share of the last moves that brought several blocks at once
        self.frames = self.gaps = 0
        self.in_gap = False
        self.at_once_frames = block_frames

    def see(self, frames: int, largest_block_frames: int, now_s: float) -> None:
        """Take the frames moved so far."""
        moved, turn_s = frames - self.frames, now_s - self._turn_s
        self._turn_s = now_s
        if not moved:
            limit_s = max(SHORTEST_GAP_S, GAP_BLOCKS * self.at_once_frames / self._rate)
            if now_s - self.seen_s > limit_s and not self.in_gap:
                self.in_gap = True
                self.gaps += 1
            return
        first, self.frames, self.seen_s, self.in_gap = not self.frames, frames, now_s, False
        burst = moved > self.at_once_frames and turn_s < 0.4 * moved / self._rate
        self._bursting += ((moved > self._block_frames and turn_s < 0.4 * moved / self._rate) - self._bursting) / 16
        if burst and self._bursting > 0.25:
            self.at_once_frames = moved
        self.at_once_frames = max(self.at_once_frames, largest_block_frames)
        self._follow(now_s - frames / self._rate, first)

    def _follow(self, origin_s: float, first: bool) -> None:
        """Early callbacks move the line at once, late ones slowly: a late one says nothing of the next."""
        if first or origin_s < self._origin_s:
            self._origin_s = origin_s
        else:
            late_s = origin_s - self._origin_s
            self._origin_s = max(self._origin_s + 0.02 * late_s, origin_s - 4 * self.at_once_frames / self._rate)

    @property
    def due_s(self) -> float:
        """The earliest time of the next callback."""
        return self._origin_s + (self.frames + self.at_once_frames) / self._rate

"""The ring between two threads: every frame once, in order, whatever the sizes."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.ring import Ring

ACTIONS = st.tuples(st.sampled_from(["write", "silence", "read", "skip", "clear"]), st.integers(0, 60))


def numbered(start: int, count: int, channels: int) -> np.ndarray:
    """Frames that tell which they are: start + 1, start + 2, …; the second channel is the first times -1."""
    numbers = np.arange(start + 1, start + count + 1, dtype=np.float32)
    return np.stack([numbers, -numbers], axis=1)[:, :channels]


@settings(max_examples=80, deadline=None)
@given(capacity=st.integers(1, 40), channels=st.integers(1, 2), actions=st.lists(ACTIONS, max_size=60))
def test_a_ring_is_a_queue_of_bounded_length(capacity: int, channels: int, actions: list[tuple[str, int]]) -> None:
    ring, queue, sent = Ring(capacity, channels), deque[np.ndarray](), 0
    for action, count in actions:
        room = capacity - len(queue)
        if action in ("write", "silence"):
            block = numbered(sent, count, channels) if action == "write" else np.zeros((count, channels), np.float32)
            taken = ring.write(block) if action == "write" else ring.write_silence(count)
            assert taken == min(count, room)
            queue.extend(block[:taken])
            sent += taken
        elif action == "read":
            out = np.full((count, channels), 777, dtype=np.float32)
            given_frames = ring.read_into(out)
            assert given_frames == min(count, len(queue))
            expected = [queue.popleft() for _ in range(given_frames)]
            np.testing.assert_array_equal(out[:given_frames], np.reshape(expected, (given_frames, channels)))
            assert (out[given_frames:] == 777).all()
        elif action == "skip":
            assert ring.skip(count) == min(count, len(queue))
            for _ in range(min(count, len(queue))):
                queue.popleft()
        else:
            ring.clear()
            queue.clear()
        assert (ring.readable, ring.writable, ring.capacity) == (len(queue), capacity - len(queue), capacity)


@pytest.mark.parametrize("size", [0, 1, 65, 511, 512, 513, 8193])
def test_a_block_of_any_size_is_taken_as_far_as_there_is_room(size: int) -> None:
    ring, block, out = Ring(512, 2), numbered(0, size, 2), np.zeros((8200, 2), dtype=np.float32)
    ring.write_silence(500)
    ring.skip(500)  # the next block wraps around
    taken = min(size, 512)
    assert ring.write(block) == taken == ring.readable
    assert ring.read_into(out) == taken
    np.testing.assert_array_equal(out[:taken], block[:taken])


def test_silence_overwrites_what_was_there_before() -> None:
    ring, out = Ring(8, 2), np.ones((8, 2), dtype=np.float32)
    ring.write(numbered(0, 8, 2))
    ring.skip(5)
    ring.write(numbered(8, 2, 2))
    ring.skip(5)
    assert ring.write_silence(9) == 8 and ring.read_into(out) == 8 and not out.any()


@pytest.mark.parametrize("frames, channels", [(0, 1), (-1, 1), (1, 0)])
def test_a_ring_without_room_is_refused(frames: int, channels: int) -> None:
    with pytest.raises(ValueError, match="a ring needs a frame and a channel at least"):
        Ring(frames, channels)


def test_nothing_is_allocated_while_frames_pass() -> None:
    ring, block = Ring(5000, 2), np.zeros((4096, 2), dtype=np.float32)
    ring.write(block)
    ring.read_into(block)
    tracemalloc.start()
    for _ in range(20):
        ring.write(block)
        ring.read_into(block)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4096  # one copy of the block would be 32 KiB


class Watching(np.ndarray):
    """Notes how many frames the other thread may read, or has room for, at the moments its own frames are touched."""

    seen: list[tuple[int, int]]
    ring: Ring

    def __getitem__(self, where: object) -> np.ndarray:
        self.seen.append((self.ring.readable, self.ring.writable))
        return np.asarray(super().__getitem__(where))

    def __setitem__(self, where: object, frames: object) -> None:
        self.seen.append((self.ring.readable, self.ring.writable))
        super().__setitem__(where, frames)


def watching(frames: np.ndarray, ring: Ring) -> Watching:
    view = frames.view(Watching)
    view.seen, view.ring = [], ring
    return view


def test_the_other_thread_is_told_only_after_the_frames_are_in_place() -> None:
    ring = Ring(8, 1)
    block, out = watching(numbered(0, 5, 1), ring), watching(np.zeros((5, 1), np.float32), ring)
    ring.write(block)
    ring.read_into(out)
    assert block.seen and set(block.seen) == {(0, 8)}
    assert out.seen and set(out.seen) == {(5, 3)}
    np.testing.assert_array_equal(np.asarray(out), numbered(0, 5, 1))


def test_two_threads_lose_and_double_no_frame() -> None:
    ring, ending, received = Ring(97, 2), time.monotonic() + 1.0, []
    sizes = np.random.default_rng(0).integers(1, 60, 4096)

    def write() -> None:
        sent = turn = 0
        while time.monotonic() < ending:
            sent += ring.write(numbered(sent, int(sizes[turn % 4096]), 2))
            turn += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        writer = threading.Thread(target=write)
        writer.start()
        turn = 0
        while writer.is_alive() or ring.readable:
            out = np.zeros((int(sizes[-1 - turn % 4096]), 2), dtype=np.float32)
            received.append(out[: ring.read_into(out)])
            turn += 1
        writer.join()
    finally:
        sys.setswitchinterval(interval)
    whole = np.concatenate(received)
    assert 500 < len(whole) < 2**24  # what float32 counts exactly
    np.testing.assert_array_equal(whole, numbered(0, len(whole), 2))

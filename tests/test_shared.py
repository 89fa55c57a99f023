"""Memory shared between processes: whole documents or none, audio in order or none, nothing left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.shared import GUARD_FRAMES, SIGNALS, SLOTS, SharedMemory, SharedMemoryError

ROOT = Path(__file__).parents[1]
RING_FRAMES = GUARD_FRAMES + 4096
HAMMER_SECONDS = 1.5

# Writes documents whose parts all say the same number, and audio that counts, as fast as it can.
WRITER = """
import sys
import numpy as np
from realtime.live.shared import SharedMemory
shared = SharedMemory.attach(sys.argv[1])
shared.begin_audio(48_000, True)
print("ready", flush=True)
number = frame = 0
sizes = np.random.default_rng(0).integers(1, 513, 4096)
while True:
    number += 1
    shared.write("status", {"number": number, "again": [number] * (number % 300), "last": number})
    size = int(sizes[number % 4096])
    ramp = np.arange(frame, frame + size, dtype=np.float32)
    shared.write_audio(ramp, -ramp, 2 * ramp, ramp)
    frame = (frame + size) % (1 << 23)
    if frame < size:
        frame = 0
"""


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    memory = SharedMemory.create(RING_FRAMES)
    yield memory
    memory.close()


@pytest.fixture
def writer(shared: SharedMemory) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", WRITER, shared.token]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        words, pass_fds=(shared.descriptor,), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_reader_never_sees_half_a_document_of_a_writer_that_never_waits(
    shared: SharedMemory, writer: subprocess.Popen[str]
) -> None:
    seen, missed, before = 0, 0, 0
    over = time.monotonic() + HAMMER_SECONDS
    while time.monotonic() < over:
        document = shared.read("status")
        if document is None:
            missed += seen > 0
            continue
        number = document["number"]
        assert number >= before, "a document older than the one before"
        assert document == {"number": number, "again": [number] * (number % 300), "last": number}
        before, seen = number, seen + 1
    assert seen > 1000 and missed < seen / 10


def test_audio_read_beside_a_writer_is_in_order_and_aligned(
    shared: SharedMemory, writer: subprocess.Popen[str]
) -> None:
    place, frames = 0, 0
    over = time.monotonic() + HAMMER_SECONDS
    while time.monotonic() < over:
        audio = shared.read_audio(place, 100_000)
        if not audio.frames:
            continue
        assert audio.start >= place and audio.has_reference and audio.sample_rate == 48_000
        raw = audio.signals["raw"]
        steps = np.diff(raw)
        assert np.isin(steps, 1).sum() + np.count_nonzero(steps < 0) == len(steps), "frames out of order"
        np.testing.assert_array_equal(audio.signals["model"], -raw)
        np.testing.assert_array_equal(audio.signals["heard"], 2 * raw)
        place, frames = audio.start + audio.frames, frames + audio.frames
    assert frames > 100_000


def test_a_writer_killed_in_the_middle_leaves_the_document_before(
    shared: SharedMemory, writer: subprocess.Popen[str]
) -> None:
    for _ in range(20):
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    document = shared.read("status")
    assert document is not None and document["number"] == document["last"]
    shared.write("status", {"from": "the next one"})
    assert shared.read("status") == {"from": "the next one"}


@given(flips=st.lists(st.integers(0, 8 * 400 - 1), min_size=1, max_size=3, unique=True))
@settings(max_examples=60, deadline=None)
def test_a_damaged_document_is_no_document(flips: list[int]) -> None:
    memory = SharedMemory.create(GUARD_FRAMES)
    try:
        memory.write("status", {"text": "x" * 389})
        start = memory._places["status"][1]
        for flip in flips:
            memory._memory[start + flip // 8] ^= 1 << flip % 8
        assert memory.read("status") is None
    finally:
        memory.close()


def test_a_document_of_any_size_that_fits_comes_back_and_a_larger_one_is_refused(shared: SharedMemory) -> None:
    room = SLOTS["status"] - len('{"t":""}')
    for size in (0, 1, 65, 511, 513, 8193, room):
        shared.write("status", {"t": "x" * size})
        assert shared.read("status") == {"t": "x" * size}
    with pytest.raises(SharedMemoryError, match="does not fit"):
        shared.write("status", {"t": "x" * (room + 1)})
    with pytest.raises(ValueError, match="JSON"):
        shared.write("status", {"t": float("nan")})
    assert shared.read("status") == {"t": "x" * room}
    assert shared.count("status") == 7


def test_nothing_was_written_yet_is_told_as_nothing(shared: SharedMemory) -> None:
    assert shared.read("status") is None and shared.count("status") == 0
    assert shared.read_audio(0, 1000).frames == 0
    assert shared.newest_audio(1000).frames == 0


@pytest.mark.parametrize("size", [0, 1, 65, 511, 513, 8193])
def test_audio_blocks_of_any_size_come_back_whole(shared: SharedMemory, size: int) -> None:
    shared.begin_audio(44_100, False)
    block = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    for _ in range(12):
        shared.write_audio(block, block, -block, block)
    audio = shared.read_audio(0, 1 << 20)
    whole = np.tile(block, 12)
    kept = whole[len(whole) - audio.frames :]
    assert audio.frames == min(len(whole), RING_FRAMES - GUARD_FRAMES)
    np.testing.assert_array_equal(audio.signals["heard"], -kept)
    assert audio.start + audio.frames == shared.audio_frames == len(whole)
    assert set(audio.signals) == set(SIGNALS) and not audio.has_reference


def test_a_new_epoch_hides_what_came_before(shared: SharedMemory) -> None:
    ones = np.ones(100, np.float32)
    shared.begin_audio(48_000, True)
    shared.write_audio(ones, ones, ones, ones)
    first = shared.read_audio(0, 1000)
    shared.begin_audio(16_000, False)
    assert shared.read_audio(0, 1000).frames == 0
    shared.write_audio(2 * ones, ones, ones, ones)
    second = shared.read_audio(0, 1000)
    assert (first.sample_rate, second.sample_rate) == (48_000, 16_000) and second.epoch != first.epoch
    np.testing.assert_array_equal(second.signals["raw"], 2 * ones)


def test_memory_of_another_layout_is_refused(shared: SharedMemory) -> None:
    with pytest.raises(SharedMemoryError, match="cannot be joined"):
        SharedMemory.attach("fd:9999")
    shared._header[0] += np.uint64(1)
    with pytest.raises(SharedMemoryError, match="another version"):
        SharedMemory.attach(f"fd:{os.dup(shared.descriptor)}")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the file is deleted at the end")
def test_it_has_no_name_in_the_file_system(shared: SharedMemory) -> None:
    assert shared.token.startswith("fd:") and os.fstat(shared.descriptor).st_nlink == 0


def test_closing_gives_the_memory_and_the_file_back() -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        SharedMemory.create(GUARD_FRAMES).close()
    assert len(list(Path("/dev/fd").iterdir())) == before

"""Recording while live: both ends aligned, the sound never waits, and no disk takes away what was recorded."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.flac_file import FlacFile
from realtime.live.recorder import MIN_FREE_BYTES, RING_S, Recorder
from tests.signals import noise

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[1]
RATE = 48_000
STEP = 2.0**-23  # of 24 bit


def ends(frames: int, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What goes in and what comes out, ``(C, N)``."""
    one, other = (np.stack([noise(frames, seed + 10 * c + side) for c in range(channels)]) for side in (1, 2))
    return one, other


def feed(recorder: Recorder, sides: tuple[np.ndarray, np.ndarray], block: int) -> None:
    """Block after block, waiting where the writer has to come after: a test is faster than sound."""
    for at in range(0, sides[0].shape[1], block):
        while min(ring.writable for ring in recorder._rings) < block and recorder.state.error is None:
            time.sleep(0.01)
        recorder.feed(sides[0][:, at : at + block], sides[1][:, at : at + block])


def wait_for_error(recorder: Recorder, limit_s: float = 10) -> str:
    """Feed silence until the recorder gives up, as a live engine would."""
    silence = np.zeros((1, 512), dtype=np.float32)
    ends_at = time.monotonic() + limit_s
    while recorder.state.error is None and time.monotonic() < ends_at:
        recorder.feed(silence, silence)
        time.sleep(0.005)
    assert recorder.state.error is not None
    return recorder.state.error


@pytest.mark.parametrize("block", [1, 65, 511, 513, 8193])
@pytest.mark.parametrize("channels", [1, 2])
def test_both_ends_are_recorded_sample_for_sample(tmp_path: Path, block: int, channels: int) -> None:
    sides = ends(20_000, channels)
    recorder = Recorder(tmp_path, RATE, channels)
    feed(recorder, sides, block)
    report = recorder.stop()
    assert (report.error, report.dropped_frames, report.seconds) == (None, 0, 20_000 / RATE)
    assert [re.sub(r"\d", "0", path.name) for path in report.files] == [
        "deshift-00000000-000000-input.flac",
        "deshift-00000000-000000-output.flac",
    ]
    for path, side in zip(report.files, sides, strict=True):
        assert soundfile.info(path).subtype == "PCM_24" and soundfile.info(path).samplerate == RATE
        np.testing.assert_allclose(soundfile.read(path, always_2d=True)[0].T, side, atol=STEP)


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(0, 9000), min_size=1, max_size=12))
def test_whatever_the_blocks_the_files_are_as_long_as_what_was_fed(
    sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    recorder, sides = Recorder(tmp_path_factory.mktemp("sizes"), 44_100, 1), ends(sum(sizes) + 1)
    at = 0
    for size in [*sizes, 1]:
        recorder.feed(sides[0][:, at : at + size], sides[1][:, at : at + size])
        at += size
    report = recorder.stop()
    heard = [soundfile.read(path)[0] for path in report.files]
    np.testing.assert_allclose(heard, [side[0] for side in sides], atol=STEP)


def test_a_block_is_copied_in_a_fraction_of_its_length(tmp_path: Path) -> None:
    recorder, (block, other) = Recorder(tmp_path, RATE, 2), ends(512, 2)
    times = []
    for _ in range(400):
        started = time.perf_counter()
        recorder.feed(block, other)
        times.append(time.perf_counter() - started)
    recorder.stop()
    assert np.median(times) < 0.01 * 512 / RATE


def test_what_finds_no_room_is_dropped_on_both_sides_and_counted(tmp_path: Path) -> None:
    frames, block = int(3 * RING_S * RATE), 4800
    count = np.arange(frames, dtype=np.float32)[None] % 30_000 / 65_536
    recorder = Recorder(tmp_path, RATE, 1)
    for at in range(0, frames, block):
        recorder.feed(count[:, at : at + block], -count[:, at : at + block])
    report = recorder.stop()
    heard = [soundfile.read(path)[0] for path in report.files]
    assert report.dropped_frames > 0 and report.error is None
    assert len(heard[0]) + report.dropped_frames == frames and report.seconds == len(heard[0]) / RATE
    np.testing.assert_array_equal(heard[0], -heard[1])


def test_no_file_is_written_over(tmp_path: Path) -> None:
    for number in range(3):
        recorder = Recorder(tmp_path, RATE, 1, stem="Probe ü")
        feed(recorder, ends(1000 + number), 100)
        recorder.stop()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"Probe ü{number}-{side}.flac" for number in ("-2", "-3", "") for side in ("input", "output")
    ]  # fmt: skip
    assert soundfile.info(tmp_path / "Probe ü-input.flac").frames == 1000


def test_nan_and_loud_samples_do_not_wrap_around(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, RATE, 1)
    loud = np.array([[np.nan, np.inf, -np.inf, 3, -3, 0.5]], dtype=np.float32)
    recorder.feed(loud, loud)
    heard = soundfile.read(recorder.stop().files[1])[0]
    np.testing.assert_allclose(heard, [0, 1, -1, 1, -1, 0.5], atol=STEP)


def test_an_empty_recording_leaves_no_file(tmp_path: Path) -> None:
    report = Recorder(tmp_path, RATE, 1).stop()
    assert (report.files, report.seconds, report.error) == ((), 0, None) and list(tmp_path.iterdir()) == []


def test_the_folder_is_made_where_it_is_absent(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder", RATE, 1)
    feed(recorder, ends(100), 50)
    assert recorder.stop().files[0].parent == tmp_path / "new" / "folder"


def test_blocks_after_stop_change_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, RATE, 1)
    feed(recorder, ends(100), 50)
    report = recorder.stop()
    feed(recorder, ends(100), 50)
    assert recorder.state == recorder.stop() == report


def test_no_thread_is_left_after_stop(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(20):
        Recorder(tmp_path, RATE, 1).stop()
    assert threading.active_count() == before


@pytest.mark.parametrize("rate, channels", [(RATE, 0), (RATE, 9), (0, 1), (768_000, 1)])
def test_what_flac_cannot_hold_is_refused(tmp_path: Path, rate: int, channels: int) -> None:
    with pytest.raises(ValueError, match="FLAC holds 1 to 8 channels"):
        Recorder(tmp_path, rate, channels)


def test_a_block_of_another_shape_ends_the_recording_in_one_line_and_keeps_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, RATE, 1)
    feed(recorder, ends(9000), 500)
    recorder.feed(np.zeros((2, 10), dtype=np.float32), np.zeros((2, 10), dtype=np.float32))
    report = recorder.stop()
    assert report.error is not None and "blocks of 1 channels" in report.error and report.seconds == 9000 / RATE
    assert soundfile.info(report.files[0]).frames == 9000


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    recorder = Recorder(tmp_path / "file" / "inside", RATE, 1)
    line = wait_for_error(recorder)
    assert str(tmp_path / "file") in line and "Not a directory" in line and "\n" not in line
    assert recorder.stop().files == ()


def test_a_vanished_folder_ends_the_recording_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    recorder = Recorder(folder, RATE, 1)
    feed(recorder, ends(RATE), 512)
    while not recorder.state.seconds:
        time.sleep(0.01)
    shutil.rmtree(folder)
    line = wait_for_error(recorder)
    assert "is gone" in line and str(folder) in line and "\n" not in line
    assert recorder.stop().files == () and not folder.exists()


RECORD = """
import sys, time
import numpy as np
from realtime.live.recorder import Recorder

recorder = Recorder(sys.argv[1], 48000, 1, stem="session")
draw = np.random.default_rng(0)
while recorder.state.error is None:
    block = (0.1 * draw.standard_normal((1, 4800))).astype(np.float32)
    while min(ring.writable for ring in recorder._rings) < 4800 and recorder.state.error is None:
        time.sleep(0.01)
    recorder.feed({input}, -block)
    print(recorder.state.seconds, flush=True)
    {do}
report = recorder.stop()
print(len(report.files), report.seconds, report.error)
"""


def record(
    folder: Path, before: str = "", do: str = "", silent_input: bool = False
) -> subprocess.CompletedProcess[str]:
    """Record noise in a process of its own; the output is the negative of the input."""
    program = before + RECORD.replace("{do}", do).replace("{input}", "0 * block" if silent_input else "block")
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def recorded(folder: Path) -> np.ndarray:
    """Both ends; they must be readable, of one length, and aligned."""
    heard = [soundfile.read(folder / f"session-{side}.flac")[0] for side in ("input", "output")]
    assert len(heard[0]) == len(heard[1]) > 0
    np.testing.assert_allclose(heard[0], -heard[1], atol=2 * STEP)
    reference = np.random.default_rng(0).standard_normal(len(heard[0]) + 4800)[: len(heard[0])]
    np.testing.assert_allclose(heard[0], (0.1 * reference).astype(np.float32), atol=2 * STEP)
    return heard[0]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
@pytest.mark.parametrize("limit", [300_000, 1_000_001])
def test_a_disk_that_takes_no_more_ends_the_recording_and_leaves_it_readable(tmp_path: Path, limit: int) -> None:
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    ran = record(tmp_path, before)
    files, seconds, line = ran.stdout.strip().splitlines()[-1].split(" ", 2)
    assert ran.returncode == 0 and files == "2", ran.stderr
    assert "recording ended" in line and str(tmp_path) in line and "may be full" in line
    heard = recorded(tmp_path)
    assert float(seconds) == len(heard) / RATE
    assert len(heard) > 0.6 * limit / 2.6  # noise at this level takes about 2.6 bytes a sample
    assert (tmp_path / "session-input.flac").stat().st_size < limit  # no torn frame is left at the end


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_failure_on_one_side_leaves_both_files_of_one_length(tmp_path: Path) -> None:
    """Silence takes hardly any room, so the output alone meets the limit, with one piece of the input ahead of it."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))\n"
    assert "may be full" in record(tmp_path, before, silent_input=True).stdout
    lengths = [len(soundfile.read(path)[0]) for path in sorted(tmp_path.iterdir())]
    assert len(lengths) == 2 and lengths[0] == lengths[1] > RATE


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of a few megabytes, for root on Linux."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = MIN_FREE_BYTES + (1 << 20)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_recording_with_room_left_to_end_it_properly(small_disk: Path) -> None:
    ran = record(small_disk)
    files, seconds, line = ran.stdout.strip().splitlines()[-1].split(" ", 2)
    assert ran.returncode == 0 and files == "2", ran.stderr
    assert "the disk is full" in line and "MB are left" in line
    assert float(seconds) == len(recorded(small_disk)) / RATE > 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_crash_leaves_readable_files_under_their_names(tmp_path: Path) -> None:
    crash = "if recorder.state.seconds > 3: import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    ran = record(tmp_path, do=crash)
    assert ran.returncode == -signal.SIGKILL
    written = float(ran.stdout.strip().splitlines()[-1])
    heard = [soundfile.read(path)[0] for path in sorted(tmp_path.iterdir())]
    assert [len(part) / RATE > written - 0.1 for part in heard] == [True, True]
    common = min(map(len, heard))
    np.testing.assert_allclose(heard[0][:common], -heard[1][:common], atol=2 * STEP)


@pytest.mark.parametrize("frames", [4097, 8192, 8193, 50_000])
def test_the_head_counts_what_the_disk_holds_after_every_piece(tmp_path: Path, frames: int) -> None:
    """Read without closing: what a crash at this moment would leave."""
    file, audio = FlacFile(tmp_path / "open.flac", RATE, 2), ends(frames, 2)[0].T
    file.write(audio)
    heard = soundfile.read(tmp_path / "open.flac")[0]
    assert len(heard) == file.whole_frames and frames - 4096 - 1 <= len(heard) < frames
    np.testing.assert_allclose(heard, audio[: len(heard)], atol=STEP)
    assert file.close() == frames
    np.testing.assert_allclose(soundfile.read(tmp_path / "open.flac")[0], audio, atol=STEP)


def test_an_existing_file_is_never_opened_for_writing(tmp_path: Path) -> None:
    (tmp_path / "mine.flac").write_text("mine")
    with pytest.raises(FileExistsError):
        FlacFile(tmp_path / "mine.flac", RATE, 1)
    assert (tmp_path / "mine.flac").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1

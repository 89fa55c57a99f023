"""The queue of files: cancel, pause and end leave nothing behind, and its figures are true."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.batch import Batch
from realtime.batch_items import BatchItem, BatchOptions, BatchStatus, State, Tally
from realtime.files import process_file, search
from tests.queue_parts import LIMIT_S, batches, everything, make_models, run, states, until, write

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def options(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "gain.onnx"))


@pytest.fixture
def slow(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "slow.onnx"))


@pytest.fixture
def make() -> Iterator[Callable[[BatchOptions], Batch]]:
    yield from batches()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, models: Path) -> None:
    write(tmp_path / "in/a.wav", 100_000)
    code = (
        "import pathlib, resource, sys, time\n"
        "from realtime.batch import Batch\n"
        "from realtime.batch_items import BatchOptions\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000,) * 2)\n"
        "source, model, out = map(pathlib.Path, sys.argv[1:])\n"
        "batch = Batch(BatchOptions(folder=out, model=str(model)))\n"
        "batch.add([source])\n"
        "batch.start()\n"
        "while batch.status().running: time.sleep(0.01)\n"
        "print(batch.status().items[0].reason)"
    )
    line = [sys.executable, "-c", code, tmp_path / "in", models / "gain.onnx", tmp_path / "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*map(str, line)], capture_output=True, text=True, env=environment, timeout=60)
    assert "make room on the disk or choose another output folder" in ran.stdout, ran.stderr
    assert everything(tmp_path / "out") == []


def test_a_cancel_in_mid_file_stops_at_once_and_leaves_nothing(tmp_path: Path, make, slow) -> None:
    sources = [write(tmp_path / "in" / name, 48_000 * 600) for name in ("a.wav", "b.wav")]
    batch = make(replace(slow, folder=tmp_path / "out"))
    batch.add(sources)
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0 and bool(list((tmp_path / "out").glob(".*.part"))))
    begun = time.monotonic()
    batch.cancel(1)
    until(lambda: batch.status().items[0].state == "cancelled")
    assert time.monotonic() - begun < 10  # one block of so slow a model takes about half a second
    until(lambda: batch.status().items[1].fraction > 0)  # the next goes on
    batch.cancel_all()
    until(lambda: not batch.status().running)
    assert states(batch) == ["cancelled", "cancelled"] and everything(tmp_path / "out") == []
    assert batch.status().eta_s is None


def test_removing_what_runs_cancels_it(tmp_path: Path, make, slow) -> None:
    batch = make(slow)
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0)
    batch.remove(1)
    assert batch.status().items == ()
    until(lambda: not batch.status().running)
    assert everything(tmp_path) == ["a.wav"]


def test_close_ends_the_thread_and_leaves_nothing(tmp_path: Path, slow) -> None:
    batch = Batch(slow)
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0)
    assert batch.close(LIMIT_S) and states(batch) == ["cancelled"] and everything(tmp_path) == ["a.wav"]
    batch.retry(1)
    batch.start()
    assert not batch.status().running and batch.add([write(tmp_path / "b.wav")]) == 0


def test_a_program_that_ends_in_mid_file_leaves_nothing(tmp_path: Path, models: Path) -> None:
    write(tmp_path / "a.wav", 48_000 * 600)
    code = (
        "import pathlib, sys, time\n"
        "from realtime.batch import Batch\n"
        "from realtime.batch_items import BatchOptions\n"
        "batch = Batch(BatchOptions(model=sys.argv[2]))\n"
        "batch.add([pathlib.Path(sys.argv[1])])\n"
        "batch.start()\n"
        "while not batch.status().seconds_done: time.sleep(0.01)\n"
        "batch.close(0)"
    )
    line = [sys.executable, "-c", code, str(tmp_path / "a.wav"), str(models / "slow.onnx")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "") and everything(tmp_path) == ["a.wav"]


def test_a_pause_holds_and_counts_no_time(tmp_path: Path, make, slow) -> None:
    batch = make(slow)
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0)
    batch.pause()
    time.sleep(1.5)  # the block that was begun ends
    held = batch.status()
    time.sleep(0.5)
    later = batch.status()
    assert held.paused and later.running and later == held
    batch.start()
    until(lambda: batch.status().seconds_done > held.seconds_done)
    assert not batch.status().paused
    batch.pause()
    batch.cancel_all()  # works on what is held, too
    until(lambda: not batch.status().running)
    assert states(batch) == ["cancelled"]


def test_speed_and_time_left_are_those_of_a_watch(tmp_path: Path, make, slow) -> None:
    batch = make(slow)
    batch.add([write(tmp_path / f"{n}.wav", 48_000 * 60) for n in range(2)])
    assert batch.status().eta_s is None and batch.status().seconds_total == pytest.approx(120)
    begun = time.monotonic()
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0.04)
    status, elapsed_s = batch.status(), time.monotonic() - begun
    item = status.items[0]
    assert item.fraction * 60 == pytest.approx(status.seconds_done)
    assert status.times_real_time == pytest.approx(status.seconds_done / elapsed_s, rel=0.2)
    assert status.eta_s == pytest.approx((120 - status.seconds_done) / status.times_real_time)
    assert item.eta_s == pytest.approx((60 - item.fraction * 60) / item.times_real_time)


def test_clearing_keeps_what_failed_and_what_waits(tmp_path: Path, make, options) -> None:
    batch = make(options)
    batch.add([write(tmp_path / "done.wav"), tmp_path / "failed.wav"])
    run(batch)
    batch.add([write(tmp_path / "waiting.wav"), write(tmp_path / "cancelled.wav")])
    batch.cancel(4)
    batch.clear_finished()
    assert [item.input.stem for item in batch.status().items] == ["failed", "waiting"]
    assert batch.status().counts["done"] == 0 and batch.status().seconds_total == pytest.approx(0.1)


def test_what_was_over_before_a_run_is_no_part_of_its_progress(tmp_path: Path, make, options) -> None:
    batch = make(options)
    batch.add([write(tmp_path / "a.wav", 48_000)])
    run(batch)
    assert batch.status().seconds_done == batch.status().seconds_total == 1.0
    batch.add([write(tmp_path / "b.wav", 96_000)])
    run(batch)
    assert batch.status().seconds_total == 2.0 and batch.status().counts == {"done": 2, "waiting": 0, "running": 0}


def test_the_work_stands_back_behind_sound_and_screen(tmp_path: Path, make, slow) -> None:
    if sys.platform != "linux":
        pytest.skip("Linux alone has a nice value of single threads")
    batch = make(slow)
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    batch.start()
    until(lambda: batch.status().items[0].fraction > 0)
    worker = next(thread for thread in threading.enumerate() if thread.name == "files queue")
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.native_id or 0) == min(19, usual + 10)


@pytest.mark.parametrize("call", [1, 2])  # after the only block, and before the result gets its name
def test_what_a_progress_call_raises_ends_the_file_without_a_trace(tmp_path: Path, options, call: int) -> None:
    class StopError(Exception):
        pass

    calls: list[float] = []

    def stop(seconds: float) -> None:
        calls.append(seconds)
        if len(calls) == call:
            raise StopError

    write(tmp_path / "a.wav")
    job = next(iter(search(tmp_path, None)))
    with pytest.raises(StopError):
        process_file(job, deshift.load(options.model), on_progress=stop)
    assert everything(tmp_path) == ["a.wav"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["waiting", "running", "done", "failed"]), st.floats(0, 1)))
)
def test_sums_kept_up_to_date_are_those_of_a_fresh_count(changes: list[tuple[int, State, float]]) -> None:
    items: dict[int, BatchItem] = {}
    tally = Tally(settled={2})
    for number, state, fraction in changes:
        if number in items:
            tally.count(items[number], -1)
        items[number] = BatchItem(number, Path("a"), state=state, fraction=fraction, seconds=10.0 * number)
        tally.count(items[number], 1)
    counted = [item for item in items.values() if item.id != 2 and item.state != "failed"]
    assert tally.seconds_total == pytest.approx(sum(item.seconds for item in counted))
    assert tally.seconds_done == pytest.approx(sum(item.seconds * item.fraction for item in counted), abs=1e-6)
    assert +tally.counts == {
        s: n for s in {i.state for i in items.values()} if (n := [i.state for i in items.values()].count(s))
    }


def test_a_snapshot_of_ten_thousand_files_is_cheap(tmp_path: Path, make, options) -> None:
    batch = make(options)
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"{n}.wav").touch()
    assert batch.add([folder]) == 10_000
    cheap: list[float] = []
    status = BatchStatus()
    for _ in range(5):
        batch.retry(7)  # something changed
        batch.cancel(7)
        begun = time.thread_time()
        status = batch.status()
        cheap.append(time.thread_time() - begun)
    assert len(status.items) == 10_000 and min(cheap) < 0.004
    assert batch.status().items is status.items


def test_a_file_tried_again_in_mid_run_is_part_of_its_progress(tmp_path: Path, make, slow) -> None:
    batch = make(slow)
    batch.add([write(tmp_path / "a.wav", 48_000), write(tmp_path / "b.wav", 48_000 * 600)])
    batch.cancel(1)
    batch.start()
    until(lambda: batch.status().items[1].fraction > 0)
    assert batch.status().seconds_total == 600
    batch.retry(1)
    assert batch.status().seconds_total == 601


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_the_program_ends_one_file_and_the_queue_can_go_on(tmp_path: Path, make, options) -> None:
    batch = make(replace(options, encoding=None))
    batch.add([write(tmp_path / "a.wav"), write(tmp_path / "b.wav")])
    assert "a fault in the program" in run(batch)["a.wav"].reason and states(batch) == ["failed", "waiting"]
    batch.configure(options)
    assert run(batch)["b.wav"].state == "done"

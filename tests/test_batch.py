"""The queue of files: what is added, what becomes of each file, and what a stop leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.audio_formats import Encoding
from realtime.batch import Batch
from realtime.batch_items import BatchItem, BatchOptions, BatchStatus, State, Tally
from realtime.files import process_file, search
from tests import plugin_files as files
from tests import signals

ROOT = Path(__file__).parents[1]
LIMIT_S = 60.0


def write(path: Path, frames: int = 4800, channels: int = 1, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.tile(signals.noise(frames)[:, None], (1, channels)), files.RATE, subtype)
    return path


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def run(batch: Batch) -> dict[str, BatchItem]:
    batch.start()
    until(lambda: not batch.status().running)
    return {item.input.name: item for item in batch.status().items}


def states(batch: Batch) -> list[str]:
    return [item.state for item in batch.status().items]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that halves, and the same so slow that a minute of audio takes minutes."""
    folder = tmp_path_factory.mktemp("models")
    files.gain_plugin(folder / "gain.onnx", 0.5)
    files.gain_plugin(folder / "slow.onnx", 0.5, hop_samples=4)
    return folder


@pytest.fixture
def options(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "gain.onnx"))


@pytest.fixture
def slow(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "slow.onnx"))


@pytest.fixture
def make() -> Iterator[Callable[[BatchOptions], Batch]]:
    made: list[Batch] = []

    def build(options: BatchOptions) -> Batch:
        made.append(Batch(options))
        return made[-1]

    yield build
    for batch in made:
        assert batch.close(LIMIT_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "files queue"]


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_a_result_is_what_the_command_gives(tmp_path: Path, make, options: BatchOptions, frames: int) -> None:
    source = write(tmp_path / "a.wav", frames, 2, "FLOAT")
    batch = make(replace(options, mix=0.75))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert (item.state, item.fraction, item.seconds) == ("done", 1.0, frames / files.RATE)
    assert item.output == tmp_path / "a_deshifted.wav"
    heard, expected = soundfile.read(item.output)[0], soundfile.read(source)[0]
    np.testing.assert_allclose(heard, (0.75 * 0.5 + 0.25) * expected, atol=1e-7)


def test_a_folder_is_searched_as_the_command_does_and_its_folders_are_kept(tmp_path: Path, make, options) -> None:
    for name in ("in/a.wav", "in/b/c.flac", "in/b/c_deshifted.flac", "in/.hidden.wav"):
        write(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no audio")
    batch = make(replace(options, folder=tmp_path / "out"))
    assert batch.add([tmp_path / "in"]) == 2
    run(batch)
    assert everything(tmp_path / "out") == ["a_deshifted.wav", "b", "b/c_deshifted.flac"]
    assert states(batch) == ["done", "done"]


def test_a_bad_file_is_marked_with_the_reason_and_the_rest_goes_on(tmp_path: Path, make, options) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no audio at all, only words " * 4)
    write(tmp_path / "none.wav", 0)
    write(tmp_path / "good.wav")
    vanishing = write(tmp_path / "vanishing.wav")
    batch = make(options)
    batch.add([tmp_path, tmp_path / "missing.wav"])
    vanishing.unlink()
    found = run(batch)
    assert {name: item.state for name, item in found.items()} == {
        "empty.wav": "failed",
        "text.wav": "failed",
        "none.wav": "failed",
        "vanishing.wav": "failed",
        "missing.wav": "failed",
        "good.wav": "done",
    }
    words = {
        "empty.wav": "empty",
        "text.wav": "not an audio file",
        "none.wav": "no audio",
        "missing.wav": "No such file",
    }
    for name, word in {**words, "vanishing.wav": "No such file"}.items():
        assert word in found[name].reason and "\n" not in found[name].reason and " -" not in found[name].reason
    assert not list(tmp_path.glob(".*"))


def test_retry_works_once_the_cause_is_gone(tmp_path: Path, make, options) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    blocked = tmp_path / "out"
    blocked.write_text("a file where the folder should be")
    batch = make(replace(options, folder=blocked))
    batch.add([tmp_path / "a.wav"])
    assert states(batch) == ["failed"]
    write(tmp_path / "a.wav")
    batch.retry(1)
    assert "this is a file, not a folder; choose another output folder" in run(batch)["a.wav"].reason
    blocked.unlink()
    batch.retry(1)
    assert run(batch)["a.wav"].state == "done" and everything(blocked) == ["a_deshifted.wav"]
    batch.retry(1)
    assert states(batch) == ["done"]  # what succeeded is left alone


def test_no_permission_to_write_is_told_before_any_work(tmp_path: Path, make, slow) -> None:
    batch = make(replace(slow, folder=Path("/proc/deshift")))
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    item = run(batch)["a.wav"]
    assert item.state == "failed" and item.fraction == 0
    assert "cannot be written" in item.reason and item.reason.endswith("choose another output folder")


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


@pytest.mark.parametrize("existing, state", [("skip", "skipped"), ("number", "done"), ("overwrite", "done")])
def test_existing_results_are_left_numbered_or_overwritten(tmp_path: Path, make, options, existing, state) -> None:
    source = write(tmp_path / "a.wav")
    for name in ("a_deshifted.wav", "a_deshifted (2).wav"):
        (tmp_path / name).write_bytes(b"precious")
    batch = make(replace(options, existing=existing))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert item.state == state
    kept = {name: (tmp_path / name).read_bytes() == b"precious" for name in everything(tmp_path)}
    if existing == "number":
        assert item.output == tmp_path / "a_deshifted (3).wav"
    assert kept["a_deshifted.wav"] == (existing != "overwrite") and kept["a_deshifted (2).wav"]
    assert existing != "skip" or "exists already and was left as it is" in item.reason


@pytest.mark.parametrize("existing", ["skip", "number", "overwrite"])
def test_neither_an_input_nor_the_result_of_another_file_is_ever_replaced(tmp_path: Path, make, options, existing):
    """a.wav and a.flac would both become a_deshifted.wav, which is an input as well."""
    paths = [write(tmp_path / name) for name in ("a_deshifted.wav", "a.wav", "a.flac")]
    write(tmp_path / "b.wav"), write(tmp_path / "b.flac")
    before = paths[0].read_bytes()
    batch = make(replace(options, existing=existing, encoding=Encoding(".wav", "PCM_16")))
    batch.add([*paths, tmp_path / "b.wav", tmp_path / "b.flac"])
    found = run(batch)
    assert paths[0].read_bytes() == before
    outputs = [item.output for item in found.values() if item.state == "done"]
    assert len(set(outputs)) == len(outputs) == (5 if existing == "number" else 2)
    if existing != "number":
        assert (
            "would replace the input" in found["a.wav"].reason and "would replace the input" in found["a.flac"].reason
        )
        assert f"would replace that of {tmp_path / 'b.wav'}" in found["b.flac"].reason


@pytest.mark.parametrize(
    "encoding, name, subtype",
    [
        (Encoding(), "a_deshifted.wav", "PCM_16"),
        (Encoding(".wav", "FLOAT"), "a_deshifted.wav", "FLOAT"),
        (Encoding(".flac", "PCM_24"), "a_deshifted.flac", "PCM_24"),
        (Encoding(".aiff", "PCM_24"), "a_deshifted.aiff", "PCM_24"),
        (Encoding(".ogg", "VORBIS"), "a_deshifted.ogg", "VORBIS"),
        (Encoding(".opus", "OPUS"), "a_deshifted.opus", "OPUS"),
        (Encoding(".mp3", "MPEG_LAYER_III"), "a_deshifted.mp3", "MPEG_LAYER_III"),
    ],
)
def test_the_format_is_the_one_that_was_chosen(tmp_path: Path, make, options, encoding, name, subtype) -> None:
    batch = make(replace(options, encoding=encoding))
    batch.add([write(tmp_path / "a.wav", 48_000, subtype="PCM_16")])
    item = run(batch)["a.wav"]
    assert item.output == tmp_path / name, item.reason
    told = soundfile.info(item.output)
    assert (told.subtype, told.samplerate, told.frames) == (subtype, files.RATE, 48_000)


def test_options_are_those_in_force_when_a_file_begins(tmp_path: Path, make, options) -> None:
    batch = make(options)
    batch.add([write(tmp_path / "a.wav")])
    batch.configure(replace(options, encoding=Encoding(".flac")))
    assert run(batch)["a.wav"].output == tmp_path / "a_deshifted.flac"


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


def test_a_model_that_cannot_be_opened_fails_every_file_with_that_sentence(tmp_path: Path, make, options) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    batch = make(replace(options, model=str(bad)))
    batch.add([write(tmp_path / f"{n}.wav") for n in range(3)])
    found = run(batch)
    assert {item.state for item in found.values()} == {"failed"}
    assert len({item.reason for item in found.values()}) == 1 and str(bad) in found["0.wav"].reason
    files.gain_plugin(bad)
    batch.retry(1, 2, 3)
    assert {item.state for item in run(batch).values()} == {"done"}


def test_a_file_is_queued_once_until_it_is_over(tmp_path: Path, make, options) -> None:
    source = write(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to(source)
    batch = make(replace(options, existing="number"))
    assert batch.add([source, source, tmp_path / "link.wav"]) == 1
    run(batch)
    assert batch.add([source]) == 1
    run(batch)
    assert [item.output and item.output.name for item in batch.status().items] == [
        "a_deshifted.wav",
        "a_deshifted (2).wav",
    ]


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


def test_a_folder_without_audio_and_one_that_cannot_be_read_are_told(tmp_path: Path, make, options) -> None:
    (tmp_path / "empty").mkdir()
    batch = make(options)
    batch.add([tmp_path / "empty", tmp_path / ("x" * 300)])
    first, second = batch.status().items
    assert first.state == "failed" and "no audio files in this folder" in first.reason
    assert second.state == "failed" and "name too long" in second.reason.lower()
    batch.retry(first.id)
    run(batch)
    assert "add it again" in batch.status().items[0].reason


def test_a_file_rendered_as_live_is_what_the_live_path_gives(tmp_path: Path, make, options) -> None:
    from realtime.live.as_live import LiveModel

    source = write(tmp_path / "a.wav", 48_000, subtype="FLOAT")
    batch = make(replace(options, as_live=True))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert item.state == "done" and item.output is not None, item.reason
    audio = soundfile.read(source, dtype="float32", always_2d=True)[0].T
    renderer = LiveModel(model=options.model).renderer(1, files.RATE)
    expected = np.concatenate([renderer.process(audio), renderer.finish()], axis=1)
    np.testing.assert_array_equal(soundfile.read(item.output, dtype="float32", always_2d=True)[0].T, expected)


def test_a_preset_is_rendered_as_live(tmp_path: Path, make, options) -> None:
    preset = tmp_path / "preset.json"
    preset.write_text("this is no preset")
    batch = make(replace(options, model=str(preset)))
    batch.add([write(tmp_path / "a.wav")])
    reason = run(batch)["a.wav"].reason
    assert str(preset) in reason and "preset" in reason.lower() and "onnx" not in reason.lower()


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


def test_what_a_progress_call_raises_ends_the_file_without_a_trace(tmp_path: Path, options) -> None:
    class StopError(Exception):
        pass

    def stop(seconds: float) -> None:
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
    tally = Tally(settled=frozenset({2}))
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

"""The cache of pairs: the same bytes each time, used as it is when full, whole after a kill, and resumed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from realtime.quality.shifters import SHIFTER_VERSIONS
from tests.pair_files import QUICK, cached, pairs_from, record
from tests.processes import children_of, is_running, wait_until
from tests.signals import SAMPLE_RATE, noise, voice
from training.pairs import PairSettings, make_pairs


def test_pairs_are_the_same_bytes_in_the_same_order_wherever_and_however_they_are_made(folder, tmp_path):
    for number in range(3):
        record(folder / f"{number}.wav", voice(40_000, f0_hz=100 + 20 * number))
    elsewhere = tmp_path / "elsewhere"
    for number in range(3):
        record(elsewhere / f"renamed {2 - number}.wav", voice(40_000, f0_hz=100 + 20 * number))
    settings = PairSettings(shifters=("signalsmith", "vocoder"))
    one = pairs_from(folder, tmp_path / "one", settings, workers=1)
    other = pairs_from(elsewhere, tmp_path / "other", settings, workers=2)
    assert cached(tmp_path / "one") == cached(tmp_path / "other")
    assert [pair.path.name for pair in one.pairs] == [pair.path.name for pair in other.pairs]


def test_a_full_cache_is_used_as_it_is_without_reading_the_recordings_again(folder, cache):
    path = record(folder / "a.wav", voice(40_000))
    first, told = pairs_from(folder, cache), []
    status = path.stat()
    path.write_bytes(bytes(status.st_size))  # same size and time, so nobody may notice
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = make_pairs([folder], QUICK, cache, 1, lambda done, total: told.append((done, total)))
    assert again == first
    assert told == [(1, 1)]


def test_a_changed_recording_and_a_deleted_pair_are_made_anew(folder, cache):
    path = record(folder / "a.wav", voice(40_000))
    (first,) = pairs_from(folder, cache).pairs
    before = first.path.read_bytes()
    first.path.unlink()
    (cache / "sources.json").write_text("damaged")
    assert pairs_from(folder, cache).pairs == (first,)
    assert first.path.read_bytes() == before
    record(path, voice(50_000))
    assert pairs_from(folder, cache).pairs[0].frames == 50_000


KILLED = """
import sys
from pathlib import Path
from training.pairs import PairSettings, make_pairs
if __name__ == "__main__":
    folder, cache, workers = sys.argv[1:]
    make_pairs([Path(folder)], PairSettings(shifters=("vocoder",)), Path(cache), int(workers), lambda done, total: None)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_leaves_whole_pairs_and_is_resumed(folder, cache, tmp_path, workers):
    for number in range(12):
        record(folder / f"{number}.wav", noise(8 * SAMPLE_RATE, seed=number))
    (tmp_path / "killed.py").write_text(KILLED)
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "killed.py"), str(folder), str(cache), str(workers)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    wait_until(lambda: len(list(cache.rglob("*.flac"))) >= 2, seconds=120)
    children = children_of(run.pid)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not any(is_running(child) for child in children))
    left = {path: path.stat().st_mtime_ns for path in cache.rglob("*.flac")}
    assert 2 <= len(left) < 12
    for path in left:
        assert soundfile.info(path).frames == 8 * SAMPLE_RATE
    index = pairs_from(folder, cache)
    assert len(index.pairs) == 12
    assert {path: path.stat().st_mtime_ns for path in left} == left
    pairs_from(folder, tmp_path / "undisturbed", workers=2)
    assert cached(cache) == cached(tmp_path / "undisturbed")


def test_segments_that_are_whole_are_not_made_again_when_the_recording_was_not_finished(folder, cache):
    record(folder / "a.wav", noise(31 * SAMPLE_RATE))
    first, second = (pair.path for pair in pairs_from(folder, cache).pairs)
    first.with_name(first.name.replace("_0000.flac", ".json")).unlink()  # as it stands when killed before the end
    second.unlink()
    times = first.stat().st_mtime_ns
    assert len(pairs_from(folder, cache).pairs) == 2
    assert first.stat().st_mtime_ns == times
    assert second.exists()


def test_a_shifter_that_changed_makes_its_pairs_anew(folder, cache, monkeypatch):
    record(folder / "a.wav", voice(30_000))
    (before,) = pairs_from(folder, cache).pairs
    monkeypatch.setitem(SHIFTER_VERSIONS, "vocoder", 99)
    (after,) = pairs_from(folder, cache).pairs
    assert before.path.parent != after.path.parent


def test_what_a_killed_run_was_writing_is_cleared_away_later(folder, cache):
    record(folder / "a.wav", voice(30_000))
    (pair,) = pairs_from(folder, cache).pairs
    old, young = (pair.path.with_name(f"{name}.flac.1.partial") for name in ("old", "young"))
    for partial in (old, young):
        partial.touch()
    os.utime(old, (0, 0))
    pairs_from(folder, cache)
    assert not old.exists()
    assert young.exists()


def test_an_unwritable_cache_stops_the_run(folder, tmp_path):
    record(folder / "a.wav", voice(30_000))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        pairs_from(folder, tmp_path / "file")


def test_the_notes_in_the_cache_can_be_read_by_a_person(folder, cache):
    record(folder / "a.wav", voice(30_000))
    (pair,) = pairs_from(folder, cache).pairs
    note = json.loads(pair.path.with_name(f"{pair.source_hash}.json").read_text())
    assert note == {"source": "a.wav", "skipped": None, "segments": [[0, 30_000, 12.0]]}

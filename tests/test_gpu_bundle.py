"""A bundle on its whole way: packed, trained where nothing is, stopped, joined, exported, gone on with."""

import hashlib
import json
import signal
import sys
import time
import zipfile
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

import deshift
from tests.gpu_bundles import RECIPE, Box, content_hash, make_recordings, make_wheel, pack
from tests.gpu_bundles import main as gpu_bundle
from tests.runs import lines
from training import checkpoint

STEPS = ("--steps", "2")


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return make_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, voices):
    folder = tmp_path_factory.mktemp("packed")
    make_wheel(folder / "wheels")
    return pack(folder / "bundle", voices, "--wheel-folder", folder / "wheels", recipe=(*RECIPE, *STEPS))


@pytest.fixture(scope="module")
def box(tmp_path_factory, bundle):
    """A box that has trained two steps; its parts hold at most 0.1 MiB each."""
    box = Box(tmp_path_factory.mktemp("box"), bundle)
    code, said = box.train("--part-mib", 0.1)
    assert code == 0, said
    assert "finished" in said
    return box


@pytest.fixture(scope="module")
def run(tmp_path_factory, box):
    folder = tmp_path_factory.mktemp("runs") / "from_the_box"
    gpu_bundle(["join", str(box.folder / "out"), "--out", str(folder)])
    return folder


def test_training_uses_the_wheels_of_the_bundle_and_no_network_and_leaves_the_home_empty(box):
    notes = box.notes.read_text(encoding="utf-8").splitlines()
    assert not [line for line in notes if line.startswith("NETWORK")]
    assert [line.split()[0] for line in notes if " -m deshift train tiny" in line] == ["with"]
    (installing,) = (line for line in notes if " -m pip " in line)
    assert "--no-index" in installing
    assert list(box.home.iterdir()) == []


def test_what_comes_home_is_a_run_in_parts_of_limited_size(box, run):
    parts = sorted((box.folder / "out").glob("part_*"))
    sizes = [part.stat().st_size for part in parts]
    assert len(parts) > 2
    assert max(sizes) <= 0.1 * 2**20
    assert sum(size < 0.09 * 2**20 for size in sizes) <= 1  # all but the last are full
    assert checkpoint.load(run / "last.safetensors").facts["step"] == 2
    assert [row["step"] for row in lines(run, "train")] == [1, 2]
    assert "finished" in (run / "train.log").read_text(encoding="utf-8")
    for name in ("best.safetensors", "last.safetensors", "probe.flac"):
        assert (run / name).read_bytes() == (box.folder / "deshift_box/run" / name).read_bytes()


def test_the_run_remembers_the_recordings_as_they_were_before_packing(voices, run):
    data = checkpoint.load(run / "last.safetensors").facts["data"]
    trained = [voices / f"voices/{name}.wav" for name in ("low/a", "low/b", "high/c")]
    assert data["source_hashes"] == sorted(content_hash(path) for path in trained)
    assert data["folders"] == ["voices"]


def test_what_is_validated_on_is_packed_apart_and_never_trained_on(bundle, voices, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        sounds = [name for name in archive.namelist() if name.endswith(".ogg")]
        archive.extractall(tmp_path)
    held = content_hash(voices / "held/d.wav")
    assert [name for name in sounds if held in name] == [f"validation/0/held/{held}.ogg"]
    assert len(sounds) == 4
    facts = [soundfile.info(tmp_path / name) for name in sounds]
    assert {(fact.subtype, fact.samplerate, fact.channels, fact.frames) for fact in facts} == {
        ("OPUS", 48_000, 1, 72_000)
    }
    skipped = json.loads(bundle.with_name("contents.json").read_text(encoding="utf-8"))["skipped"]
    assert [entry.rpartition("/")[2] for entry in skipped] == ["also held.wav: stands in --validation"]


def test_a_run_from_a_box_is_exported_and_started_from(run, train, tmp_path):
    result = CliRunner().invoke(deshift.main, ["export", str(run), "-o", str(tmp_path / "x.onnx")])
    assert result.exit_code == 0, result.output
    assert deshift.load(tmp_path / "x.onnx").facts.training["steps"] == 2
    train(tmp_path / "next", "--steps", 1, "--init", run)
    assert checkpoint.load(tmp_path / "next/last.safetensors").facts["origin"]["step"] == 2


def test_a_signal_saves_and_the_next_bundle_goes_on_with_the_run(voices, tmp_path, capsys):
    first = pack(tmp_path / "first", voices, "--wheels", "none", recipe=(*RECIPE, "--steps", "9999"))
    stopped_at = 0
    for name, bundle in (("one", first), ("two", None)):
        if bundle is None:
            bundle = pack(tmp_path / "next", voices, "--wheels", "none", "--run", tmp_path / "run_one", recipe=())
        box = Box(tmp_path / name, bundle)
        process = box.start()
        wait_for_step(process, box.folder / "deshift_box/run", stopped_at + 2)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        run = tmp_path / f"run_{name}"
        gpu_bundle(["join", str(box.folder / "out"), "--out", str(run)])
        now_at = checkpoint.load(run / "last.safetensors").facts["step"]
        assert f"stopped at step {now_at}" in said
        assert now_at >= stopped_at + 2
        stopped_at = now_at
    assert [row["step"] for row in lines(run, "train")] == list(range(1, stopped_at + 1))


def wait_for_step(process, run: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or f'"step": {step},' not in (run / "metrics.jsonl").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_time_that_is_up_before_the_first_step_is_said_and_the_log_comes_home(bundle, tmp_path):
    box = Box(tmp_path / "box", bundle)
    code, said = box.train("--minutes", 0.001)
    assert code == 1
    assert said.splitlines()[-1].startswith("Error: training saved nothing (exit code -15, time was up)")
    gpu_bundle(["join", str(box.folder / "out"), "--out", str(tmp_path / "run")])
    assert (tmp_path / "run/train.log").exists()


def test_a_second_call_in_the_same_folder_goes_on_and_another_bundle_is_refused(box, voices, tmp_path):
    code, said = box.train()
    assert code == 0, said
    assert "finished" in said
    assert not [
        part for part in (box.folder / "out").glob("part_*") if part.name > "part_000"
    ]  # none of the older ones
    other = pack(tmp_path / "other", voices, "--wheels", "none", recipe=(*RECIPE, "--steps", "3"))
    stranger = Box(tmp_path / "box", other)
    code, said = stranger.train("--work", box.folder / "deshift_box")
    assert (code, said.count("\n")) == (1, 1)
    assert "deshift_box was not made by this bundle: give another --work, or delete it" in said


def test_one_line_says_what_a_bare_python_lacks(bundle, voices, tmp_path):
    bare = (sys.executable, "-S")
    code, said = Box(tmp_path / "one", bundle).train(python=bare)
    assert (code, said) == (
        1,
        "Error: this Python has no pip to install the bundle's wheels with: use another Python\n",
    )
    without = pack(tmp_path / "without", voices, "--wheels", "none")
    code, said = Box(tmp_path / "two", without).train(python=bare)
    assert code == 1
    assert said.startswith("Error: this Python lacks numpy, torch, click, ")
    assert said.count("\n") == 1


def test_a_wheel_for_another_python_is_refused_with_what_pip_says(voices, tmp_path):
    make_wheel(tmp_path / "wheels", "cp27-cp27m-win32")
    code, said = Box(tmp_path / "box", pack(tmp_path / "packed", voices, "--wheel-folder", tmp_path / "wheels")).train()
    assert code == 1
    (line,) = said.splitlines()
    assert "from_the_wheel-1.0-cp27-cp27m-win32.whl is not a supported wheel on this platform" in line
    assert not list((tmp_path / "box").glob("deshift_box*"))


def test_a_bundle_that_was_damaged_on_its_way_is_refused_in_one_line(bundle, tmp_path):
    whole = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        sound = next(entry for entry in archive.infolist() if entry.filename.endswith(".ogg"))
    at = sound.header_offset + 30 + len(sound.filename) + sound.file_size // 2
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for damaged, told in ((flipped, f"{sound.filename} is damaged"), (whole[:-100], "is no whole bundle")):
        folder = tmp_path / told[-5:]
        folder.mkdir()
        (folder / "bundle.pyz").write_bytes(damaged)
        with pytest.raises(SystemExit, match=f"^Error: .*{told}.*: copy (it|the bundle) again$"):
            places = ("--work", str(folder / "work"), "--out", str(folder / "out"))
            gpu_bundle(["train", str(folder / "bundle.pyz"), *places])
        assert sorted(path.name for path in folder.iterdir()) in (["bundle.pyz"], ["bundle.pyz", "out"])


def altered(bundle: Path, folder: Path, changes: dict[str, bytes | None]) -> Path:
    """The bundle written anew with other content, the checksums of the zip right again; None leaves a file out."""
    folder.mkdir()
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(folder / "bundle.pyz", "w") as new:
        content = {name: old.read(name) for name in old.namelist()} | changes
        for name, data in content.items():
            if data is not None:
                new.writestr(name, data)
    return folder / "bundle.pyz"


def test_a_bundle_that_is_not_what_its_manifest_says_is_refused_in_one_line(bundle, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        facts = json.loads(archive.read("manifest.json"))
    facts["files"]["../outside"] = [0, hashlib.sha256(b"").hexdigest()]
    leads_out = json.dumps(facts).encode()
    for changes, told in (
        ({"app/deshift.py": b"print('other')"}, "app/deshift.py is damaged (its checksum is another)"),
        ({"app/deshift.py": None}, "app/deshift.py is missing"),
        ({"app/more.py": b""}, "app/more.py is not in its manifest"),
        ({"../outside": b"", "manifest.json": leads_out}, "'../outside' would be written outside"),
        ({"manifest.json": b"{}"}, "its manifest is damaged ('format')"),
        ({"manifest.json": b'{"format": "deshift bundle 0"}'}, "its manifest is damaged ('arguments')"),
        ({"manifest.json": None}, "is no whole bundle"),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        places = ("--work", str(folder / "work"), "--out", str(folder / "out"))
        with pytest.raises(SystemExit) as refused:
            gpu_bundle(["train", str(altered(bundle, folder, changes)), *places])
        assert str(refused.value).startswith("Error: ")
        assert told in str(refused.value)
        assert not list(folder.glob("work*"))
        assert not list(folder.rglob("outside"))

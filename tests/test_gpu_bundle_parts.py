"""What comes home from a box: parts that join to the very same files, or one clear line."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.gpu_bundle.__main__ import main
from scripts.gpu_bundle.files import BundleError
from scripts.gpu_bundle.parts import join, part_bytes, write_parts
from scripts.gpu_bundle.results import collect
from training.checkpoint import Checkpoint, load, save

PART = 10_000


def make_files(folder: Path) -> dict[str, Path]:
    random = np.random.default_rng(0)
    sizes = {"best.safetensors": 25_001, "empty": 0, "tensorboard/a name, long " + 120 * "n": 3000, "log": 511}
    files = {}
    for number, (name, size) in enumerate(sizes.items()):
        files[name] = folder / f"source_{number}"
        files[name].write_bytes(random.bytes(size))
    return files


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "out"
    write_parts(make_files(tmp_path), folder, PART, [])
    return folder


def refuse(folder: Path, told: str) -> None:
    """`join` says this in one line, and leaves nothing."""
    out = folder.parent / "run"
    with pytest.raises(SystemExit) as refused:
        main(["join", str(folder), "--out", str(out)])
    assert str(refused.value).startswith("Error: ")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(folder.parent.glob("run*"))


@pytest.mark.parametrize("size", [1025, 4096, 9_999, 10_240, 1 << 20])
def test_parts_of_any_size_join_to_the_very_same_files(size, tmp_path):
    files = make_files(tmp_path)
    written = write_parts(files, tmp_path / "out", size, [])
    sizes = [(tmp_path / "out" / part.name).stat().st_size for part in written]
    assert max(sizes) <= size
    assert set(sizes[:-1]) <= {size}
    assert join(tmp_path / "out", tmp_path / "run") == list(files)
    for name, path in files.items():
        assert (tmp_path / "run" / name).read_bytes() == path.read_bytes()


def test_the_parts_in_their_order_are_an_ordinary_tar_with_the_checksum_that_is_listed(parts):
    whole = b"".join(path.read_bytes() for path in sorted(parts.glob("part_*")))
    assert json.loads((parts / "parts.json").read_bytes())["sha256"] == hashlib.sha256(whole).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert archive.getnames()[0] == "best.safetensors"


def test_a_damaged_part_is_named(parts):
    data = bytearray((parts / "part_001").read_bytes())
    data[77] ^= 1
    (parts / "part_001").write_bytes(data)
    refuse(parts, "part_001 is damaged (its checksum is another): fetch it again")


def test_a_part_that_was_cut_short_is_named_with_its_size(parts):
    (parts / "part_000").write_bytes((parts / "part_000").read_bytes()[:-1])
    refuse(parts, f"part_000 has {PART - 1} bytes, not {PART}: fetch it again")


def test_missing_parts_are_named(parts):
    count = len(list(parts.glob("part_*")))
    (parts / "part_000").unlink()
    (parts / "part_002").unlink()
    refuse(parts, f"part_000, part_002 missing of {count} parts: fetch it again")


def test_a_part_too_many_is_named(parts):
    (parts / "part_099").write_bytes(b"of another run")
    refuse(parts, "part_099 not in parts.json: take away what belongs to another run")


def test_parts_that_changed_places_are_noticed(parts):
    first, second = (parts / f"part_00{number}" for number in (0, 1))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    refuse(parts, "part_000 is damaged")


def test_a_list_that_goes_with_other_parts_is_noticed(parts):
    facts = json.loads((parts / "parts.json").read_bytes())
    facts["sha256"] = hashlib.sha256(b"another whole").hexdigest()
    (parts / "parts.json").write_text(json.dumps(facts), encoding="utf-8")
    refuse(parts, "the parts do not make the whole of parts.json: fetch all of them again")


def listing(parts: str, version: int = 1) -> str:
    return f'{{"format": "deshift parts {version}", "sha256": "", "parts": [{parts}]}}'


@pytest.mark.parametrize(
    "text, told",
    [
        (None, "parts.json is missing: give the folder that `train` wrote on the box"),
        ("{", "parts.json is damaged"),
        ("[]", "parts.json is damaged"),
        (listing(""), "not numbered from part_000"),
        (listing('{"name": "../x", "size": 1, "sha256": ""}'), "not numbered from part_000"),
        (listing('{"name": "part_000", "size": "x", "sha256": ""}'), "parts.json is damaged"),
        (listing("", version=9), "is a 'deshift parts 9', not a 'deshift parts 1'"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(text, told, parts):
    (parts / "parts.json").unlink()
    if text is not None:
        (parts / "parts.json").write_text(text, encoding="utf-8")
    refuse(parts, told)


def test_a_run_that_is_there_already_is_left_alone(parts, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(BundleError, match="mine is there already: give another --out"):
        join(parts, tmp_path / "mine")


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "entries, told",
    [
        ([entry("../outside")], "'../outside' would be written outside"),
        ([entry("/tmp/outside")], "'/tmp/outside' would be written outside"),
        ([entry("a/../../outside")], "would be written outside"),
        ([entry("a\\..\\outside")], "would be written outside"),
        ([entry("c:outside")], "would be written outside"),
        ([entry("."), entry("x")], "would be written outside"),
        ([entry("link", tarfile.SYMTYPE, "/etc/passwd")], "'link' is no plain file"),
        ([entry("link", tarfile.LNKTYPE, "../outside")], "'link' is no plain file"),
        ([entry("way", tarfile.SYMTYPE, ".."), entry("way/outside")], "'way' is no plain file"),
        ([entry("pipe", tarfile.FIFOTYPE)], "'pipe' is no plain file"),
        ([entry("sparse", tarfile.GNUTYPE_SPARSE)], "'sparse' is no plain file"),
        ([entry("twice"), entry("twice")], "no archive of a run"),
        ([], "there is nothing in the parts"),
    ],
)  # fmt: skip
def test_what_would_leave_the_folder_or_is_no_plain_file_is_not_unpacked(entries, told, tmp_path):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for info in entries:
            archive.addfile(info)
    folder = tmp_path / "below/out"
    folder.mkdir(parents=True)
    data = whole.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    (folder / "part_000").write_bytes(data)
    part = {"name": "part_000", "size": len(data), "sha256": digest}
    facts = {"format": "deshift parts 1", "sha256": digest, "parts": [part]}
    (folder / "parts.json").write_text(json.dumps(facts), encoding="utf-8")
    refuse(folder, told)
    assert not list(tmp_path.rglob("outside"))


def test_the_parts_of_an_earlier_run_are_taken_away_and_nothing_else(parts, tmp_path):
    (parts / "part_of_my_thesis").write_text("mine", encoding="utf-8")
    small = tmp_path / "small"
    small.write_bytes(b"x")
    (part,) = write_parts({"small": small}, parts, 1 << 20, [])
    assert sorted(path.name for path in parts.iterdir()) == ["part_000", "part_of_my_thesis", "parts.json"]
    assert part.name == "part_000"


@pytest.mark.parametrize("size", [0, -1, 0.0001, float("nan")])
def test_parts_that_could_hold_nothing_are_refused(size):
    with pytest.raises(BundleError, match=r"give 0\.001 or more; 15 is usual"):
        part_bytes(size)


@pytest.mark.parametrize("best_step", [3, 6])
def test_with_room_the_whole_state_comes_home_and_without_it_the_weights_alone(best_step, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    last = load(run / "last.safetensors")
    save(run / "best.safetensors", Checkpoint(last.ema, {}, {}, {**last.facts, "step": best_step}))
    notes = {"train.log": tmp_path / "train.log", "not.there": tmp_path / "nothing"}
    (tmp_path / "train.log").write_text("said", encoding="utf-8")
    always = ["train.log", "metrics.jsonl", "probe.flac", "best.safetensors"]

    files, left_out = collect(run, notes, 1 << 30, [])
    assert left_out == []
    assert list(files)[:5] == [*always, "last.safetensors"]
    assert [name.partition("/")[0] for name in list(files)[5:]] == ["tensorboard"]

    tight, left_out = collect(run, notes, sum(files[name].stat().st_size for name in list(files)[:5]), [])
    assert left_out[0] == "last.safetensors"
    if best_step == last.facts["step"]:  # the best weights are the last ones
        assert "weights.safetensors" not in tight
    else:
        lean = load(tight["weights.safetensors"])
        assert (lean.optimizer, lean.ema, lean.facts) == ({}, {}, last.facts)
        assert all(torch.equal(lean.weights[name], value) for name, value in last.ema.items())
        assert lean.weights.keys() == last.ema.keys()

    nothing, left_out = collect(run, notes, 0, [])
    assert list(nothing) == always

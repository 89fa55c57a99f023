"""Neutone models: what the SDK saved and tested, played in blocks, against `deshift process`; and what is refused."""

import dataclasses
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import deshift
from export.graph import ExportError
from export.neutone import describe, read_report, shorten, write_neutone
from export.source import read_source
from export.stream_file import read_stream
from realtime.contract import Control, weights_sha256
from tests.exports import TINY, audio_of, export, run_torch
from tests.plugin_files import centred_plugin, gain_plugin, one_pole_plugin
from tests.signals import SAMPLE_RATE

ROOT = Path(__file__).parents[1]
PYTHON = Path(os.environ.get("DESHIFT_NEUTONE", ROOT / ".cache/neutone")) / "bin/python"
needs_the_sdk = pytest.mark.skipif(
    not PYTHON.is_file(), reason="needs neutone_sdk in an environment of its own: sh scripts/neutone_environment.sh"
)
BLOCKS = [1, 65, 511, 512, 513, 2048, 8193]
FRAMES = 20_000


@pytest.fixture(scope="module")
def neutone(loud_run, probe_file, tmp_path_factory) -> tuple[Path, Path, dict[str, Any]]:
    """A plugin file whose weights all matter, its Neutone folder, and the SDK's report."""
    folder = tmp_path_factory.mktemp("neutone")
    model = folder / "loud.onnx"
    exit_code, told = export(loud_run(TINY), "-o", model, "--audio", probe_file, "--licence", "CC0-1.0")
    assert exit_code == 0, told
    return model, folder / "out", write_neutone(model, folder / "out", PYTHON)


@pytest.fixture(scope="module")
def played(neutone, tmp_path_factory) -> Callable[[str], tuple[np.ndarray, int]]:
    """``played("48000:512:2")``: rate, block and channels -> what was heard of `audio_of`, and the reported delay."""
    folder = tmp_path_factory.mktemp("played")
    np.save(folder / "audio.npy", audio_of(FRAMES, 2))
    ways = [*(f"48000:{block}:2" for block in BLOCKS), "48000:512:1", "44100:512:2", "48000:512:2"]
    words = [
        PYTHON,
        ROOT / "tests/neutone_probe.py",
        neutone[1] / "model.nm",
        folder / "audio.npy",
        folder / "heard.npz",
    ]
    subprocess.run([*map(str, words), *ways], check=True, capture_output=True, timeout=300)
    results = np.load(folder / "heard.npz")
    return lambda way: (results[way], int(results[f"{way} delay"]))


@pytest.fixture(scope="module")
def expected(neutone) -> np.ndarray:
    """What `deshift process` makes of the two channels."""
    model = deshift.load(neutone[0])
    return np.stack([model.process(one, SAMPLE_RATE) for one in audio_of(FRAMES, 2)])


@needs_the_sdk
@pytest.mark.parametrize("block", BLOCKS)
def test_a_reloaded_model_equals_deshift_process_after_the_delay_it_reports(played, expected, block):
    heard, delay = played(f"48000:{block}:2")
    assert delay < 2 * max(512, block)
    assert delay == 0 or block != 512
    assert np.abs(expected).max() > 0.05
    assert np.abs(heard[:, :delay]).max(initial=0) == 0
    assert np.abs(heard[:, delay:] - expected[:, : FRAMES - delay]).max() <= 1e-5


@needs_the_sdk
def test_a_mono_track_hears_the_same_and_so_does_another_rate_more_or_less(played, expected):
    heard, delay = played("48000:512:1")
    assert (heard.shape[0], delay) == (1, 0)
    assert np.abs(heard - expected[:1]).max() <= 1e-5
    resampled, _ = played("44100:512:2")
    assert np.isfinite(resampled).all() and np.abs(resampled).max() > 0.05


@needs_the_sdk
def test_a_reset_forgets_all_that_was_heard(played):
    assert np.array_equal(played("48000:512:2")[0], played("48000:512:2 again")[0])


@needs_the_sdk
def test_the_self_test_of_a_submission_passed_and_its_tables_are_handed_back(neutone):
    _, folder, report = neutone
    assert {row["buffer_size"] for row in report["speed"]} == {128, 256, 512, 1024, 2048}
    assert all(row["times_real_time"] > 0 for row in report["speed"])
    (at_the_hop,) = [row for row in report["delay"] if row["buffer_size"] == 512]
    assert (at_the_hop["total_samples"], at_the_hop["model_samples"]) == (0, 0)
    assert {path.name for path in folder.iterdir()} == {"model.nm", "metadata.json", "samples"}
    assert len(list((folder / "samples").glob("*.mp3"))) == 6
    assert [path.name for path in folder.parent.iterdir() if path.suffix == ".part"] == []


@needs_the_sdk
def test_the_metadata_tells_the_model_s_facts(neutone):
    _, folder, _ = neutone
    told = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(folder / "model.nm") as archive:
        (inside,) = [name for name in archive.namelist() if name.endswith("extra/metadata.json")]
        assert json.loads(archive.read(inside))["model_name"] == told["model_name"] == "tiny"
    assert (told["native_sample_rates"], told["native_buffer_sizes"]) == ([48_000], [512])
    assert (told["model_type"], told["technical_links"]) == ("stereo-stereo", {})
    assert "Licence: CC0-1.0." in told["model_long_description"]
    assert "Undoes a pitch shift of +12 semitones." in told["model_short_description"]


def test_the_network_is_read_back_from_the_file(exported_file):
    source = read_source(exported_file)
    audio = audio_of(40 * 512)
    expected = deshift.load(exported_file).process(audio[0], SAMPLE_RATE)
    assert np.abs(run_torch(source.model, audio)[0] - expected).max() <= 1e-5
    assert source.facts["name"] == "tiny"


def edited(source: Path, path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(source)
    change(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**facts, "weights_sha256": weights_sha256(model.SerializeToString())})
    path.write_bytes(model.SerializeToString())
    return path


def merge_two_weights(model: onnx.ModelProto) -> None:
    """As the exporter may do with equal ones: the second is gone, its readers read the first."""
    names = [tensor.name for tensor in model.graph.initializer]
    gone, kept = names.index("conv_out.bias"), "conv_in.bias"
    for node in model.graph.node:
        node.input[:] = [kept if name == "conv_out.bias" else name for name in node.input]
    del model.graph.initializer[gone]


def spoil_a_weight(model: onnx.ModelProto) -> None:
    """The layer reads another constant than the one with its name."""
    for node in model.graph.node:
        if "conv_in.bias" in node.input:
            node.input[:] = ["spoiled" if name == "conv_in.bias" else name for name in node.input]
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "conv_in.bias"]
    model.graph.initializer.append(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1, "spoiled"))


def add_bytes(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((3, 3), np.int8), "packed"))


@pytest.mark.parametrize(
    "change, told",
    [
        (merge_two_weights, r"there is no conv_out\.bias in it.*give the run"),
        (spoil_a_weight, r"the network of recipe tiny differs from the file by .*export the run again"),
        (add_bytes, "holds 8-bit weights, which are not the trained ones any more"),
    ],
)
def test_a_file_whose_network_cannot_be_had_back_is_refused_in_one_line(exported_file, tmp_path, change, told):
    path = edited(exported_file, tmp_path / "edited.onnx", change)
    with pytest.raises(ExportError, match=told) as refused:
        read_source(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "make, told",
    [
        (centred_plugin, "works on whole files only and cannot run as a plugin"),
        (lambda path: gain_plugin(path, controls=(Control("mix", "", 0, 1, 1),)), "has controls"),
        (one_pole_plugin, "its network cannot be rebuilt"),
        (lambda path: path.write_bytes(b"no model") and path, "not an ONNX file, or cut short"),
        (lambda path: path.write_bytes(onnx.ModelProto().SerializeToString()) or path, "not a deshift plugin file"),
    ],
)
def test_what_neutone_could_not_play_is_refused_in_one_line(tmp_path, make, told):
    with pytest.raises(ExportError, match=told) as refused:
        write_neutone(make(tmp_path / "model.onnx"), tmp_path / "out", Path(sys.executable))
    assert "\n" not in str(refused.value)


def pretend_python(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    "script, told",
    [
        (
            "echo 'ModuleNotFoundError: No module named neutone_sdk' >&2; echo frame >&2; exit 1",
            "No module named neutone",
        ),
        ("echo 'all is well' >&2", "the Neutone SDK's self-test did not end as it should: all is well"),
        ("exit 9", "it said nothing"),
    ],
)
def test_a_worker_that_fails_is_told_in_one_line_and_leaves_nothing(exported_file, tmp_path, script, told):
    python = pretend_python(tmp_path / "python", script)
    with pytest.raises(ExportError, match=told) as refused:
        write_neutone(exported_file, tmp_path / "out", python)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["python"]


def test_bad_places_are_refused_before_anything_is_made(exported_file, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ExportError, match="mine exists: remove it"):
        write_neutone(exported_file, tmp_path / "mine")
    with pytest.raises(ExportError, match="there is no folder"):
        write_neutone(exported_file, tmp_path / "nowhere/out")
    with pytest.raises(ExportError, match=r"no Python of the Neutone SDK at .*: make its environment with"):
        write_neutone(exported_file, tmp_path / "out", tmp_path / "no/python")


def test_texts_keep_within_the_lengths_of_the_sdk(exported_file):
    _, facts = read_stream(exported_file)
    wordy = dataclasses.replace(facts, name="n" * 31, description="word " * 200, shift_semitones=(-5.0, 7.0))
    told = describe(wordy, ("one", "two"))
    assert told["name"] == "n" * 29 + "…"
    assert told["short_description"] == "Undoes a pitch shift of -5 to +7 semitones."
    assert len(told["long_description"]) <= 500 and len(told["technical_description"]) <= 500
    assert facts.weights_sha256 in told["technical_description"]
    assert shorten("  two\nwords ", 9) == "two words"
    with pytest.raises(ExportError, match="96000 Hz at most, this one runs at 192000"):
        describe(dataclasses.replace(facts, sample_rate=192_000), ("one",))
    for authors in ((), ("same", "same"), tuple("abcdef")):
        with pytest.raises(ExportError, match="one to five different authors"):
            describe(facts, authors)


def test_a_report_without_its_tables_is_an_error():
    rows = (
        "Sample rate:  48000 | Buffer size:    128 | duration:  0.123±0.001 | 1/RTF:  5.250 | Outliers: []\n"
        "Sample rate:  48000 | Buffer size:    128 | Total delay:    384 | "
        "(Buffering delay:    384 | Model delay:      0)\n"
    )
    passed = "Your model has been exported successfully!\n"
    names = ("sample_rate", "buffer_size", "total_samples", "buffering_samples", "model_samples")
    assert read_report(rows + passed) == {
        "speed": [{"sample_rate": 48_000, "buffer_size": 128, "times_real_time": 5.25}],
        "delay": [dict(zip(names, (48_000, 128, 384, 384, 0), strict=True))],
    }
    for log in (rows, passed, ""):
        with pytest.raises(ExportError, match="did not end as it should"):
            read_report(log)


def test_the_script_leaves_a_folder_with_other_things_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    words = ["sh", str(ROOT / "scripts/neutone_environment.sh"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "holds something else than a Python environment: name a new folder" in done.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_the_script_says_in_one_sentence_what_cannot_be_had(tmp_path):
    folder = tmp_path / "neutone"
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_EXTRA_INDEX_URL": "",
    }
    words = ["sh", str(ROOT / "scripts/neutone_environment.sh"), str(folder)]
    done = subprocess.run(words, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "the Neutone environment cannot be made here, because pip could not install torch==" in line
    assert list(tmp_path.iterdir()) == []

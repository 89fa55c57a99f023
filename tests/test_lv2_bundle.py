"""The LV2 bundle as a folder: what is in it, what its Turtle says, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import onnx
import pytest

from export.graph import ExportError
from export.lv2 import compile as build
from export.lv2 import ttl
from export.lv2.bundle import BundleFacts, write_bundle
from realtime.contract import Control, Facts
from tests.lv2_bundles import compiled, control_plugin, require_tools, with_model
from tests.lv2_host import Instance
from tests.plugin_files import centred_plugin, gain_model, gain_plugin, make_facts, one_pole_plugin, save, weight


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> BundleFacts:
    require_tools()
    folder = tmp_path_factory.mktemp("lv2")
    (folder / "bundles").mkdir()
    return write_bundle(control_plugin(folder / "control.onnx"), folder / "bundles" / "control.lv2")


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("lv2") / "binary")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian: lilv-utils for lv2info, sordi for lv2_validate)")
    return found


def _turtle(facts: Facts, folder: Path) -> list[str]:
    for name, text in (("manifest.ttl", ttl.manifest(facts)), ("plugin.ttl", ttl.plugin(facts))):
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder / "manifest.ttl"), str(folder / "plugin.ttl")]


def _validate(files: list[str]) -> str:
    result = subprocess.run([_program("lv2_validate"), *files], text=True, capture_output=True)
    report = result.stdout + result.stderr
    assert result.returncode == 0, report
    return report


def test_a_bundle_holds_all_that_a_machine_without_our_libraries_needs(written: BundleFacts) -> None:
    names = {path.name for path in written.path.iterdir()}
    assert names >= {"deshift.so", "model.onnx", "manifest.ttl", "plugin.ttl", "licences", "libonnxruntime.so.1"}
    assert not list(written.path.rglob("*.[ch]"))
    listing = subprocess.run(["ldd", str(written.path / "deshift.so")], text=True, capture_output=True).stdout
    found = {line.split()[0]: line.split()[2] for line in listing.splitlines() if "=>" in line}
    for name in ("libonnxruntime.so.1", "libsamplerate.so.0"):
        assert Path(found[name]).resolve() == (written.path / name).resolve()
    system = {
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libstdc++.so.6",
        "libgcc_s.so.1",
    }
    assert set(found) <= system | names | {"ld-linux-x86-64.so.2"}


def test_a_bundle_works_after_it_was_copied(written: BundleFacts, tmp_path: Path) -> None:
    shutil.copytree(written.path, tmp_path / "moved.lv2")
    Instance(tmp_path / "moved.lv2", controls=2).close()


def test_a_bundle_names_the_licences_of_all_its_parts(written: BundleFacts) -> None:
    text = (written.path / "licences" / "README.txt").read_text()
    for word in ("CC0-1.0", "GPL-3.0-or-later", "MIT", "BSD-2-Clause", "libsamplerate"):
        assert word in text
    assert "GNU GENERAL PUBLIC LICENSE" in (written.path / "licences" / "deshift.txt").read_text()


def test_lv2_validate_finds_nothing_wrong(written: BundleFacts) -> None:
    report = _validate([str(path) for path in sorted(written.path.glob("*.ttl"))])
    assert "0 errors" in report
    assert "warning" not in report


def test_lv2info_shows_ports_and_latency(written: BundleFacts) -> None:
    program, environment = _program("lv2info"), os.environ | {"LV2_PATH": f"{written.path.parent}:/usr/lib/lv2"}
    for uri, controls in ((written.mono_uri, 2), (written.stereo_uri, 2)):
        result = subprocess.run([program, uri], text=True, capture_output=True, env=environment)
        assert (result.returncode, result.stderr) == (0, "")
        audio_ports = 2 if uri.endswith(":mono") else 4
        assert result.stdout.count("Port ") == audio_ports + 6 + controls
        assert f"reported by port {audio_ports + 2}" in " ".join(result.stdout.split())
        for word in ("control_offset", "control_gain", "freewheel", "misses", "faults", "Maximum:     2.000000"):
            assert word in result.stdout


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 'a "quoted" \\ name — ♪', "description": "two\nlines and \\a slash"},
        {"controls": (Control("depth", "wobbles % a bar", -1e-5, 1e9, 0.5), Control("x", "semitones", 0, 0, 0))},
    ],
)
def test_any_name_unit_and_range_makes_valid_turtle(tmp_path: Path, changes: dict[str, object]) -> None:
    facts = make_facts(gain_model(), **changes)
    assert "0 errors" in _validate(_turtle(facts, tmp_path))


def test_the_uri_stays_for_the_same_weights_and_changes_with_them() -> None:
    one, again, other = make_facts(gain_model(0.5)), make_facts(gain_model(0.5)), make_facts(gain_model(0.6))
    assert ttl.uri_base(one) == ttl.uri_base(again) == f"urn:deshift:test-plugin-{one.weights_sha256[:12]}"
    assert ttl.uri_base(one) != ttl.uri_base(other)
    assert ttl.uri_base(make_facts(gain_model(), name="Ärger ♪")).isascii()


def test_the_binary_has_the_uris_of_its_turtle(written: BundleFacts) -> None:
    manifest = (written.path / "manifest.ttl").read_text()
    program = (written.path / "deshift.so").read_bytes()
    for uri in (written.mono_uri, written.stereo_uri):
        assert f"<{uri}>" in manifest
        assert uri.encode() + b"\0" in program


def _refused(model: Path, target: Path, *words: str, **options: object) -> None:
    before = sorted(target.parent.iterdir())
    with pytest.raises(ExportError) as error:
        write_bundle(model, target, **options)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
    assert sorted(target.parent.iterdir()) == before


def test_what_cannot_be_a_bundle_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    good, target = gain_plugin(tmp_path / "gain.onnx"), tmp_path / "name.lv2"
    _refused(good, tmp_path / "name", "does not end in .lv2")
    with pytest.raises(ExportError, match="there is no folder"):
        write_bundle(good, tmp_path / "nowhere" / "name.lv2")
    _refused(centred_plugin(tmp_path / "offline.onnx"), target, "whole files", "--offline")
    _refused(tmp_path / "missing.onnx", target, "missing.onnx", "cannot be read")
    (tmp_path / "cut.onnx").write_bytes(good.read_bytes()[:-40])
    _refused(tmp_path / "cut.onnx", target, "cut.onnx")
    save(tmp_path / "newer.onnx", gain_model(), make_facts(gain_model()).to_metadata() | {"format_version": "2"})
    _refused(tmp_path / "newer.onnx", target, "newer deshift")
    _refused(good, target, "onnxruntime-linux-x64", "--onnxruntime", onnxruntime=tmp_path)


def test_a_missing_compiler_or_header_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tools()
    good = gain_plugin(tmp_path / "gain.onnx")
    monkeypatch.setitem(build.HEADERS, "deshift/not_there.h", "libnowhere-dev")
    _refused(good, tmp_path / "name.lv2", "deshift/not_there.h", "libnowhere-dev")
    monkeypatch.setenv("CC", "no-such-compiler")
    _refused(good, tmp_path / "name.lv2", "gcc")


def test_an_existing_bundle_is_replaced_only_when_asked_and_nothing_else_ever(tmp_path: Path) -> None:
    require_tools()
    first, second = gain_plugin(tmp_path / "gain.onnx"), one_pole_plugin(tmp_path / "pole.onnx")
    target = tmp_path / "name.lv2"
    write_bundle(first, target)
    _refused(second, target, "exists", "--overwrite")
    assert (target / "model.onnx").read_bytes() == first.read_bytes()
    write_bundle(second, target, overwrite=True)
    assert (target / "model.onnx").read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gain.onnx", "name.lv2", "pole.onnx"]
    (tmp_path / "songs.lv2").mkdir()
    (tmp_path / "songs.lv2" / "song.wav").write_bytes(b"precious")
    _refused(first, tmp_path / "songs.lv2", "is no LV2 bundle", overwrite=True)


def _changed(path: Path, **metadata: str) -> None:
    model = onnx.load(path)
    save(path, model, {entry.key: entry.value for entry in model.metadata_props} | metadata)


def _add_node(path: Path, operator: str, domain: str = "") -> None:
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node(operator, ["audio"], ["unused"], domain=domain))
    path.write_bytes(model.SerializeToString())


def _flip_weight(path: Path) -> None:
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = b"\x01" * len(model.graph.initializer[0].raw_data)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "damage, word",
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "not an ONNX file"),
        (lambda path: path.write_bytes(b"\xff" * 4096), "not an ONNX file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "cut short"),
        (lambda path: _changed(path, format_version="2"), "newer deshift"),
        (lambda path: _changed(path, format_version="x"), "format_version"),
        (lambda path: _changed(path, kind="offline"), "offline model cannot stream"),
        (lambda path: _changed(path, recipe='{"prestage": "vocoder1024"}'), "export it again"),
        (lambda path: _changed(path, recipe="[[["), "recipe is no JSON object"),
        (lambda path: _changed(path, hop_samples="63", latency_samples="63"), "audio_out"),
        (lambda path: _changed(path, latency_samples="65"), "latency_samples"),
        (lambda path: _changed(path, sample_rate="-1"), "sample_rate"),
        (lambda path: _changed(path, controls='[{"name": "gain"}]'), "controls"),
        (lambda path: _changed(path, controls="[]"), "not in the metadata"),
        (_flip_weight, "weights do not match"),
        (lambda path: _add_node(path, "NonZero"), "NonZero"),
        (lambda path: _add_node(path, "Gelu", "com.microsoft"), "outside standard ONNX"),
        (lambda path: _add_node(path, "NoSuchOperator"), "ONNX Runtime cannot run it"),
    ],
)
def test_a_file_that_cannot_be_trusted_makes_no_instance_and_one_line(
    binary: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: object, word: str
) -> None:
    folder = with_model(binary, tmp_path / "bad.lv2")
    control_plugin(folder / "model.onnx")
    model = onnx.load(folder / "model.onnx")
    model.graph.initializer.append(weight("spare", [1, 2, 3]))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    facts["weights_sha256"] = make_facts(model).weights_sha256
    save(folder / "model.onnx", model, facts)
    Instance(folder, controls=2).close()
    capfd.readouterr()
    assert callable(damage)
    damage(folder / "model.onnx")
    with pytest.raises(RuntimeError, match="instantiate gave NULL"):
        Instance(folder)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"deshift: {folder}")
    assert word in line

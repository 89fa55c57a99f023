"""`deshift info --validate`: a good file passes every check, and a file that breaks one promise fails that check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper

import deshift
from realtime.bundled import bundled_models
from realtime.contract import Control
from realtime.validate import Report, validate
from tests import plugin_files as files

node = helper.make_node


def command(*arguments: object) -> Result:
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments])


def saved(path: Path, model: onnx.ModelProto, **changes: object) -> Path:
    return files.save(path, model, files.make_facts(model, **changes).to_metadata())


def failures(report: Report) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


@pytest.mark.parametrize(
    "make",
    [files.gain_plugin, files.delay_plugin, files.one_pole_plugin, files.centred_plugin],
    ids=lambda make: make.__name__,
)
def test_a_file_that_keeps_its_promises_passes_every_check(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    report = validate(make(tmp_path / "plugin.onnx"))
    assert failures(report) == [] and report.passed
    assert report.lines[-1] == f"all {len(report.checks)} checks passed"


def test_the_bundled_stream_passes_every_check_but_perhaps_the_clock_s() -> None:
    report = validate(bundled_models()["voice_octave"])
    assert set(failures(report)) <= {"hop time"}, report.lines


def test_the_figures_of_a_delay_line_are_its_own(tmp_path: Path) -> None:
    report = validate(files.delay_plugin(tmp_path / "delay.onnx", 100))
    told = {check.name: check.measured for check in report.checks}
    assert told["latency"] == "a change is heard 100 samples after it; heard from 100 on"
    assert told["causality"].startswith("the output moves 0 samples ahead")
    assert told["receptive field"] == "a change is heard for 100 samples, 100 at most"
    assert told["states"] == "1 states of 100 numbers a channel; without effect: none"
    assert told["silence"].startswith("-200.0 dB")


def overflowing_state() -> onnx.ModelProto:
    nodes = [
        node("Mul", ["state_s", "large"], ["grown"]),
        node("Add", ["grown", "one"], ["next_s"]),
        node("Tanh", ["state_s"], ["bounded"]),
        node("Mul", ["bounded", "small"], ["little"]),
        node("Add", ["audio", "little"], ["audio_out"]),
    ]
    weights = [files.weight("large", [1e30]), files.weight("one", [1.0]), files.weight("small", [1e-4])]
    return files.make_model(nodes, weights, {"s": (1, 1)})


def forgotten_state() -> onnx.ModelProto:
    nodes = [node("Identity", ["audio"], ["audio_out"]), node("Tanh", ["state_s"], ["next_s"])]
    return files.make_model(nodes, [], {"s": (3, 5)})


def channels_that_touch() -> onnx.ModelProto:
    nodes = [
        node("ReduceMean", ["audio", "rows"], ["mean"], keepdims=1),
        node("Mul", ["mean", "tenth"], ["little"]),
        node("Add", ["audio", "little"], ["audio_out"]),
    ]
    return files.make_model(nodes, [files.weight("rows", [0], np.int64), files.weight("tenth", [0.1])])


def humming() -> onnx.ModelProto:
    return files.make_model([node("Add", ["audio", "hum"], ["audio_out"])], [files.weight("hum", [0.05])])


def broken_above_0_9() -> onnx.ModelProto:
    nodes = [
        node("Abs", ["audio"], ["size"]),
        node("Sub", ["limit", "size"], ["room"]),
        node("Sqrt", ["room"], ["root"]),
        node("Mul", ["audio", "root"], ["audio_out"]),
    ]
    return files.make_model(nodes, [files.weight("limit", [0.9])])


BROKEN: dict[str, tuple[Callable[[], onnx.ModelProto], dict[str, object]]] = {
    "certificate": (files.gain_model, {"certificate": {"stream_vs_offline": 0.1}}),
    "finite": (overflowing_state, {}),
    "states": (forgotten_state, {}),
    "channels": (channels_that_touch, {}),
    "latency": (files.gain_model, {"lookahead_samples": 100}),
    "receptive field": (lambda: files.delay_model(100), {"lookahead_samples": 50, "receptive_field_samples": 90}),
    "silence": (humming, {}),
    "extremes": (broken_above_0_9, {}),
    "hop time": (lambda: files.gain_model(hop=1), {"hop_samples": 1, "sample_rate": 768_000}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_breaks_one_promise_fails_that_check(tmp_path: Path, name: str) -> None:
    make, changes = BROKEN[name]
    report = validate(saved(tmp_path / "broken.onnx", make(), **changes))
    also = {"receptive field": {"latency"}}.get(name, set())  # heard at 100 alone is late, and later than it may be
    found = set(failures(report))
    assert name in found and found - {name, "hop time"} == also, report.lines  # the clock may fail a busy machine
    assert report.lines[-1].startswith(f"{len(failures(report))} of {len(report.checks)} checks failed: ")


def noisy_dropout() -> onnx.ModelProto:
    weights = [files.weight("ratio", 0.5), onnx.numpy_helper.from_array(np.array(True), "training")]
    return files.make_model([node("Dropout", ["audio", "ratio", "training"], ["audio_out"])], weights)


def test_a_file_that_throws_dice_is_not_repeatable(tmp_path: Path) -> None:
    report = validate(saved(tmp_path / "dice.onnx", noisy_dropout()))
    assert {"repeatable", "channels", "reset", "blocks"} <= set(failures(report))


def test_an_offline_file_that_looks_further_than_it_says_fails(tmp_path: Path) -> None:
    model = files.centred_model()
    blind = {"kind": "offline", "hop_samples": 8, "lookahead_samples": 5, "receptive_field_samples": 28}
    assert failures(validate(saved(tmp_path / "ahead.onnx", model, **blind))) == ["chunks", "lookahead"]
    deaf = blind | {"lookahead_samples": 22, "receptive_field_samples": 28}
    assert set(failures(validate(saved(tmp_path / "behind.onnx", model, **deaf)))) == {"chunks", "receptive field"}


def test_an_offline_file_that_shifts_in_time_fails_its_alignment(tmp_path: Path) -> None:
    nodes = [
        node("Slice", ["audio", "zero", "end", "axis"], ["early"]),
        node("Pad", ["early", "padding"], ["audio_out"]),
    ]
    numbers = {"zero": [0], "end": [-5], "axis": [2], "padding": [0, 0, 5, 0, 0, 0]}
    weights = [files.weight(name, value, np.int64) for name, value in numbers.items()]
    model = files.make_model(nodes, weights, hop="samples")
    path = saved(tmp_path / "late.onnx", model, kind="offline", hop_samples=8, receptive_field_samples=6)
    assert failures(validate(path)) == ["alignment"]


def test_a_state_of_another_shape_than_declared_is_told_in_one_line(tmp_path: Path) -> None:
    nodes = [
        node("Identity", ["audio"], ["audio_out"]),
        node("Concat", ["state_s", "state_s"], ["next_s"], axis=2),
    ]
    report = validate(saved(tmp_path / "shape.onnx", files.make_model(nodes, [], {"s": (1, 4)})))
    assert failures(report) == ["runs"] and "\n" not in report.checks[-1].measured


def test_a_broken_file_gives_its_one_line_and_no_report(tmp_path: Path) -> None:
    path = files.gain_plugin(tmp_path / "cut.onnx")
    path.write_bytes(path.read_bytes()[:100])
    result = command("info", path, "--validate")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert result.output.startswith(f"Error: {path}: not an ONNX file")


def test_the_exit_code_and_the_json_say_whether_all_passed(tmp_path: Path) -> None:
    good, bad = files.gain_plugin(tmp_path / "good.onnx"), saved(tmp_path / "bad.onnx", humming())
    passed, failed = command("info", good, "--validate", "--json"), command("info", bad, "--validate", "--json")
    assert (passed.exit_code, failed.exit_code) == (0, 1)
    assert json.loads(passed.output)["passed"] and json.loads(passed.output)["path"] == str(good)
    checks = {check["name"]: check for check in json.loads(failed.output)["checks"]}
    assert not checks["silence"]["passed"] and checks["silence"]["measured"].startswith("-26.0 dB")
    assert "FAIL  silence" in command("info", bad, "--validate").output


def test_a_name_out_of_the_file_does_not_write_to_the_terminal(tmp_path: Path) -> None:
    model = forgotten_state()
    text = model.SerializeToString().replace(b"state_s", b"state_\x1b").replace(b"next_s", b"next_\x1b")
    report = validate(saved(tmp_path / "escape.onnx", onnx.load_from_string(text)))
    assert failures(report) == ["states"] and "\x1b" not in "\n".join(report.lines)


def test_controls_are_fed_their_defaults(tmp_path: Path) -> None:
    nodes = [node("Mul", ["audio", "control_gain"], ["audio_out"])]
    model = files.make_model(nodes, [], controls=("gain",))
    controls = (Control("gain", "", 0.0, 500.0, 200.0),)
    assert failures(validate(saved(tmp_path / "loud.onnx", model, controls=controls))) == ["extremes"]

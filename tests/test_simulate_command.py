"""deshift simulate: what it prints, its exit codes, and the scenarios that come with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deshift import main

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORT = 'seconds = 2\n[chain]\nplugin = "gain"\n'
SPIKE = '[[event]]\nat_s = 0.5\nkind = "late_model"\nduration_s = 0.2\nvalue = 40\n'


def simulate(path, *options):
    return CliRunner().invoke(main, ["simulate", str(path), *options])


def write(folder, text):
    path = folder / "script.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["calm", "knobs", "load_spike", "unplug"])
def test_the_example_scenarios_pass(name):
    result = simulate(EXAMPLES / f"{name}.toml", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["unexplained"] == 0
    assert bool(found["misses"]) == (name == "load_spike")
    steps = [at for at in found["steps_s"] if not (name == "load_spike" and 8 < at < 8.05)]
    assert not steps  # but for the C ring that ran dry
    for reading in (found["readings"][0], found["readings"][-1]):
        assert abs(reading["measured_ms"] - reading["planned_ms"]) < 0.05


def test_the_example_of_two_clocks_passes_and_finds_the_drift(tmp_path):
    text = (EXAMPLES / "two_clocks.toml").read_text(encoding="utf-8")
    script = text.replace("seconds = 150", "seconds = 45").replace("at_s = 60", "at_s = 44")
    assert script != text
    result = simulate(write(tmp_path, script))
    assert result.exit_code == 0, result.output
    assert "no misses" in result.output and "ppm found at the end" in result.output
    assert "steps in the output: none" in result.output


def test_the_summary_says_what_was_missed_when_and_why(tmp_path):
    result = simulate(write(tmp_path, SHORT + SPIKE))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "2 s simulated: 187 hops, 751 callbacks"
    missed = next(line for line in lines if "late model" in line)
    assert missed.endswith("late_model at 0.5 s") and " 1 times, " in missed
    for words in ("at the start", "largest", "at the end"):
        row = next(line for line in lines if words in line)
        assert row.count(" 18.667 ms") == 2  # measured, planned
    assert "waiting: 0.0 … " in result.output and "steps in the output: none" in result.output


def test_a_miss_that_nothing_explains_is_marked_and_ends_with_1(tmp_path):
    path = write(tmp_path, SHORT + "cost_ms = 30\n")
    result = simulate(path)
    assert result.exit_code == 1
    assert "UNEXPLAINED" in result.output
    found = simulate(path, "--json")
    assert found.exit_code == 1
    assert json.loads(found.output)["unexplained"] > 0


def test_the_same_script_prints_the_same_json_twice(tmp_path):
    device = "[device]\nblock_frames = [32, 900]\njitter_ms = 4\n"
    path = write(tmp_path, SHORT + "cost_ms = [1, 9]\n" + device + SPIKE)
    assert simulate(path, "--json").output == simulate(path, "--json").output


def test_what_a_bypass_leaves_alone_is_measured_with_a_real_model(tmp_path):
    text = 'seconds = 1.2\nmeasure_every_s = 0.6\n[chain]\nmodel = "voice_octave"\n[controls]\nbypass = {}\n'
    found = json.loads(simulate(write(tmp_path, text.format("true")), "--json").output)
    assert found["steps_s"] is None
    assert found["readings"][-1]["measured_ms"] == pytest.approx(found["readings"][-1]["planned_ms"], abs=0.01)
    changed = simulate(write(tmp_path, text.format("false")))
    assert changed.exit_code == 0
    assert "not measured" in changed.output


def test_faults_of_a_plugin_and_warnings_are_printed(tmp_path):
    events = '[[event]]\nat_s = 0.5\nkind = "fault"\nvalue = "nan"\nduration_s = 0.5\n'
    result = simulate(write(tmp_path, SHORT + events))
    assert result.exit_code == 0
    assert "hops failed, the last one: gave NaN or infinite samples" in result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seconds = 1", "chain is missing"),
        (SHORT + 'colour = "red"\n', "chain: there is no 'colour'; there are: plugin"),
        (SHORT.replace("plugin", "model").replace("gain", "no such model"), "no such model"),
        (SHORT.replace("plugin", "preset").replace("gain", "none.json"), "none.json"),
        (SHORT + '[[event]]\nat_s = 0.1\nkind = "set"\nname = "volume"\nvalue = 1\n', "there is no control 'volume'"),
    ],
)
def test_a_bad_script_is_refused_in_one_line(tmp_path, text, words):
    result = simulate(write(tmp_path, text))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ") and words in result.output
    assert result.output.count("\n") == 1
    assert "Traceback" not in result.output


def test_the_help_lists_the_kinds_of_events():
    result = CliRunner().invoke(main, ["simulate", "--help"])
    assert result.exit_code == 0
    for kind in ("late_model", "unplug", "storm"):
        assert f"  {kind}" in result.output

"""`deshift bench`: figures for every way to run a model, and a recommendation that `deshift live` can follow."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.contract import Facts
from realtime.live.bench import Row, concluded
from realtime.live.bench_command import _table
from realtime.live.plan import Plan
from realtime.plugins.session import compiled_providers
from tests import plugin_files as files

HOP_MS = 1000 * 512 / 48_000


@pytest.fixture(scope="module")
def facts() -> Facts:
    made = files.make_facts(files.gain_model(hop=512))
    return replace(made, hop_samples=512, latency_samples=512)


def row(p99_ms: float, provider: str = "cpu", threads: int = 1, error: str = "") -> Row:
    return Row(provider, threads, 0.8 * p99_ms, p99_ms, 1.2 * p99_ms, 0.8 * p99_ms / HOP_MS, error)


def test_a_plain_thread_is_recommended_unless_more_are_worth_it(facts: Facts) -> None:
    assert concluded(facts, [row(3), row(2.2, threads=2)], "").best == row(3)
    assert concluded(facts, [row(3), row(1.9, threads=2)], "").best == row(1.9, threads=2)


@pytest.mark.parametrize(
    ("on_cpu", "on_cuda", "best", "why"),
    [
        (3.0, 1.9, "cuda", "worth the other device"),
        (3.0, 2.1, "cpu", "faster by a third to be worth it"),
        (1.0, 4.0, "cpu", "too little work for it"),
    ],
)
def test_a_graphics_card_is_recommended_only_where_it_is_worth_it_and_the_figures_say_why(
    facts: Facts, on_cpu: float, on_cuda: float, best: str, why: str
) -> None:
    found = concluded(facts, [row(on_cpu), row(on_cuda, "cuda"), row(0, "tensorrt", error="no driver")], "")
    assert found.best is not None and found.best.provider == best
    assert f"p99 {on_cuda:.2f} ms on cuda, {on_cpu:.2f} ms on the CPU" in found.reason and why in found.reason
    assert found.reason in _table(found)
    command = next(line for line in _table(found) if line.startswith("recommended: "))
    assert command.endswith(" --provider cuda") == (best == "cuda")


def test_no_reason_is_given_where_only_the_cpu_ran(facts: Facts) -> None:
    assert concluded(facts, [row(3), row(0, "cuda", error="no driver")], "").reason == ""


def test_a_model_too_slow_for_its_hop_is_said_to_be(facts: Facts) -> None:
    found = concluded(facts, [row(HOP_MS), row(11, threads=2)], "")
    assert (found.best, found.choices, found.recommended) == (None, (), None)
    assert "too slow for live use" in _table(found)[-1]


@given(p99_ms=st.floats(0.01, 10))
@settings(max_examples=40, deadline=None)
def test_the_recommended_settings_leave_every_hop_its_time_and_no_other_block_is_faster(p99_ms: float) -> None:
    made = replace(files.make_facts(files.gain_model(hop=512)), hop_samples=512, latency_samples=512)
    found = concluded(made, [row(p99_ms)], "")
    best = found.recommended
    assert best is not None
    assert p99_ms * 1.5 <= best.deadline_ms <= p99_ms * 1.5 + 0.5
    for choice in found.choices:
        plan = Plan(48_000, 48_000, 48_000, choice.block_frames, 512, 512, 0.0, best.deadline_ms)
        assert choice.in_app_ms == pytest.approx(1000 * plan.in_app_frames / 48_000)
        assert choice.in_app_ms + choice.block_ms >= best.in_app_ms + best.block_ms


def test_the_recommendation_is_a_command_that_live_accepts(facts: Facts, tmp_path: Path) -> None:
    missing = "cuda cannot run here: missing are libx.so.1 (CUDA 13)"
    table = _table(concluded(facts, [row(9), row(3, threads=2), row(0, "cuda", error=missing)], "real-time 3"))
    assert max(map(len, table)) <= 120
    assert "cuda       cannot run here: missing are libx.so.1 (CUDA 13)" in table
    words = shlex.split(next(line for line in table if line.startswith("recommended: ")).removeprefix("recommended: "))
    assert words[:2] == ["deshift", "live"] and words[-2:] == ["--threads", "2"]
    model = files.gain_plugin(tmp_path / "half.onnx")
    done = CliRunner().invoke(
        deshift.main, [*words[1:], "-i", "none", "-o", "none", "-m", str(model), "--no-quality", "--seconds", "0.2"]
    )
    assert done.exit_code == 0, done.output


def test_every_way_is_measured_and_the_json_says_it_all(tmp_path: Path) -> None:
    model = files.gain_plugin(tmp_path / "half.onnx")
    done = CliRunner().invoke(deshift.main, ["bench", str(model), "--seconds", "0.2", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["model"] == "test plugin"
    assert {row["provider"] for row in facts["rows"]} == set(compiled_providers())
    first = facts["rows"][0]
    assert (first["provider"], first["threads"], first["error"]) == ("cpu", 1, "")
    assert 0 < first["p50_ms"] <= first["p99_ms"] <= first["max_ms"]
    assert first["rtf"] == pytest.approx(first["p50_ms"] / (1000 * files.HOP / files.RATE))
    assert set(facts) == {"model", "cores", "load", "rows", "best", "choices", "priority", "reason", "recommended"}


def test_a_mistake_is_one_line() -> None:
    done = CliRunner().invoke(deshift.main, ["bench", "nobody"])
    assert done.exit_code == 1 and done.stderr.startswith("Error: nobody: no such plugin file")
    assert len(done.stderr.splitlines()) == 1

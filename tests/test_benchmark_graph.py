"""The benchmark of the exported graph: what it counts, what it refuses, what it says."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from benchmarks import graph, graph_cases, graph_variants
from benchmarks.graph_cases import ImpossibleHopError, case_of, plain_graph
from benchmarks.graph_floor import Rates, Work, floor_ms, product_contenders, rates_of, reading_contenders
from benchmarks.graph_profile import by_operator, profile
from benchmarks.graph_report import Floor, Peer, Report, Row, goals_of, read_report, text_of
from benchmarks.graph_runners import GraphRunner, TorchRunner, endless, stream
from benchmarks.graph_timing import WARM_UP_CALLS, Contender, Timing, summary, take_turns
from tests.signals import voice
from training.geometry import SAMPLE_RATE
from training.layers import ConvTranspose1d
from training.recipes import Recipe, find

HOP = 64  # two frames of the middle of `tiny`


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graphs of these tests lie apart from those of the benchmark."""
    folder = tmp_path_factory.mktemp("cache") / "graphs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_cases, "CACHE", folder)
        plain_graph(case_of("tiny", HOP))
    return folder


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cases, "CACHE", cache)


def timing(median_ms: float, p99_ms: float = 0.0) -> Timing:
    return Timing(median_ms, p99_ms or median_ms, median_ms, median_ms, 100)


def macs_by_hand(recipe: Recipe, hop: int) -> int:
    """Frames times weights, level by level."""
    frames = hop // recipe.patch
    total = 2 * frames * 5 * recipe.patch * recipe.channels[0]  # the first and the last convolution
    for level, factor in enumerate(recipe.factors):
        narrow, wide = recipe.channels[level : level + 2]
        for kernel in recipe.level_kernels(level):
            total += 2 * frames * narrow * (kernel + 8 * narrow)  # in the encoder and in the decoder
        total += frames * 2 * narrow * narrow  # the merge
        frames //= factor
        total += 2 * frames * narrow * wide * 2 * factor  # down and up
    return total + recipe.mid_blocks * frames * recipe.channels[-1] * (recipe.mid_kernel + 8 * recipe.channels[-1])


def test_the_floor_is_the_time_to_read_the_weights_and_to_multiply() -> None:
    rates = Rates(read_bytes_per_second=40e9, copied_bytes_per_second=1.0, macs_per_second=50e9)
    assert floor_ms(Work(60_000_000, 100e6), rates) == pytest.approx(1.5 + 2.0)


@pytest.mark.parametrize(("name", "hop"), [("tiny", 32), ("tiny", 4096), ("output19", 512), ("output11", 256)])
def test_a_hops_work_is_every_weight_once_and_the_products_counted_by_hand(name: str, hop: int) -> None:
    case = case_of(name, hop)
    assert case.work.weight_bytes == sum(4 * weight.numel() for weight in case.model.parameters())
    assert case.work.macs == pytest.approx(macs_by_hand(find(name), hop), rel=1e-9)


def test_the_fastest_way_to_read_and_to_multiply_is_the_rate() -> None:
    size = 4 * 2048 * 100
    times = {name: timing(3.0) for name in (f"dot {size}", f"copy {size}", "product 128", "product 256", "product 384")}
    times |= {f"vector {size}": timing(2.0), f"maximum {size}": timing(4.0), "product 512": timing(1.0)}
    times = {name: dataclasses.replace(each, median_ms=99.0) for name, each in times.items()}  # others' load
    rates = rates_of(times, size)
    assert rates.read_bytes_per_second == pytest.approx(size / 2e-3)
    assert rates.copied_bytes_per_second == pytest.approx(size / 3e-3)
    assert rates.macs_per_second == pytest.approx(512**3 / 1e-3)


@pytest.mark.parametrize("weight_bytes", [1_000, 62_240_000])
def test_what_is_read_for_the_floor_is_as_large_as_the_weights(weight_bytes: int) -> None:
    contenders = [*reading_contenders(weight_bytes), *product_contenders()]
    rates = rates_of(take_turns(contenders, seconds=0.1, rounds=1), weight_bytes)
    assert 1e8 < rates.copied_bytes_per_second < 1e13
    assert 1e8 < rates.read_bytes_per_second < 1e13
    assert 1e8 < rates.macs_per_second < 1e13


def test_every_variant_is_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("tiny", HOP)
    graphs = graph_variants.graphs_of(case)
    assert list(graphs) == ["plain", "fp32", "int8"]
    apart = graph_variants.differences(case, graphs, voice(4 * 8192))
    assert apart["plain"] <= 1e-5
    assert apart["fp32"] <= 1e-5
    assert apart["int8"] <= 0.05
    case.model.conv_out.bias_like().add_(0.25)
    assert graph_variants.differences(case, graphs, voice(8192))["fp32"] == pytest.approx(0.25, abs=1e-3)


def test_the_layer_scales_are_one_so_that_an_error_in_a_block_is_heard() -> None:
    scales = [weight for name, weight in case_of("tiny", HOP).model.named_parameters() if name.endswith(".scale")]
    assert len(scales) == 2 * sum(find("tiny").blocks) + find("tiny").mid_blocks
    assert all(bool((scale == 1).all()) for scale in scales)


def test_what_runs_in_turns_is_the_stream_itself() -> None:
    case, audio = case_of("tiny", HOP), voice(HOP * 65)
    by_torch = stream(TorchRunner(case.model, HOP), audio)
    runner = GraphRunner(graph_variants.graphs_of(case)["fp32"], threads=1)
    run, heard = endless(runner, audio), []
    for _ in range(65):
        run()
        heard.append(runner.result.reshape(-1).copy())
    np.testing.assert_allclose(np.concatenate(heard), by_torch, atol=1e-5)
    run()  # from the start of the audio again, with the states as they are
    assert np.isfinite(runner.result).all()


@pytest.mark.parametrize(("name", "hop", "line"), [
    ("output19", 256, "output19 runs in multiples of 512 samples: no hop of 256"),
    ("output11", 511, "output11 runs in multiples of 256 samples: no hop of 511"),
    ("tiny", 0, "tiny runs in multiples of 32 samples: no hop of 0"),
    ("voice_octave", 1024, "voice_octave was exported for 512 samples: no hop of 1024"),
])  # fmt: skip
def test_a_hop_that_cannot_be_is_named(name: str, hop: int, line: str) -> None:
    with pytest.raises(ImpossibleHopError) as caught:
        case_of(name, hop)
    assert str(caught.value) == line


def test_the_bundled_models_are_measured_with_their_own_weights() -> None:
    case = case_of("voice_octave", 512)
    apart = graph_variants.differences(case, {"shipped": case.shipped}, voice(8192))
    assert apart["shipped"] <= 1e-4


def test_a_plain_graph_is_kept_and_made_anew_when_a_weight_changes(cache: Path) -> None:
    case = case_of("tiny", HOP)
    (kept,) = cache.glob("tiny-64-*.onnx")
    before = kept.stat().st_mtime_ns
    assert plain_graph(case) == onnx.load(kept)
    case.model.conv_in.bias_like().add_(1.0)
    plain_graph(case)
    assert kept.stat().st_mtime_ns == before
    (anew,) = set(cache.glob("tiny-64-*.onnx")) - {kept}
    anew.unlink()


def test_in_every_round_each_takes_its_turn_and_warms_up_untimed() -> None:
    order: list[str] = []
    contenders = [Contender(name, lambda name=name: order.append(name)) for name in "abc"]  # type: ignore[misc]
    timings = take_turns(contenders, seconds=0.003, rounds=3)
    assert [order[0], order[-1]] == ["a", "b"]  # the last round starts with c
    for name in "abc":
        assert timings[name].calls == order.count(name) - 3 * WARM_UP_CALLS


def test_a_summary_is_numpys() -> None:
    calls = np.random.default_rng(0).exponential(size=(513, 2))
    clock, processor = 1e3 * calls.T
    assert summary(calls) == Timing(
        np.median(clock), np.quantile(clock, 0.99), clock.min(), np.median(processor), len(calls)
    )


def test_what_a_call_waits_for_is_no_processor_time() -> None:
    timing = take_turns([Contender("waits", lambda: time.sleep(0.02))], seconds=0.1, rounds=1)["waits"]
    assert timing.least_ms >= 20
    assert timing.processor_ms < 10


def test_torch_is_not_made_to_copy_its_weights_at_every_hop() -> None:
    model = case_of("tiny", HOP).model
    largest = max(layer.weight.numel() for layer in model.modules() if isinstance(layer, ConvTranspose1d))

    def copies_it(run: Callable[[], object]) -> bool:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiled:
            run()
        copies = [event for event in profiled.events() if event.name == "aten::copy_"]
        return largest in [int(np.prod(event.input_shapes[0])) for event in copies]

    assert copies_it(lambda: model.step(torch.zeros(1, 1, HOP), model.silence(batch=1)))  # as it lies after training
    assert not copies_it(TorchRunner(model, HOP).run)


def test_times_that_would_be_mixed_or_missing_are_refused() -> None:
    twice = [Contender("a", int), Contender("a", int)]
    with pytest.raises(ValueError, match="same name"):
        take_turns(twice, 0.1, 1)
    with pytest.raises(ValueError, match="1 round or more, not 0"):
        take_turns(twice[:1], 0.1, 0)
    with pytest.raises(ValueError, match="no call was timed"):
        summary([])


def test_a_profile_is_the_sum_of_each_nodes_median_after_the_first_runs() -> None:
    def event(name: str, operator: str, microseconds: int) -> dict[str, object]:
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": {"op_name": operator}}

    warm = [event("one", "Conv", 9000), event("two", "Conv", 9000), event("three", "Add", 9000)]
    runs = [event("one", "Conv", 100), event("two", "Conv", 300), event("three", "Add", 50)]
    noise = [{"cat": "Session", "name": "model_run", "dur": 7}, {"cat": "Node", "name": "one_fence_before", "dur": 5}]
    late = [{**each, "dur": 70_000} for each in runs]  # the machine did something else
    assert by_operator([*warm, *noise, *runs, *late, *runs], skipped_runs=1) == {"Conv": (2, 0.4), "Add": (1, 0.05)}
    with pytest.raises(ValueError, match="no run after the first 3"):
        by_operator([*warm, *runs, *runs], skipped_runs=3)


def test_a_graph_is_profiled_by_operator() -> None:
    found = profile(plain_graph(case_of("tiny", HOP)).SerializeToString(), hops=5)
    assert "Conv" in found
    assert all(calls > 0 and milliseconds > 0 for calls, milliseconds in found.values())


def a_report(fp32_ms: float = 1.6, int8_ms: float = 1.0, p99_ms: float = 5.0) -> Report:
    def row(variant: str, median_ms: float, difference: float | None = 1e-4) -> Row:
        return Row("output19", 512, 1, variant, timing(median_ms, p99_ms), difference)

    rows = (row("torch", 5.0, None), row("plain", 2.5), row("fp32", fp32_ms), row("int8", int8_ms))
    floor = Floor("output19", 512, 62_000_000, 92e6, 62e9, 10e9, 92e9, 1.0)
    return Report({"cores": "2"}, rows, (floor,), (Peer("peer", 512, 2560, timing(0.2)),), ("one line",))


def test_goals_are_met_at_their_limit_and_missed_beyond() -> None:
    assert [goal[3] for goal in goals_of(a_report())] == ["met"] * 6
    beyond = goals_of(a_report(fp32_ms=1.61, int8_ms=1.01, p99_ms=5.4))
    assert [goal[3] for goal in beyond] == ["missed", "met", "missed", "missed", "missed", "missed"]
    untrue = dataclasses.replace(a_report().rows[2], largest_difference=float("nan"))
    assert [goal[3] for goal in goals_of(dataclasses.replace(a_report(), rows=(untrue,)))] == ["met", "missed", "met"]


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    a_report().write(path)
    assert read_report(path) == a_report()
    path.write_text(json.dumps({"machine": {}}))
    with pytest.raises(ValueError, match=r"report.json is no report of benchmarks.graph .*--json"):
        read_report(path)


def test_the_page_has_every_row_floor_goal_peer_and_what_was_left_out() -> None:
    page = text_of(a_report(), markdown=True)
    assert "| output19 | 512 | 1 | fp32 | 1.60 | 5.00 | 1.60 | 1.60 | 0.150 | 1.60 | 1.0e-04 |" in page
    assert "| output19 | 512 | 62.0 | 62.0 | 10.0 | 92 | 92.0 | 1.00 |" in page
    assert "| plain over int8 | ≥ 2.5 | 2.50 | met | 2.50 |" in page
    assert "| peer | 512 | 0.20 | 0.20 | 0.019 | 2560 samples, 53.3 ms |" in page
    assert page.endswith("one line")


def test_the_command_measures_draws_and_names_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--recipes", "tiny", "--hops", f"{HOP},65", "--threads", "1,2", "--seconds", "1", "--quick"]
    graph.main([*places, "--json", str(tmp_path / "a.json"), "--picture", str(tmp_path / "a.png")])
    said = capsys.readouterr().out
    assert "tiny runs in multiples of 32 samples: no hop of 65" in said
    report = read_report(tmp_path / "a.json")
    expected = [(1, "torch"), *((threads, variant) for threads in (1, 2) for variant in ("plain", "fp32", "int8"))]
    assert [(row.threads, row.variant) for row in report.rows] == expected
    assert all(row.hop_ms == 1e3 * HOP / SAMPLE_RATE for row in report.rows)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    graph.main(["--from", str(tmp_path / "a.json")])
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(("words", "line"), [
    (["--recipes", "tiny", "--hops", "65"], "benchmarks.graph: tiny runs in multiples of 32 samples: no hop of 65"),
    (["--recipes", "nothing"], "benchmarks.graph: no recipe is called 'nothing'"),
    (["--from", "absent.json"], "benchmarks.graph: [Errno 2] No such file"),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(SystemExit) as caught:
        graph.main(words)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value).splitlines()) == 1


def test_torch_keeps_its_settings() -> None:
    assert torch.is_grad_enabled()

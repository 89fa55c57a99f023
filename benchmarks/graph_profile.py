"""Where the time of a hop goes: ONNX Runtime's own profile, by operator."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.graph_cases import Case
from benchmarks.graph_report import as_table
from benchmarks.graph_runners import GraphRunner, endless
from benchmarks.graph_variants import graphs_of
from tests.signals import SAMPLE_RATE, voice

WARM_UP_HOPS, HOPS = 20, 300
KERNEL = "_kernel_time"


def by_operator(events: Iterable[Mapping[str, Any]], skipped_runs: int) -> dict[str, tuple[int, float]]:
    """Operator -> (calls, ms) of a run, the costliest first: the sum over its nodes, each with the median of its runs.

    `events` are those of ONNX Runtime's profile; each node has one `…_kernel_time` event a run, `dur` in µs. The first
    `skipped_runs` do not count. Raises: ValueError if no run is left.
    """
    times_us: defaultdict[tuple[str, str], list[float]] = defaultdict(list)  # of an operator's node
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL):
            times_us[event["args"]["op_name"], event["name"]].append(event["dur"])
    calls: Counter[str] = Counter()
    total_ms: defaultdict[str, float] = defaultdict(float)
    for (operator, _), runs in times_us.items():
        if len(runs) <= skipped_runs:
            raise ValueError(f"the profile holds no run after the first {skipped_runs}")
        calls[operator] += 1
        total_ms[operator] += median(runs[skipped_runs:]) / 1e3
    return {operator: (calls[operator], total_ms[operator]) for operator in sorted(calls, key=lambda o: -total_ms[o])}


def profile(graph: bytes, hops: int = HOPS) -> dict[str, tuple[int, float]]:
    """Run a graph on a voice, one thread: operator -> (calls, ms) of a hop."""
    with tempfile.TemporaryDirectory() as folder:
        runner = GraphRunner(graph, threads=1, profile_prefix=str(Path(folder) / "profile"))
        run = endless(runner, voice(2 * SAMPLE_RATE))
        for _ in range(WARM_UP_HOPS + hops):
            run()
        events = json.loads(Path(runner.session.end_profiling()).read_text(encoding="utf-8"))
    return by_operator(events, WARM_UP_HOPS)


def profile_text(case: Case, markdown: bool) -> str:
    """One table for all variants of a case."""
    found = {variant: profile(graph) for variant, graph in graphs_of(case).items()}
    operators = sorted(
        {operator for profiled in found.values() for operator in profiled},
        key=lambda operator: -max(profiled.get(operator, (0, 0))[1] for profiled in found.values()),
    )
    lines = [(operator, *(_cell(found[variant].get(operator)) for variant in found)) for operator in operators]
    totals = (_cell((sum(n for n, _ in p.values()), sum(ms for _, ms in p.values()))) for p in found.values())
    titles = ("operator", *(f"{variant}: ms (calls)" for variant in found))
    table = as_table(titles, [*lines, ("all", *totals)], markdown)
    return (
        f"{case.name}, hop {case.hop_samples}, 1 thread, median of {HOPS} hops; profiling itself costs time\n\n{table}"
    )


def _cell(figures: tuple[int, float] | None) -> str:
    return "" if figures is None else f"{figures[1]:.2f} ({figures[0]})"

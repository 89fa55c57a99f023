"""What each rewrite brings: the graph with all of them, and with each left out, in turns."""

from __future__ import annotations

from benchmarks.graph_cases import Case, plain_graph
from benchmarks.graph_report import as_table
from benchmarks.graph_runners import GraphRunner, endless
from benchmarks.graph_timing import Contender, Timing, take_turns
from benchmarks.graph_variants import FP32, INT8, differences, switches, without, written
from tests.signals import SAMPLE_RATE, voice

ROUNDS = 20
ALL = "all"


def graphs_without(case: Case) -> dict[str, bytes]:
    """`VARIANT WHAT` -> graph, for fp32 and int8: all rewrites, each left out, and none."""
    graphs = {"plain export": plain_graph(case).SerializeToString()}
    for variant, rewrites in (("fp32", FP32), ("int8", INT8)):
        graphs[f"{variant} {ALL}"] = written(case, rewrites)
        for name in switches():
            graphs[f"{variant} without {name}"] = written(case, without(rewrites, name))
        graphs[f"{variant} without any"] = written(case, without(rewrites, *switches()))
    return graphs


def ablation_text(case: Case, seconds: float, markdown: bool) -> str:
    """A table: time of a hop, and how much more of the processor it takes than with all rewrites."""
    graphs, audio = graphs_without(case), voice(2 * SAMPLE_RATE)
    apart = differences(case, graphs, audio)
    contenders = [Contender(name, endless(GraphRunner(graph, threads=1), audio)) for name, graph in graphs.items()]
    timings = take_turns(contenders, seconds, ROUNDS)
    lines = [
        (
            name,
            f"{timing.median_ms:.2f}",
            f"{timing.least_ms:.2f}",
            f"{timing.processor_ms:.2f}",
            f"{100 * (timing.processor_ms / _whole(name, timings).processor_ms - 1):+.0f} %",
            f"{apart[name]:.1e}",
            f"{len(graphs[name]) / 1e6:.1f}",
        )
        for name, timing in timings.items()
    ]
    titles = ("graph", "median ms", "least ms", "processor ms", "against all", "from torch", "MB")
    return f"{case.name}, hop {case.hop_samples}, 1 thread\n\n" + as_table(titles, lines, markdown)


def _whole(name: str, timings: dict[str, Timing]) -> Timing:
    """The graph of the same variant with all rewrites; fp32 for the plain export."""
    return timings[f"int8 {ALL}" if name.startswith("int8") else f"fp32 {ALL}"]

"""How fast the exported graph is: torch, the plain export, our fp32 and int8 variants, beside the floor and a peer.

    python -m benchmarks.graph [--recipes output19,output10] [--hops 512,1024] [--threads 1,2] [--quick]
                               [--seconds 240] [--json FILE] [--picture FILE.png] [--markdown]
    python -m benchmarks.graph --from FILE.json [--markdown] [--picture FILE.png]    # draw it again, measure nothing
    python -m benchmarks.graph --profile | --ablate [--recipes NAME] [--hops N]      # where the time goes; each rewrite

Without --recipes: output19 at hops 256 to 4096 on 1 and 2 threads, the others at hop 512 on one. Every variant runs a
burst of hops in each of many rounds, so all see the same load. The first run exports the graphs, half a minute each,
into .cache/graphs/. docs/performance.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.graph_ablation import ablation_text
from benchmarks.graph_cases import BUNDLED, Case, ImpossibleHopError, case_of
from benchmarks.graph_floor import Rates, floor_ms, product_contenders, rates_of, reading_contenders
from benchmarks.graph_picture import draw
from benchmarks.graph_profile import profile_text
from benchmarks.graph_report import HEADLINE, Floor, Peer, Report, Row, read_report, text_of
from benchmarks.graph_runners import Audio, GraphRunner, RubberBand, TorchRunner, endless
from benchmarks.graph_timing import Contender, Timing, take_turns
from benchmarks.graph_variants import differences, graphs_of
from tests.signals import SAMPLE_RATE, voice

HOPS = (256, 512, 1024, 2048, 4096)
BESIDE = (("output10", 512), ("output11", 256), ("output11", 512), ("output21", 512))
BUNDLED_HOPS = dict(zip(BUNDLED, (512,), strict=True))
SECONDS, QUICK_SECONDS = 200.0, 20.0
ROUNDS, QUICK_ROUNDS = 20, 8
HEADLINE_SHARE = 4.0  # its 99th percentile is a goal
PEER, PEER_BLOCK = "Rubber Band R3, short window", 512


@dataclass(frozen=True)
class Place:
    """What is to be measured: one model at one hop on one number of threads."""

    name: str
    hop_samples: int
    threads: int


def places_of(options: argparse.Namespace) -> list[Place]:
    """The table's rows, before anyone knows which of them can be."""
    recipe, hop, threads = HEADLINE
    if options.recipes or options.hops or options.threads:
        names = options.recipes or [recipe]
        return [
            Place(name, BUNDLED_HOPS.get(name, each), count)
            for name in names
            for each in (options.hops or [hop])
            for count in (options.threads or [threads])
        ]
    if options.quick:
        return [Place(recipe, hop, threads)]
    pairs = [*BESIDE, *BUNDLED_HOPS.items()]
    return [Place(recipe, hop, n) for n in (1, 2) for hop in HOPS] + [Place(name, hop, 1) for name, hop in pairs]


def measure(places: Sequence[Place], seconds: float, rounds: int) -> Report:
    """Build everything, then time everything in turns. Raises: ValueError if none of the hops can be."""
    cases, left_out = _cases(places)
    audio = voice(2 * SAMPLE_RATE)
    contenders: list[Contender] = []
    errors: dict[str, float | None] = {}
    for case in cases:
        print(f"building {case.name} at {case.hop_samples}", file=sys.stderr, flush=True)
        wanted = sorted({p.threads for p in places if (p.name, p.hop_samples) == (case.name, case.hop_samples)})
        made, found = _contenders(case, wanted, audio)
        contenders += made
        errors |= found
    for size in sorted({case.work.weight_bytes for case in cases}):
        contenders += reading_contenders(size)
    contenders += product_contenders()
    try:
        band = RubberBand(SAMPLE_RATE, PEER_BLOCK)
        contenders.append(Contender(PEER, endless(band, audio)))
        latencies = {PEER: band.latency_samples}
    except ImportError:
        left_out.append(f"{PEER}: not measured, since pylibrb is missing; pip install pylibrb")
        latencies = {}
    before = os.getloadavg()[0]
    timings = take_turns(contenders, seconds, rounds)
    machine = {**machine_facts(), "load before and after": f"{before:.1f} and {os.getloadavg()[0]:.1f}"}
    return Report(
        machine,
        tuple(_row(name, timings[name], error) for name, error in errors.items()),
        tuple(_floor(case, timings) for case in cases),
        tuple(Peer(name, PEER_BLOCK, latency, timings[name]) for name, latency in latencies.items()),
        tuple(left_out),
    )


def _contenders(
    case: Case, thread_counts: Sequence[int], audio: Audio
) -> tuple[list[Contender], dict[str, float | None]]:
    """All variants of a case, and how far each is from torch; torch itself on one thread."""
    graphs = graphs_of(case)
    apart = differences(case, graphs, audio)
    key, hop = f"{case.name} {case.hop_samples}", case.hop_samples
    contenders: list[Contender] = []
    errors: dict[str, float | None] = {}
    for threads in thread_counts:
        share = HEADLINE_SHARE if (case.name, hop, threads) == HEADLINE else 1.0
        if threads == 1:
            contenders.append(Contender(f"{key} 1 torch", endless(TorchRunner(case.model, hop), audio), share))
            errors[f"{key} 1 torch"] = None
        for variant, graph in graphs.items():
            name = f"{key} {threads} {variant}"
            errors[name] = apart[variant]
            contenders.append(Contender(name, endless(GraphRunner(graph, threads), audio), share))
    return contenders, errors


def machine_facts() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "ONNX Runtime": onnxruntime.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cases(places: Sequence[Place]) -> tuple[list[Case], list[str]]:
    cases, left_out = [], []
    for name, hop in dict.fromkeys((place.name, place.hop_samples) for place in places):
        try:
            cases.append(case_of(name, hop))
        except ImpossibleHopError as error:
            left_out.append(str(error))
    if not cases:
        raise ValueError("; ".join(left_out))
    return cases, left_out


def _row(name: str, timing: Timing, error: float | None) -> Row:
    recipe, hop, threads, variant = name.split(" ")
    return Row(recipe, int(hop), int(threads), variant, timing, error)


def _floor(case: Case, timings: dict[str, Timing]) -> Floor:
    work = case.work
    rates: Rates = rates_of(timings, work.weight_bytes)
    return Floor(
        case.name,
        case.hop_samples,
        work.weight_bytes,
        work.macs,
        rates.read_bytes_per_second,
        rates.copied_bytes_per_second,
        rates.macs_per_second,
        floor_ms(work, rates),
    )


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _names(text: str) -> list[str]:
    return text.split(",")


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=_names, default=[])
    parser.add_argument("--hops", type=_numbers, default=[])
    parser.add_argument("--threads", type=_numbers, default=[])
    parser.add_argument("--quick", action="store_true", help="only output19, hop 512, one thread")
    parser.add_argument("--seconds", type=float, help="of measuring; the graphs are built before")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--from", type=Path, dest="source", help="a file that --json wrote")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--markdown", action="store_true", help="the tables as docs/performance.md has them")
    parser.add_argument("--profile", action="store_true", help="time by operator, as ONNX Runtime counts it")
    parser.add_argument("--ablate", action="store_true", help="each rewrite left out in turn")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    options = options_of(words)
    torch.set_num_threads(1)
    try:
        if options.profile or options.ablate:
            place = places_of(options)[0] if options.recipes or options.hops else Place(*HEADLINE)
            case = case_of(place.name, place.hop_samples)
            if options.profile:
                print(profile_text(case, options.markdown))
            if options.ablate:
                print(ablation_text(case, options.seconds or 60.0, options.markdown))
            return
        report = read_report(options.source) if options.source else _measured(options)
        if options.json:
            report.write(options.json)
        if options.picture:
            draw(report, options.picture)
    except (ValueError, OSError) as error:
        sys.exit(f"benchmarks.graph: {error}")
    print(text_of(report, options.markdown))


def _measured(options: argparse.Namespace) -> Report:
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    return measure(places_of(options), seconds, QUICK_ROUNDS if options.quick else ROUNDS)


if __name__ == "__main__":
    main()

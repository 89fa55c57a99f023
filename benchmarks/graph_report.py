"""What a run of the graph benchmark found, as a value, as JSON and as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.graph_timing import Timing
from training.geometry import SAMPLE_RATE

HEADLINE = ("output19", 512, 1)  # recipe, hop, threads: where the goals are set
VARIANTS = ("torch", "plain", "fp32", "int8", "shipped")
FP32_LIMIT = 1e-4


@dataclass(frozen=True)
class Row:
    """One model, hop and variant. `largest_difference`: from torch, on real audio; None for torch itself."""

    recipe: str
    hop_samples: int
    threads: int
    variant: str
    timing: Timing
    largest_difference: float | None

    @property
    def hop_ms(self) -> float:
        return 1e3 * self.hop_samples / SAMPLE_RATE

    @property
    def real_time_factor(self) -> float:
        """Median time of a hop over the hop's own length."""
        return self.timing.median_ms / self.hop_ms


@dataclass(frozen=True)
class Floor:
    """Of a model at a hop, one thread, from the rates of the same run."""

    recipe: str
    hop_samples: int
    weight_bytes: int
    macs: float
    read_bytes_per_second: float
    copied_bytes_per_second: float
    macs_per_second: float
    floor_ms: float


@dataclass(frozen=True)
class Peer:
    """Another way to shift pitch, in the same run; its latency as it reports it."""

    name: str
    block_samples: int
    latency_samples: int
    timing: Timing


@dataclass(frozen=True)
class Report:
    """`machine`: processor, cores, load and versions; `left_out`: one line for each hop that cannot be."""

    machine: dict[str, str]
    rows: tuple[Row, ...]
    floors: tuple[Floor, ...]
    peers: tuple[Peer, ...]
    left_out: tuple[str, ...]

    def row(self, recipe: str, hop_samples: int, threads: int, variant: str) -> Row | None:
        key = (recipe, hop_samples, threads, variant)
        return next((r for r in self.rows if (r.recipe, r.hop_samples, r.threads, r.variant) == key), None)

    def floor(self, recipe: str, hop_samples: int) -> Floor:
        return next(f for f in self.floors if (f.recipe, f.hop_samples) == (recipe, hop_samples))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_report(path: Path) -> Report:
    """Raises: OSError, or ValueError where the file is no report of this benchmark."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Report(
            data["machine"],
            tuple(Row(**{**row, "timing": Timing(**row["timing"])}) for row in data["rows"]),
            tuple(Floor(**floor) for floor in data["floors"]),
            tuple(Peer(**{**peer, "timing": Timing(**peer["timing"])}) for peer in data["peers"]),
            tuple(data["left_out"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no report of benchmarks.graph ({error}): write one with --json") from error


def as_table(titles: Sequence[str], lines: Sequence[Sequence[str]], markdown: bool) -> str:
    """Markdown, or columns for a terminal."""
    if markdown:
        return "\n".join(f"| {' | '.join(line)} |" for line in (titles, ["---"] * len(titles), *lines))
    widths = [max(len(line[n]) for line in (titles, *lines)) for n in range(len(titles))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (titles, *lines)
    )


def text_of(report: Report, markdown: bool) -> str:
    """Everything that docs/performance.md holds of a run."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    parts = [f"Measured on: {machine}.", times_table(report, markdown), floors_table(report, markdown)]
    goals = goals_of(report)
    if goals:
        parts.append(as_table(("goal", "wanted", "by the clock", "", "by processor time"), goals, markdown))
    parts += [peers_table(report, markdown), *report.left_out]
    return "\n\n".join(part for part in parts if part)


def times_table(report: Report, markdown: bool) -> str:
    titles = (*("model", "hop", "threads", "variant", "median ms", "p99 ms", "least ms", "processor ms"),
              *("RTF", "× floor", "from torch"))  # fmt: skip
    lines = []
    for row in report.rows:
        times = (row.timing.median_ms, row.timing.p99_ms, row.timing.least_ms, row.timing.processor_ms)
        ratio = row.timing.median_ms / report.floor(row.recipe, row.hop_samples).floor_ms
        difference = "" if row.largest_difference is None else f"{row.largest_difference:.1e}"
        place = (row.recipe, str(row.hop_samples), str(row.threads), row.variant)
        figures = (*(f"{value:.2f}" for value in times), f"{row.real_time_factor:.3f}", f"{ratio:.2f}", difference)
        lines.append((*place, *figures))
    return as_table(titles, lines, markdown)


def floors_table(report: Report, markdown: bool) -> str:
    titles = ("model", "hop", "weights MB", "read GB/s", "memcpy GB/s", "million MAC", "GMAC/s", "floor ms")
    lines = [
        (
            floor.recipe,
            str(floor.hop_samples),
            f"{floor.weight_bytes / 1e6:.1f}",
            f"{floor.read_bytes_per_second / 1e9:.1f}",
            f"{floor.copied_bytes_per_second / 1e9:.1f}",
            f"{floor.macs / 1e6:.0f}",
            f"{floor.macs_per_second / 1e9:.1f}",
            f"{floor.floor_ms:.2f}",
        )
        for floor in report.floors
    ]
    return as_table(titles, lines, markdown)


def goals_of(report: Report) -> list[tuple[str, str, str, str, str]]:
    """The goals at output19, hop 512, one thread; without the lines of a variant that was not run.

    (goal, wanted, measured by the clock, whether that meets it, the same by the processor's time)
    """
    recipe, hop, threads = HEADLINE
    found = {variant: report.row(recipe, hop, threads, variant) for variant in VARIANTS}
    torch, plain, fp32, int8 = (found[name] for name in ("torch", "plain", "fp32", "int8"))
    goals = []
    if fp32:
        floor = report.floor(recipe, hop).floor_ms
        ratio, processor = fp32.timing.median_ms / floor, fp32.timing.processor_ms / floor
        goals.append(_goal("fp32 over the floor", "≤ 1.6", f"{ratio:.2f}", ratio <= 1.6, f"{processor:.2f}"))
        worst = fp32.largest_difference or 0.0
        goals.append(_goal("fp32 from torch", "≤ 1e-4", f"{worst:.1e}", worst <= FP32_LIMIT))
    for slow, name, least in ((plain, "plain", 2.5), (torch, "torch eager", 5.0)):
        if int8 and slow:
            gain = slow.timing.median_ms / int8.timing.median_ms
            processor = slow.timing.processor_ms / int8.timing.processor_ms
            goals.append(_goal(f"{name} over int8", f"≥ {least:g}", f"{gain:.2f}", gain >= least, f"{processor:.2f}"))
    for row in (fp32, int8):
        if row:
            share = row.timing.p99_ms / row.hop_ms
            goals.append(_goal(f"{row.variant}, p99 of the hop", "≤ 50 %", f"{100 * share:.0f} %", share <= 0.5))
    return goals


def peers_table(report: Report, markdown: bool) -> str:
    titles = ("peer", "block", "median ms", "p99 ms", "RTF", "latency it reports")
    lines = []
    for peer in report.peers:
        block_ms = 1e3 * peer.block_samples / SAMPLE_RATE
        latency = f"{peer.latency_samples} samples, {1e3 * peer.latency_samples / SAMPLE_RATE:.1f} ms"
        times = (f"{peer.timing.median_ms:.2f}", f"{peer.timing.p99_ms:.2f}", f"{peer.timing.median_ms / block_ms:.3f}")
        lines.append((peer.name, str(peer.block_samples), *times, latency))
    return as_table(titles, lines, markdown) if lines else ""


def _goal(name: str, wanted: str, measured: str, met: bool, processor: str = "") -> tuple[str, str, str, str, str]:
    return name, wanted, measured, "met" if met else "missed", processor

"""The picture of docs/performance.md: real-time factors by variant and hop, and by model at one hop."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.graph_floor import BYTES_PER_WEIGHT
from benchmarks.graph_report import HEADLINE, Floor, Report
from training.geometry import SAMPLE_RATE

STYLES = {  # variant: what it is called, colour (Okabe & Ito, told apart by the colour-blind), marker
    "torch": ("torch eager", "#D55E00", "s"),
    "plain": ("plain export, fp32", "#E69F00", "D"),
    "fp32": ("our graph, fp32", "#0072B2", "o"),
    "int8": ("our graph, int8", "#009E73", "^"),
}
FLOOR_COLOUR = "#555555"
HALF_A_HOP = 0.5
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def draw(report: Report, path: Path) -> None:
    """Write a PNG of two panels, 1 thread. Raises: OSError if it cannot be written."""
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(11.0, 4.6), dpi=110, layout="constrained")
    by_hop, by_model = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_by_hop(by_hop, report)
    _draw_by_model(by_model, report)
    handles, labels = by_hop.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path)


def _shown(report: Report) -> tuple[str, int]:
    """The recipe and the hop that the panels are about: the goals' where they were measured, else the first."""
    wanted, first = HEADLINE[:2], report.floors[0]
    known = {(floor.recipe, floor.hop_samples) for floor in report.floors}
    return wanted if wanted in known else (first.recipe, first.hop_samples)


def _draw_by_hop(axes: Axes, report: Report) -> None:
    recipe, hop = _shown(report)
    for variant, (label, colour, marker) in STYLES.items():
        rows = sorted(
            (row for row in report.rows if (row.recipe, row.threads, row.variant) == (recipe, 1, variant)),
            key=lambda row: row.hop_samples,
        )
        hops, factors = [row.hop_samples for row in rows], [row.real_time_factor for row in rows]
        axes.plot(hops, factors, color=colour, marker=marker, label=label, linewidth=2)
    floors = sorted((floor.hop_samples, _factor(floor)) for floor in report.floors if floor.recipe == recipe)
    hops = [hop for hop, _ in floors]
    axes.plot(hops, [factor for _, factor in floors], color=FLOOR_COLOUR, linestyle="--", label="floor of fp32")
    axes.set(xscale="log", xlabel="hop, samples at 48 kHz")
    axes.set_xticks(hops, [str(hop) for hop in hops])
    _dress(axes)
    millions = report.floor(recipe, hop).weight_bytes / BYTES_PER_WEIGHT / 1e6
    axes.set_title(f"{recipe} ({millions:.1f} million parameters) by hop", loc="left", fontsize=11)


def _draw_by_model(axes: Axes, report: Report) -> None:
    hop = _shown(report)[1]
    models = list(dict.fromkeys(row.recipe for row in report.rows if (row.hop_samples, row.threads) == (hop, 1)))
    for n, (variant, (_, colour, marker)) in enumerate(STYLES.items()):
        for place, model in enumerate(models):
            row = report.row(model, hop, 1, variant)
            if row:
                at, factor = place + 0.16 * (n - 1.5), row.real_time_factor
                axes.plot(at, factor, color=colour, marker=marker, markersize=8)
                axes.annotate(
                    f"{factor:.2g}", (at, factor), (0, 7), textcoords="offset points", ha="center", size=8, color=colour
                )
    for place, model in enumerate(models):
        factor = _factor(report.floor(model, hop))
        axes.plot((place - 0.35, place + 0.35), (factor, factor), color=FLOOR_COLOUR, linestyle="--")
    axes.set_xticks(range(len(models)), models)
    axes.set_xlim(-0.5, len(models) - 0.5)
    _dress(axes)
    axes.annotate("half of the time there is", (1.0, HALF_A_HOP), (-2, 2), axes.get_yaxis_transform(),
                  textcoords="offset points", ha="right", size=8, color="#777777")  # fmt: skip
    axes.set_title(f"all models at hop {hop}", loc="left", fontsize=11)


def _factor(floor: Floor) -> float:
    return floor.floor_ms / (1e3 * floor.hop_samples / SAMPLE_RATE)


def _dress(axes: Axes) -> None:
    axes.set(yscale="log", ylabel="real-time factor (median)")
    axes.minorticks_off()
    low, high = axes.get_ylim()
    ticks = [tick for tick in TICKS if low / 1.5 <= tick <= 1.5 * high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.axhline(HALF_A_HOP, color="#BBBBBB", linewidth=1, zorder=0)

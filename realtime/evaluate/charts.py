"""Pictures of an evaluation, as PNG: quality against latency, and spectrograms."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.figures import FIGURES
from realtime.evaluate.systems import NOTHING, System
from realtime.evaluate.table import ALL_KINDS, Line, Statistic

Audio = NDArray[np.float32]

HEADLINE = ("mel", "mr_stft", "pesq", "stoi")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito: told apart by all eyes
_SHAPES = "os^D"
_MODEL_COLOURS, _MODEL_SHAPES = ("#000000", "#882255", "#777777"), "*PX"
_WINDOW, _HOP = 1024, 256
_RANGE_DB = 80


def check_charts() -> None:
    """See that pictures can be drawn.

    Raises: EvaluateError where matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise EvaluateError('pictures need matplotlib, which is not installed: pip install "deshift[evaluate]"')


def quality_against_latency(lines: Sequence[Line], systems: Sequence[System], models: Sequence[str]) -> bytes:
    """One panel for each headline figure and group of lines, systems by latency, intervals as bars: a PNG."""
    return _png(latency_figure(lines, systems, models))


def latency_figure(lines: Sequence[Line], systems: Sequence[System], models: Sequence[str]) -> Any:
    """The same as a figure of matplotlib. Doing nothing is told in words: drawn, it would press the rest together."""
    figures = [f for f in FIGURES if f.key in HEADLINE and any(line.statistics[f.key] for line in lines)]
    groups = list(dict.fromkeys(line.group for line in lines if line.group[2] == ALL_KINDS))
    groups = groups or list(dict.fromkeys(line.group for line in lines))
    known = [system.latency_ms for system in systems if system.latency_ms is not None]
    whole = 1.6 * max([*known, 100.0])  # where those stand that need the whole sound
    looks = _looks(systems, models)
    picture = _figure((4.2 * len(figures), 3.2 * len(groups) + 0.6))
    axes = picture.subplots(len(groups), len(figures), squeeze=False)
    for row, group in zip(axes, groups, strict=True):
        for axis, figure in zip(row, figures, strict=True):
            for system in systems:
                line = next((each for each in lines if each.group == group and each.system == system.name), None)
                found = None if line is None else line.statistics[figure.key]
                if found is not None and system.name == NOTHING:
                    told = f"nothing: {found.mean:.{figure.digits}f}"
                    axis.annotate(told, (0.98, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize="small")
                elif found is not None:
                    _draw(axis, whole if system.latency_ms is None else system.latency_ms, found, looks[system.name])
            better = "lower" if figure.less_is_better else "higher"
            axis.set_title(f"{group[0]}, {group[1]}: {figure.heading} ({better} is better)", fontsize="small")
            axis.set_xlabel(f"algorithmic latency, ms (at {whole:.0f}: needs the whole sound)", fontsize="small")
            axis.grid(alpha=0.3)
    drawn: dict[str, Any] = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            drawn.setdefault(label, handle)
    picture.legend(drawn.values(), drawn.keys(), fontsize="small", loc="outside lower center", ncols=6)
    return picture


def spectrogram(audio: Audio, sample_rate: int) -> bytes:
    """Level over time and frequency, the upper 80 dB: a PNG."""
    padded = np.pad(audio, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    level = 20 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))).T / (_WINDOW / 4) + 1e-9)
    picture = _figure((4.6, 2.2))
    axis = picture.subplots()
    extent = (0, len(audio) / sample_rate, 0, sample_rate / 2000)
    axis.imshow(level, origin="lower", aspect="auto", extent=extent, vmin=-_RANGE_DB, vmax=0, cmap="magma")
    axis.set_xlabel("s", fontsize="small")
    axis.set_ylabel("kHz", fontsize="small")
    axis.tick_params(labelsize="small")
    return _png(picture)


def _looks(systems: Sequence[System], models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, shape and name of each system: models are stars in colours of their own."""
    rivals = [system.name for system in systems if system.name not in models and system.name != NOTHING]
    looks: dict[str, dict[str, Any]] = {}
    for names, colours, shapes, size in ((rivals, _COLOURS, _SHAPES, 6), (models, _MODEL_COLOURS, _MODEL_SHAPES, 12)):
        for index, name in enumerate(names):
            shape = shapes[index // len(colours) % len(shapes)]  # there are more systems than colours
            colour = colours[index % len(colours)]
            looks[name] = {"color": colour, "fmt": shape, "markersize": size, "capsize": 3, "label": name}
    return looks


def _draw(axis: Any, latency_ms: float, found: Statistic, look: dict[str, Any]) -> None:
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    axis.errorbar([latency_ms], [found.mean], [[max(0.0, found.mean - low)], [max(0.0, high - found.mean)]], **look)


def _figure(size: tuple[float, float]) -> Any:
    return importlib.import_module("matplotlib.figure").Figure(figsize=size, layout="constrained")


def _png(picture: Any) -> bytes:
    content = io.BytesIO()
    picture.savefig(content, format="png", dpi=100, metadata={"Software": None})
    return content.getvalue()

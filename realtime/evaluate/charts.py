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
from realtime.evaluate.systems import System
from realtime.evaluate.table import ALL_KINDS, Line

Audio = NDArray[np.float32]

HEADLINE = ("mel", "mr_stft", "pesq", "stoi")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito: told apart by all eyes
_SHAPES = "os^D"
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
    figures = [f for f in FIGURES if f.key in HEADLINE and any(line.statistics[f.key] for line in lines)]
    groups = list(dict.fromkeys(line.group for line in lines if line.group[2] == ALL_KINDS))
    groups = groups or list(dict.fromkeys(line.group for line in lines))
    known = [system.latency_ms for system in systems if system.latency_ms is not None]
    whole = 1.6 * max([*known, 100.0])  # where those stand that need the whole sound
    picture = _figure((4.2 * len(figures), 3.2 * len(groups) + 0.6))
    axes = picture.subplots(len(groups), len(figures), squeeze=False)
    for row, group in zip(axes, groups, strict=True):
        for axis, figure in zip(row, figures, strict=True):
            for index, system in enumerate(systems):
                line = next((each for each in lines if each.group == group and each.system == system.name), None)
                if line is not None and line.statistics[figure.key] is not None:
                    latency = whole if system.latency_ms is None else system.latency_ms
                    _draw(axis, latency, line, figure.key, index, system.name in models)
            better = "lower" if figure.less_is_better else "higher"
            axis.set_title(f"{group[0]}, {group[1]}: {figure.heading} ({better} is better)", fontsize="small")
            axis.set_xlabel(f"algorithmic latency, ms (at {whole:.0f}: needs the whole sound)", fontsize="small")
            axis.grid(alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    picture.legend(handles, labels, fontsize="small", loc="outside lower center", ncols=6)
    return _png(picture)


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


def _draw(axis: Any, latency_ms: float, line: Line, key: str, index: int, is_model: bool) -> None:
    found = line.statistics[key]
    assert found is not None
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    errors = [[max(0.0, found.mean - low)], [max(0.0, high - found.mean)]]
    shape = "*" if is_model else _SHAPES[index // len(_COLOURS) % len(_SHAPES)]  # there are more systems than colours
    style = {"fmt": shape, "markersize": 12 if is_model else 6, "capsize": 3}
    axis.errorbar([latency_ms], [found.mean], errors, color=_COLOURS[index % len(_COLOURS)], label=line.system, **style)


def _figure(size: tuple[float, float]) -> Any:
    return importlib.import_module("matplotlib.figure").Figure(figsize=size, layout="constrained")


def _png(picture: Any) -> bytes:
    content = io.BytesIO()
    picture.savefig(content, format="png", dpi=100, metadata={"Software": None})
    return content.getvalue()

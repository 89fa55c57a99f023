"""The chart of quality against latency: every system can be told from every other, and none is pressed flat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime.evaluate.charts import latency_figure
from realtime.evaluate.figures import FIGURES
from realtime.evaluate.systems import HostVocoder, Inverse, Nothing, PluginSystem, System
from realtime.evaluate.table import Line, Statistic
from tests import plugin_files as files

MELS = {"nothing": 2.5, "other": 1.1, "whole": 1.3, "vocoder-1024": 0.96, "vocoder-2048": 0.95, "mine": 0.9, "his": 0.8}


def systems(folder: Path) -> list[System]:
    models = [PluginSystem(files.delay_plugin(folder / f"{name}.onnx", 1000), name) for name in ("mine", "his")]
    others = [Inverse("other", "signalsmith", 120.0, ""), Inverse("whole", "world", None, "")]
    return [Nothing(), *others, HostVocoder(1024), HostVocoder(2048), *models]


def line(model: str, system: str) -> Line:
    mel = Statistic(2, MELS[system], MELS[system], MELS[system] - 0.05, MELS[system] + 0.05)
    statistics = {figure.key: mel if figure.key == "mel" else None for figure in FIGURES}
    return Line((model, "mixed", "all"), system, 2, statistics, 0.0, 0.0, 0)


@pytest.fixture
def picture(tmp_path: Path) -> Any:
    pytest.importorskip("matplotlib")
    rivals = [name for name in MELS if name not in ("mine", "his")]
    lines = [line(model, system) for model in ("mine", "his") for system in (*rivals, model)]
    return latency_figure(lines, systems(tmp_path), ["mine", "his"])


def test_every_system_has_a_look_of_its_own_and_stands_in_the_legend(picture: Any) -> None:
    legend = picture.legends[0]
    assert {text.get_text() for text in legend.get_texts()} == set(MELS) - {"nothing"}
    looks = set()
    for axis in picture.axes:
        for bars in axis.containers:
            point = bars.lines[0]
            looks.add((bars.get_label(), point.get_color(), point.get_marker()))
    assert len(looks) == len({name for name, *_ in looks}) == len({colour for _, colour, _ in looks}) == len(MELS) - 1


def test_doing_nothing_is_told_in_words_and_leaves_the_height_to_the_others(picture: Any) -> None:
    for axis in picture.axes:
        assert [text.get_text() for text in axis.texts] == ["nothing: 2.50"]
        assert axis.get_ylim()[1] < 1.5

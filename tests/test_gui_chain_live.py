"""The chain's editor and a running engine: what is edited on the screen is heard."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from gui.memory import Memory
from realtime.live.host import Host
from realtime.plugins.preset_entries import EffectEntry, ModelEntry
from tests.live_session import half_into_nowhere, wait_for_sound
from tests.plugin_files import gain_plugin
from tests.test_gui_chain import Part

pytestmark = pytest.mark.real_time


@pytest.fixture
def part(qtbot: QtBot, tmp_path: Path, app_home: Path) -> Iterator[Part]:
    made = Part(qtbot, Memory(tmp_path / "gui.json"))
    yield made
    made.tasks.end()


def heard_gain(host: Host) -> float:
    """The chain's output over its input, where the one is exactly that many times the other; NaN while it moves."""
    audio = host.newest_audio(4096)
    if audio is None or len(audio.signals["raw"]) < 4096:
        return float("nan")
    raw, heard = audio.signals["raw"], audio.signals["model"]
    gain = float(np.dot(raw, heard) / max(1e-12, np.dot(raw, raw)))
    return gain if np.abs(heard - gain * raw).max() < 1e-4 else float("nan")


def test_edits_on_the_screen_are_heard_from_the_running_engine(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    settings = half_into_nowhere(tmp_path)
    part.begin(qtbot, ModelEntry(str(tmp_path / "half.onnx")), EffectEntry("gain"))
    folder = tmp_path / "engine"
    folder.mkdir()
    document = part.document
    with Host(replace(settings, preset=str(document.write_for_engine(folder)))) as host:
        document.control_turned.connect(host.set_control)

        def swap() -> None:
            host.swap(document.write_for_engine(folder))

        document.structure_changed.connect(swap)

        def is_heard(gain: float) -> None:
            qtbot.waitUntil(lambda: heard_gain(host) == pytest.approx(gain, abs=2e-3), timeout=15_000)

        wait_for_sound(host)
        is_heard(0.5)
        box = part.card(1).rows["gain_db"].box
        box.setFocus()
        box.selectAll()
        qtbot.keyClicks(box, "-6")
        qtbot.keyClick(box, Qt.Key.Key_Return)
        is_heard(0.5 * 10 ** (-6 / 20))
        latency = host.status().engine.latency
        qtbot.mouseClick(part.card(0).switch, Qt.MouseButton.LeftButton)
        is_heard(10 ** (-6 / 20))
        assert host.status().engine.latency == latency and host.status().engine.swaps == 0
        part.controller.add(ModelEntry(str(gain_plugin(tmp_path / "quarter.onnx", 0.25))))
        is_heard(0.25 * 10 ** (-6 / 20))
        qtbot.mouseClick(part.card(1).trash, Qt.MouseButton.LeftButton)
        is_heard(0.25)
        for gain in (0.25 * 10 ** (-6 / 20), 10 ** (-6 / 20), 0.5 * 10 ** (-6 / 20), 0.5):
            document.undo_stack.undo()
            is_heard(gain)
        assert part.complaints == []


def test_a_bypass_turned_before_the_engine_s_process_died_is_kept(tmp_path: Path, part: Part, qtbot: QtBot) -> None:
    settings = half_into_nowhere(tmp_path)
    part.begin(qtbot, ModelEntry(str(tmp_path / "half.onnx")))
    with Host(replace(settings, preset=str(part.document.write_for_engine(tmp_path)))) as host:
        part.document.control_turned.connect(host.set_control)
        with pytest.raises(ValueError, match=r"0.bypass takes 0 \(in\) or 1 \(out\), not 0.5"):
            host.set_control("0.bypass", 0.5)
        with pytest.raises(ValueError, match=r"no control '1.bypass'"):
            host.set_control("1.bypass", 1.0)
        part.document.set_bypass(0, True)
        qtbot.waitUntil(lambda: heard_gain(host) == pytest.approx(1.0, abs=1e-3), timeout=15_000)
        os.kill(int(host.facts["pid"]), signal.SIGKILL)
        qtbot.waitUntil(lambda: host.status().restarts == 1 and host.status().engine.state == "running", timeout=15_000)
        qtbot.waitUntil(lambda: heard_gain(host) == pytest.approx(1.0, abs=1e-3), timeout=15_000)

"""The live session as the screen steers it, with a real engine on a device that needs no hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import soundfile

from gui.live.session import Session
from gui.tasks import Tasks
from realtime.live.controls import Controls
from realtime.live.device import DeviceChoice
from realtime.live.settings import LiveSettings
from realtime.plugins.preset_entries import ModelEntry
from realtime.plugins.presets import Preset, save_preset
from tests.live_session import half_into_nowhere, is_alive, pid_of
from tests.plugin_files import gain_plugin

pytestmark = pytest.mark.real_time


@dataclass
class Chosen:
    """What the boxes of the page would give."""

    base: LiveSettings
    folder: Path
    gain: float = 0.5

    def settings(self, controls: Controls, compare: bool) -> LiveSettings:
        return replace(self.base, model=None, controls=controls, compare=compare)

    def chain_writer(self) -> Callable[[], Path]:
        return self.write

    def write(self) -> Path:
        plugin = gain_plugin(self.folder / f"gain_{self.gain}.onnx", self.gain, hop_samples=512)
        path = self.folder / "chain.json"
        save_preset(path, Preset("test", (ModelEntry(str(plugin)),)))
        return path


@dataclass
class Desk:
    """A session with its words."""

    session: Session
    chosen: Chosen
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)


@pytest.fixture
def desk(qtbot, tmp_path: Path) -> Iterator[Desk]:
    tasks = Tasks("test")
    chosen = Chosen(half_into_nowhere(tmp_path), tmp_path)
    said: list[str] = []
    complaints: list[str] = []
    made = Desk(Session(chosen, tasks, said.append, complaints.append), chosen, said, complaints)
    made.session.state_changed.connect(made.states.append)
    yield made
    over: list[bool] = []
    made.session.end(lambda: over.append(True))
    qtbot.waitUntil(lambda: bool(over), timeout=20_000)
    tasks.end()


def started(qtbot, desk: Desk) -> None:
    desk.session.start()
    wait_for_hops(qtbot, desk)


def wait_for_hops(qtbot, desk: Desk) -> None:
    def heard() -> bool:
        audio = desk.session.newest_audio(4096)
        return desk.session.state == "running" and audio is not None and audio.frames == 4096

    qtbot.waitUntil(heard, timeout=20_000)


def ratio(desk: Desk) -> float:
    audio = desk.session.newest_audio(4096)
    if audio is None or audio.frames < 4096:  # the chain has just changed
        return float("nan")
    return float(abs(audio.signals["heard"]).max() / abs(audio.signals["raw"]).max())


def test_it_starts_ticks_and_stops(qtbot, desk: Desk) -> None:
    ticks: list[object] = []
    desk.session.ticked.connect(ticks.append)
    started(qtbot, desk)
    qtbot.waitUntil(lambda: len(ticks) > 10)
    report = desk.session.report()
    assert report is not None and report["status"]["speed"]["hops"] > 0
    desk.session.toggle()
    qtbot.waitUntil(lambda: desk.session.state == "stopped", timeout=20_000)
    count = len(ticks)
    qtbot.wait(100)
    assert len(ticks) == count and desk.session.newest_audio(1) is None
    assert desk.states == ["starting", "running", "stopping", "stopped"] and desk.complaints == []
    assert desk.session.report() is not None


def test_knobs_turned_before_during_and_after_the_start_are_heard(qtbot, desk: Desk) -> None:
    desk.session.set_control("input_gain_db", -6.0)
    desk.session.start()
    desk.session.toggle_control("bypass")
    wait_for_hops(qtbot, desk)
    host = desk.session._host
    assert host is not None
    qtbot.waitUntil(lambda: host.status().engine.controls.bypass)
    assert host.status().engine.controls.input_gain_db == -6.0
    desk.session.toggle_control("bypass")
    desk.session.set_control("mix", 0.25)
    qtbot.waitUntil(lambda: host.status().engine.controls == desk.session.controls)
    assert not desk.session.controls.bypass and desk.session.controls.mix == 0.25


def test_a_knob_beyond_its_range_is_refused_in_a_sentence_and_changes_nothing(desk: Desk) -> None:
    with pytest.raises(ValueError, match="mix must lie within"):
        desk.session.set_control("mix", 2.0)
    assert desk.session.controls == Controls()


def test_an_edited_chain_is_changed_over_while_it_runs(qtbot, desk: Desk) -> None:
    started(qtbot, desk)
    assert ratio(desk) == pytest.approx(0.5, abs=0.05)
    desk.chosen.gain = 0.25
    for _ in range(5):  # edits in a row are one swap
        desk.session.chain_changed()
    host = desk.session._host
    assert host is not None
    qtbot.waitUntil(lambda: host.status().engine.swaps == 1, timeout=20_000)
    qtbot.waitUntil(lambda: ratio(desk) == pytest.approx(0.25, abs=0.03), timeout=20_000)
    qtbot.wait(400)
    assert host.status().engine.swaps == 1 and desk.states == ["starting", "running"]


def test_a_chain_that_cannot_be_loaded_leaves_the_one_before(qtbot, desk: Desk) -> None:
    started(qtbot, desk)
    (desk.chosen.folder / "broken.onnx").write_bytes(b"nothing")
    broken = desk.chosen.folder / "broken.json"
    save_preset(broken, Preset("broken", (ModelEntry("broken.onnx"),), desk.chosen.folder))
    desk.chosen.write = lambda: broken  # type: ignore[method-assign]
    desk.session.chain_changed()
    qtbot.waitUntil(lambda: bool(desk.complaints), timeout=20_000)
    assert "broken.onnx" in desk.complaints[0] and "goes on" in desk.complaints[0]
    assert desk.session.state == "running" and ratio(desk) == pytest.approx(0.5, abs=0.05)


def test_hearing_b_starts_the_comparison_and_leaving_it_ends_it(qtbot, desk: Desk) -> None:
    started(qtbot, desk)
    desk.session.listen("inverse")
    qtbot.waitUntil(lambda: desk.states[-1] == "running" and "stopped" in desk.states, timeout=20_000)
    host = desk.session._host
    assert host is not None
    qtbot.waitUntil(lambda: host.status().engine.controls.listen == "inverse", timeout=20_000)
    desk.session.listen("raw")
    qtbot.waitUntil(lambda: host.status().engine.controls.listen == "raw")
    assert desk.session.compare
    desk.session.set_compare(False)
    qtbot.waitUntil(lambda: desk.states.count("running") == 3, timeout=20_000)
    assert desk.session.controls.listen == "model" and desk.complaints == []


def test_what_cannot_be_started_is_told_and_can_be_tried_again(qtbot, desk: Desk) -> None:
    good = desk.chosen.base
    desk.chosen.base = replace(good, device=DeviceChoice("no such microphone", "none"))
    desk.session.start()
    qtbot.waitUntil(lambda: desk.session.state == "stopped" and bool(desk.complaints), timeout=20_000)
    assert len(desk.complaints) == 1 and "\n" not in desk.complaints[0]
    desk.chosen.base = good
    started(qtbot, desk)


def test_recording_begins_and_ends_and_leaves_files(qtbot, desk: Desk, tmp_path: Path) -> None:
    desk.session.record(tmp_path / "recordings")
    assert "Start the sound first" in desk.said[-1]
    started(qtbot, desk)
    desk.session.record(tmp_path / "recordings")
    host = desk.session._host
    assert host is not None
    qtbot.waitUntil(lambda: bool(host.status().engine.recording), timeout=10_000)
    qtbot.wait(300)
    desk.session.record(tmp_path / "recordings")
    qtbot.waitUntil(lambda: desk.said[-1].startswith("recorded"), timeout=10_000)
    files = sorted((tmp_path / "recordings").rglob("*.flac"))
    assert files and all(soundfile.info(file).frames > 0 for file in files)


def test_a_folder_that_cannot_be_written_to_is_told(qtbot, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    started(qtbot, desk)
    desk.session.record(tmp_path / "file" / "recordings")
    qtbot.waitUntil(lambda: bool(desk.complaints), timeout=10_000)
    assert str(tmp_path / "file") in desk.complaints[0] and desk.session.state == "running"


def test_ending_while_it_starts_leaves_no_process(qtbot, desk: Desk) -> None:
    over: list[bool] = []
    desk.session.start()
    desk.session.end(lambda: over.append(True))
    qtbot.waitUntil(lambda: bool(over), timeout=20_000)
    host = desk.session._host
    assert desk.session.state == "stopped" and host is not None and not is_alive(pid_of(host))

"""The level check: verdicts on levels, and a real microphone opened and let go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import Qt

from gui.live.device_box import DeviceBox
from gui.live.device_controller import DeviceController
from gui.live.level_check import IDLE_TEXT, START_TEXT, STOP_TEXT, LevelCheckBox
from gui.live.level_check_controller import LevelCheckController
from gui.live.level_check_verdict import Listened, judge
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.live.device import DeviceChoice
from realtime.live.host import Host
from realtime.live.meters import Level
from realtime.live.settings import LiveSettings
from tests.plugin_files import gain_plugin
from tests.test_device_list import JACK, needs_jack, use
from tests.virtual_sound_card import FakeCard, JackServer


@pytest.mark.parametrize(
    "peak_db, clipped, seconds, kind",
    [
        *[(-200.0, 0, 0.5, "waiting"), (-200.0, 0, 2.0, "silence"), (-80.1, 0, 2.0, "silence")],
        *[(-80.0, 0, 2.0, "quiet"), (-30.1, 0, 2.0, "quiet"), (-30.0, 0, 2.0, "good"), (-3.0, 0, 2.0, "good")],
        *[(-2.9, 0, 2.0, "loud"), (0.0, 1, 2.0, "loud"), (0.0, 1, 0.0, "loud")],
    ],
)
def test_a_level_is_judged_by_its_peak_and_clipping_at_once(
    peak_db: float, clipped: int, seconds: float, kind: str
) -> None:
    assert judge(peak_db, clipped, seconds).kind == kind


@given(st.floats(-200, 6), st.integers(0, 10**9), st.floats(0, 1e6))
@settings(max_examples=100, deadline=None)
def test_every_verdict_is_one_sentence_or_two_and_clipping_is_never_good(
    peak_db: float, clipped: int, seconds: float
) -> None:
    verdict = judge(peak_db, clipped, seconds)
    assert verdict.text.endswith((".", "?")) and len(verdict.text) < 80
    assert not (clipped and verdict.kind != "loud")


def test_a_pause_between_words_is_no_silence_but_a_long_one_is() -> None:
    listened, silent = Listened(), Level(-200.0, -200.0, 0)
    assert listened.add(silent, 10.0).kind == "waiting"
    assert listened.add(Level(-12.0, -20.0, 0), 12.0).kind == "good"
    assert listened.add(silent, 14.9).kind == "good"
    assert listened.add(silent, 15.2).kind == "silence"


def test_clipping_is_forgiven_after_three_seconds_without_more() -> None:
    listened = Listened()
    assert listened.add(Level(0.0, -9.0, 7), 0.0).kind == "loud"
    assert listened.add(Level(-10.0, -20.0, 7), 2.0).kind == "loud"
    assert listened.add(Level(-10.0, -20.0, 7), 3.5).kind == "good"
    assert listened.add(Level(-10.0, -20.0, 8), 4.0).kind == "loud"


# -- on a virtual sound card


@dataclass
class Desk:
    """The check beside its devices, as on the page."""

    devices: DeviceController
    box: LevelCheckBox
    check: LevelCheckController
    tasks: Tasks
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def desk(qtbot, tmp_path: Path) -> Iterator[Desk]:
    tasks, devices, box, said, complaints = Tasks("test"), DeviceBox(), LevelCheckBox(), [], []
    qtbot.addWidget(devices)
    qtbot.addWidget(box)
    words = (said.append, complaints.append)
    chosen = DeviceController(devices, tasks, Memory(tmp_path / "gui.json"), *words, devices)
    check = LevelCheckController(box, chosen, tasks, *words, box)
    yield Desk(chosen, box, check, tasks, said, complaints)
    tasks.end()
    check.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    with JackServer() as running:
        use(running, monkeypatch)
        yield running


def choose(desk: Desk, qtbot, source: str, target: str = "system") -> None:
    desk.devices.refresh()
    qtbot.waitUntil(lambda: bool(desk.devices.devices), timeout=10_000)
    desk.devices._input_chosen(f"{source}, {JACK}")
    desk.devices._output_chosen(f"{target}, {JACK}")


@pytest.mark.real_time
@needs_jack
def test_a_microphone_that_is_heard_is_good_and_nothing_is_played(
    desk: Desk, qtbot, server: JackServer, tmp_path: Path
) -> None:
    with FakeCard(server, tmp_path / "kept.npz") as card:  # noise that peaks at about -7 dBFS
        choose(desk, qtbot, "fakecard", "fakecard")
        qtbot.mouseClick(desk.box.button, Qt.MouseButton.LeftButton)
        assert desk.box.button.text() == STOP_TEXT
        qtbot.waitUntil(lambda: desk.box.sentence.text().startswith("Good: peaks reach −"), timeout=15_000)
        assert desk.box.meter.bar.peak_db > -30
        qtbot.keyClick(desk.box.button, Qt.Key.Key_Space)
        assert desk.box.button.text() == START_TEXT and not desk.check.checking
        qtbot.waitUntil(lambda: not desk.tasks.busy, timeout=5000)
        heard = card.unplug()["heard"]
    assert not heard.any()
    assert desk.box.sentence.text().startswith("Good")  # the verdict stays
    assert desk.complaints == []


@pytest.mark.real_time
@needs_jack
def test_a_muted_microphone_is_called_silent_and_a_new_choice_ends_the_check(
    desk: Desk, qtbot, server: JackServer
) -> None:
    choose(desk, qtbot, "system")
    desk.check.toggle()
    qtbot.waitUntil(lambda: desk.box.sentence.text().startswith("Silence: "), timeout=15_000)
    desk.devices._block_chosen(512)
    assert not desk.check.checking and desk.box.button.text() == START_TEXT


@pytest.mark.real_time
@needs_jack
def test_the_device_is_free_for_what_runs_after_end(desk: Desk, qtbot, server: JackServer, tmp_path: Path) -> None:
    choose(desk, qtbot, "system")
    desk.check.toggle()
    desk.check.end()  # while it is being opened
    desk.check.toggle()
    qtbot.waitUntil(lambda: desk.box.sentence.text() not in (IDLE_TEXT, "Opening the microphone…"), timeout=15_000)
    engine, began = desk.check._engine, time.monotonic()
    desk.check.end()
    assert time.monotonic() - began < 0.016  # the screen does not wait for it
    device = DeviceChoice(f"system, {JACK}", f"system, {JACK}")
    model = str(gain_plugin(tmp_path / "half.onnx", 0.5, hop_samples=512))
    host, states = Host(LiveSettings(device, model=model, quality=False, allow_feedback=True)), []

    def start() -> None:
        states.append(engine.status().engine.state)
        host.start()
        states.append(host.status().engine.state)
        host.stop()

    desk.tasks.run(start)
    qtbot.waitUntil(lambda: not desk.tasks.busy, timeout=15_000)
    assert states == ["stopped", "running"] and desk.complaints == []


@pytest.mark.real_time
@needs_jack
def test_a_device_that_cannot_be_opened_is_a_sentence_and_the_check_ends(
    desk: Desk, qtbot, server: JackServer, tmp_path: Path
) -> None:
    with FakeCard(server, tmp_path / "kept.npz", "zeros"):
        choose(desk, qtbot, "fakecard")
    desk.check.toggle()  # it was unplugged since the list was made
    qtbot.waitUntil(lambda: bool(desk.complaints), timeout=15_000)
    assert desk.complaints[0].startswith(f'The input device "fakecard, {JACK}" is absent')
    assert "deshift devices" not in desk.complaints[0]
    assert not desk.check.checking and desk.box.sentence.text() == IDLE_TEXT


def test_without_a_device_the_check_says_so_and_opens_nothing(desk: Desk) -> None:
    desk.devices.choose_silent()
    desk.check.toggle()
    assert desk.said == ["No sound card is chosen: there is no level to check. Choose an input first."]
    desk.devices._input_chosen(None)
    desk.devices._listed(())
    desk.check.toggle()
    assert desk.complaints[0].startswith("The system has no default microphone")
    assert not desk.check.checking and not desk.tasks.busy


@pytest.mark.real_time
@needs_jack
def test_closing_in_the_middle_of_a_check_leaves_no_engine(desk: Desk, qtbot, server: JackServer) -> None:
    choose(desk, qtbot, "system")
    desk.check.toggle()
    qtbot.waitUntil(lambda: desk.box.sentence.text().startswith("Listening"), timeout=15_000)
    engine = desk.check._engine
    desk.tasks.end()
    desk.check.close()
    assert engine is not None and engine.status().engine.state == "stopped"

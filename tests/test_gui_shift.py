"""The shift to undo on the screen: beside the model of the live page and of the files page, remembered, and heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QDoubleSpinBox
from pytestqt.qtbot import QtBot

from gui.files.compare_controller import CompareController
from gui.files.compare_view import CompareView
from gui.files.queue_model import NOTE, STATE
from gui.live.controller import LiveController
from gui.live.model_box import NOTHING_UNDONE, ModelBox
from gui.live.model_facts import summary
from gui.live.page import LivePage
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.contract import Control
from realtime.live.device import DeviceChoice
from realtime.live.settings import LiveSettings
from realtime.plugins.preset_entries import ModelEntry
from realtime.plugins.presets import Preset, save_preset
from realtime.quality.prestage import shift_back
from realtime.trust import read_plugin_file
from tests import plugin_files as files
from tests.live_session import PATIENT_MS
from tests.queue_page import LIMIT_MS, Page, add, open_pages, run
from tests.signals import SAMPLE_RATE, voice
from tests.test_shift_live import between

CONTROL = Control("semitones", "semitones", -12.0, 12.0, 0.0)


def type_into(qtbot: QtBot, box: QDoubleSpinBox, text: str) -> None:
    """As a person does it: all that stands there is replaced, and Return ends it."""
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


# -- the model's box


def test_the_knob_is_there_for_a_model_that_takes_a_shift_and_says_that_0_undoes_nothing(qtbot: QtBot) -> None:
    box, told = ModelBox(), []
    qtbot.addWidget(box)
    box.show()
    box.shift_turned.connect(told.append)
    assert box.shift is None
    box.show_shift(CONTROL, 0.0)
    assert box.shift is not None and box.shift.isVisible()
    note = next(label for label in box.findChildren(type(box._note)) if label.text() == NOTHING_UNDONE)
    assert note.isVisible() and told == []
    type_into(qtbot, box.shift.box, "-4.3")
    assert told == [-4.3] and box.shift.box.text() == "-4.3 st"
    row = box.shift
    box.show_shift(CONTROL, -4.3)
    assert box.shift is row and not note.isVisible()
    box.show_shift(replace(CONTROL, maximum=7.0), 7.0)
    assert box.shift is not row and box.shift.box.maximum() == 7.0
    box.show_shift(None)
    assert box.shift is None and not note.isVisible() and told == [-4.3]


def test_a_range_and_the_rest_fit_on_the_line_below_the_model(tmp_path: Path) -> None:
    facts = read_plugin_file(files.undoing_plugin(tmp_path / "a.onnx")).facts
    assert summary(facts) == "Undoes −12 … +12 st · 29.33 ms · 48 kHz"


# -- the live page


class Live:
    """The page with its controller, on a device that needs no hardware."""

    def __init__(self, qtbot: QtBot, memory: Memory, folder: Path) -> None:
        self.said: list[str] = []
        self.complaints: list[str] = []
        self.qtbot, self.page = qtbot, LivePage()  # not one of qtbot's, which go before the session has ended
        self.controller = LiveController(self.page, memory, self.said.append, self.complaints.append, None)
        settings, clean = self.controller.settings, str(folder / "clean.wav")

        def nowhere(controls: Any, compare: bool) -> LiveSettings:
            made = settings(controls, compare)
            return replace(made, self_test=clean, quality=False, deadline_ms=PATIENT_MS)

        self.controller.devices.choice = lambda: DeviceChoice("none", "none")  # type: ignore[method-assign]
        self.controller.settings = nowhere  # type: ignore[method-assign]

    def put(self, *entries: ModelEntry) -> None:
        preset = Preset("test", entries)
        self.controller.document.restore(preset, None, preset)
        self.settle()

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.controller._reading.busy)
        QApplication.processEvents()

    def choose(self, path: Path) -> None:
        self.page.model.file_chosen.emit(str(path))
        self.settle()
        self.settle()  # the chain reads it too

    def end(self) -> None:
        over: list[bool] = []
        self.controller.chain.remember()
        self.controller._keep_controls()
        self.controller.end(lambda: over.append(True))
        self.qtbot.waitUntil(lambda: bool(over), timeout=20_000)
        self.page.close()


@pytest.fixture
def open_live(qtbot: QtBot, tmp_path: Path, app_home: Path) -> Iterator[Callable[[], Live]]:
    """Opens the page; called again, it is the app's next start."""
    soundfile.write(tmp_path / "clean.wav", voice(2 * SAMPLE_RATE, 180), SAMPLE_RATE, subtype="FLOAT")
    made: list[Live] = []

    def build() -> Live:
        if made:
            made.pop().end()
        made.append(Live(qtbot, Memory(tmp_path / "gui.json"), tmp_path))
        made[-1].settle()
        return made[-1]

    yield build
    made.pop().end()


def test_the_shift_has_one_place_can_be_undone_and_is_remembered(
    qtbot: QtBot, open_live: Callable[[], Live], tmp_path: Path
) -> None:
    undoes, one = files.undoing_plugin(tmp_path / "undoes.onnx"), files.gain_plugin(tmp_path / "one.onnx")
    live = open_live()
    live.put(ModelEntry(str(undoes)))
    assert live.page.model.shift is not None and live.page.model.shift.value == 0
    assert live.page.chain.members.cards[0].rows == {}  # not a second time in the chain
    type_into(qtbot, live.page.model.shift.box, "-4.5")
    assert live.controller.document.control_values["0.semitones"] == -4.5
    live.controller.document.undo_stack.undo()
    assert live.page.model.shift.value == 0
    live.controller.document.undo_stack.redo()
    live = open_live()
    assert live.page.model.shift is not None and live.page.model.shift.value == -4.5
    live.choose(one)
    assert live.page.model.shift is None
    live = open_live()
    live.choose(undoes)
    assert live.page.model.shift is not None and live.page.model.shift.value == -4.5
    assert live.controller.document.control_values["0.semitones"] == -4.5 and live.complaints == []


@pytest.mark.real_time
def test_a_turn_is_heard_at_once_and_the_inverse_follows(
    qtbot: QtBot, open_live: Callable[[], Live], tmp_path: Path
) -> None:
    live = open_live()
    live.put(ModelEntry(str(files.undoing_plugin(tmp_path / "undoes.onnx")), {"semitones": 7.0}))
    session = live.controller.session
    session.listen("inverse")
    session.start()

    def are_heard(shift: float) -> None:
        for one, other, expected in (("raw", "reference", shift), ("model", "reference", 0), ("heard", "raw", -shift)):
            near = pytest.approx(expected, abs=0.3)
            qtbot.waitUntil(lambda pair=(one, other), near=near: between(session, *pair) == near, timeout=20_000)

    are_heard(7)
    assert live.page.model.shift is not None
    type_into(qtbot, live.page.model.shift.box, "-4")
    are_heard(-4)
    assert session.state == "running" and live.complaints == []


# -- the files page


@pytest.fixture
def open_page(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    yield from open_pages(qtbot, tmp_path)


def spin_box(page: Page) -> QDoubleSpinBox:
    found = page.view.findChild(QDoubleSpinBox, "files_semitones")
    assert found is not None
    return found


def wait_for_shift(qtbot: QtBot, page: Page, visible: bool) -> None:
    qtbot.waitUntil(lambda: not page.controller._orders.busy and spin_box(page).isVisible() == visible)


def test_files_are_undone_by_what_is_typed_which_is_remembered(
    qtbot: QtBot, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    undoes = files.undoing_plugin(tmp_path / "undoes.onnx")
    audio = voice(24_000, 200)
    soundfile.write(tmp_path / "a.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    page = open_page(model=str(undoes))
    wait_for_shift(qtbot, page, True)
    add(qtbot, page, tmp_path / "a.wav")
    run(qtbot, page)
    assert page.column(STATE) == ["Failed"]
    assert "must be told the shift to undo" in page.column(NOTE)[0] and "“Shift to undo”" in page.column(NOTE)[0]
    type_into(qtbot, spin_box(page), "-5")
    page.controller.retry()
    qtbot.waitUntil(lambda: page.column(STATE) == ["Done"], timeout=LIMIT_MS)
    heard = soundfile.read(tmp_path / "a_deshifted.wav", dtype="float32")[0]
    expected = shift_back(audio[None], -5, "vocoder1024")[0]
    assert np.mean((heard - expected) ** 2) < 1e-4 * np.mean(expected**2)
    asked: list[object] = []
    page.controller.compare_requested.connect(lambda before, after, undone: asked.append(undone))
    page.table.selectRow(0)
    qtbot.mouseClick(page.button("compare"), Qt.MouseButton.LeftButton)
    assert asked == [(-5.0, -5.0)]
    page.controller.close()  # which remembers
    again = open_page()
    wait_for_shift(qtbot, again, True)
    assert spin_box(again).value() == -5.0


def test_the_spin_box_comes_and_goes_with_models_and_presets(
    qtbot: QtBot, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    one, undoes = files.gain_plugin(tmp_path / "one.onnx"), files.undoing_plugin(tmp_path / "undoes.onnx")
    save_preset(tmp_path / "chain.json", Preset("chain", (ModelEntry(str(one)), ModelEntry(str(undoes)))))
    page = open_page(model=str(undoes), semitones=-5.0)
    for path, visible in (
        (one, False),
        (undoes, True),
        (tmp_path / "none.onnx", False),
        (tmp_path / "chain.json", True),
    ):
        page.view.options._model_chosen(str(path))
        wait_for_shift(qtbot, page, visible)
    page.view.options._model_chosen(str(one))  # which takes none: what was typed for others does no harm
    soundfile.write(tmp_path / "a.wav", voice(4800), SAMPLE_RATE)
    add(qtbot, page, tmp_path / "a.wav")
    run(qtbot, page)
    assert page.column(STATE) == ["Done"] and page.complaints == []


# -- the compare page


def test_a_pair_from_the_queue_is_compared_by_what_was_undone(qtbot: QtBot, tmp_path: Path) -> None:
    memory, view, tasks = Memory(tmp_path / "gui.json"), CompareView(), Tasks("test")
    memory.write("devices", {"output": "none"})
    qtbot.addWidget(view)
    said: list[str] = []
    controller = CompareController(view, tasks, memory, said.append, said.append)
    soundfile.write(tmp_path / "a.wav", voice(SAMPLE_RATE // 2, 180), SAMPLE_RATE)
    controller.open(tmp_path / "a.wav", tmp_path / "a.wav", None, (-5.0, -5.0))
    assert view.shift.value() == 5.0  # the inverse of what the model undid, before anything is measured
    qtbot.waitUntil(lambda: not controller.busy, timeout=20_000)
    controller.close()
    tasks.end()

"""Presets in the app: opened, saved, dropped, remembered; what cannot be read or written is told and harms nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from gui.live.chain_box import ChainBox
from gui.live.chain_presets import presets_folder
from gui.memory import Memory
from realtime.bundled import default_name
from realtime.plugins.preset_entries import EffectEntry, ModelEntry, VocoderEntry, Vst3Entry
from realtime.plugins.presets import Preset, load_preset, save_preset
from tests.plugin_files import gain_plugin
from tests.test_gui_chain import Part

LOW = Preset("Low", (VocoderEntry(-7.0), EffectEntry("highpass")))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "gui.json")


@pytest.fixture
def part(qtbot: QtBot, memory: Memory, app_home: Path) -> Iterator[Part]:
    made = Part(qtbot, memory)
    yield made
    made.tasks.end()


def saved(path: Path, preset: Preset = LOW) -> Path:
    save_preset(path, preset)
    return path


def file_dialog(qtbot: QtBot, box: ChainBox) -> QFileDialog:
    found: list[QFileDialog] = []

    def is_open() -> bool:
        found[:] = [dialog for dialog in box.findChildren(QFileDialog) if dialog.isVisible()]
        return bool(found)

    qtbot.waitUntil(is_open)
    return found[0]


def choose(qtbot: QtBot, dialog: QFileDialog, path: Path) -> None:
    """Type a path and press Enter, as a person would."""
    line = dialog.findChild(QLineEdit, "fileNameEdit")
    assert line is not None
    line.setText(str(path))
    qtbot.keyClick(line, Qt.Key.Key_Return)


def drop(box: ChainBox, path: Path) -> bool:
    """Whether it was welcome."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), *how)
    enter.ignore()
    QApplication.sendEvent(box, enter)
    if enter.isAccepted():
        QApplication.sendEvent(box, QDropEvent(QPointF(5, 5), *how))
    return enter.isAccepted()


def test_open_asks_for_a_file_and_shows_its_chain(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    path = saved(tmp_path / "low.json")
    part.controller.open()
    choose(qtbot, file_dialog(qtbot, part.box), path)
    qtbot.waitUntil(lambda: part.document.path == path)
    assert part.titles == ["Phase vocoder", "High-pass"] and part.box.preset.text() == "Low"
    assert part.box.preset.toolTip() == str(path) and part.document.is_saved


def test_save_asks_where_the_first_time_and_writes_there_from_then_on(qtbot: QtBot, part: Part) -> None:
    part.controller.add(EffectEntry("gate"))
    assert part.box.preset.text().endswith("•")
    part.controller.save()
    dialog = file_dialog(qtbot, part.box)
    assert Path(dialog.directory().absolutePath()) == presets_folder()
    choose(qtbot, dialog, presets_folder() / "My voice")
    path = presets_folder() / "My voice.json"
    qtbot.waitUntil(lambda: part.document.path == path)
    assert part.document.is_saved and part.box.preset.text() == "My voice"
    assert load_preset(path).plugins == (ModelEntry(default_name()), EffectEntry("gate"))
    part.controller.add(EffectEntry("reverb"))
    part.controller.save()
    part.settle(qtbot)
    assert part.document.is_saved and len(load_preset(path).plugins) == 3
    assert sorted(presets_folder().iterdir()) == [path]


def test_buttons_open_and_save(qtbot: QtBot, part: Part) -> None:
    for name, title in (("open", "Open a preset"), ("save", "Save the preset"), ("save_as", "Save the preset")):
        qtbot.mouseClick(part.box.buttons[name], Qt.MouseButton.LeftButton)
        dialog = file_dialog(qtbot, part.box)
        assert dialog.windowTitle() == title
        dialog.reject()
        part.settle(qtbot)


@pytest.mark.parametrize(
    "content, reason",
    [
        ("no json", "is not JSON"),
        ('{"format": 1, "name": "x", "plugins": [{"kind": "effect", "effect": "fuzz"}]}', "no effect 'fuzz'"),
        (None, "No such file"),
    ],
)
def test_a_preset_that_cannot_be_read_is_told_and_the_chain_stays(
    qtbot: QtBot, part: Part, tmp_path: Path, content: str | None, reason: str
) -> None:
    path, before = tmp_path / "bad.json", part.document.preset
    if content is not None:
        path.write_text(content, encoding="utf-8")
    part.controller.open_path(path)
    part.settle(qtbot)
    assert part.document.preset == before and not part.document.undo_stack.canUndo()
    (complaint,) = part.complaints
    assert complaint.startswith("The preset was not opened, the present chain stays. ")
    assert str(path) in complaint and reason in complaint and "\n" not in complaint


def test_a_place_that_cannot_be_written_is_told_and_nothing_is_half_written(
    qtbot: QtBot, part: Part, tmp_path: Path
) -> None:
    folder = tmp_path / "full.json"
    folder.mkdir()  # a folder of that name: not even root can write a file over it
    part.controller.save_path(folder)
    part.controller.save_path(tmp_path / "missing" / "x.json")
    part.settle(qtbot)
    assert [complaint.startswith("The preset was not saved. ") for complaint in part.complaints] == [True, True]
    assert part.document.path is None and list(folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir() if "json" in path.name) == ["full.json"]


def test_a_presets_folder_that_cannot_be_made_is_told(qtbot: QtBot, part: Part) -> None:
    presets_folder().parent.mkdir(parents=True, exist_ok=True)
    presets_folder().write_text("in the way")
    part.controller.save_as()
    part.settle(qtbot)
    assert part.complaints[0].startswith(f"The preset was not saved. {presets_folder()}: the folder cannot be made")


def test_files_dropped_on_the_box_are_opened_or_put_in_place(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    path, model = saved(tmp_path / "low.json"), gain_plugin(tmp_path / "half.onnx")
    assert drop(part.box, path)
    part.settle(qtbot)
    assert part.document.path == path
    assert drop(part.box, model)
    part.settle(qtbot)
    assert part.document.model == str(model) and part.titles[0] == "test plugin"
    assert not drop(part.box, tmp_path / "song.wav")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_preset_with_machine_code_is_opened_only_after_a_question(
    qtbot: QtBot, part: Part, tmp_path: Path, trusted: bool
) -> None:
    path, before = saved(tmp_path / "room.json", Preset("Room", (Vst3Entry("room.vst3"),))), part.document.preset
    part.controller.open_path(path)
    part.settle(qtbot)
    (question,) = part.box.findChildren(QMessageBox)
    assert part.document.preset == before and "room.vst3" in question.informativeText()
    words = "Open" if trusted else "Cancel"
    button = next(b for b in question.findChildren(QPushButton) if b.text().replace("&", "") == words)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert (part.document.path == path) == trusted


def test_the_last_presets_stand_in_the_menu_and_one_that_is_gone_leaves_it(
    qtbot: QtBot, part: Part, tmp_path: Path
) -> None:
    paths = [saved(tmp_path / f"{name}.json") for name in "abcdefghij"]
    for path in paths:
        part.controller.open_path(path)
    part.settle(qtbot)

    def listed() -> dict[str, QAction]:
        return {action.text(): action for action in part.box.recent.actions()}

    assert list(listed()) == list("jihgfedc")
    listed()["d"].trigger()
    part.settle(qtbot)
    assert part.document.path == paths[3] and list(listed())[:2] == ["d", "j"]
    paths[2].unlink()
    listed()["c"].trigger()
    part.settle(qtbot)
    assert "c" not in listed() and len(part.complaints) == 1 and part.document.path == paths[3]


def test_the_chain_comes_back_at_the_next_start(qtbot: QtBot, part: Part, tmp_path: Path, memory: Memory) -> None:
    path = saved(tmp_path / "low.json")
    part.controller.open_path(path)
    part.settle(qtbot)
    part.document.set_parameter(0, "semitones", -3.25)
    part.controller.remember()
    again = Part(qtbot, Memory(memory.path))
    again.tasks.end()
    assert again.document.control_values == part.document.control_values
    assert again.document.path == path and not again.document.is_saved
    assert [action.text() for action in again.box.recent.actions()] == ["low"]
    assert not again.document.undo_stack.canUndo()


def test_a_change_is_remembered_by_itself_and_a_drag_only_once(qtbot: QtBot, part: Part, memory: Memory) -> None:
    part.controller.add(VocoderEntry())
    for step in range(100):
        part.document.set_parameter(1, "semitones", step / 100)
    assert not memory.path.exists()
    qtbot.waitUntil(memory.path.exists)
    section = Memory(memory.path).read("chain")
    assert section["preset"]["plugins"][1]["semitones"] == 0.99


@pytest.mark.parametrize(
    "damage",
    [
        {"preset": 5, "folder": "/x"},
        {"preset": {"format": 1, "name": "x", "plugins": [{"kind": "fuzz"}]}, "folder": "/x", "path": "/x/y.json"},
        {"folder": None, "path": 7, "recent": 3, "saved": "yes"},
        {"preset": {"format": 2}, "recent": ["/a.json", 5]},
    ],
)
def test_a_memory_that_makes_no_sense_gives_the_default_chain(
    qtbot: QtBot, tmp_path: Path, app_home: Path, damage: dict[str, Any]
) -> None:
    memory = Memory(tmp_path / "gui.json")
    memory.write("chain", damage)
    part = Part(qtbot, memory)
    part.tasks.end()
    assert part.document.preset.plugins == (ModelEntry(default_name()),)
    assert part.document.path is None and part.document.is_saved and part.complaints == []


def test_a_memory_that_cannot_be_written_is_a_note(qtbot: QtBot, tmp_path: Path, app_home: Path) -> None:
    (tmp_path / "blocked").write_text("in the way")
    part = Part(qtbot, Memory(tmp_path / "blocked" / "gui.json"))
    part.controller.remember()
    part.tasks.end()
    assert part.notes[0].startswith("The chain is not remembered for the next start")


def test_showing_a_turn_in_a_long_chain_takes_less_than_a_frame(qtbot: QtBot, part: Part) -> None:
    part.begin(qtbot, *[EffectEntry("compressor"), EffectEntry("reverb")] * 8)
    times_s = []
    for step in range(40):
        began = time.perf_counter()
        part.document.set_parameter(3, "room_size", step / 40)
        times_s.append(time.perf_counter() - began)
    assert sorted(times_s)[len(times_s) // 4] < 0.016


def test_what_is_written_is_a_preset_that_others_can_read(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    model = gain_plugin(tmp_path / "half.onnx")
    part.begin(qtbot, ModelEntry(str(model)))
    part.controller.save_path(tmp_path / "to share")
    part.settle(qtbot)
    written = json.loads((tmp_path / "to share.json").read_text(encoding="utf-8"))
    assert written["name"] == "to share" and written["plugins"][0]["model"] == "half.onnx"
    assert part.notes == [f"Saved as {tmp_path / 'to share.json'}"]

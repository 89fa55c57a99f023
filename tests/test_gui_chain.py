"""The chain on the screen: members are added, moved, bypassed, turned and removed by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QApplication, QMenu, QWidget
from pytestqt.qtbot import QtBot

from gui import theme
from gui.live.chain_box import ChainBox
from gui.live.chain_controller import ChainController
from gui.live.chain_document import ChainDocument
from gui.live.chain_members import chain_latency_ms
from gui.live.chain_menu import GROUPS
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.bundled import bundled_models, default_name
from realtime.plugins.effects import KINDS
from realtime.plugins.preset_entries import EffectEntry, Entry, ModelEntry, VocoderEntry, Vst3Entry
from realtime.plugins.presets import Preset
from realtime.trust import read_plugin_file
from tests.plugin_files import delay_plugin, gain_plugin
from tests.test_presets import level_plugin


class Part:
    """A box with its controller, as the app makes them, and what they said."""

    def __init__(self, qtbot: QtBot, memory: Memory) -> None:
        self.notes: list[str] = []
        self.complaints: list[str] = []
        self.box, self.document, self.tasks = ChainBox(), ChainDocument(), Tasks("chain test")
        self.box.native_dialogs = False
        qtbot.addWidget(self.box)
        self.controller = ChainController(
            self.box, self.document, self.tasks, memory, self.notes.append, self.complaints.append
        )
        self.box.resize(330, 700)
        self.box.show()
        self.settle(qtbot)

    def settle(self, qtbot: QtBot) -> None:
        """Until all that was asked for has come back."""
        qtbot.waitUntil(lambda: not self.tasks.busy)
        QApplication.processEvents()

    def begin(self, qtbot: QtBot, *entries: Entry) -> None:
        """A chain without a past."""
        preset = Preset("test", entries)
        self.document.restore(preset, None, preset)
        self.settle(qtbot)

    @property
    def titles(self) -> list[str]:
        return [card.title.text() for card in self.box.members.cards]

    def card(self, index: int) -> Any:
        return self.box.members.cards[index]


@pytest.fixture
def part(qtbot: QtBot, tmp_path: Path, app_home: Path) -> Iterator[Part]:
    made = Part(qtbot, Memory(tmp_path / "gui.json"))
    yield made
    made.tasks.end()


@pytest.fixture
def three(qtbot: QtBot, part: Part) -> Part:
    """High-pass, vocoder, brickwall."""
    part.begin(qtbot, EffectEntry("highpass"), VocoderEntry(-7.0), EffectEntry("brickwall"))
    return part


def actions(menu: QMenu) -> list[QAction]:
    found = []
    for action in menu.actions():
        inside = action.menu()
        found += [action] if inside is None else [action, *actions(inside)]
    return found


def test_the_first_start_shows_the_default_model_with_its_latency(part: Part) -> None:
    facts = read_plugin_file(bundled_models()[default_name()]).facts
    assert part.document.preset.plugins == (ModelEntry(default_name()),)
    assert part.titles == [facts.name] and part.document.is_saved
    assert part.card(0).member.latency_ms == pytest.approx(facts.latency_ms)
    assert part.complaints == []


def test_the_switch_bypasses_a_member_and_takes_it_back(qtbot: QtBot, three: Part) -> None:
    qtbot.mouseClick(three.card(1).switch, Qt.MouseButton.LeftButton)
    assert [entry.bypass for entry in three.document.preset.plugins] == [False, True, False]
    assert not three.card(1).switch.isChecked() and three.card(1).accessibleName() == "Phase vocoder, bypassed"
    qtbot.keyClick(three.card(1).switch, Qt.Key.Key_Space)
    assert not three.document.preset.plugins[1].bypass


def test_a_knob_turned_on_the_screen_turns_in_the_document_and_by_undo_on_the_screen(qtbot: QtBot, three: Part) -> None:
    row = three.card(1).rows["semitones"]
    with qtbot.waitSignal(three.document.control_turned) as told:
        row.box.setFocus()
        row.box.selectAll()
        qtbot.keyClicks(row.box, "-5.5")
        qtbot.keyClick(row.box, Qt.Key.Key_Return)
    assert told.args == ["1.semitones", -5.5]
    qtbot.waitUntil(three.box.buttons["undo"].isEnabled)
    qtbot.mouseClick(three.box.buttons["undo"], Qt.MouseButton.LeftButton)
    assert row.value == -7.0 and three.card(1).rows["semitones"] is row
    qtbot.waitUntil(three.box.buttons["redo"].isEnabled)
    qtbot.mouseClick(three.box.buttons["redo"], Qt.MouseButton.LeftButton)
    assert row.value == -5.5


def test_the_window_of_the_vocoder_is_chosen_and_its_latency_follows(qtbot: QtBot, three: Part) -> None:
    box = three.card(1).choices["window_samples"]
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert three.document.preset.plugins[1] == VocoderEntry(-7.0, 2048)
    assert three.card(1).member.latency_ms == pytest.approx(1000 * 2048 / 48_000)


@pytest.mark.parametrize("key, order", [("Up", [1, 0, 2]), ("Down", [0, 2, 1])])
def test_ctrl_and_arrows_move_the_selected_member_and_it_stays_selected(
    qtbot: QtBot, three: Part, key: str, order: list[int]
) -> None:
    before = three.document.preset.plugins
    with qtbot.waitExposed(three.box):
        three.box.activateWindow()
    three.card(1).setFocus()
    qtbot.keyClick(three.card(1), getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.ControlModifier)
    assert [before.index(entry) for entry in three.document.preset.plugins] == order
    assert three.card(order.index(1)).hasFocus()
    for _ in range(3):  # on beyond the end: nothing happens
        at = next(card for card in three.box.members.cards if card.hasFocus())
        qtbot.keyClick(at, getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.ControlModifier)
    assert len(three.document.preset.plugins) == 3 and three.complaints == []


def test_delete_removes_the_selected_member_and_undo_brings_it_back(qtbot: QtBot, three: Part) -> None:
    before = three.document.preset
    three.card(1).setFocus()
    qtbot.keyClick(three.card(1), Qt.Key.Key_Delete)
    assert three.titles == ["High-pass", "Brickwall"]
    three.document.undo_stack.undo()
    assert three.document.preset == before and three.titles == ["High-pass", "Phase vocoder", "Brickwall"]


def test_delete_while_a_number_is_typed_deletes_a_digit(qtbot: QtBot, three: Part) -> None:
    box = three.card(1).rows["semitones"].box
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Delete)
    assert len(three.titles) == 3


def test_a_click_on_the_bin_removes_each_until_none_is_left(qtbot: QtBot, three: Part) -> None:
    for left in (2, 1, 0):
        qtbot.mouseClick(three.card(0).trash, Qt.MouseButton.LeftButton)
        assert len(three.box.members.cards) == left
    assert three.document.preset.plugins == ()


@pytest.mark.parametrize("source, target", [(0, 2), (2, 0), (0, 1), (1, 1)])
def test_a_member_is_dragged_to_where_the_mouse_lets_it_go(qtbot: QtBot, three: Part, source: int, target: int) -> None:
    before = list(three.document.preset.plugins)
    grip, onto = three.card(source).grip, three.card(target)
    y = onto.height() - 2 if target > source else 2
    there = grip.mapFromGlobal(onto.mapToGlobal(QPoint(10, y)))
    qtbot.mousePress(grip, Qt.MouseButton.LeftButton)
    qtbot.mouseMove(grip, there)
    qtbot.mouseRelease(grip, Qt.MouseButton.LeftButton, pos=there)
    before.insert(target, before.pop(source))
    assert list(three.document.preset.plugins) == before


def test_every_effect_stands_in_the_menu_once_with_its_description_and_can_be_added(qtbot: QtBot, part: Part) -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(KINDS)
    for action in actions(part.box.add_menu):
        if isinstance(action.data(), EffectEntry):
            assert action.toolTip() == KINDS[action.data().effect].description
            action.trigger()
    added = [entry.effect for entry in part.document.preset.plugins if isinstance(entry, EffectEntry)]
    assert sorted(added) == sorted(KINDS) and len(part.titles) == len(KINDS) + 1
    for name, card in zip(added, part.box.members.cards[1:], strict=True):
        kind = KINDS[name]
        assert list(card.rows) == [control.name for control in (*kind.controls, *kind.fixed)]


def test_bundled_models_and_the_vocoder_are_added_from_the_menu(qtbot: QtBot, part: Part) -> None:
    texts = {action.text(): action for action in actions(part.box.add_menu)}
    for text in (*bundled_models(), "Phase vocoder"):
        texts[text].trigger()
    added = [ModelEntry(name) for name in bundled_models()]
    assert part.document.preset.plugins[1:] == (*added, VocoderEntry())


def test_without_the_library_effects_are_grey_and_say_why(qtbot: QtBot) -> None:
    box = ChainBox()
    qtbot.addWidget(box)
    box.add_menu.show_missing("Effects need pedalboard")
    listed = {action.text(): action for action in box.add_menu.actions()}
    assert listed["Effects need pedalboard"].isVisible() and not listed["Effects need pedalboard"].isEnabled()
    assert not listed["VST3 file…"].isEnabled() and not listed["Filters"].isEnabled()
    assert listed["Phase vocoder"].isEnabled()


def test_controls_of_a_model_are_read_from_its_file_and_turned(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    part.controller.add(ModelEntry(str(level_plugin(tmp_path / "level.onnx"))))
    part.settle(qtbot)
    row = part.card(1).rows["level"]
    with qtbot.waitSignal(part.document.control_turned) as told:
        qtbot.keyClick(row.slider, Qt.Key.Key_Home)
    assert told.args == ["1.level", row.value] and part.document.preset.plugins[1].controls == {"level": row.value}
    with qtbot.waitSignal(part.document.control_turned) as told:
        part.document.undo_stack.undo()
    assert told.args[1] != row.box.minimum() and row.value == told.args[1]


def test_a_model_that_cannot_be_read_says_why_and_is_read_again_when_it_is_there(
    qtbot: QtBot, part: Part, tmp_path: Path
) -> None:
    path = tmp_path / "late.onnx"
    part.begin(qtbot, ModelEntry(str(path)))
    assert part.card(0).member.failed and str(path) in part.card(0).member.note
    gain_plugin(path)
    part.controller.add(VocoderEntry())
    part.settle(qtbot)
    assert not part.card(0).member.failed and part.titles[0] == "test plugin"


def test_a_model_for_whole_files_is_marked_as_such(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    part.begin(qtbot, ModelEntry(str(gain_plugin(tmp_path / "whole.onnx", kind="offline"))))
    assert "works on whole files, not live" in part.card(0).member.note


def test_a_vst3_has_the_knobs_that_the_engine_tells_of(qtbot: QtBot, part: Part) -> None:
    part.begin(qtbot, VocoderEntry(), Vst3Entry("/x/room.vst3", {"room_size": 0.3}))
    assert "start the sound" in part.card(1).member.note
    pitch = {"name": "0.semitones", "unit": "", "minimum": -12, "maximum": 12, "default": 0, "member": "vocoder"}
    told = [pitch, {**pitch, "name": "1.room_size", "minimum": 0, "maximum": 1, "default": 0.3, "member": "room"}]
    part.controller.show_engine_facts({"chain": ["vocoder", "room"], "controls": told})
    assert list(part.card(1).rows) == ["room_size"] and part.card(1).rows["room_size"].value == 0.3
    qtbot.keyClick(part.card(1).rows["room_size"].slider, Qt.Key.Key_End)
    assert part.document.control_values["1.room_size"] == 1.0
    part.controller.show_engine_facts({"chain": ["another"], "controls": told})  # of a chain before: nothing changes
    assert list(part.card(1).rows) == ["room_size"]


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_latency_shown_is_that_of_the_chain_which_is_built(qtbot: QtBot, tmp_path: Path, rate: int) -> None:
    model = delay_plugin(tmp_path / "wait.onnx", 100, hop_samples=96, sample_rate=rate)
    entries = (ModelEntry(str(model)), VocoderEntry(-5.0, 512), EffectEntry("brickwall", {"lookahead_ms": 3.0}))
    facts = read_plugin_file(model).facts
    for count in range(1, 4):
        chain = Preset("x", entries[:count]).build()
        assert chain_latency_ms(entries[:count], {0: facts}) == pytest.approx(1000 * chain.latency_samples / rate)
    assert chain_latency_ms((), {}) == pytest.approx(1000 * Preset("x", ()).build().latency_samples / 48_000)
    assert chain_latency_ms(entries, {}) is None


def test_a_frequency_ends_where_the_model_s_rate_lets_it(qtbot: QtBot, part: Part, tmp_path: Path) -> None:
    model = gain_plugin(tmp_path / "slow.onnx", sample_rate=16_000)
    part.begin(qtbot, ModelEntry(str(model)), EffectEntry("lowpass"))
    assert part.card(1).rows["cutoff_frequency_hz"].box.maximum() == 7200


def test_a_full_chain_complains_and_stays(qtbot: QtBot, part: Part) -> None:
    part.begin(qtbot, *[EffectEntry("invert")] * 64)
    part.controller.add(VocoderEntry())
    assert part.complaints == ["The chain stays as it was: a chain takes up to 64 plugins: remove one first"]


def test_all_parts_have_names_and_tips_and_the_cards_are_reached_by_tab(qtbot: QtBot, three: Part) -> None:
    buttons = [*three.box.buttons.values(), three.box.add, three.box.preset]
    buttons += [part for card in three.box.members.cards for part in (card.switch, card.trash)]
    for widget in buttons:
        assert widget.accessibleName() and widget.toolTip() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    for card in three.box.members.cards:
        assert card.focusPolicy() & Qt.FocusPolicy.TabFocus and card.accessibleName().endswith(", on")


@pytest.mark.parametrize("points", [1.0, 2.0])
def test_nothing_is_wider_than_the_column_also_with_large_letters(qtbot: QtBot, three: Part, points: float) -> None:
    font = three.box.font()
    font.setPointSizeF(points * font.pointSizeF())
    three.box.setFont(font)
    QApplication.processEvents()
    assert three.box.minimumSizeHint().width() <= 330 * points


def test_icons_follow_the_palette(qtbot: QtBot, three: Part) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)

    def lightest(widget: QWidget) -> int:
        image = widget.icon().pixmap(20, 20).toImage()  # type: ignore[attr-defined]
        pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        return max(pixel.lightness() for pixel in pixels if pixel.alpha() > 200)

    before = app.palette()
    try:
        theme.apply(app, "light")
        app.processEvents()
        assert lightest(three.card(0).trash) < 100
        theme.apply(app, "dark")
        app.processEvents()
        assert lightest(three.card(0).trash) > 150 and lightest(three.box.buttons["open"]) > 150
    finally:
        app.setPalette(before)

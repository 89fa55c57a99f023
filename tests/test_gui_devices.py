"""The device box: lists, choices, what is remembered, and sentences where nothing can be chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QFileDialog

from gui import theme
from gui.live.device_box import DeviceBox
from gui.live.device_controller import SECTION, DeviceController
from gui.live.device_hints import HEADPHONES_TEXT, failed_hint, no_device_hint, on_screen
from gui.live.device_state import (
    Wanted,
    default_device,
    device_choice,
    device_options,
    host_api_options,
    keyed,
    rate_options,
)
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.live.device import DeviceChoice, DeviceError, FeedbackError
from realtime.live.device_list import ListedDevice
from realtime.live.device_search import DeviceInfo, find_device
from tests.test_device_list import JACK, hide_portaudio, needs_jack, only_linux, use
from tests.virtual_sound_card import FakeCard, JackServer


def listed(
    index: int, name: str, api: str = "ALSA", inputs: int = 2, outputs: int = 2, rates: tuple[int, ...] | None = ()
) -> ListedDevice:
    info = DeviceInfo(index, name, api, inputs, outputs, 48_000, index == 1, index == 0)
    return ListedDevice(info, rates)


THERE = (
    listed(0, "Built-in", rates=(44_100, 48_000)),
    listed(1, "USB Mic", outputs=0, rates=(48_000, 96_000)),
    listed(2, "Headset", rates=None),
    listed(3, "Headset", api="JACK", rates=(48_000,)),
    listed(4, "Twin", rates=(48_000,)),
    listed(5, "Twin", rates=(48_000,)),
)


@dataclass
class Desk:
    """A box with its controller, and what that said."""

    box: DeviceBox
    controller: DeviceController
    memory: Memory
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    changes: list[None] = field(default_factory=list)


@dataclass
class Desks:
    """Makes one after the other with the same memory, as starts of the app do."""

    qtbot: object
    path: Path
    tasks: Tasks

    def open(self) -> Desk:
        box, memory, said, complaints = DeviceBox(), Memory(self.path), [], []
        self.qtbot.addWidget(box)
        controller = DeviceController(box, self.tasks, memory, said.append, complaints.append, box)
        made = Desk(box, controller, memory, said, complaints)
        controller.changed.connect(lambda: made.changes.append(None))
        return made

    def listed(self, devices: tuple[ListedDevice, ...] = THERE) -> Desk:
        """With this list, as the process that lists would have given it."""
        made = self.open()
        made.controller._listed(devices)
        return made


@pytest.fixture
def desks(qtbot, tmp_path: Path) -> Iterator[Desks]:
    tasks = Tasks("test")
    yield Desks(qtbot, tmp_path / "gui.json", tasks)
    tasks.end()


def texts(box: object) -> list[str]:
    return [box.itemText(index) for index in range(box.count())]


def pick(qtbot, box: object, text: str) -> None:
    """By keyboard."""
    box.setFocus()
    if box.currentText() == text:
        return
    qtbot.keyClick(box, Qt.Key.Key_Home)
    for _ in range(texts(box).index(text)):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == text


# -- the real list


@pytest.mark.real_time
@needs_jack
def test_refresh_shows_what_was_plugged_in_and_an_unplugged_choice_stays_and_is_told(
    desks: Desks, qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JackServer() as server:
        use(server, monkeypatch)
        desk = desks.open()
        with FakeCard(server, tmp_path / "kept.npz", "zeros"):
            desk.controller.refresh()
            qtbot.waitUntil(lambda: bool(desk.controller.devices), timeout=10_000)
            pick(qtbot, desk.box.input, "fakecard")
            pick(qtbot, desk.box.output, "system")
            assert desk.controller.choice() == DeviceChoice(f"fakecard, {JACK}", f"system, {JACK}")
            assert desk.memory.read(SECTION)["input"] == f"fakecard, {JACK}"
        qtbot.mouseClick(desk.box.refresh, Qt.MouseButton.LeftButton)
        assert not desk.box.refresh.isEnabled()
        qtbot.waitUntil(lambda: len(desk.controller.devices) == 1, timeout=10_000)
    assert desk.box.refresh.isEnabled()
    assert desk.box.input.currentText() == f"(absent) fakecard, {JACK}"
    sentence = f"The microphone “fakecard, {JACK}” is absent: plug it in and press Refresh, or choose another one."
    assert sentence in desk.said
    with pytest.raises(DeviceError) as caught:
        desk.controller.choice()
    assert str(caught.value) == sentence


@only_linux
def test_without_portaudio_a_hint_says_what_to_install_and_silence_still_works(
    desks: Desks, qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_portaudio(tmp_path, monkeypatch)
    desk = desks.open()
    desk.controller.refresh()
    qtbot.waitUntil(lambda: bool(desk.box.hint.text()), timeout=10_000)
    assert desk.box.hint.text().startswith("PortAudio, which reaches the sound devices, is missing: install it (apt in")
    assert desk.complaints == []  # nobody asked: a first start is not greeted by an error
    with pytest.raises(DeviceError, match="PortAudio"):
        desk.controller.choice()
    qtbot.mouseClick(desk.box.refresh, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(desk.complaints), timeout=10_000)
    desk.controller.choose_silent()
    assert desk.controller.choice() == DeviceChoice("none", "none")


def test_an_empty_list_is_met_with_a_hint_for_this_system(desks: Desks) -> None:
    desk = desks.listed(())
    assert desk.box.hint.text() == no_device_hint() and not desk.box.hint.isHidden()
    assert texts(desk.box.input) == ["System default", "No sound card (silent)"]
    with pytest.raises(DeviceError, match=r"The system has no default microphone: choose a device, or “No sound card"):
        desk.controller.choice()
    desk.controller._listed(THERE)
    assert desk.box.hint.isHidden()


@pytest.mark.parametrize("platform, cable", [("linux", "PipeWire"), ("darwin", "BlackHole"), ("win32", "VB-Cable")])
def test_the_hints_name_the_virtual_cable_of_the_system(platform: str, cable: str) -> None:
    assert cable in no_device_hint(platform) and "Refresh" in no_device_hint(platform)
    missing = failed_hint("PortAudio, which …, is missing: apt install libportaudio2", platform)
    assert ("apt" in missing) == (platform == "linux") and "Refresh" in missing


# -- what is wanted


def test_silence_is_for_both_sides_or_for_neither(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    pick(qtbot, desk.box.output, "No sound card (silent)")
    assert desk.box.input.currentText() == "No sound card (silent)"
    assert desk.controller.choice() == DeviceChoice("none", "none")
    pick(qtbot, desk.box.input, "USB Mic, ALSA")
    assert desk.box.output.currentText() == "System default: Built-in"
    assert desk.controller.choice() == DeviceChoice("USB Mic, ALSA", None)


def test_a_host_api_narrows_the_lists_and_takes_the_same_device_along(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    assert texts(desk.box.host_api) == ["All", "ALSA", "JACK"]
    pick(qtbot, desk.box.input, "Headset, ALSA")
    pick(qtbot, desk.box.output, "Built-in, ALSA")
    pick(qtbot, desk.box.host_api, "JACK")
    assert texts(desk.box.input) == ["System default: USB Mic", "Headset", "No sound card (silent)"]
    assert desk.controller.choice() == DeviceChoice("Headset, JACK", "Headset, JACK")


def test_rates_are_those_that_both_devices_take_and_one_that_they_do_not_gives_way(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    assert texts(desk.box.rate) == ["Own: 48 kHz", "48 kHz"]
    pick(qtbot, desk.box.output, "Headset, ALSA")  # which did not tell its rates
    assert texts(desk.box.rate) == ["Own: 48 kHz", "48 kHz", "96 kHz"]
    pick(qtbot, desk.box.rate, "96 kHz")
    assert desk.controller.choice().rate == 96_000
    pick(qtbot, desk.box.output, "Built-in, ALSA")
    assert desk.controller.choice().rate is None
    assert desk.said == ["The devices do not both run at 96 kHz: their own rate is used."]


def test_of_two_devices_with_one_name_the_second_can_be_chosen(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    pick(qtbot, desk.box.input, "Twin, ALSA #2")
    choice = desk.controller.choice()
    assert choice.input == 5
    assert find_device(choice.input, "input", [one.info for one in THERE]).index == 5


def test_block_and_latency_go_into_the_choice(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    assert texts(desk.box.block) == ["Own", *(f"{2**power} frames" for power in range(5, 12))]
    pick(qtbot, desk.box.block, "256 frames")
    pick(qtbot, desk.box.latency, "High")
    assert desk.controller.choice() == DeviceChoice(None, None, None, 256, "high")
    assert len(desk.changes) >= 2


def test_everything_chosen_is_there_again_at_the_next_start(desks: Desks, qtbot, tmp_path: Path) -> None:
    desk = desks.listed()
    pick(qtbot, desk.box.input, "Headset, ALSA")
    pick(qtbot, desk.box.block, "64 frames")
    desk.box.headphones.click()
    desk.controller.choose_self_test(str(tmp_path / "clean.wav"))
    again = desks.open()
    assert again.controller.wanted == desk.controller.wanted
    assert again.controller.choice() == DeviceChoice("Headset, ALSA", None, None, 64)  # before the list is there
    assert again.controller.allow_feedback
    assert again.controller.self_test == str(tmp_path / "clean.wav")


def test_the_self_test_asks_for_its_recording_before_it_is_on(desks: Desks, qtbot, tmp_path: Path) -> None:
    clean = tmp_path / "a clean voice.wav"
    clean.write_bytes(b"")
    desk = desks.listed()
    desk.box.show()
    qtbot.keyClick(desk.box.self_test, Qt.Key.Key_Space)
    assert not desk.box.self_test.isChecked() and desk.controller.self_test is None
    dialog = desk.box.findChild(QFileDialog)
    qtbot.waitUntil(dialog.isVisible)
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(str(clean))
    dialog.accept()
    qtbot.waitUntil(lambda: desk.controller.self_test == str(clean))
    assert desk.box.self_test.isChecked() and desk.box.self_test_name.text() == "a clean voice.wav"
    qtbot.keyClick(desk.box.self_test, Qt.Key.Key_Space)
    assert desk.controller.self_test is None
    qtbot.keyClick(desk.box.self_test, Qt.Key.Key_Space)
    assert desk.controller.self_test == str(clean)


def test_settings_that_cannot_be_written_are_told_once(desks: Desks, qtbot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    desks.path = tmp_path / "file/gui.json"
    desk = desks.listed()
    pick(qtbot, desk.box.block, "64 frames")
    pick(qtbot, desk.box.block, "128 frames")
    assert len(desk.complaints) == 1 and "cannot be remembered for the next start" in desk.complaints[0]
    assert desk.controller.choice().block_frames == 128


anything = (
    st.none() | st.booleans() | st.integers(-2, 10**6) | st.floats(allow_nan=False) | st.text() | st.lists(st.text())
)
fields = st.sampled_from(list(Wanted().to_memory()))


@pytest.mark.parametrize("side", ["input", "output"])
def test_silence_that_was_remembered_for_one_side_is_taken_for_both(side: str) -> None:
    assert Wanted.from_memory({side: "none"}) == Wanted(input="none", output="none")


@given(st.dictionaries(fields, anything))
@settings(max_examples=150, deadline=None)
def test_any_remembered_value_gives_a_choice_or_a_sentence(values: dict[str, object]) -> None:
    wanted = Wanted.from_memory(values)
    assert ("none" in (wanted.input, wanted.output)) == (wanted.input == wanted.output == "none")
    assert replace(wanted) == Wanted.from_memory(wanted.to_memory())
    for told in (False, True):
        options = device_options(THERE, "input", wanted, told)
        assert [option.value for option in options].count(wanted.input) == 1
        assert wanted.host_api in [option.value for option in host_api_options(THERE, wanted.host_api)]
        assert rate_options(THERE, wanted)[0].value is None
        try:
            choice = device_choice(THERE, wanted, told)
        except DeviceError as error:
            assert told and str(error).endswith("choose another one.")
        else:
            assert choice.block_frames == wanted.block_frames


@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from(["ALSA", "JACK"])), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_each_listed_device_is_found_again_by_the_engine(names: list[tuple[str, str]]) -> None:
    devices = tuple(listed(index, name, api) for index, (name, api) in enumerate(names))
    assert [one.info.index for one in keyed(devices, "input").values()] == list(range(len(names)))
    for key, one in keyed(devices, "input").items():
        choice = device_choice(devices, Wanted(input=key, output=key))
        assert find_device(choice.input, "input", [other.info for other in devices]) == one.info


def test_the_default_device_is_the_systems_own() -> None:
    found = default_device(THERE, "input"), default_device(THERE, "output")
    assert [one.info.index for one in found if one is not None] == [1, 0]
    assert default_device((), "input") is None


# -- sentences


def test_advice_for_the_command_line_does_not_reach_the_screen() -> None:
    howl = FeedbackError("Mic, ALSA → Mic, ALSA: a microphone and a loudspeaker of the same machine howl: use …")
    assert f"tick “{HEADPHONES_TEXT}”" in on_screen(howl) and "--" not in on_screen(howl)
    for wanted in ("gone", "Headset"):
        with pytest.raises(DeviceError) as caught:
            find_device(wanted, "input", [one.info for one in THERE])
        said = on_screen(caught.value)
        assert "deshift devices" not in said and "give its number" not in said
        assert said.startswith("The input device") and said.endswith(".")
    assert on_screen(ValueError("home.onnx: damaged")) == "home.onnx: damaged."


# -- how it looks and is reached


def test_the_box_fits_a_narrow_column_and_long_names_are_told_by_the_tool_tip(desks: Desks, qtbot) -> None:
    name = "A very long name of a device that no column has room for (hw:1,0)"
    desk = desks.listed((listed(0, name, inputs=0), listed(1, name)))
    assert desk.box.minimumSizeHint().width() <= 330
    pick(qtbot, desk.box.input, name)
    assert f"{name}, ALSA" in desk.box.input.toolTip()


def test_every_widget_of_the_box_has_a_name_and_is_reached_by_tab(desks: Desks, qtbot) -> None:
    desk = desks.listed()
    box = desk.box
    order = [box.host_api, box.refresh, box.input, box.output, box.rate, box.block, box.latency]
    order += [box.headphones, box.self_test, box.self_test_open]
    with qtbot.waitExposed(box):
        box.show()
    box.activateWindow()
    order[0].setFocus()
    for widget in order:
        assert QApplication.focusWidget() is widget
        assert (widget.accessibleName() or widget.text()) and widget.toolTip()
        qtbot.keyClick(widget, Qt.Key.Key_Tab)


def test_another_palette_changes_the_hints_colour(desks: Desks, qtbot, qapp) -> None:
    desk = desks.listed(())
    with qtbot.waitExposed(desk.box):
        desk.box.show()
    for name, colours in (("dark", theme.DARK), ("light", theme.LIGHT)):
        theme.apply(qapp, name)
        qtbot.waitUntil(lambda wanted=colours.warning: wanted in desk.box.hint.styleSheet())

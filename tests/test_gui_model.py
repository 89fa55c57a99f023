"""The model's list and its card: bundled models, files of one's own, and those that cannot be trusted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog

from gui.live.model_box import ModelBox
from gui.live.model_card import ModelCard
from gui.live.model_controller import CHOOSE, MOST_FILES, SECTION, ModelController
from gui.live.model_facts import card, card_text, shown, summary, undone_shift
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.bundled import FOLDER
from realtime.trust import read_plugin_file
from tests import plugin_files as files

ROOT = Path(__file__).parents[1]
CHOOSE_TEXT = "Choose a plugin file…"


@dataclass
class Desk:
    """A box with its controller, and what that said."""

    box: ModelBox
    controller: ModelController
    tasks: Tasks
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)

    def pick(self, qtbot, text: str) -> None:
        """By keyboard, and wait until the file was read."""
        texts = [self.box.list.itemText(index) for index in range(self.box.list.count())]
        keys = [Qt.Key.Key_End] if text == texts[-1] else [Qt.Key.Key_Home, *([Qt.Key.Key_Down] * texts.index(text))]
        for key in keys:
            qtbot.keyClick(self.box.list, key)
        self.wait(qtbot)

    def wait(self, qtbot) -> None:
        qtbot.waitUntil(lambda: not self.tasks.busy)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder of bundled models."""
    folder = tmp_path / "models"
    folder.mkdir()
    files.gain_plugin(folder / "half.onnx", 0.5, description="halves")
    files.delay_plugin(folder / "later.onnx", 1000)
    return folder


@dataclass
class Desks:
    """Makes one after the other with the same memory, as starts of the app do."""

    qtbot: object
    memory: Path
    folder: Path
    tasks: list[Tasks] = field(default_factory=list)

    def open(self) -> Desk:
        box, tasks, said, complaints = ModelBox(), Tasks("test"), [], []
        self.tasks.append(tasks)
        self.qtbot.addWidget(box)
        words = (said.append, complaints.append)
        controller = ModelController(box, tasks, Memory(self.memory), *words, box, self.folder)
        made = Desk(box, controller, tasks, said, complaints)
        controller.model_chosen.connect(made.chosen.append)
        made.wait(self.qtbot)
        return made


@pytest.fixture
def desks(qtbot, tmp_path: Path, bundle: Path) -> Iterator[Desks]:
    made = Desks(qtbot, tmp_path / "gui.json", bundle)
    yield made
    for tasks in made.tasks:
        tasks.end()


def texts(desk: Desk) -> list[str]:
    return [desk.box.list.itemText(index) for index in range(desk.box.list.count())]


def test_the_bundled_models_are_listed_and_one_is_shown_without_telling_anybody(desks: Desks, qtbot) -> None:
    desk = desks.open()
    assert texts(desk) == ["No model", "half", "later", CHOOSE_TEXT]
    assert desk.box.line.text() == "The chain has no model." and not desk.box.card_button.isEnabled()
    desk.controller.show_model("later")
    assert texts(desk) == ["half", "later", CHOOSE_TEXT] and desk.box.list.currentText() == "later"
    assert desk.box.line.text() == "Undoes +12 semitones · 22.17 ms · 48 kHz"
    assert desk.box.card_button.isEnabled() and desk.chosen == []


def test_a_model_that_the_user_picks_is_read_and_told(desks: Desks, qtbot) -> None:
    desk = desks.open()
    desk.controller.show_model("half")
    desk.pick(qtbot, "later")
    assert desk.chosen == ["later"] and desk.controller.model == "later"
    facts = desk.controller.facts
    assert facts is not None and facts.latency_samples == 1064
    assert Memory(desks.memory).read(SECTION) == {}  # the bundled ones need not be remembered


def test_a_file_of_ones_own_is_chosen_in_the_dialog_and_there_at_the_next_start(
    desks: Desks, qtbot, tmp_path: Path
) -> None:
    own = files.gain_plugin(tmp_path / "my own.onnx")
    desk = desks.open()
    desk.controller.show_model("half")
    desk.box.show()
    desk.pick(qtbot, CHOOSE_TEXT)
    assert desk.box.list.currentText() == "half"  # until a file is chosen
    dialog = desk.box.findChild(QFileDialog)
    qtbot.waitUntil(dialog.isVisible)
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(str(own))
    dialog.accept()
    qtbot.waitUntil(lambda: desk.chosen == [str(own)])
    assert desk.box.list.currentText() == "my own"
    again = desks.open()
    assert texts(again) == ["No model", "half", "later", "my own", CHOOSE_TEXT]


def test_the_last_eight_files_are_remembered_the_newest_first(desks: Desks, qtbot, tmp_path: Path) -> None:
    desk = desks.open()
    paths = [str(files.gain_plugin(tmp_path / f"own{number}.onnx")) for number in range(MOST_FILES + 1)]
    for path in [*paths, paths[-2]]:
        desk.box.file_chosen.emit(path)
    desk.wait(qtbot)
    newest = [paths[-2], paths[-1], *reversed(paths[1:-2])]
    assert Memory(desks.memory).read(SECTION) == {"files": newest}


def test_a_file_that_cannot_be_trusted_is_refused_with_the_reason_and_the_old_model_stays(
    desks: Desks, qtbot, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.onnx"
    content = bytearray(files.gain_plugin(tmp_path / "good.onnx").read_bytes())
    weight = content.index(b"gain", content.index(b"gain") + 4)
    content[weight + 8] ^= 1
    damaged.write_bytes(bytes(content))
    whole = files.centred_plugin(tmp_path / "whole.onnx")
    desk = desks.open()
    desk.controller.show_model("half")
    for path in (damaged, tmp_path / "absent.onnx", tmp_path, whole):
        desk.box.file_chosen.emit(str(path))
        desk.wait(qtbot)
        assert desk.complaints[-1].startswith(f"The model cannot be used; the old one stays. {path}: ")
        assert "\n" not in desk.complaints[-1]
    assert len(desk.complaints) == 4 and "hash" in desk.complaints[0] and desk.chosen == []
    assert desk.box.list.currentText() == "half" and desk.controller.model == "half"
    assert Memory(desks.memory).read(SECTION) == {}


def test_a_bundled_model_that_is_damaged_is_marked_and_the_others_work(desks: Desks, qtbot) -> None:
    (desks.folder / "broken.onnx").write_bytes(b"no model")
    desk = desks.open()
    assert texts(desk)[1:4] == ["broken (damaged)", "half", "later"]
    assert str(desks.folder / "broken.onnx") in desk.box.list.itemData(1, Qt.ItemDataRole.ToolTipRole)
    desk.controller.show_model("half")
    desk.pick(qtbot, "broken (damaged)")
    assert len(desk.complaints) == 1 and desk.box.list.currentText() == "half"


def test_without_any_model_the_box_says_what_to_do(desks: Desks, tmp_path: Path) -> None:
    desks.folder = tmp_path / "nothing"
    desk = desks.open()
    assert texts(desk) == ["No model installed", CHOOSE_TEXT]
    assert desk.box.line.text() == "No model came with this installation: choose a plugin file (.onnx)."


def test_a_model_of_a_chain_that_is_absent_is_named_with_the_reason(desks: Desks, qtbot, tmp_path: Path) -> None:
    desk = desks.open()
    desk.controller.show_model(str(tmp_path / "gone.onnx"))
    desk.wait(qtbot)
    assert desk.box.list.currentText() == "gone"
    assert desk.box.line.text().startswith(f"{tmp_path / 'gone.onnx'}: no such plugin file")
    assert desk.complaints == [] and not desk.box.card_button.isEnabled()


def test_files_for_whole_recordings_are_not_offered_live(qtbot, tmp_path: Path) -> None:
    desks = Desks(qtbot, tmp_path / "gui.json", FOLDER)
    desk = desks.open()
    offered = [text for text in texts(desk) if text not in ("No model", CHOOSE_TEXT)]
    assert "voice_octave" in offered
    assert all(read_plugin_file(FOLDER / f"{name}.onnx").facts.kind == "stream" for name in offered)
    desks.tasks[0].end()


names = st.lists(st.text(max_size=20) | st.integers() | st.none(), max_size=12)


@given(st.dictionaries(st.sampled_from(["files", "other"]), names | st.text() | st.none()))
@settings(max_examples=60, deadline=None)
def test_remembered_files_that_make_no_sense_are_left_out(values: dict[str, object]) -> None:
    from gui.live.model_controller import _files_from

    found = _files_from(values)
    assert len(found) <= MOST_FILES and len(set(found)) == len(found)
    assert all(isinstance(file, str) and file and "\0" not in file for file in found)


# -- the card


def test_the_card_tells_what_info_tells_of_the_bundled_model() -> None:
    facts = read_plugin_file(FOLDER / "voice_octave.onnx").facts
    text = card_text(facts, "voice_octave.onnx")
    for told in (
        *("+12 semitones (an octave up)", f"{facts.latency_samples} samples ({facts.latency_ms:.2f} ms)", "48000 Hz"),
        *(f"{facts.parameters:,}", f"Steps: {facts.training['steps']}", facts.licence, facts.weights_sha256[:12]),
        *(facts.training["licences"], "Recordings: ", shown(facts.certificate["stream_vs_offline"])),
    ):
        assert told in text
    assert facts.weights_sha256 not in text


def test_the_card_opens_is_copied_and_closes_by_key(desks: Desks, qtbot) -> None:
    desk = desks.open()
    desk.controller.show_model("half")
    desk.box.show()
    desk.box.card_button.click()
    opened = desk.box.findChild(ModelCard)
    qtbot.waitUntil(opened.isVisible)
    assert "halves" in opened.browser.toPlainText()
    copy = [button for button in opened.findChild(QDialogButtonBox).buttons() if button.text() == "Copy"]
    qtbot.mouseClick(copy[0], Qt.MouseButton.LeftButton)
    facts = desk.controller.facts
    assert facts is not None
    assert QApplication.clipboard().text() == card_text(facts, "half.onnx")
    qtbot.keyClick(opened, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: desk.box.findChild(ModelCard) is None)


def test_what_a_file_says_is_shown_as_text_and_never_as_markup(qtbot, tmp_path: Path) -> None:
    evil = '<img src="file:///etc/passwd"><b>bold</b>'
    training = {"data": evil, "steps": "\x1b[2J", "folders": ["x" * 400] * 3}
    facts = read_plugin_file(files.gain_plugin(tmp_path / "evil.onnx", name=evil, training=training)).facts
    made = ModelCard(facts, "evil.onnx")
    qtbot.addWidget(made)
    assert evil in made.browser.toPlainText()
    assert "\x1b" not in made.browser.toPlainText() and "￼" not in made.browser.toPlainText()
    assert max(len(value) for section in card(facts, "") for _, value in section.rows) <= 301


@pytest.mark.parametrize(
    "span, told",
    [
        ((12.0, 12.0), "+12 semitones (an octave up)"),
        ((-5.0, 5.0), "−5 … +5 semitones"),
        ((-7.0, -7.0), "−7 semitones"),
    ],
)
def test_shifts_are_told_in_semitones_with_their_sign(span: tuple[float, float], told: str, tmp_path: Path) -> None:
    facts = read_plugin_file(files.gain_plugin(tmp_path / "a.onnx", shift_semitones=span)).facts
    assert undone_shift(facts) == told
    assert summary(facts).endswith(" · 1.33 ms · 48 kHz")


def test_reading_models_loads_no_runtime_and_opens_the_box_at_once() -> None:
    statements = (
        "import sys, gui.live.model_controller as m\nassert m.read_bundled()\n"
        "print([name for name in ('onnxruntime', 'torch', 'sounddevice') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stderr


def test_the_screen_is_not_held_up_by_a_large_file(desks: Desks, qtbot, tmp_path: Path) -> None:
    large = tmp_path / "large.onnx"
    shutil.copy(FOLDER / "voice_octave.onnx", large)
    desk = desks.open()
    began = time.perf_counter()
    desk.box.file_chosen.emit(str(large))
    assert time.perf_counter() - began < 0.016
    desk.wait(qtbot)
    assert desk.chosen == [str(large)] and desk.box.list.itemData(desk.box.list.count() - 1) == CHOOSE

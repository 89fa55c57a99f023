"""The window: keys, pages, messages."""

from __future__ import annotations

from collections import Counter

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QSpinBox, QWidget

from gui.actions import COMMANDS, PAGES, Page
from gui.help import keys_text, show_keys
from gui.shell import Shell


class Plain(QWidget):
    """A page with what takes keys for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.button, self.edit, self.spin = QPushButton("Press"), QLineEdit(), QSpinBox()
        layout = QHBoxLayout(self)
        for widget in (self.button, self.edit, self.spin):
            layout.addWidget(widget)


@pytest.fixture
def pages() -> dict[Page, Plain]:
    return {}


@pytest.fixture
def shell(qtbot, pages: dict[Page, Plain]) -> Shell:
    pages.update({page: Plain() for page in PAGES})
    made = Shell(pages, lambda: True)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


@pytest.fixture
def heard(shell: Shell) -> list[str]:
    names: list[str] = []
    shell.actions_of_app.handle({command.name: _noting(names, command.name) for command in COMMANDS})
    return names


def _noting(names: list[str], name: str):
    def note() -> None:
        names.append(name)

    return note


@pytest.mark.parametrize("page", PAGES)
def test_a_key_means_one_thing_on_a_page(page: Page) -> None:
    keys = Counter(c.keys for c in COMMANDS if c.keys and (not c.pages or page in c.pages))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize(
    ("page", "key", "modifier", "name"),
    [
        ("live", Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, "start"),
        ("live", Qt.Key.Key_B, Qt.KeyboardModifier.NoModifier, "bypass"),
        ("live", Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier, "listen_raw"),
        ("live", Qt.Key.Key_2, Qt.KeyboardModifier.NoModifier, "listen_inverse"),
        ("live", Qt.Key.Key_3, Qt.KeyboardModifier.NoModifier, "listen_model"),
        ("live", Qt.Key.Key_R, Qt.KeyboardModifier.NoModifier, "record"),
        ("live", Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier, "open_preset"),
        ("live", Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier, "save_preset"),
        ("live", Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier, "undo"),
        ("files", Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, "run_queue"),
        ("files", Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier, "add_files"),
        ("compare", Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, "play"),
        ("compare", Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier, "select_1"),
        ("compare", Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier, "save_figures"),
        ("compare", Qt.Key.Key_F1, Qt.KeyboardModifier.NoModifier, "help"),
    ],
)
def test_keys_do_what_they_say_on_their_page(qtbot, shell: Shell, heard, page, key, modifier, name) -> None:
    shell.show_page(page)
    shell.setFocus()
    qtbot.keyClick(shell, key, modifier)
    assert heard == [name]


def test_the_space_bar_presses_the_button_that_has_the_focus(qtbot, shell: Shell, heard, pages) -> None:
    pressed: list[int] = []
    pages["live"].button.clicked.connect(lambda: pressed.append(1))
    pages["live"].button.setFocus()
    qtbot.keyClick(pages["live"].button, Qt.Key.Key_Space)
    assert pressed == [1] and heard == []


def test_letters_and_digits_typed_into_a_field_stay_there(qtbot, shell: Shell, heard, pages) -> None:
    edit, spin = pages["live"].edit, pages["live"].spin
    edit.setFocus()
    qtbot.keyClicks(edit, "b 1r")
    assert edit.text() == "b 1r"
    spin.setFocus()
    spin.selectAll()
    qtbot.keyClicks(spin, "12")
    assert spin.value() == 12 and heard == []


def test_a_held_space_bar_acts_once(qtbot, shell: Shell, heard) -> None:
    from PyQt6.QtGui import QKeyEvent
    from PyQt6.QtWidgets import QApplication

    for repeated in (False, True, True):
        key = (Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", repeated)
        QApplication.sendEvent(shell, QKeyEvent(QKeyEvent.Type.KeyPress, *key))
    assert heard == ["start"]


def test_the_list_of_keys_has_every_command_that_has_one(qtbot, shell: Shell) -> None:
    text = keys_text()
    for command in COMMANDS:
        assert not command.keys or f"<b>{command.keys}</b>" in text
    dialog = show_keys(shell)
    assert dialog.isVisible()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_a_message_stays_until_it_is_closed(qtbot, shell: Shell) -> None:
    assert not shell.messages.isVisible()
    shell.show_error("The microphone is gone: plug it in again.")
    assert shell.messages.isVisible() and shell.messages.text.startswith("The microphone")
    button = shell.findChild(QWidget, "close_message_button")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not shell.messages.isVisible()


def test_size_and_place_come_back(qtbot, shell: Shell) -> None:
    shell.resize(800, 620)  # the offscreen screen is 800 wide
    text = shell.geometry_text()
    shell.resize(800, 700)
    assert shell.restore_geometry_text(text) and (shell.width(), shell.height()) == (800, 620)


@pytest.mark.parametrize("text", [None, 3, "", "no geometry", "é", "AAAA"])
def test_a_geometry_that_is_none_is_refused(shell: Shell, text: object) -> None:
    assert not shell.restore_geometry_text(text)

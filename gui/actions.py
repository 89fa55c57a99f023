"""Everything the app can be told to do, with its keys: menus, shortcuts and the F1 list are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMenu, QMenuBar, QWidget

from gui.icons import icon

Page = Literal["live", "files", "compare"]
PAGES: tuple[Page, ...] = ("live", "files", "compare")
TITLES: Mapping[str, str] = {"live": "Live", "files": "Files", "compare": "Compare", "any": "Everywhere"}


@dataclass(frozen=True)
class Command:
    """One thing to do.

    Args:
        name: what handlers are registered under.
        pages: where it works; empty: on all.
        menu: the menu it stands in; empty: none.
        keys: as `QKeySequence` reads them; Space is handled by the window, so that a focused button keeps it.
    """

    name: str
    text: str
    keys: str
    pages: tuple[Page, ...] = ()
    menu: str = ""
    icon: str = ""


COMMANDS: tuple[Command, ...] = (
    Command("start", "Start or stop the sound", "Space", ("live",), "Live", "start"),
    Command("bypass", "Bypass on or off", "B", ("live",), "Live", "bypass"),
    Command("listen_raw", "Hear A: the raw input", "1", ("live",), "Live"),
    Command("listen_inverse", "Hear B: the DSP inverse", "2", ("live",), "Live"),
    Command("listen_model", "Hear C: the model", "3", ("live",), "Live"),
    Command("mute", "Mute on or off", "M", ("live",), "Live"),
    Command("record", "Record on or off", "R", ("live",), "Live", "record"),
    Command("pause", "Hold or release the spectrograms", "P", ("live",), "Live", "pause"),
    Command("level_check", "Check the level", "L", ("live",), "Live", "microphone"),
    Command("measure", "Measure the latency through a loop-back", "Ctrl+L", ("live",), "Live", "measure"),
    Command("refresh", "Look for sound devices anew", "F5", ("live",), "Live", "refresh"),
    Command("open_preset", "Open a preset…", "Ctrl+O", ("live",), "Live", "open"),
    Command("save_preset", "Save the preset", "Ctrl+S", ("live",), "Live", "save"),
    Command("save_preset_as", "Save the preset as…", "Ctrl+Shift+S", ("live",), "Live"),
    Command("undo", "Undo the last change of the chain", "Ctrl+Z", ("live",), "Live", "undo"),
    Command("redo", "Redo", "Ctrl+Shift+Z", ("live",), "Live", "redo"),
    Command("run_queue", "Start the queue", "Space", ("files",), "Files", "start"),
    Command("add_files", "Add files…", "Ctrl+O", ("files",), "Files", "open"),
    Command("add_folder", "Add a folder…", "Ctrl+Shift+O", ("files",), "Files", "open"),
    Command("cancel", "Cancel what is selected, or everything", "Esc", ("files",), "Files", "cancel"),
    Command("retry", "Try the selected files again", "Ctrl+R", ("files",), "Files", "retry"),
    Command("play", "Play or pause", "Space", ("compare",), "Compare", "start"),
    Command("select_1", "Hear A: before", "1", ("compare",), "Compare"),
    Command("select_2", "Hear B: the DSP inverse", "2", ("compare",), "Compare"),
    Command("select_3", "Hear C: after", "3", ("compare",), "Compare"),
    Command("select_4", "Hear the reference", "4", ("compare",), "Compare"),
    Command("loop", "Loop the selection on or off", "L", ("compare",), "Compare", "loop"),
    Command("open_pair", "Open the file before…", "Ctrl+O", ("compare",), "Compare", "open"),
    Command("save_figures", "Save the figures (CSV)…", "Ctrl+S", ("compare",), "Compare", "save"),
    Command("save_picture", "Save the picture (PNG)…", "Ctrl+Shift+S", ("compare",), "Compare"),
    Command("page_live", "The live page", "Ctrl+1", (), "View"),
    Command("page_files", "The files page", "Ctrl+2", (), "View"),
    Command("page_compare", "The compare page", "Ctrl+3", (), "View"),
    Command("theme_system", "Colours as the desktop has them", "", (), "View"),
    Command("theme_dark", "Dark colours", "", (), "View"),
    Command("theme_light", "Light colours", "", (), "View"),
    Command("help", "Keys", "F1", (), "Help", "help"),
    Command("first_steps", "First steps and the example…", "", (), "Help"),
    Command("diagnostics", "Copy diagnostics", "Ctrl+Shift+D", (), "Help", "copy"),
    Command("restore", "Restore all defaults…", "", (), "Help"),
    Command("quit", "Quit", "Ctrl+Q", (), "Help"),
)
MENUS = ("Live", "Files", "Compare", "View", "Help")


class Actions(QObject):
    """The table as QActions of a window: those of the page in front are enabled, so that a key means one thing."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._handlers: dict[str, Callable[[], object]] = {}
        self.by_name: dict[str, QAction] = {}
        for command in COMMANDS:
            action = QAction(command.text, window)
            action.setObjectName(f"action_{command.name}")
            if command.keys == "Space":
                action.setText(f"{command.text}\tSpace")
            elif command.keys:
                action.setShortcut(QKeySequence(command.keys))
            action.triggered.connect(partial(self.run, command.name))
            window.addAction(action)
            self.by_name[command.name] = action
        self.draw_icons()

    def draw_icons(self) -> None:
        """Give all icons the colours of the palette in use."""
        for command in COMMANDS:
            if command.icon:
                self.by_name[command.name].setIcon(icon(command.icon))

    def handle(self, handlers: Mapping[str, Callable[[], object]]) -> None:
        """Say what is called for which command. Raises: KeyError for a command that the table does not have."""
        for name, handler in handlers.items():
            self._handlers[self.by_name[name].objectName().removeprefix("action_")] = handler

    def run(self, name: str, _checked: bool = False) -> None:
        """Do it, as if it had been chosen."""
        handler = self._handlers.get(name)
        if handler is not None and self.by_name[name].isEnabled():
            handler()

    def show_page(self, page: Page) -> None:
        """Enable what works on this page, and what works on all."""
        for command in COMMANDS:
            self.by_name[command.name].setEnabled(not command.pages or page in command.pages)

    def space(self, page: Page) -> None:
        """The space bar was pressed, and no button wanted it."""
        for command in COMMANDS:
            if command.keys == "Space" and page in command.pages:
                self.run(command.name)

    def fill(self, bar: QMenuBar) -> None:
        """Make the menus."""
        for title in MENUS:
            menu = QMenu(title, bar)
            bar.addMenu(menu)
            menu.addActions([self.by_name[command.name] for command in COMMANDS if command.menu == title])

"""Between the level check's box and the engine, which runs with an empty chain and its output muted."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer

from gui.live.device_controller import DeviceController
from gui.live.device_hints import on_screen
from gui.live.level_check import IDLE_TEXT, LevelCheckBox
from gui.live.level_check_verdict import Listened
from gui.tasks import Tasks
from realtime.live.clock_device import NAME as SILENT
from realtime.live.controls import Controls
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.host import Host
from realtime.live.host_status import LiveStatus
from realtime.live.settings import LiveSettings

LOOK_MS = 50  # the engine tells its levels twenty times a second
STOP_SECONDS = 2.0


class MutedEngine:
    """The engine on a device, without a model, heard by nobody. `start` and `stop` block; never run both at once."""

    def __init__(self, choice: DeviceChoice) -> None:
        self._choice = choice
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._host: Host | None = None

    def start(self) -> None:
        """Open the device. Raises: ValueError, one line, where that cannot be."""
        from realtime.plugins.preset_entries import to_json  # loads a runtime, which the screen need not wait for

        self._folder = tempfile.TemporaryDirectory(prefix="deshift-level-")
        preset = Path(self._folder.name) / "empty.json"
        preset.write_text(json.dumps(to_json("Level check", ())), encoding="utf-8")
        muted = Controls(muted=True, limiter=False)
        self._host = Host(  # what is muted cannot howl
            LiveSettings(
                self._choice,
                preset=str(preset),
                controls=muted,
                quality=False,
                allow_feedback=True,
            )
        )
        self._host.start()

    def status(self) -> LiveStatus | None:
        """A snapshot; None before `start`. Never blocks."""
        return None if self._host is None else self._host.status()

    def stop(self) -> None:
        """Let the device go; may be called again, and where `start` failed."""
        if self._host is not None:
            self._host.stop(STOP_SECONDS)
        if self._folder is not None:
            self._folder.cleanup()


class LevelCheckController(QObject):
    """One check after the other.

    Args:
        tasks: where the device is opened and let go: what is run there after `end` finds it free.
    """

    def __init__(
        self,
        box: LevelCheckBox,
        devices: DeviceController,
        tasks: Tasks,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._box, self._devices, self._tasks = box, devices, tasks
        self._say, self._complain = say, complain
        self._engine: MutedEngine | None = None
        self._leaving: list[MutedEngine] = []
        self._listened = Listened()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        box.clicked.connect(self.toggle)
        devices.changed.connect(self.end)  # the verdict would be on another microphone

    @property
    def checking(self) -> bool:
        """Whether it listens, or is about to."""
        return self._engine is not None

    def toggle(self) -> None:
        """Begin to listen, or end it."""
        if self.checking:
            self.end()
        else:
            self._begin()

    def end(self) -> None:
        """Let the microphone go, in the background; returns at once. May be called at any time."""
        engine, self._engine = self._engine, None
        self._timer.stop()
        if engine is not None:
            self._box.show_checking(False)
            self._leaving.append(engine)
            self._tasks.run(engine.stop, partial(self._left, engine))

    def close(self) -> None:
        """The same when the app ends and `tasks` is over: waits until every microphone is free."""
        self.end()
        while self._leaving:
            self._leaving.pop().stop()

    def _begin(self) -> None:
        try:
            choice = self._devices.choice()
        except DeviceError as error:
            self._complain(on_screen(error))
            return
        if choice.input == SILENT:
            self._say("No sound card is chosen: there is no level to check. Choose an input first.")
            return
        engine = self._engine = MutedEngine(choice)
        self._listened = Listened()
        self._box.show_checking(True)
        self._box.show_sentence("Opening the microphone…")
        self._tasks.run(engine.start, partial(self._opened, engine), partial(self._refused, engine))

    def _opened(self, engine: MutedEngine, _: None) -> None:
        if engine is self._engine:
            self._timer.start()

    def _refused(self, engine: MutedEngine, error: Exception) -> None:
        if engine is self._engine:
            self.end()
            self._box.show_sentence(IDLE_TEXT)
            self._complain(on_screen(error))

    def _left(self, engine: MutedEngine, _: None) -> None:
        if engine in self._leaving:
            self._leaving.remove(engine)

    def _look(self) -> None:
        status = None if self._engine is None else self._engine.status()
        if status is None:
            return
        if status.failed:
            self.end()
            self._box.show_sentence(IDLE_TEXT)
            self._complain(on_screen(status.note))
        elif status.engine.state == "running":
            self._box.show_level(status.engine.input_level)
            self._box.show_verdict(self._listened.add(status.engine.input_level, time.monotonic()))
        else:
            self._box.show_sentence("The sound device is lost: it is waited for.", "silence")

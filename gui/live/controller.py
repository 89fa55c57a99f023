"""The live page's controller: puts boxes, session and pictures together."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer
from PyQt6.QtWidgets import QFileDialog

from gui.live.chain_controller import ChainController
from gui.live.chain_document import ChainDocument
from gui.live.device_controller import DeviceController
from gui.live.level_check_controller import LevelCheckController
from gui.live.model_controller import ModelController
from gui.live.options_box import options_from
from gui.live.page import LivePage
from gui.live.session import Session
from gui.live.spectrogram_controller import SpectrogramController
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.contract import SHIFT_CONTROL
from realtime.live.controls import Controls
from realtime.live.host_status import LiveStatus
from realtime.live.settings import LiveSettings

TEXT_EVERY = 8  # ticks: figures change four times a second, meters thirty times
LOAD_EVERY = 30
KEEP_AFTER_MS = 500  # a knob that is being dragged is not written down at every step
Words = Callable[[str], None]


class LiveController(QObject):
    """Everything of the live page; `handlers` are its commands by name."""

    def __init__(self, page: LivePage, memory: Memory, say: Words, complain: Words, parent: QObject | None) -> None:
        super().__init__(parent)
        self._page, self._memory, self._say, self._complain = page, memory, say, complain
        self._folder = tempfile.TemporaryDirectory(prefix="deshift-")
        self._ticks = 0
        self._semitones = 0.0  # that a model was told last to undo
        self._keep_timer = QTimer(self)
        self._keep_timer.setSingleShot(True)
        self._keep_timer.setInterval(KEEP_AFTER_MS)
        self._keep_timer.timeout.connect(self._keep_controls)
        self._work = Tasks("session", self)
        self._reading = Tasks("reading", self)
        self._listing = Tasks("devices", self)  # a sound system that hangs holds up nothing else
        self._make_parts()
        self._connect_session()
        self._connect_chain()
        self._restore()

    # -- what the session asks for

    def settings(self, controls: Controls, compare: bool) -> LiveSettings:
        """See `gui.live.session.Setup`."""
        self.level_check.end()
        options = self._page.options.options
        return LiveSettings(
            device=self.devices.choice(),
            channels=options.channels,
            deadline_ms=options.deadline_ms,
            concealment="silence" if options.concealment == "silence" else "dry",
            controls=replace(controls, limiter=options.limiter, level_match=options.level_match),
            compare=compare,
            self_test=self.devices.self_test,
            allow_feedback=self.devices.allow_feedback,
        )

    def chain_writer(self) -> Callable[[], Path]:
        """See `gui.live.session.Setup`."""
        return partial(self.document.write_for_engine, Path(self._folder.name))

    # -- for the app

    @property
    def handlers(self) -> dict[str, Callable[[], object]]:
        """What the page's commands do."""
        session = self.session
        return {
            "start": session.toggle,
            "bypass": partial(session.toggle_control, "bypass"),
            "listen_raw": partial(session.listen, "raw"),
            "listen_inverse": partial(session.listen, "inverse"),
            "listen_model": partial(session.listen, "model"),
            "mute": partial(session.toggle_control, "muted"),
            "record": self._record,
            "pause": self.spectrogram.toggle_pause,
            "level_check": self.level_check.toggle,
            "measure": session.measure,
            "refresh": self.devices.refresh,
            "open_preset": self.chain.open,
            "save_preset": self.chain.save,
            "save_preset_as": self.chain.save_as,
            "undo": self.document.undo_stack.undo,
            "redo": self.document.undo_stack.redo,
        }

    @property
    def last_settings(self) -> LiveSettings | None:
        """Of the session that runs or ran last."""
        return self.session.settings

    def end(self, ended: Callable[[], None]) -> None:
        """Stop the sound; `ended` is called when it is over."""
        self.level_check.end()
        self._keep_timer.stop()
        self._keep_controls()
        self._keep("history", {"minutes": self._page.history.minutes})
        self.chain.remember()
        self.session.end(partial(self._ended, ended))

    # -- inside

    def _make_parts(self) -> None:
        page, memory, say, complain = self._page, self._memory, self._say, self._complain
        self.session = Session(self, self._work, say, complain, self)
        self.devices = DeviceController(page.devices, self._listing, memory, say, complain, self)
        self.level_check = LevelCheckController(page.level_check, self.devices, self._work, say, complain, self)
        self.model = ModelController(page.model, self._reading, memory, say, complain, self)
        self.document = ChainDocument(self)
        self.chain = ChainController(page.chain, self.document, self._reading, memory, say, complain, self)
        self.spectrogram = SpectrogramController(page.spectrogram, self.session.newest_audio, self)

    def _connect_session(self) -> None:
        session, transport = self.session, self._page.transport
        transport.start_clicked.connect(session.toggle)
        transport.bypass_clicked.connect(partial(session.toggle_control, "bypass"))
        transport.mute_clicked.connect(partial(session.toggle_control, "muted"))
        transport.compare_clicked.connect(session.set_compare)
        transport.listen_chosen.connect(session.listen)
        transport.record_clicked.connect(self._record)
        transport.control_turned.connect(session.set_control)
        self._page.readouts.measure_clicked.connect(session.measure)
        self._page.options.changed.connect(self._options_changed)
        self._page.options.folder_clicked.connect(self._choose_folder)
        session.state_changed.connect(self._state_changed)
        session.controls_changed.connect(self._controls_changed)
        session.ticked.connect(self._tick)

    def _connect_chain(self) -> None:
        self.document.structure_changed.connect(self.session.chain_changed)
        self.document.control_turned.connect(self.session.set_chain_control)
        self.document.changed.connect(self._show_model)
        self.session.chain_loaded.connect(self._chain_loaded)
        self.model.model_chosen.connect(self._set_model)
        self._page.model.shift_turned.connect(self.chain.tell_shift)
        self.chain.shown.connect(self._show_shift)
        self._show_model()
        self._show_shift()

    def _restore(self) -> None:
        self._page.options.show_options(options_from(self._memory.read("options")))
        self._options_changed()
        minutes = self._memory.read("history").get("minutes")
        if isinstance(minutes, int):
            self._page.history.set_minutes(minutes)
        remembered = self._memory.read("controls")
        semitones = remembered.get("semitones")
        if self.document.shift_to_undo is None and isinstance(semitones, int | float):
            self._semitones = float(semitones)
        for name in ("mix", "input_gain_db", "output_gain_db"):
            try:
                self.session.set_control(name, remembered.get(name, getattr(Controls(), name)))
            except ValueError as error:
                self._say(f"A remembered setting was left out: {error}")
        self.devices.refresh()

    def _show_model(self) -> None:
        self.model.show_model(self.document.model or "")

    def _show_shift(self) -> None:
        undoing = self.document.shift_to_undo
        if undoing is None:
            self._page.model.show_shift(None)
            return
        _, control, semitones = undoing
        self._page.model.show_shift(control, semitones)
        if semitones != self._semitones:
            self._semitones = semitones
            self._keep_timer.start()

    def _set_model(self, name: str) -> None:
        """Another model goes on undoing what the last one was told that could be told."""
        control = None if self.model.facts is None else self.model.facts.shift_control
        takes = control is not None and control.minimum <= self._semitones <= control.maximum
        self.document.set_model(name, {SHIFT_CONTROL: self._semitones} if takes else None)

    def _chain_loaded(self, facts: dict[str, Any]) -> None:
        self.chain.show_engine_facts(facts)
        for name, value in self.document.control_values.items():  # turned while the chain was being loaded
            self.session.set_chain_control(name, value)

    def _options_changed(self) -> None:
        options = self._page.options.options
        for name in ("limiter", "level_match"):
            if getattr(self.session.controls, name) != getattr(options, name):
                self.session.set_control(name, getattr(options, name))
        self._keep("options", options.to_json_object())

    def _choose_folder(self) -> None:
        options = self._page.options.options
        chosen = QFileDialog.getExistingDirectory(self._page, "Folder for recordings", options.recordings)
        if chosen:
            self._page.options.show_options(replace(options, recordings=chosen))
            self._options_changed()

    def _record(self) -> None:
        self._page.transport.show_recording(False)  # until the engine says that it records
        self.session.record(Path(self._page.options.options.recordings))

    def _controls_changed(self) -> None:
        self._page.transport.show_controls(self.session.controls, self.session.compare)
        self._keep_timer.start()

    def _keep_controls(self) -> None:
        controls = self.session.controls
        kept = {name: getattr(controls, name) for name in ("mix", "input_gain_db", "output_gain_db")}
        self._keep("controls", {**kept, "semitones": self._semitones})

    def _state_changed(self, state: str) -> None:
        self._page.transport.show_state(state)
        self._page.devices.setEnabled(state == "stopped")
        self._page.level_check.setEnabled(state == "stopped")
        if state == "running":
            self.spectrogram.start()
        elif state == "stopped":
            self.spectrogram.stop()
            self._page.transport.show_recording(False)

    def _tick(self, status: LiveStatus) -> None:
        self._page.levels.show_levels(status)
        self._ticks += 1
        if self._ticks % TEXT_EVERY == 0:
            self._page.readouts.show_status(status)
            self._page.quality.show_status(status)
            self._page.history.append_status(status)
            self._page.transport.show_recording(bool(status.engine.recording))
            if status.note:
                self._say(status.note)
        if self._ticks % LOAD_EVERY == 0:
            self.spectrogram.set_load(status.engine.speed.rtf, status.engine.misses.total)

    def _keep(self, section: str, values: dict[str, Any]) -> None:
        try:
            self._memory.write(section, values)
        except OSError as error:
            self._say(f"The settings cannot be kept: {self._memory.path}: {error.strerror or error}")

    def _ended(self, ended: Callable[[], None]) -> None:
        self._work.end()
        self.level_check.close()
        self._reading.end(wait=False)
        self._listing.end(wait=False)
        self._folder.cleanup()
        ended()

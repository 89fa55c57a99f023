"""Keeps an engine process running: starts it, watches it, replaces it when it dies, hangs, or loses its device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from realtime.live.assemble import by_name
from realtime.live.child_process import ChildProcess, HostError, RefusedError, SilentError
from realtime.live.device import DeviceError
from realtime.live.host_status import Carried, without_sound
from realtime.live.report import Journal
from realtime.live.settings import LiveSettings
from realtime.live.shared import Audio, SharedMemory
from realtime.live.status import State, Status

POLL_SECONDS = 0.05
LONGEST_STEP_SECONDS = 0.2  # what one poll may count: a host that was itself held up blames nobody for it
HANG_SECONDS = 2.0
LOST_SECONDS = 1.0
RETRY_SECONDS = 1.0
NOTE_SECONDS = 10.0
MOST_FAILURES = 20  # processes in a row that end before they run: something is broken here, not away


class Keeper:
    """One session's engine processes, one after the other, and the counters of them all.

    Args:
        settings: of the session; replaced as controls are turned.
        opened: called with what a new process told of itself, when it runs.
        looked: called at every look of the watcher, with the seconds since the last one.
    """

    def __init__(
        self, settings: LiveSettings, opened: Callable[[dict[str, Any]], None], looked: Callable[[float], None]
    ) -> None:
        self.settings = settings
        self.shared = SharedMemory.create()
        self.journal = Journal()
        self.restarts, self.lost_s = 0, 0.0
        self.note = ""
        self.recorded: dict[str, None] = {}  # files, in order
        self.facts: dict[str, Any] = {}
        self._opened, self._looked = opened, looked
        self._lock = threading.RLock()
        self._child: ChildProcess | None = None
        self._chain_controls: dict[str, float] = {}
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="live host", daemon=True)
        self._state: State = "prepared"
        self._last = self._before = Status("prepared", controls=settings.controls)
        self._carried = Carried()
        self._closed = False
        self._note_s = 0.0
        self._count, self._idle_s, self._lost_for_s = 0, 0.0, 0.0

    # -- life

    def start(self, limit_s: float) -> None:
        """The first process, and the watcher.

        Raises: ValueError with the one line that the process told; HostError where it told nothing.
        """
        self._open(self.settings, limit_s)
        self._watcher.start()

    def stop(self, limit_s: float) -> bool:
        """End it all; False where a process hung and was killed."""
        over = time.monotonic() + limit_s
        self._ending.set()
        if self._state != "running" and self._child is not None:
            self._child.kill()  # it is being started anew: that is not waited for
        if self._watcher.ident is not None:
            self._watcher.join(max(0.1, limit_s / 2))
        clean = self._end_child(max(0.5, over - time.monotonic()))
        with self._lock:
            self._before = self.current()
            self.note = self.note if self._state == "failed" else ""
            self._state = "failed" if self._state == "failed" else "stopped"
            self._child, self._closed = None, True
            self.shared.close()
        return clean

    # -- for the host

    @property
    def failed(self) -> bool:
        """Whether it gave up; the note says why."""
        return self._state == "failed"

    def current(self) -> Status:
        """The newest status of the newest process, with the counters of all. Never waits for it."""
        with self._lock:
            if self._state != "running" or self._closed:
                message = self.note if self._state in ("lost", "failed") else ""
                stopped = without_sound(self._before, self._state, message)
                return replace(stopped, controls=self.settings.controls)
            document = self.shared.read("status")
            if document is not None and self._child is not None and document["pid"] == self._child.pid:
                self._last = Status.from_json_object(document["status"])
                self.recorded.update(dict.fromkeys(document["recorded"]))
            return self._carried.under(self._last)

    def read(self, name: str) -> dict[str, Any] | None:
        """A document of the shared memory, None once it is closed."""
        with self._lock:
            return None if self._closed else self.shared.read(name)

    def newest_audio(self, frames: int) -> Audio | None:
        """The newest sound, None once the memory is closed."""
        with self._lock:
            return None if self._closed else self.shared.newest_audio(frames)

    def request(self, command: str, wait_s: float, **arguments: Any) -> dict[str, Any]:
        """Have the process do something.

        Raises: ValueError with its one line.
        """
        child = self._child
        if self._state != "running" or child is None:
            raise HostError(f"the engine does not run now{f': {self.note}' if self.note else ''}")
        return child.request(command, wait_s, **arguments)

    def turn(self, name: str, value: Any) -> None:
        """A knob of the host or, with a dot, of the chain; remembered, and sent without waiting.

        Raises: ValueError where a host's knob does not take the value. A chain's must have been checked.
        """
        with self._lock:
            if "." in name:
                self._chain_controls[name] = float(value)
                if name == self.facts.get("shift_control"):
                    self.facts["undone_semitones"] = [float(value), float(value)]
            else:
                self.settings = replace(self.settings, controls=self.settings.controls.change(name, value))
        self._post(name, value)

    def swapped(self, facts: dict[str, Any], model: str | None, preset: str | None) -> None:
        """Another chain is heard from now on, with knobs of its own."""
        with self._lock:
            self.facts = {**self.facts, **facts}
            self._chain_controls.clear()
            told = facts["undone_semitones"][0] if facts["shift_control"] is not None else None
            self.settings = replace(self.settings, model=model, preset=preset, semitones=told)

    def say(self, note: str) -> None:
        """Show a sentence for some seconds, and keep it for the report."""
        self.note, self._note_s = note, 0.0
        self.journal.add(note)

    # -- the process

    def _open(self, settings: LiveSettings, limit_s: float) -> None:
        """A process with a running engine, or an error and no process."""
        began = time.monotonic()
        child = ChildProcess("engine", self.shared)
        with self._lock:
            self._child = child
            knobs = dict(self._chain_controls)
        try:
            facts = child.request("start", limit_s, settings=settings.to_json_object(), chain_controls=knobs)
        except BaseException:
            child.kill()
            self._child = None
            raise
        with self._lock:
            self.facts = {**facts, "start_s": round(time.monotonic() - began, 3)}
            self._count, self._idle_s, self._lost_for_s = 0, 0.0, 0.0
            self._state = "running"
            before, now = asdict(settings.controls), asdict(self.settings.controls)
            turned = {name: value for name, value in now.items() if value != before[name]}
            turned |= {name: value for name, value in self._chain_controls.items() if value != knobs.get(name)}
        for name, value in turned.items():  # while the process started
            self._post(name, value)
        self._opened(self.facts)

    def _post(self, name: str, value: Any) -> None:
        child = self._child
        if self._state != "running" or child is None:
            return  # the next process starts with it
        try:
            child.post("set_control", name=name, value=value)
        except HostError as error:  # it ended just now: the watcher sees it too, and the next one starts with the value
            self.journal.add(str(error))

    def _end_child(self, limit_s: float) -> bool:
        child = self._child
        if child is None:
            return True
        try:
            stopped = bool(child.request("stop", limit_s * 0.7, limit_s=limit_s * 0.5).get("stopped"))
        except ValueError as error:
            self.journal.add(str(error))
            child.kill()
            return False
        self.current()
        return child.end(limit_s * 0.3) and stopped

    # -- the watcher

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._ending.wait(POLL_SECONDS):
            now = time.monotonic()
            step_s, before = min(now - before, LONGEST_STEP_SECONDS), now
            self._note_s += step_s
            if self._state == "running":
                if self.note and self._note_s > NOTE_SECONDS:
                    self.note = ""
                reason = self._fault(step_s)
                if reason:
                    self._replace(reason)
                    before = time.monotonic()
            self._looked(step_s)

    def _fault(self, step_s: float) -> str:
        """Why the process must be replaced; empty where all is well."""
        assert self._child is not None
        if self._child.exit_code is not None:
            return self._child.obituary()
        count = self.shared.count("status")
        self._idle_s = 0.0 if count != self._count else self._idle_s + step_s
        self._count = count
        if self._idle_s > HANG_SECONDS:
            return f"the engine's process was silent for {HANG_SECONDS:g} s"
        status = self.current()
        self.journal.warn(status.warnings)
        if status.state == "failed":
            return status.message
        self._lost_for_s = self._lost_for_s + step_s if status.state == "lost" else 0.0
        return status.message if self._lost_for_s > LOST_SECONDS else ""

    def _replace(self, reason: str) -> None:
        """Kill the process and start others until one runs with the same devices, or the session ends."""
        began, lost_before_s = time.monotonic(), self.lost_s
        assert self._child is not None
        with self._lock:
            self._before = self.current()
            self._state = "lost"
            self._carried = self._carried.and_(self._last)
            self._last = Status("lost")  # counted by now
        self.say(f"{reason}; starting anew")
        self._child.kill()
        self.restarts += 1
        names = self._before.device.input_name, self._before.device.output_name
        what = " and ".join(dict.fromkeys(name for name in names if name)) or "the device"
        failures = 0
        while not self._ending.is_set() and self._state == "lost":
            self.lost_s = lost_before_s + time.monotonic() - began
            device = by_name(self.settings.device, *names) if all(names) else self.settings.device
            try:
                self._open(replace(self.settings, device=device), self.settings.start_limit_s)
            except ValueError as error:
                failures = 0 if isinstance(error, DeviceError | SilentError) else failures + 1
                self._wait(what, error, failures)
        self.lost_s = lost_before_s + time.monotonic() - began
        if self.current().state == "running":
            self.say(f"{what} runs again after {time.monotonic() - began:.1f} s ({reason})")

    def _wait(self, what: str, error: ValueError, failures: int) -> None:
        """Say what is waited for, and wait; or give up where nothing would come of it."""
        if self._ending.is_set():
            return
        curable = isinstance(error, DeviceError) or (isinstance(error, HostError) and failures < MOST_FAILURES)
        if isinstance(error, RefusedError) or not curable:
            self.say(f"the session cannot go on: {error}")
            self._state = "failed"
            return
        note = f"waiting for {what} to come back ({error})"
        if note != self.note:
            self.say(note)
        self._ending.wait(RETRY_SECONDS)

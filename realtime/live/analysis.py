"""The host's side of the analyst: starts its process, tells it of the model, starts it again when it dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.live.child_process import ChildProcess, HostError
from realtime.live.settings import LiveSettings
from realtime.live.shared import SharedMemory

RETRY_SECONDS = 5.0
MOST_STARTS = 5


class Analysis:
    """Quality readouts from a process of low priority. Whatever happens to it, the sound goes on.

    Args:
        say: takes one sentence when it ended.
    """

    def __init__(self, shared: SharedMemory, settings: LiveSettings, say: Callable[[str], None]) -> None:
        self._shared, self._settings, self._say = shared, settings, say
        self._child: ChildProcess | None = None
        self._told: dict[str, Any] = {}
        self._starts = 0
        self._gone_s = 0.0

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Say which model is heard from now on, or what it undoes now; the first time, start the process."""
        self._told = {
            "shift_semitones": facts.get("undone_semitones"),
            "reference": self._settings.reference,
            "shifter": self._settings.shifter,
        }
        if self._child is None:
            self._start()
        else:
            self._post()

    def readouts(self, document: dict[str, Any] | None) -> dict[str, Any] | None:
        """The figures in this document of the shared memory; None where the process is gone that wrote it."""
        child = self._child
        return document["readouts"] if document is not None and child and document["pid"] == child.pid else None

    def look_after(self, step_s: float) -> None:
        """Called a few times a second by the watcher."""
        if self._child is not None and self._child.exit_code is not None:
            again = "they start again soon" if self._starts < MOST_STARTS else "they stay off"
            self._say(f"no quality readouts: {self._child.obituary()}; {again}")
            self._child.kill()
            self._child, self._gone_s = None, 0.0
        if self._child is None:
            self._gone_s += step_s
            if self._gone_s > RETRY_SECONDS and self._starts < MOST_STARTS:
                self._start()

    def end(self, limit_s: float = 1.0) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.end(limit_s)

    def _start(self) -> None:
        self._starts += 1
        self._gone_s = 0.0
        try:
            self._child = ChildProcess("analyst", self._shared)
        except HostError as error:
            self._say(f"no quality readouts: {error}")
            return
        self._post()

    def _post(self) -> None:
        assert self._child is not None
        try:
            self._child.post("model", **self._told)
        except HostError as error:  # `look_after` will see that it ended, and start another
            self._say(f"no quality readouts: {error}")

"""How a child process takes commands: JSON lines in, one JSON line out for each, the end of the input ends it."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

LEAVE_SECONDS = 2.0  # after which a process whose host is gone leaves, whatever hangs

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Commands:
    """Reads commands, runs them one after the other in a thread, and answers.

    Args:
        handlers: by command's name; run in order, off the main thread, and may take long.
        quick: the same, run at once by the thread that reads.
    """

    def __init__(self, source: BinaryIO, answers: BinaryIO, handlers: dict[str, Handler], quick: dict[str, Handler]):
        self.over = threading.Event()  # the host is gone, or a handler asked to leave
        self._source, self._answers = source, answers
        self._handlers, self._quick = handlers, quick
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answering = threading.Lock()

    def start(self) -> None:
        """Begin to read."""
        for work in (self._read, self._run):
            threading.Thread(target=work, name=f"commands{work.__name__}", daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._source:
                command = json.loads(line)
                if command["command"] in self._quick:
                    self._answer(command, self._quick)
                else:
                    self._waiting.put(command)
        finally:
            leave_later()
            self.over.set()

    def _run(self) -> None:
        while True:
            self._answer(self._waiting.get(), self._handlers)

    def _answer(self, command: dict[str, Any], handlers: dict[str, Handler]) -> None:
        answer: dict[str, Any] = {"id": command["id"]}
        try:
            answer |= {"ok": True, "result": handlers[command["command"]](command)}
        except (ValueError, OSError) as error:  # the domain's errors: one line each
            answer |= {"ok": False, "kind": type(error).__name__, "error": " ".join(str(error).split())}
        except Exception as error:  # noqa: BLE001  # a fault of ours: told to the host, which shows it
            line = f"{command['command']}: {type(error).__name__}: {' '.join(str(error).split())}"
            answer |= {"ok": False, "kind": "RuntimeError", "error": line}
        with self._answering:
            try:
                self._answers.write(json.dumps(answer).encode() + b"\n")
                self._answers.flush()
            except OSError:
                self.over.set()  # nobody is there to read it


def leave_later() -> None:
    """End this process in any case, soon: a hanging sound system must not keep it."""
    timer = threading.Timer(LEAVE_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()

"""A process that the host starts, talks to in JSON lines, and can end: the engine's, the analyst's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from realtime.contract import ContractError
from realtime.live.device import DeviceError, FeedbackError
from realtime.live.shared import SharedMemory
from realtime.quality.worker_pool import ONE_THREAD

ROOT = Path(__file__).parents[2]
KEPT_LINES = 20
ERRORS: dict[str, type[ValueError]] = {error.__name__: error for error in (DeviceError, FeedbackError, ContractError)}


class HostError(ValueError):
    """The engine's process could not do what it was asked, or is gone. One line."""


class RefusedError(HostError):
    """The engine's process runs, and says no: what it was asked cannot be. One line."""


class SilentError(HostError):
    """The engine's process runs, and does not answer: a sound system that hangs. One line."""


class ChildProcess:
    """``python -m realtime.live.child ROLE``, joined to the shared memory.

    Its standard input carries commands, and its end says that the host is gone. Neither side ever waits for the other
    to read: a full pipe is an error here, and lost words there.

    Raises: HostError where it cannot be started.
    """

    def __init__(self, role: str, shared: SharedMemory) -> None:
        self.role = role
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._answers: dict[int, dict[str, Any]] = {}
        self._awaited: set[int] = set()
        self._next_id = 0
        self._ended = False
        self._words: deque[str] = deque(maxlen=KEPT_LINES)
        reading, writing = os.pipe()
        if os.name == "posix":
            os.set_blocking(writing, False)  # what the sound system prints must not hold it up
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "realtime.live.child", role, shared.token],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=writing,
                env=child_environment(),
                pass_fds=(shared.descriptor,) if os.name == "posix" else (),
                start_new_session=True,  # Ctrl-C in the terminal is the host's alone
            )
        except OSError as error:
            os.close(reading)
            raise HostError(f"the {role}'s process cannot be started: {error.strerror or error}") from error
        finally:
            os.close(writing)
        assert self._process.stdin is not None and self._process.stdout is not None
        if os.name == "posix":
            os.set_blocking(self._process.stdin.fileno(), False)
        self._threads = (
            threading.Thread(target=self._read_answers, name=f"{role} answers", daemon=True),
            threading.Thread(target=self._read_words, args=(reading,), name=f"{role} words", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def last_words(self) -> str:
        """The last line it printed as an error."""
        return self._words[-1] if self._words else ""

    def post(self, command: str, **arguments: Any) -> None:
        """Send a command whose answer nobody waits for.

        Raises: HostError where the process does not read any more.
        """
        self._send(command, arguments, awaited=False)

    def request(self, command: str, wait_s: float, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its result.

        Raises: the error that the process told; HostError where it ended, or did not answer in time.
        """
        over = time.monotonic() + wait_s
        number = self._send(command, arguments, awaited=True)
        with self._answered:
            while number not in self._answers and not self._ended and time.monotonic() < over:
                self._answered.wait(max(0.001, over - time.monotonic()))
            self._awaited.discard(number)
            answer = self._answers.pop(number, None)
            ended = self._ended
        if answer is None and ended:
            raise HostError(self.obituary())
        if answer is None:
            raise SilentError(f"the {self.role}'s process did not answer to {command!r} within {wait_s:g} s")
        if not answer.get("ok"):
            raise ERRORS.get(str(answer.get("kind")), RefusedError)(str(answer.get("error")))
        result: dict[str, Any] = answer["result"]
        return result

    def obituary(self) -> str:
        """One line on how it ended."""
        try:
            code = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return f"the {self.role}'s process closed its output"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the {self.role}'s process {how}" + (f": {self.last_words}" if self.last_words else "")

    def end(self, limit_s: float) -> bool:
        """Ask it to end by closing its input; after the limit it is killed. Whether that was not needed."""
        self._close_input()
        try:
            self._process.wait(max(0.0, limit_s))
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._join()
        return True

    def kill(self, limit_s: float = 2.0) -> None:
        """End it at once."""
        self._process.kill()
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return  # held by the kernel, inside a driver: it goes when that lets it
        self._close_input()
        self._join()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            return  # it is gone already, with what was not read

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(1.0)

    def _send(self, command: str, arguments: dict[str, Any], awaited: bool) -> int:
        assert self._process.stdin is not None
        with self._lock:
            self._next_id += 1
            number = self._next_id
            line = json.dumps({"id": number, "command": command, **arguments}).encode() + b"\n"
            try:
                sent = os.write(self._process.stdin.fileno(), line)
            except (OSError, ValueError) as error:  # ValueError: closed
                if self._process.poll() is not None:
                    raise HostError(self.obituary()) from error
                raise HostError(f"the {self.role}'s process takes no commands: {error}") from error
            if sent < len(line):
                self._process.kill()  # half a command cannot be taken back
                raise HostError(f"the {self.role}'s process reads no commands")
            if awaited:
                self._awaited.add(number)
            return number

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                try:
                    answer = json.loads(line)
                except ValueError:
                    self._words.append(line.decode(errors="replace").strip())
                    continue
                with self._answered:
                    if answer.get("id") in self._awaited:
                        self._answers[answer["id"]] = answer
                        self._answered.notify_all()
        with self._answered:
            self._ended = True
            self._answered.notify_all()

    def _read_words(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as stream:
            for line in stream:
                text = line.decode(errors="replace").strip()
                if text:
                    self._words.append(text)


def child_environment() -> dict[str, str]:
    """The host's own, with one thread for each library, and the folder this package was loaded from."""
    environment = dict(os.environ) | ONE_THREAD
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment

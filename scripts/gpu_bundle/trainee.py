"""The training process: started, listened to, asked to save when the time is up or a signal comes.

The standard library alone: this runs on the box before anything is installed there.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Self

_KILLED_AFTER = 0.75  # of the reserved time; the rest is for writing the parts


class Trainee:
    """One child process. As long as this is entered, SIGTERM and Ctrl-C ask the child to save and stop.

    A second signal ends the child at once; what comes after it, in the `with`, is not disturbed by any.
    `deshift train` has a time limit of its own, but that counts from the first step: making pairs comes before it, and
    on a lent machine the whole has to end in time.

    Args: reserve_s: seconds before the limit that are kept for saving and for what comes after.
    """

    def __init__(self, reserve_s: float) -> None:
        self.asked = False
        self._reserve_s = reserve_s
        self._signals = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._timers: list[threading.Timer] = []
        self._left = ExitStack()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._left.callback(signal.signal, number, signal.signal(number, self._on_signal))
        return self

    def __exit__(self, *error: object) -> None:
        self._left.close()

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, seconds: float
    ) -> int:
        """Run to the end, or ask for the end `reserve_s` before the limit, and end it where it does not listen.

        Args:
            command, folder, environment: of the process; log: what it says is appended to this file and shown.
            seconds: of the limit, from now on.
        Returns: the exit status, negative for a signal.
        """
        # A group of its own: Ctrl-C in a terminal would reach it twice, and the second one ends it unsaved.
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            self._after(seconds - self._reserve_s, self._ask)
            if self.asked:  # by a signal that came before there was anybody to tell
                self._process.terminate()
            self._listen(self._process, log)
            return self._process.wait()
        finally:
            for timer in self._timers:
                timer.cancel()

    def _listen(self, process: subprocess.Popen[bytes], log: Path) -> None:
        assert process.stdout is not None
        with process.stdout as said, log.open("ab") as file:
            for line in said:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
                file.write(line)
                file.flush()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        timer = threading.Timer(max(0.0, seconds), call)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1
        if self._signals == 1:
            self._ask()
        else:
            self._kill()

    def _ask(self) -> None:
        if self.asked:  # a second SIGTERM would end it unsaved
            return
        self.asked = True
        self._after(_KILLED_AFTER * self._reserve_s, self._kill)
        if self._process is not None:
            self._process.terminate()

    def _kill(self) -> None:
        """It and the processes that it started, which would hold the pipe open."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

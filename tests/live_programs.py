"""`deshift live` and its like as the programs they are: started, read from, told to end."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import deshift

ROOT = Path(__file__).parents[1]
DEADLINE = ("--deadline", "200")  # that a machine busy with other tests keeps
JACK = "JACK Audio Connection Kit"
NOWHERE = ("-i", "none", "-o", "none", *DEADLINE)
CARD = ("-i", "system", "-o", "system", "--allow-feedback", *DEADLINE)
LIMIT_S = 30.0


def command(*arguments: object, home: Path) -> Result:
    """The same in this process, for what ends soon."""
    places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    return CliRunner().invoke(deshift.main, [str(argument) for argument in arguments], env=places)


def strict(text: str) -> Any:
    """JSON, which has no NaN."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


class Program:
    """``python deshift.py WORDS`` with an empty settings folder, or the one of `home`. Lines are kept as they come.

    Args:
        environment: of a virtual sound server; without it, this process's own.
        options: of `subprocess.Popen`.
    """

    def __init__(self, *words: object, home: Path, environment: dict[str, str] | None = None, **options: Any) -> None:
        places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "OMP_NUM_THREADS": "1"}
        kept = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "deshift.py"), *map(str, words)],
            env={**(environment or os.environ), **places, **kept.pop("env", {})},
            text=True,
            **kept,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        self.news_s = self.began_s  # when the last line came
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        streams = ((self.process.stdout, self.output), (self.process.stderr, self.errors))
        self._threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in streams if pair[0]]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream is not None:
                stream.close()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            self.news_s = time.monotonic()
            lines.append(line.rstrip("\n"))
            self._news.put(None)

    def wait_for(self, found: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """Until `found` returns something true, which it is asked with every line that comes."""
        over = time.monotonic() + limit_s
        while not (result := found()):
            assert time.monotonic() < over, (self.output[-3:], self.errors[-10:])
            assert self.process.poll() is None or not self._news.empty(), (self.output[-3:], self.errors[-10:])
            try:
                self._news.get(timeout=0.1)
            except queue.Empty:
                continue
        return result

    def said(self, words: str) -> bool:
        """Whether this was printed as a message."""
        return any(words in line for line in list(self.errors))

    def end(self, number: int = signal.SIGINT) -> float:
        """Send a signal; the seconds until it has ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.wait()
        return time.monotonic() - began

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(LIMIT_S)
        for thread in self._threads:
            thread.join(LIMIT_S)
        return code

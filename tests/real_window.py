"""A display of its own, the app as a process on it, and mouse and keyboard that go through the X server."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
SIZE = (1440, 900)
LIMIT_S = 30.0
PROBE = Path(__file__).with_name("real_window_probe.py")
DRAG = Path(__file__).with_name("real_window_drag.py")
T = TypeVar("T")


class Display:
    """An X server without a screen, of a number that is free. Needs Xvfb and xdotool."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self._words = ["Xvfb", "-displayfd", "", "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"]
        self.name, self.size = "", size

    def __enter__(self) -> Display:
        reading, writing = os.pipe()
        self._words[2] = str(writing)
        try:
            self._server = subprocess.Popen(self._words, pass_fds=[writing], stderr=subprocess.DEVNULL)
        except FileNotFoundError as error:
            os.close(reading)
            raise FileNotFoundError("Xvfb is missing: apt install xvfb xdotool") from error
        finally:
            os.close(writing)
        with os.fdopen(reading) as numbers:
            ready, _, _ = select.select([numbers], [], [], LIMIT_S)
            number = numbers.readline().strip() if ready else ""
        if not number:
            self.__exit__()
            raise RuntimeError(f"{' '.join(self._words)} did not come up")
        self.name = f":{number}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait(LIMIT_S)

    def xdotool(self, *words: object) -> str:
        """Mouse, keyboard and windows; what it prints. Raises: subprocess.CalledProcessError."""
        done = subprocess.run(
            ["xdotool", *map(str, words)],
            env={**os.environ, "DISPLAY": self.name},
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        return done.stdout.strip()


def own_places(home: Path) -> dict[str, str]:
    """An empty home for a child: `Path` is where its settings go."""
    places = {"HOME": home, "XDG_CONFIG_HOME": home / ".config", "XDG_RUNTIME_DIR": home / ".run"}
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {name: str(folder) for name, folder in places.items()}


class WindowApp:
    """``deshift gui WORDS`` on a display. Widgets are known by their object names or accessible names.

    Args:
        environment: of a virtual sound server.
        home: its settings folder lies in it; the log of what it prints too, as app.log.
    """

    def __init__(self, display: Display, environment: Mapping[str, str], home: Path, *words: object) -> None:
        self.display = display
        places = own_places(home)
        self._log = (home / "app.log").open("a", encoding="utf-8")
        places |= {"DISPLAY": display.name, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, str(PROBE), *map(str, words)],
            env={**environment, **places},
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._sources: list[subprocess.Popen[str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._next()  # it watches

    def __enter__(self) -> WindowApp:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_S)
        for source in self._sources:
            source.kill()
            source.communicate()
        self._reader.join(LIMIT_S)
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@"):
                self._answers.put(json.loads(line[1:]))
            else:
                self._log.write(line)

    def ask(self, *words: object) -> Any:
        """See the probe's methods. Raises: LookupError where it cannot answer."""
        assert self.process.stdin is not None
        print(json.dumps(words), file=self.process.stdin, flush=True)
        reply = self._next()
        if "error" in reply:
            raise LookupError(reply["error"])
        return reply["answer"]

    def _next(self) -> dict[str, Any]:
        """The next answer. Raises: RuntimeError with the end of the log, where the app has ended or hangs."""
        over = time.monotonic() + LIMIT_S
        while time.monotonic() < over and (self._reader.is_alive() or not self._answers.empty()):
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=0.1)
        state = "hangs" if self.process.poll() is None else f"ended with {self.process.returncode}"
        raise RuntimeError(f"the app {state}: {self.log()[-3000:]}")

    def log(self) -> str:
        """What it printed."""
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8")

    def until(self, holds: Callable[[], T], what: str, limit_s: float = LIMIT_S) -> T:
        """Wait until it returns something true; what cannot be answered yet is waited for too."""
        over, last = time.monotonic() + limit_s, ""
        while True:
            try:
                if result := holds():
                    return result
                last = repr(result)
            except LookupError as error:
                last = str(error)
            assert self.process.poll() is None, f"the app ended while waiting for: {what}"
            assert time.monotonic() < over, f"waited {limit_s:g} s for: {what} (last: {last})"
            time.sleep(0.05)

    def click(self, name: str, button: int = 1) -> None:
        """The mouse, in the middle of a widget that can be seen; ``tabs:Files`` for a tab."""
        x, y, _, _ = self.until(lambda: self.ask("where", name), f"{name} to be seen")
        self.display.xdotool("mousemove", x, y, "click", button)

    def choose(self, name: str, text: str) -> None:
        """An option of a list, by typing its first letters."""
        self.click(name)
        self.until(lambda: self.ask("popup"), f"the list of {name} to open")
        self.key(*text, "Return")
        self.until(lambda: self.ask("get", name, "currentText") == text, f"{name} to be {text}")

    def key(self, *keys: str) -> None:
        """Keys as xdotool calls them (``space``, ``ctrl+2``), to whatever has the focus."""
        self.display.xdotool("key", "--delay", 30, *keys)

    def take_focus(self) -> None:
        """There is no window manager that would give it."""
        window = self.until(self._window, "the window")
        self.display.xdotool("windowfocus", "--sync", window)
        self.until(lambda: self.ask("focused"), "the window to be active")

    def _window(self) -> str:
        found = self.display.xdotool("search", "--onlyvisible", "--pid", self.process.pid, "--name", "^deshift")
        return found.split("\n")[-1]

    def drop(self, files: list[Path], name: str) -> None:
        """Drag files out of another program's window onto a widget."""
        x, y, _, _ = self.until(lambda: self.ask("where", name), f"{name} to be seen")
        places = {"DISPLAY": self.display.name, "QT_QPA_PLATFORM": "xcb"}
        right, bottom = self.display.size
        words = [sys.executable, str(DRAG), str(right - 110), str(bottom - 110), *map(str, files)]
        source = subprocess.Popen(words, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True)
        self._sources.append(source)  # the app fetches the names from it later on
        _expect(source, "ready")
        start = ("mousemove", right - 60, bottom - 60, "mousedown", 1, "sleep", 0.2)
        self.display.xdotool(*start, "mousemove_relative", "--", -30, -10, "sleep", 0.2, "mousemove", x + 5, y + 5)
        self.display.xdotool("sleep", 0.1, "mousemove", x, y)
        _expect(source, "welcome")
        self.display.xdotool("mouseup", 1)
        _expect(source, "dropped")


def _expect(source: subprocess.Popen[str], word: str) -> None:
    assert source.stdout is not None
    ready, _, _ = select.select([source.stdout], [], [], LIMIT_S)
    line = source.stdout.readline().strip() if ready else "nothing"
    assert line == word, f"the program that files are dragged from said {line}, not {word}"

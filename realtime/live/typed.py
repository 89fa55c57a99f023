"""Commands typed while `deshift live` runs."""

from __future__ import annotations

import codecs
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime.live.host import Host
from realtime.live.live_line import nothing_undone

HELP = (
    "bypass · mute · a raw, b inverse, c model · mix 0.5 · in -6 / out 3 (gain in dB) · set 0.semitones -5 · "
    "model NAME|PATH · preset PATH · record DIR · stop recording · measure · quit"
)
LISTEN = {"a": "raw", "b": "inverse", "c": "model"}
GAINS = {"in": "input_gain_db", "out": "output_gain_db"}
LOOK_SECONDS = 0.1
ERASE, ESCAPE = "\x7f\b", "\x1b"


class TypedCommands:
    """Lines to calls of the host. `answer` is what to show of the last one, `draft` the line that is being typed."""

    def __init__(self, host: Host, quit_now: Callable[[], None]) -> None:
        self._host, self._quit = host, quit_now
        self.answer, self.draft = "", ""

    def type(self, text: str) -> None:
        """Take what the keyboard gave: letters, or an escape sequence, which is ignored."""
        for letter in text:
            if letter == ESCAPE:
                return
            if letter in "\r\n":
                line, self.draft = self.draft, ""
                self.do(line)
            elif letter in ERASE:
                self.draft = self.draft[:-1]
            elif letter.isprintable():
                self.draft += letter

    def do(self, line: str) -> None:
        """Carry out one line; a mistake becomes the answer."""
        try:
            self.answer = self._do(line, line.split())
        except ValueError as error:
            self.answer = str(error)

    def _do(self, line: str, words: list[str]) -> str:
        if not words:
            return ""
        word, rest = words[0].lower(), line.strip()[len(words[0]) :].strip()
        controls = self._host.settings.controls
        if word in ("bypass", "mute") and not rest:
            name = "bypass" if word == "bypass" else "muted"
            now = not getattr(controls, name)
            self._host.set_control(name, now)
            return f"{word} {'on' if now else 'off'}"
        if word in LISTEN and not rest:
            self._host.set_control("listen", LISTEN[word])
            return f"listening to: {LISTEN[word]}"
        if word == "mix" or word in GAINS:
            self._host.set_control(GAINS.get(word, word), _number(rest))
            return f"{word} {rest}"
        if word == "set" and len(words) == 3:
            self._host.set_control(words[1], _number(words[2]))
            return f"{words[1]} {words[2]}"
        return self._do_more(word, rest)

    def _do_more(self, word: str, rest: str) -> str:
        if word in ("model", "preset") and rest:
            if word == "preset" and not rest.endswith(".json"):
                raise ValueError(f"{rest}: a preset is a .json file")
            self.answer = f"loading {rest}…"
            self._host.swap(_path(rest))
            hint = nothing_undone(self._host.facts)
            return f"now: {', '.join(self._host.facts['chain'])}{f'; {hint}' if hint else ''}"
        if word == "record" and rest:
            self._host.record(_path(rest))
            return f"recording into {rest}"
        if (word, rest) == ("stop", "recording"):
            return str(self._host.stop_recording())
        if (word, rest) == ("measure", ""):
            self.answer = "measuring: a short chirp is heard…"
            found = self._host.measure()
            return f"round trip measured: {found.total_ms:.1f} ms, {found.device_ms:.1f} of it in the devices"
        if word in ("quit", "q", "stop") and not rest:
            self._quit()
            return "stopping…"
        return HELP if word in ("help", "?") else f"{' '.join((word, rest)).strip()}: not understood; {HELP}"


@contextmanager
def listening(typed: TypedCommands) -> Iterator[None]:
    """Meanwhile what is typed is taken, where the standard input is a terminal and this process is in front of it."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty() or not _in_front(sys.stdin.fileno()):
        yield
        return
    over = threading.Event()
    keys = _keys(sys.stdin.fileno(), over)

    def read() -> None:
        for text in keys:
            typed.type(text)

    with _letter_by_letter(sys.stdin.fileno()):
        threading.Thread(target=read, name="typed commands", daemon=True).start()
        try:
            yield
        finally:
            over.set()


if sys.platform == "win32":
    import msvcrt

    def _in_front(descriptor: int) -> bool:
        return True

    @contextmanager
    def _letter_by_letter(descriptor: int) -> Iterator[None]:
        yield  # the console gives letters as they are

    def _keys(descriptor: int, over: threading.Event) -> Iterator[str]:
        while not over.is_set():
            if not msvcrt.kbhit():
                time.sleep(LOOK_SECONDS)
                continue
            letter = msvcrt.getwch()
            if letter in ("\x00", "\xe0"):
                msvcrt.getwch()  # a function key's second half
            else:
                yield letter

else:
    import select
    import termios
    import tty

    def _in_front(descriptor: int) -> bool:
        """A job in the background is stopped by the system when it reads the terminal: sound and all."""
        try:
            return os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            return True  # a terminal of another session: the system does not mind

    @contextmanager
    def _letter_by_letter(descriptor: int) -> Iterator[None]:
        """The letters at once and without echo: they are drawn with the status, which else wipes them out."""
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor, termios.TCSADRAIN)  # what was typed while it started counts
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _keys(descriptor: int, over: threading.Event) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while not over.is_set():
            if not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
                continue
            if not _in_front(descriptor):  # stopped and sent to the background meanwhile
                over.wait(LOOK_SECONDS)
                continue
            data = os.read(descriptor, 1024)
            if not data:
                return
            yield decoder.decode(data)


def _path(words: str) -> Path:
    """No shell was here to say what "~" means."""
    return Path(words).expanduser()


def _number(words: str) -> float:
    try:
        return float(words)
    except ValueError as error:
        raise ValueError(f"{words!r} is no number") from error

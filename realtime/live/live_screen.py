"""How a live session is shown: a status that is redrawn, lines of a log, or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from realtime.live.host import LiveStatus
from realtime.live.live_line import words

if TYPE_CHECKING:
    from rich.console import Console

LOG_SECONDS = 5.0
JSON_SECONDS = 1.0


class Screen(Protocol):
    """Shows the newest status, several times a second, the answer to what was typed, and what is being typed."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, status: LiveStatus, answer: str, draft: str) -> None:
        """One look."""
        ...


class _Answers:
    """Each answer once, on the standard error."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, answer: str) -> None:
        if answer and answer != self._told:
            click.echo(answer, err=True)
        self._told = answer


class JsonScreen:
    """One JSON object a line on the standard output, the first at once, then one a second; answers go elsewhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._answers = clock, _Answers()
        self._due_s = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, status: LiveStatus, answer: str, draft: str) -> None:
        """Where a second is over, or the session failed."""
        self._answers.tell(answer)
        now_s = self._clock()
        if now_s >= self._due_s or status.failed:
            self._due_s = max(self._due_s + JSON_SECONDS, now_s)
            click.echo(json.dumps(status.to_json_object(), allow_nan=False))


class LogScreen:
    """Lines on the standard error: every five seconds, and whenever something changes that is said in words."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._answers = clock, _Answers()
        self._due_s = clock() + 1.0  # the figures of the first hops say nothing
        self._said: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, status: LiveStatus, answer: str, draft: str) -> None:
        """Where it is time, or there is news."""
        self._answers.tell(answer)
        news = (status.engine.state, status.note, *status.engine.warnings, *status.engine.faults)
        if self._clock() < self._due_s and news == (self._said or news):
            return
        self._due_s, self._said = self._clock() + LOG_SECONDS, news
        click.echo(words(status), err=True)


class LineScreen:
    """A few lines at the bottom of a terminal, drawn again and again, and what is being typed below them."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live  # loaded while the sound runs already

        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, status: LiveStatus, answer: str, draft: str) -> None:
        """Draw it."""
        from rich.text import Text

        width = max(20, self._live.console.width)
        parts = (words(status, width), answer, f"> {draft}" if draft else "")
        self._live.update(Text("\n".join(filter(None, parts))), refresh=True)


def choose_screen(as_json: bool) -> Screen:
    """What fits: JSON where it was asked for, else what the standard error can show."""
    if as_json:
        return JsonScreen()
    from rich.console import Console

    console = Console(stderr=True)
    redraws = sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal
    return LineScreen(console) if redraws else LogScreen()

"""An Ardour session that a test holds open: latencies, control values, transport. ardour_session.lua does the work."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from examples.daw.ardour import Surroundings, program

SCRIPT = Path(__file__).with_suffix(".lua")
JACK = "JACK"
NO_CARD = "None (Dummy)"


class OpenSession:
    """An Ardour of its own process with a session open; it ends in order when the block ends.

    Args:
        environment: of a JACK server, where the session is to play on one.
        backend: JACK, whose rate and period win, or NO_CARD.
    """

    def __init__(
        self,
        folder: Path,
        places: Surroundings,
        environment: dict[str, str] | None = None,
        backend: str = NO_CARD,
        period: int = 1024,
        rate: int = 48_000,
    ) -> None:
        words = [program("lua"), SCRIPT, folder, rate, period, backend]
        self._process = subprocess.Popen(
            [str(word) for word in words],
            env={**places.environment(), **_server_of(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> OpenSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            return  # it ended on its own, which was told already
        try:
            self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            if error is None:
                raise
        if error is None:
            assert self._process.returncode == 0, f"Ardour ended with {self._process.returncode}"

    def tell(self, *words: object) -> list[list[str]]:
        """Send a line, such as ``set Mix 0.5``. Returns: the words of each line of the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def latencies(self) -> dict[str, tuple[int, int]]:
        """Of each track, in samples: its plugin's latency and its own."""
        lines = self.tell("latencies")
        return {words[1]: (int(words[2]), int(words[3])) for words in lines if words[0] == "latency"}

    def values(self, track: str) -> dict[str, float]:
        """The controls of the track's plugin, by label, and "active": whether it is switched on."""
        lines = [words for words in self.tell("values") if words[1:2] == [track]]
        found = {" ".join(words[3:]): float(words[2]) for words in lines if words[0] == "value"}
        found["active"] = float(["active", track, "true"] in lines)
        return found

    def _answer(self) -> list[list[str]]:
        assert self._process.stdout is not None
        lines: list[list[str]] = []
        for line in self._process.stdout:
            if line.strip() == "ok":
                return lines
            lines.append(line.split())
        self._process.communicate(timeout=20)
        raise RuntimeError(f"Ardour ended: {lines[-5:]}")


def _server_of(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("JACK_")}

"""A JACK server that waits for its clients on a busy machine."""

from __future__ import annotations

import subprocess

from tests.virtual_sound_card import JackServer

PATIENCE_MS = 4500  # the most that jackd takes


class PatientServer(JackServer):
    """jackd's own patience is four periods; then a program that was busy loading a session has lost its server."""

    def __init__(self, rate: int = 48_000, period_frames: int = 2048, channels: int = 2) -> None:
        super().__init__(rate, period_frames, channels)
        self._words[1:1] = ["--timeout", str(PATIENCE_MS)]

    def latency(self, port: str) -> int:
        """Frames from the sound card to this port, as `jack_lsp` prints it; asserts that it is one number."""
        said = self._lsp("-l", port).splitlines()
        line = next(line for line in said if "port capture latency" in line)
        low, high = line.split("[")[1].split("]")[0].split()
        assert low == high, line
        return int(low)

    def ports(self) -> list[str]:
        """The full names of all ports."""
        return self._lsp().splitlines()

    def _lsp(self, *words: str) -> str:
        done = subprocess.run(
            ["jack_lsp", *words], env=self.environment, capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout

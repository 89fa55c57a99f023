"""A sound card without hardware: a private JACK server with its dummy driver, and a client that is listed as a device.

The client, "fakecard", runs in a process of its own, so that no interpreter of a test holds it up. It plays noise that
the test knows, or zeros, and keeps what it hears; both are counted in the server's frames.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
CARD_NAME = "fakecard"
START_LIMIT_S = 15.0


class JackServer:
    """A JACK server of its own name. `start` it before PortAudio is loaded in a process with its `environment`."""

    def __init__(self, rate: int = 48_000, period_frames: int = 256, channels: int = 2) -> None:
        self.rate, self.period_frames = rate, period_frames
        self.name = "deshift_" + uuid.uuid4().hex[:8]
        driver = ["-d", "dummy", "-r", rate, "-p", period_frames, "-C", channels, "-P", channels]
        scheduling = "-R" if _grants_real_time() else "-r"
        self._words = [str(word) for word in ["jackd", scheduling, "-n", self.name, "--no-mlock", *driver]]
        self.environment = {
            **os.environ,
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_START_SERVER": "1",
            "JACK_NO_AUDIO_RESERVATION": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> JackServer:
        self.start()
        return self

    def start(self) -> None:
        """Bring it up, at first and after a kill."""
        with tempfile.TemporaryFile() as log:
            try:
                self._process = subprocess.Popen(self._words, env=self.environment, stdout=log, stderr=log)
            except FileNotFoundError as error:
                raise FileNotFoundError("jackd is missing: apt install jackd2") from error
            try:
                self.command("wait")
            except subprocess.CalledProcessError as error:
                self.stop()
                log.seek(0)
                raise RuntimeError(f"{self._words} did not come up: {log.read().decode()[-2000:]}") from error

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._process is not None and self._process.returncode < 0:
            # A killed server keeps one of the eight places that there are, until one of its name ends in order.
            self.start()
            self.stop()
        for left in Path("/dev/shm").glob(f"jack*_{self.name}_*"):  # by a server that was killed
            left.unlink(missing_ok=True)

    def stop(self) -> None:
        """End it in the ordinary way."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """The sound server dies."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """The device hangs for as long as the block lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def command(self, *words: object) -> None:
        """``wait`` for the server, change its ``period``, or ``connect`` two ports, in a process of its own."""
        subprocess.run(
            [sys.executable, __file__, *map(str, words)],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=2 * START_LIMIT_S,
        )

    def python(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        """A Python process that sees this server's devices; its output is read as text."""
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=options.pop("stderr", subprocess.STDOUT),
            stdin=options.pop("stdin", subprocess.PIPE),
            text=True,
            **options,
        )


def _grants_real_time() -> bool:
    """Whether this system lets its threads go before all others; JACK does not start otherwise, unless told."""
    granted: list[bool] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
            granted.append(True)
        except PermissionError:
            granted.append(False)

    thread = threading.Thread(target=ask)  # the class ends with the thread
    thread.start()
    thread.join()
    return granted[0]


class FakeCard:
    """The client: one device with two channels in and out, called `name`.

    Args:
        kind: "noise" or "zeros", what its microphone gives.
        seconds: of memory; afterwards it plays zeros and keeps nothing.
    """

    def __init__(
        self, server: JackServer, kept: Path, kind: str = "noise", seconds: float = 20.0, name: str = CARD_NAME
    ) -> None:
        self._kept = kept
        self._process = server.python(__file__, "card", kept, kind, seconds, name, stderr=None)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready"):
            raise RuntimeError(f"the fake sound card did not start: {line}")

    def __enter__(self) -> FakeCard:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> dict[str, NDArray[Any]]:
        """Close the client; what it played and heard, the server's frame at which both
        began, and the frames of its xruns."""
        if self._process.poll() is None:
            self._process.communicate("\n", timeout=20)
        with np.load(self._kept) as arrays:
            return dict(arrays)


def delay_frames(played: NDArray[np.float32], heard: NDArray[np.float32], part: float = 0.5) -> int:
    """By how many frames `heard` is later than `played` (both whole), from a stretch at `part` of what was heard."""
    filled = np.flatnonzero(heard)
    assert len(filled) > 20_000, f"the card heard {len(filled)} frames"
    start = int(filled[0] + part * (filled[-1] - filled[0]))
    stretch = heard[start : start + 4096]
    size = 1 << int(np.ceil(np.log2(start + 8192)))
    spectrum = np.fft.rfft(played[: start + 4096], size) * np.conj(np.fft.rfft(stretch, size))
    return start - int(np.argmax(np.fft.irfft(spectrum, size)[: start + 1]))


def _play_and_keep(kept: Path, kind: str, seconds: float, name: str) -> None:
    """The process of `FakeCard`; ends with its standard input."""
    import jack

    client = jack.Client(name, use_exact_name=True, no_start_server=True)
    frames = int(seconds * client.samplerate)
    played = np.zeros(frames, dtype=np.float32)
    if kind == "noise":
        played[:] = 0.1 * np.random.default_rng(0).standard_normal(frames)
    heard = np.zeros(frames, dtype=np.float32)
    outputs = [client.outports.register(f"play_{channel}") for channel in (1, 2)]
    inputs = [client.inports.register(f"record_{channel}") for channel in (1, 2)]
    began: list[int] = []
    xruns: list[int] = []

    def process(count: int) -> None:
        if not began:
            began.append(client.last_frame_time)
        start = client.last_frame_time - began[0]
        inside = start >= 0 and start + count <= frames
        for port in outputs:
            port.get_array()[:] = played[start : start + count] if inside else 0
        if inside:
            heard[start : start + count] = inputs[0].get_array()

    client.set_process_callback(process)
    client.set_xrun_callback(lambda _: xruns.append(client.frame_time - began[0] if began else 0))
    client.activate()
    print("ready", client.samplerate, client.blocksize, flush=True)
    sys.stdin.readline()
    client.deactivate()
    client.close()
    np.savez(kept, played=played, heard=heard, began=began[0], xruns=np.array(xruns, dtype=np.int64))


def _client_of_a_young_server() -> Any:
    """A client, as soon as the server is up."""
    import jack

    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return jack.Client("command", no_start_server=True)
        except jack.JackOpenError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1] == "card":
        _play_and_keep(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), sys.argv[5])
    else:
        own_client = _client_of_a_young_server()
        if sys.argv[1] == "period":
            own_client.blocksize = int(sys.argv[2])
        elif sys.argv[1] == "connect":
            own_client.connect(sys.argv[2], sys.argv[3])
        own_client.close()

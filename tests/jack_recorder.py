"""A JACK client that keeps what named ports of a server play, for tests of programs on a virtual sound card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.virtual_sound_card import JackServer


class Recorder:
    """Records from its start to `stop`, in a process of its own.

    Args:
        ports: full names of output ports, one for each row of what is kept.
        seconds: of memory.
    """

    def __init__(self, server: JackServer, kept: Path, ports: list[str], seconds: float = 20.0) -> None:
        self._kept = kept
        self._process = server.python("-m", "tests.jack_recorder", kept, seconds, *ports, stderr=None)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready"):
            self.__exit__()
            raise RuntimeError(f"the recorder did not start, or found no port of {ports}: see its errors above")

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def stop(self) -> tuple[NDArray[np.float32], int]:
        """End it. Returns: ``(ports, N)``, all that was heard, and how many xruns there were."""
        self._process.communicate("\n", timeout=20)
        with np.load(self._kept) as arrays:
            return arrays["heard"], int(arrays["xruns"])


def _record(kept: Path, seconds: float, ports: list[str]) -> None:
    import jack

    client: Any = jack.Client("recorder", no_start_server=True)
    heard = np.zeros((len(ports), int(seconds * client.samplerate)), dtype=np.float32)
    inputs = [client.inports.register(f"record_{number}") for number in range(len(ports))]
    filled, xruns = 0, 0

    def process(count: int) -> None:
        nonlocal filled
        if filled + count <= heard.shape[1]:
            for row, port in zip(heard, inputs, strict=True):
                row[filled : filled + count] = port.get_array()
            filled += count

    def count_xrun(_: float) -> None:
        nonlocal xruns
        xruns += 1

    client.set_process_callback(process)
    client.set_xrun_callback(count_xrun)
    client.activate()
    for port, own in zip(ports, inputs, strict=True):
        client.connect(port, own.name)
    print("ready", flush=True)
    sys.stdin.readline()
    client.deactivate()
    client.close()
    np.savez(kept, heard=heard[:, :filled], xruns=xruns)


if __name__ == "__main__":
    _record(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])

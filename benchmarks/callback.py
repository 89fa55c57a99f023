"""What drives the sound card without losing frames: a Python callback, or C rings with a feeding thread?

Runs a loop-through on the virtual JACK card of the tests, three ways: a Python callback in the engine's process; a
Python callback in a process of its own, with shared memory to the engine's; the C callback of rtmixer with
`realtime.live.devices.SoundCard`. Each at two blocks and in four situations. The card knows what it played and
heard, so every lost frame is counted, whatever the sound server reports.

    python -m benchmarks.callback [--seconds 8] [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.loop_through import LoopThrough
from tests.virtual_sound_card import FakeCard, JackServer, delay_frames

RATE = 48_000
STALL_S = 0.5
PREFILL_FRAMES, DEEP_FRAMES = 1024, 28_800
CHANNELS = 2
KEPT_FRAMES = 40 * RATE
DRIVERS = {
    "wire": "none: the card's own output, the error of the measurement",
    "python": "Python callback in the engine's process",
    "process": "Python callback in a process of its own",
    "rtmixer": "C callback and rings (rtmixer), as shipped",
    "deep": "the same with 600 ms of output in the ring",
}
SITUATIONS = {
    "idle": "nothing else runs",
    "hogs": "a busy loop on every core, nice 0",
    "stall": "the engine's interpreter stands still for 500 ms",
    "elsewhere": "another process's interpreter stands still for 500 ms",
}


class Keeping(LoopThrough):
    """Keeps what it captured."""

    def __init__(self, prefill_frames: int) -> None:
        super().__init__(CHANNELS, prefill_frames)
        self.kept = np.zeros(KEPT_FRAMES, dtype=np.float32)

    def capture(self, block: NDArray[np.float32]) -> None:
        self.kept[self.captured : self.captured + len(block)] = block[:, 0]
        super().capture(block)


class SharedRing:
    """A ring of frames in shared memory, one writing and one reading process; the counters lie before the frames."""

    FRAMES = 1 << 17

    def __init__(self, path: Path) -> None:
        size = 64 + self.FRAMES * CHANNELS * 4
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(size)
            memory = mmap.mmap(file.fileno(), size)
        self._counts = np.frombuffer(memory, dtype=np.int64, count=2)
        self._frames = np.frombuffer(memory, dtype=np.float32, offset=64).reshape(self.FRAMES, CHANNELS)

    @property
    def readable(self) -> int:
        return int(self._counts[0] - self._counts[1])

    def write(self, block: NDArray[np.float32]) -> None:
        places = (self._counts[0] + np.arange(len(block))) % self.FRAMES
        self._frames[places] = block
        self._counts[0] += len(block)

    def read(self, count: int) -> NDArray[np.float32]:
        count = min(count, self.readable)
        places = (self._counts[1] + np.arange(count)) % self.FRAMES
        self._counts[1] += count
        return self._frames[places]


def python_callback(block: int, rings: tuple[SharedRing, SharedRing] | None) -> tuple[Any, Keeping, list[int]]:
    """A stream that passes on in its callback: at once, or through the rings to an engine elsewhere."""
    import sounddevice

    keeping, flags = Keeping(0), [0]
    late = [0]

    def callback(heard: Any, out: Any, frames: int, _: Any, status: Any) -> None:
        flags[0] += bool(status)
        keeping.kept[keeping.captured : keeping.captured + frames] = heard[:, 0]
        keeping.captured += frames
        if rings is None:
            out[:] = heard
            return
        rings[0].write(heard)
        late[0] -= len(rings[1].read(late[0]))  # what comes after its time is dropped, so the latency stays
        ready = rings[1].read(frames)
        out[: len(ready)] = ready
        out[len(ready) :] = 0
        late[0] += frames - len(ready)

    card = "fakecard"
    stream = sounddevice.Stream(RATE, block, (card, card), CHANNELS, "float32", "low", callback=callback)
    return stream, keeping, flags


def be_driver(driver: str, block: int, folder: Path) -> None:
    """The engine's process, or the callback's: reads ``stall`` and ``end`` from its input."""
    engine: subprocess.Popen[str] | None = None
    if driver in ("rtmixer", "deep"):
        from realtime.live.device import DeviceChoice
        from realtime.live.devices import SoundCard

        prefill_frames = PREFILL_FRAMES if driver == "rtmixer" else DEEP_FRAMES
        keeping = Keeping(prefill_frames)
        card = SoundCard(DeviceChoice("fakecard", "fakecard", block_frames=block))
        card.start(keeping, prefill_frames)
    else:
        rings = None
        if driver == "process":
            rings = SharedRing(folder / "in"), SharedRing(folder / "out")
            rings[1].write(np.zeros((PREFILL_FRAMES, CHANNELS), dtype=np.float32))
            words = [sys.executable, "-m", "benchmarks.callback", "--engine", str(folder)]
            engine = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert engine.stdout is not None
            engine.stdout.readline()
        stream, keeping, flags = python_callback(block, rings)
        stream.start()
    print("running", flush=True)
    for line in sys.stdin:
        if line.strip() == "stall" and engine is not None:
            assert engine.stdin is not None
            engine.stdin.write("stall\n")
            engine.stdin.flush()
        elif line.strip() == "stall":
            stall()
        else:
            break
    captured = keeping.captured
    np.save(folder / "captured.npy", keeping.kept[:captured])
    if driver in ("rtmixer", "deep"):
        health = card.health()
        reported = max(health.input_overflows, health.output_underflows)
    else:
        reported = flags[0]
    print(json.dumps(reported), flush=True)
    if engine is not None:
        engine.kill()
        engine.wait()
    os._exit(0)


def be_engine(folder: Path) -> None:
    """The engine's process where the callback has its own: passes on what it finds, every half millisecond."""
    rings = SharedRing(folder / "in"), SharedRing(folder / "out")
    print("ready", flush=True)

    def obey() -> None:
        for line in sys.stdin:
            if line.strip() == "stall":
                stall()
        os._exit(0)

    threading.Thread(target=obey, daemon=True).start()
    while True:
        waiting = rings[0].readable
        if waiting:
            rings[1].write(rings[0].read(waiting))
        time.sleep(0.0005)


def stall() -> None:
    """Hold the interpreter: nothing else of this process's Python runs meanwhile."""
    ctypes.PyDLL(None).usleep(round(STALL_S * 1e6))


@contextmanager
def hogs() -> Iterator[None]:
    """A busy process on every core."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(driver: str, situation: str, block: int, seconds: float) -> dict[str, Any]:
    """One cell of the table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(JackServer(RATE, block))
        card = stack.enter_context(FakeCard(server, folder / "card.npz", seconds=seconds + 8))
        if driver == "wire":
            server.command("connect", "fakecard:play_1", "fakecard:record_1")
            process = server.python("-c", "print('running', flush=True); input(); print(0)")
        else:
            process = server.python("-m", "benchmarks.callback", "--driver", driver, block, folder, stderr=None)
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "running\n"
        if situation == "hogs":
            stack.enter_context(hogs())
        time.sleep(seconds / 2)
        if situation == "stall":
            process.stdin.write("stall\n")
            process.stdin.flush()
        elif situation == "elsewhere":
            code = f"import ctypes; ctypes.PyDLL(None).usleep({round(STALL_S * 1e6)})"
            subprocess.run([sys.executable, "-c", code], check=True)
        time.sleep(seconds / 2)
        arrays = card.unplug()
        reported = json.loads(process.communicate("end\n", timeout=30)[0])
        captured = arrays["heard"] if driver == "wire" else np.load(folder / "captured.npy")
    return {"flagged": reported, **losses(captured=captured, **arrays)}


def losses(
    played: NDArray[np.float32],
    heard: NDArray[np.float32],
    captured: NDArray[np.float32],
    xruns: NDArray[np.int64],
    began: NDArray[np.int64],
) -> dict[str, int | float]:
    """Frames lost on the way in and on the way out, and xruns, without the first and last quarter of a second."""
    captured = np.trim_zeros(captured)[RATE // 4 : -RATE // 4]
    ends = [place(played, captured[:4096]), place(played, captured[-4096:]) + 4096]
    delay = delay_frames(played, heard, 0.1)
    filled = np.flatnonzero(heard)
    first, last = int(filled[0]) + RATE // 4, int(filled[-1]) + 1 - RATE // 4
    wrong = heard[first:last] != played[first - delay : last - delay]
    return {
        "xruns": int(np.count_nonzero((xruns >= first) & (xruns < last))),
        "lost_input": ends[1] - ends[0] - len(captured),
        "lost_output": int(np.count_nonzero(wrong)),
        "seconds": (last - first) / RATE,
    }


def place(played: NDArray[np.float32], stretch: NDArray[np.float32]) -> int:
    """Where in what was played this stretch was taken from; the stretch must be whole."""
    size = 1 << int(len(played) + len(stretch)).bit_length()
    spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(stretch, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(played)]))


def table(rows: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = ["| block | situation | driver | xruns of the server | flagged callbacks | input lost | output lost |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        names = f"{row['block']} | {SITUATIONS[row['situation']]} | {DRIVERS[row['driver']]}"
        lines.append(f"| {names} | {row['xruns']} | {row['flagged']} | {row['lost_input']} | {row['lost_output']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--driver", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.driver:
        be_driver(options.driver[0], int(options.driver[1]), Path(options.driver[2]))
    elif options.engine:
        be_engine(options.engine)
    rows = []
    for block in (128, 256):
        for situation in SITUATIONS:
            for driver in [name for name in DRIVERS if name != "deep" or situation == "stall"]:
                row = measure(driver, situation, block, options.seconds)
                rows.append({"block": block, "situation": situation, "driver": driver, **row})
                print(rows[-1], file=sys.stderr, flush=True)
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the end, {options.seconds:g} s each\n")
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

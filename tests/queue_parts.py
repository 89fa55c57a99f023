"""A queue of files under test: tiny models, audio made on the spot, and waiting with a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from realtime.batch import Batch
from realtime.batch_items import BatchItem, BatchOptions
from tests import plugin_files as files
from tests import signals

LIMIT_S = 60.0


def write(path: Path, frames: int = 4800, channels: int = 1, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.tile(signals.noise(frames)[:, None], (1, channels)), files.RATE, subtype)
    return path


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def run(batch: Batch) -> dict[str, BatchItem]:
    batch.start()
    until(lambda: not batch.status().running)
    return {item.input.name: item for item in batch.status().items}


def states(batch: Batch) -> list[str]:
    return [item.state for item in batch.status().items]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def make_models(folder: Path) -> Path:
    """gain.onnx halves; slow.onnx does the same so slowly that minutes of audio take minutes."""
    files.gain_plugin(folder / "gain.onnx", 0.5)
    files.gain_plugin(folder / "slow.onnx", 0.5, hop_samples=4)
    return folder


def batches() -> Iterator[Callable[[BatchOptions], Batch]]:
    """Gives a function that makes queues; ends them all, and sees that no thread is left."""
    made: list[Batch] = []

    def build(options: BatchOptions) -> Batch:
        made.append(Batch(options))
        return made[-1]

    yield build
    for batch in made:
        assert batch.close(LIMIT_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "files queue"]

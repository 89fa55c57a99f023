"""How fast a model is on this machine, and which block and deadline follow from that."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from realtime.contract import ContractError, Facts
from realtime.live.plan import Plan
from realtime.live.threads import WORKER_PRIORITY, raise_priority
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.session import compiled_providers
from realtime.trust import TrustedFile

BLOCKS_FRAMES = (64, 128, 256, 512, 1024)
HEADROOM = 1.5  # the deadline over the slowest hop in a hundred


@dataclass(frozen=True)
class Row:
    """One way to run the model, fed at the pace of real sound. Times in ms a hop; `error`: why it cannot run here."""

    provider: str
    threads: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    rtf: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Choice:
    """A device block, the deadline that the model needs there, and the latency in the app that comes of it."""

    block_frames: int
    block_ms: float
    deadline_ms: float
    in_app_ms: float


@dataclass(frozen=True)
class Bench:
    """Everything that was measured, and the recommendation: None where no way is fast enough."""

    rows: tuple[Row, ...]
    best: Row | None
    choices: tuple[Choice, ...]
    priority: str

    @property
    def recommended(self) -> Choice | None:
        """The block with the lowest latency, its own time in the device included."""
        if not self.choices:
            return None
        return min(self.choices, key=lambda choice: choice.in_app_ms + choice.block_ms)


def bench(file: TrustedFile, seconds: float = 3.0, threads: Sequence[int] | None = None) -> Bench:
    """Run the model on every provider and number of threads, each for so many seconds of sound.

    Raises: ContractError where it does not even run on the CPU.
    """
    cores = os.cpu_count() or 1
    counts = threads or [count for count in (1, 2, 4) if count <= cores]

    def work() -> tuple[str, list[Row]]:
        priority = raise_priority(WORKER_PRIORITY)
        ways = [(name, count) for name in compiled_providers() for count in (counts if name == "cpu" else (1,))]
        return priority, [_measure(file, provider, count, seconds) for provider, count in ways]

    with ThreadPoolExecutor(1, "bench") as thread:  # the priority is given back with the thread
        priority, rows = thread.submit(work).result()
    return concluded(file.facts, rows, priority)


def concluded(facts: Facts, rows: Sequence[Row], priority: str) -> Bench:
    """What follows from the rows: the best way that `deshift live` has, which is the CPU, and the blocks it allows."""
    hop_ms = 1000 * facts.hop_samples / facts.sample_rate
    usable = [row for row in rows if row.provider == "cpu" and not row.error and row.p99_ms < hop_ms]
    best = min(usable, key=_cost_ms) if usable else None
    return Bench(tuple(rows), best, _choices(facts, best) if best else (), priority)


def _measure(file: TrustedFile, provider: str, threads: int, seconds: float) -> Row:
    try:
        with contextlib.nullcontext() if provider == "cpu" else _quiet():
            plugin = PluginFile(file, 1, threads, provider)
    except ContractError as error:
        if provider == "cpu":
            raise
        return Row(provider, threads, error=str(error))
    draw = np.random.default_rng(0)
    blocks = (0.1 * draw.standard_normal((16, 1, plugin.hop_samples))).astype(np.float32)
    hops = max(20, round(seconds / _hop_s(file)))
    times = np.zeros(hops)
    due = time.perf_counter()
    for hop in range(hops):
        due += _hop_s(file)
        started = time.perf_counter()
        plugin.process(blocks[hop % 16])
        times[hop] = time.perf_counter() - started
        time.sleep(max(0.0, due - time.perf_counter()))  # at the pace of sound: caches cool down between hops
    p50, p99, most = (1000 * float(value) for value in np.percentile(times, (50, 99, 100)))
    return Row(provider, threads, p50, p99, most, p50 / (1000 * _hop_s(file)))


def _cost_ms(row: Row) -> float:
    """More threads must be worth it: a third less time than one plain thread."""
    return row.p99_ms * (1.0 if row.threads == 1 else 1.5)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What ONNX Runtime's libraries print about missing drivers, on both outputs of the process, goes nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):  # its Python part prints too
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
            yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _hop_s(file: TrustedFile) -> float:
    return file.facts.hop_samples / file.facts.sample_rate


def _choices(facts: Facts, row: Row) -> tuple[Choice, ...]:
    deadline_ms = ceil(2 * HEADROOM * row.p99_ms) / 2
    rate = facts.sample_rate
    plans = [
        Plan(rate, rate, rate, block, facts.hop_samples, facts.latency_samples, 0.0, deadline_ms)
        for block in BLOCKS_FRAMES
    ]
    return tuple(
        Choice(plan.block_frames, 1000 * plan.block_frames / rate, deadline_ms, 1000 * plan.in_app_frames / rate)
        for plan in plans
    )

"""How fast a model is on this machine, and which block and deadline follow from that."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

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
    """One way to run the model, fed at the pace of real sound. Times in ms a hop; `error`: why it cannot run here;
    `cuda_graphs`: a hop was the replay of a captured graph.
    """

    provider: str
    threads: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    rtf: float = 0.0
    error: str = ""
    cuda_graphs: bool = False


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
    reason: str = ""

    @property
    def recommended(self) -> Choice | None:
        """The block with the lowest latency, its own time in the device included."""
        if not self.choices:
            return None
        return min(self.choices, key=lambda choice: choice.in_app_ms + choice.block_ms)


def bench(
    file: TrustedFile,
    seconds: float = 3.0,
    threads: Sequence[int] | None = None,
    providers: Sequence[str] | None = None,
    channels: int = 1,
) -> Bench:
    """Run the model on providers and numbers of threads, each for so many seconds of sound.

    Args: providers: None takes every one that this ONNX Runtime was built with.
    Raises: ContractError where it does not even run on the CPU.
    """
    cores = os.cpu_count() or 1
    counts = threads or [count for count in (1, 2, 4) if count <= cores]
    wanted = compiled_providers() if providers is None else tuple(dict.fromkeys(providers))
    # Before the priority is raised: building an engine keeps all cores busy for a minute.
    devices = {name: _opened(file, name, channels) for name in wanted if name != "cpu"}

    def work() -> tuple[str, list[Row]]:
        priority, rows = raise_priority(WORKER_PRIORITY), []
        for name in wanted:
            if name == "cpu":
                rows += [_measured(PluginFile(file, channels, count), name, count, seconds) for count in counts]
                continue
            plugin = devices[name]
            rows.append(Row(name, 1, error=plugin) if isinstance(plugin, str) else _measured(plugin, name, 1, seconds))
        return priority, rows

    with ThreadPoolExecutor(1, "bench") as thread:  # the priority is given back with the thread
        priority, rows = thread.submit(work).result()
    return concluded(file.facts, rows, priority)


def concluded(facts: Facts, rows: Sequence[Row], priority: str) -> Bench:
    """What follows from the rows: the best way to run it, why, and the blocks that it allows."""
    hop_ms = 1000 * facts.hop_samples / facts.sample_rate
    usable = [row for row in rows if not row.error and row.p99_ms < hop_ms]
    best = min(usable, key=_cost_ms) if usable else None
    return Bench(tuple(rows), best, _choices(facts, best) if best else (), priority, _reason(rows, best))


def _reason(rows: Sequence[Row], best: Row | None) -> str:
    """Why this way and not the other kind, in a sentence; empty where only one kind ran."""
    on_cpu = min((row for row in rows if row.provider == "cpu"), key=_cost_ms, default=None)
    elsewhere = min((row for row in rows if row.provider != "cpu" and not row.error), key=_cost_ms, default=None)
    if best is None or on_cpu is None or elsewhere is None:
        return ""
    figures = f"p99 {elsewhere.p99_ms:.2f} ms on {elsewhere.provider}, {on_cpu.p99_ms:.2f} ms on the CPU"
    if best.provider != "cpu":
        return f"{figures}: worth the other device"
    if elsewhere.p99_ms < on_cpu.p99_ms:
        return f"{figures}: a device that others use too must be faster by a third to be worth it"
    return f"{figures}: one hop at a time is too little work for it, starting and copying cost more than computing"


def _opened(file: TrustedFile, provider: str, channels: int) -> PluginFile | str:
    """The model on this provider, or why it cannot run there."""
    try:
        return PluginFile(file, channels, 1, provider)
    except ContractError as error:
        return str(error)


def _measured(plugin: PluginFile, provider: str, threads: int, seconds: float) -> Row:
    draw = np.random.default_rng(0)
    shape = (16, plugin.channels, plugin.hop_samples)
    blocks = 0.1 * draw.standard_normal(shape, dtype=np.float32)
    hop_s = plugin.hop_samples / plugin.sample_rate
    hops = max(20, round(seconds / hop_s))
    times = np.zeros(hops)
    due = time.perf_counter()
    for hop in range(hops):
        due += hop_s
        started = time.perf_counter()
        plugin.process(blocks[hop % 16])
        times[hop] = time.perf_counter() - started
        time.sleep(max(0.0, due - time.perf_counter()))  # at the pace of sound: caches cool down between hops
    p50, p99, most = (1000 * float(value) for value in np.percentile(times, (50, 99, 100)))
    return Row(provider, threads, p50, p99, most, p50 / (1000 * hop_s), cuda_graphs=plugin.cuda_graphs)


def _cost_ms(row: Row) -> float:
    """More threads, or another device, must be worth it: a third less time than one plain thread."""
    return row.p99_ms * (1.0 if row.threads == 1 and row.provider == "cpu" else 1.5)


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

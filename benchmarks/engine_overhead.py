"""What the host itself costs for each hop: rings, mixer, limiter, meters, resamplers; all but the model.

    python benchmarks/engine_overhead.py [--seconds 20]

One thread, no sound card: `Exchange` and `Pipeline` around plugins that only copy. The time of a hop is that of all
its callbacks and of the step, less the path's own; a machine with other work adds the time it spends on that. The last
column is the processor's time for all of it, the copying plugins included, which other work does not touch. Prints a
markdown table of the median, the 99th percentile, and both as a share of the hop (512 samples at 48 kHz, 10.67 ms).
"""

import argparse
import itertools
import os
import sys
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from realtime.live.path import Path as SoundPath
from realtime.live.pipeline import Hop, Pipeline
from realtime.plugins.chain import Chain
from tests.live_parts import Later, exchange_for, plan_for
from tests.signals import noise

HOP, RATE = 512, 48_000
BLOCKS = (64, 128, 512)
RATES = (48_000, 44_100)


class Keep:
    """A tap that copies what a recorder or the readouts need."""

    def __init__(self, channels: int) -> None:
        self._kept = np.zeros((2, channels, HOP), dtype=np.float32)

    def __call__(self, hop: Hop) -> None:
        np.copyto(self._kept[0], hop.raw)
        np.copyto(self._kept[1], hop.heard)


def hop_seconds(rate: int, block: int, extras: bool, channels: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """The host's time for each hop, and the processor's time for everything."""
    inverse = Later(128, 896, channels=channels) if extras else None
    path = SoundPath(Chain([Later(HOP, channels=channels)]), inverse)
    plan = plan_for(path, rate, rate, block, deadline_ms=8.0)
    exchange = exchange_for(plan, channels, channels, "dry")
    pipeline = Pipeline(exchange, path, plan, taps=[Keep(channels), Keep(channels)] if extras else [])
    audio, out = noise(rate * channels).reshape(rate, channels), np.zeros((block, channels), dtype=np.float32)
    spent, hops, marks = 0.0, [], [thread_time()]
    for turn in range(int(seconds * rate / block)):
        at = turn * block % (rate - block)
        started = perf_counter()
        exchange.capture(audio[at : at + block])
        exchange.play(out)
        while pipeline.step():
            hops.append(spent + perf_counter() - started - pipeline.chain_times.last_seconds)
            marks.append(thread_time())
            spent, started = 0.0, perf_counter()
        spent += perf_counter() - started
    return np.array(hops[len(hops) // 10 :]), np.diff(marks[len(hops) // 10 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    hop_s = HOP / RATE
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| device rate | block | channels | compare, taps | p50, ms | p99, ms | p50, % | p99, % | p99 of CPU, % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for rate, block, channels, extras in itertools.product(RATES, BLOCKS, (1, 2), (False, True)):
        host, processor = hop_seconds(rate, block, extras, channels, options.seconds)
        p50, p99 = np.percentile(host, [50, 99])
        figures = f"{1000 * p50:.3f} | {1000 * p99:.3f} | {100 * p50 / hop_s:.1f} | {100 * p99 / hop_s:.1f}"
        figures += f" | {100 * np.percentile(processor, 99) / hop_s:.1f}"
        print(f"| {rate} | {block} | {channels} | {'yes' if extras else 'no'} | {figures} |")


if __name__ == "__main__":
    main()

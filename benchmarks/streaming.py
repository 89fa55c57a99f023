"""How fast and how true a plugin file streams on this machine, one thread.

    python benchmarks/streaming.py [--model NAME|PATH] [--seconds 30]

Prints the time per hop (median, 99th percentile) and the real-time factor, the throughput of a whole file through
`process`, and the largest difference between streams in random blocks and one pass over the whole.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import deshift
from tests.signals import voice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    model = deshift.load(options.model)
    if model.shift_control is not None:
        model.set_shift(model.shift_control.maximum)
    rate, hop = model.facts.sample_rate, model.facts.hop_samples
    audio = voice(int(options.seconds * rate)).astype(np.float32)
    print(f"{model.facts.name}: {model.facts.parameters:,} parameters, hop {hop} samples, 1 thread")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    stream = model.stream()
    times = []
    for start in range(0, len(audio) - hop + 1, hop):
        begun = time.perf_counter()
        stream.process(audio[start : start + hop])
        times.append(time.perf_counter() - begun)
    median, late = np.percentile(times, [50, 99])
    print(f"stream: median {1000 * median:.2f} ms a hop, p99 {1000 * late:.2f} ms, RTF {median * rate / hop:.3f}")

    begun = time.perf_counter()
    whole = model.process(audio, rate)
    print(f"process: {options.seconds / (time.perf_counter() - begun):.1f} × real time")

    worst = 0.0
    for seed in range(3):
        random, heard, place = np.random.default_rng(seed), [], 0
        stream.reset()
        while place < len(audio):
            size = int(random.integers(0, 5000))
            heard.append(stream.process(audio[place : place + size]))
            place += size
        delayed = np.concatenate(heard)[stream.latency_samples :]
        worst = max(worst, float(np.abs(delayed - whole[: len(delayed)]).max()))
    print(f"random blocks of 0 to 4999 samples against the whole: largest difference {worst:.1e}")


if __name__ == "__main__":
    main()

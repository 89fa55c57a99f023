"""What the quality readouts cost on this machine, part by part, one thread.

    OMP_NUM_THREADS=1 python benchmarks/readouts.py [--seconds 4] [--rate 48000] [--repeats 5]

Prints the processor time of each part on a voice an octave up and its restoration, the best of some repeats, and how
often each part comes round in `RollingReadouts` at its default share of the time.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from realtime.quality.align import align
from realtime.quality.consistency import consistency_readouts
from realtime.quality.levels import bandwidth, levels
from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from realtime.quality.pitch import f0_track
from realtime.quality.readouts import level_readouts, pitch_readouts, reference_readouts
from realtime.quality.rolling import RollingReadouts
from realtime.quality.shifters import shift
from tests.signals import voice

TRAINED = (12.0, 12.0)


def cost_ms(work: Callable[[], object], repeats: int) -> float:
    work()  # filters are made once
    costs = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        costs.append(time.process_time() - begun)
    return 1000 * min(costs)


def rounds(input, output, reference, rate: int, run_s: float) -> None:
    rolling = RollingReadouts(rate, TRAINED)
    rolling.feed(input, output, reference)
    begun, used = time.perf_counter(), time.process_time()
    turns, seen = dict.fromkeys(("pitch", "consistency", "reference"), 0), {}
    while time.perf_counter() - begun < run_s:
        rolling.update()
        for part, age_s in rolling.ages_s.items():
            turns[part] += part not in seen or age_s < seen[part]
        seen = rolling.ages_s
        time.sleep(0.1)
    share = (time.process_time() - used) / (time.perf_counter() - begun)
    counts = ", ".join(f"{part} {count / run_s:.2f}" for part, count in turns.items())
    print(f"rolling, an update every 0.1 s: {counts} times a second, {100 * share:.0f} % of one processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rate, original = options.rate, voice(int(options.seconds * options.rate), 180, options.rate)
    damaged = shift(original[None], rate, 12, "vocoder")[0]
    restored = shift(damaged[None], rate, -12, "vocoder")[0]
    pitch, tracks, _ = pitch_readouts(damaged, restored, rate, TRAINED)
    again = damaged, restored, rate, pitch.input_semitones, tracks[0] if tracks else None, TRAINED
    parts: dict[str, Callable[[], object]] = {
        "levels (both sides)": lambda: level_readouts(damaged, restored, rate),
        "  levels of one side": lambda: levels(damaged),
        "  bandwidth of one side": lambda: bandwidth(damaged, rate),
        "pitch (both sides)": lambda: pitch_readouts(damaged, restored, rate, TRAINED),
        "  f0 of one side": lambda: f0_track(damaged, rate),
        "consistency": lambda: consistency_readouts(*again),
        "  vocoder": lambda: shift(restored[None], rate, 12, "vocoder"),
        "  mel distance": lambda: mel_distance(restored, damaged, rate),
        "reference": lambda: reference_readouts(restored, original, rate),
        "  alignment": lambda: align(restored, original, rate),
        "  MR-STFT": lambda: mr_stft(restored, original, rate),
        "  SI-SDR": lambda: si_sdr(restored, original),
    }
    print(f"{options.seconds:g} s at {rate} Hz; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, work in parts.items():
        cost = cost_ms(work, options.repeats)
        print(f"{name:26} {cost:7.1f} ms, {cost / options.seconds:6.2f} ms per second of sound")
    rounds(damaged, restored, original, rate, run_s=10)


if __name__ == "__main__":
    main()

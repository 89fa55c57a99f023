"""What a limiter does to levels: pedalboard's against ours, both with a ceiling of -1 dBFS.

    python benchmarks/limiter.py

Prints a markdown table: the level of a steady 1 kHz tone before and behind each, as peaks in dBFS. Below the ceiling a
limiter must change nothing, and above it every level must come out at the ceiling.
"""

import sys
from pathlib import Path

import numpy as np
import pedalboard

sys.path.insert(0, str(Path(__file__).parents[1]))

from realtime.live.mixer import Limiter, from_db
from tests.signals import SAMPLE_RATE, Audio, noise_bursts, tone

LEVELS_DB = (-60, -40, -20, -12, -10, -8, -6, -3, -1, 0, 3, 6, 12)
HOP = 512


def peak_db(audio: Audio) -> float:
    """Of the second half, in which both have settled."""
    return float(20 * np.log10(np.abs(audio[len(audio) // 2 :]).max() + 1e-10))


def by_pedalboard(audio: Audio) -> Audio:
    limiter = pedalboard.Limiter(threshold_db=Limiter.CEILING_DB, release_ms=1000 * Limiter.RELEASE_SECONDS)
    return np.asarray(limiter(audio[None], SAMPLE_RATE))[0]


def by_ours(audio: Audio) -> Audio:
    limiter, limited = Limiter(HOP, SAMPLE_RATE), audio.copy()
    for at in range(0, len(audio) - HOP + 1, HOP):
        limiter.process(limited[None, at : at + HOP])
    return limited


def main() -> None:
    print("| in, dBFS | pedalboard, dBFS | change, dB | ours, dBFS | change, dB |")
    print("|---|---|---|---|---|")
    for level_db in LEVELS_DB:
        audio = tone(1000, 4 * 93 * HOP, level=from_db(level_db))
        theirs, ours = peak_db(by_pedalboard(audio)), peak_db(by_ours(audio))
        print(f"| {level_db} | {theirs:.2f} | {theirs - level_db:+.2f} | {ours:.2f} | {ours - level_db:+.2f} |")
    bursts = noise_bursts(2 * 93 * HOP)
    bursts *= 0.5 / np.abs(bursts).max()
    for name, limit in (("pedalboard", by_pedalboard), ("ours", by_ours)):
        largest = np.abs(limit(bursts) - bursts).max()
        print(f"bursts of noise at -6 dBFS, largest difference to the input, {name}: {largest:.3g}")


if __name__ == "__main__":
    main()

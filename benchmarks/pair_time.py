"""How long a second of a recording takes to become a pair, by shifter, and to be shifted back for `restore`.

    python -m benchmarks.pair_time

Prints the processor time of one core; docs/gpu.md holds the figures.
"""

import time

import numpy as np

from realtime.quality.prestage import shift_back
from realtime.quality.shifters import SHIFTER_NAMES, shift
from tests.signals import voice

SECONDS, RATE, SEMITONES, ROUNDS = 10, 48_000, 5.0, 5


def main() -> None:
    """The median of five rounds for each shifter."""
    original = voice(SECONDS * RATE)[None]
    for shifter in SHIFTER_NAMES:
        times = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            shifted = shift(original, RATE, SEMITONES, shifter)
            between = time.process_time()
            shift_back(shifted, SEMITONES, "vocoder1024")
            times.append((between - begun, time.process_time() - between))
        damage, back = np.median(times, axis=0) / SECONDS
        print(f"{shifter:12} {damage:.3f} s + {back:.3f} s to shift back = {damage + back:.3f} s for a second")


if __name__ == "__main__":
    main()

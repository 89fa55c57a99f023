"""Measure every shifter: delay by envelope correlation, drift over 30 s, pitch error, real-time factor.

    python benchmarks/shifter_alignment.py [FOLDER OF RECORDINGS]

Without a folder it measures bursts of noise and a synthetic voice; with one, also up to six of its recordings.
Prints a markdown table; docs/training-data.md holds one.
"""

import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).parents[1]))

from realtime.quality.shifters import SHIFTER_NAMES, band_limit, shift
from tests.signals import SAMPLE_RATE, Audio, envelope_delay_ms, frequency_of, harmonic, noise_bursts, voice

SECONDS = 30
SEMITONES = (-12, -7, -4, 4, 7, 12)


def recordings(folder: Path) -> list[Audio]:
    """The first 6 s of at most six recordings, mono, at 48 kHz."""
    found = []
    for path in sorted(folder.rglob("*.flac"))[:6]:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(soxr.resample(audio[: 6 * rate].mean(axis=1), rate, SAMPLE_RATE))
    return found


def delay_ms(audio: Audio, semitones: float, shifter: str) -> float:
    limited = band_limit(audio[None], SAMPLE_RATE, semitones)
    return envelope_delay_ms(shift(limited, SAMPLE_RATE, semitones, shifter)[0], limited[0])


def row(shifter: str, semitones: float, clips: list[Audio]) -> str:
    bursts = band_limit(noise_bursts(SECONDS * SAMPLE_RATE)[None], SAMPLE_RATE, semitones)
    start = time.perf_counter()
    shifted = shift(bursts, SAMPLE_RATE, semitones, shifter)
    factor = (time.perf_counter() - start) / SECONDS
    places = range(SAMPLE_RATE, (SECONDS - 2) * SAMPLE_RATE, SAMPLE_RATE)
    delays = [envelope_delay_ms(shifted[0, at : at + SAMPLE_RATE], bursts[0, at : at + SAMPLE_RATE]) for at in places]
    note = shift(harmonic(220, 2 * SAMPLE_RATE)[None], SAMPLE_RATE, semitones, shifter)[0, 24_000:72_000]
    cents = 1200 * np.log2(frequency_of(note) / 220) - 100 * semitones
    drift_ms = np.median(delays[-8:]) - np.median(delays[:8])
    spoken = [delay_ms(clip, semitones, shifter) for clip in [voice(4 * SAMPLE_RATE), *clips]]
    figures = f"{np.median(delays):+.1f} | {drift_ms:+.1f} | {np.median(spoken):+.1f} | {cents:+.1f} | {factor:.3f}"
    return f"| {shifter} | {semitones:+d} | {figures} |"


def main() -> None:
    clips = recordings(Path(sys.argv[1])) if len(sys.argv) > 1 else []
    print(
        "| shifter | semitones | noise bursts, ms | drift in 30 s, ms | voice, ms | pitch error, cents | × real time |"
    )
    print("|---|---|---|---|---|---|---|")
    for shifter in SHIFTER_NAMES:
        for semitones in SEMITONES:
            print(row(shifter, semitones, clips), flush=True)


if __name__ == "__main__":
    main()

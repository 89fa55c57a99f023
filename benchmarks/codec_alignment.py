"""Measure what libsndfile's lossy codecs do to a sound: delay, band, bit rate, error, speed.

    python benchmarks/codec_alignment.py [FOLDER OF RECORDINGS]

Without a folder, bit rate and error are those of a synthetic voice; with one, medians of at most twelve recordings.
Prints a markdown table; docs/training-data.md holds one. Levels in brackets are ones that training does not use.
"""

import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.signals import SAMPLE_RATE, Audio, low_band_delay, noise, voice
from training.lossy import CODECS, Codec, encode
from training.recordings import SUFFIXES

VORBIS, OPUS, MP3 = CODECS
CONSTANT = replace(MP3, name="mp3, constant rate", bitrate_mode="CONSTANT")
CASES = (
    *((VORBIS, level) for level in (0.6, 0.8, 1.0)),
    *((OPUS, level) for level in (0.7, 0.78, 0.85, 0.9)),
    *((MP3, level) for level in (0.5, 0.7, 0.84, 0.9)),
    *((CONSTANT, level) for level in (0.8, 0.9)),
)
LARGEST_LAG = 2000


def recordings(folder: Path) -> list[Audio]:
    """The first 6 s of twelve recordings spread over the folder, mono, at 48 kHz."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    found = []
    for path in paths[:: max(1, len(paths) // 12)][:12]:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        found.append(soxr.resample(audio[: 6 * rate].mean(axis=1), rate, SAMPLE_RATE))
    return found


def decoded(audio: Audio, codec: Codec, level: float) -> tuple[Audio, int]:
    """What comes back, whatever its length, and the size of the file in bytes."""
    file = encode(audio, codec, level)
    heard, _ = soundfile.read(io.BytesIO(file), dtype="float32")
    return heard, len(file)


def click_delay(codec: Codec, level: float) -> int:
    """Samples that clicks come late."""
    clicks = np.zeros(150_000, np.float32)
    places = np.arange(LARGEST_LAG, 140_000, 4801)
    clicks[places] = 0.8
    heard, _ = decoded(clicks, codec, level)
    lags = np.arange(-LARGEST_LAG, LARGEST_LAG + 1)
    return int(lags[np.argmax([heard[places + lag].sum() for lag in lags])])


def band_hz(codec: Codec, level: float) -> float:
    """Above this, noise is more than 20 dB down."""
    audio = noise(299_008)
    heard, _ = decoded(audio, codec, level)
    coded, plain = (
        np.abs(np.fft.rfft(part[: len(audio)].reshape(-1, 2048) * np.hanning(2048))).mean(axis=0)
        for part in (heard, audio)
    )
    return float(np.flatnonzero(coded > 0.1 * plain)[-1] * SAMPLE_RATE / 2048)


def low_delay(codec: Codec, level: float) -> str:
    """Samples that the band below 3 kHz of noise comes late."""
    audio = noise(300_000)
    heard, _ = decoded(audio, codec, level)
    return f"{low_band_delay(heard, audio):+.2f}" if len(heard) == len(audio) else "other length"


def row(codec: Codec, level: float, clips: list[Audio]) -> str:
    rates, errors = [], []
    begun = time.perf_counter()
    for clip in clips:
        heard, size = decoded(clip, codec, level)
        moved = click_delay(codec, level) if len(heard) != len(clip) else 0
        error = heard[moved : moved + len(clip)] - clip
        rates.append(8 * size * SAMPLE_RATE / len(clip) / 1000)
        errors.append(20 * np.log10(error.std() / clip.std()))
    factor = (time.perf_counter() - begun) * SAMPLE_RATE / sum(len(clip) for clip in clips)
    used = codec in CODECS and codec.levels[0] <= level <= codec.levels[1]
    told = f"{level:g}" if used else f"({level:g})"
    figures = f"{click_delay(codec, level):+d} | {low_delay(codec, level)} | {band_hz(codec, level) / 1000:.1f}"
    return f"| {codec.name} | {told} | {figures} | {np.median(rates):.0f} | {np.median(errors):.0f} | {factor:.3f} |"


def main() -> None:
    clips = recordings(Path(sys.argv[1])) if len(sys.argv) > 1 else [voice(6 * SAMPLE_RATE)]
    print(f"libsndfile {soundfile.__libsndfile_version__}\n")
    print("| codec | level | clicks, samples | low band, samples | band, kHz | kbit/s | error, dB | × real time |")
    print("|---|---|---|---|---|---|---|---|")
    for codec, level in CASES:
        print(row(codec, level, clips), flush=True)


if __name__ == "__main__":
    main()

"""Measure the vocoder: time per hop, and how near it comes to the original when it undoes other shifters.

    python benchmarks/vocoder.py [FOLDER OF RECORDINGS]

Each recording is damaged by Signalsmith Stretch and by Rubber Band R3 (band-limited first where the shift is up), then
shifted back by the vocoder, by Signalsmith and by Rubber Band; the last two hear the whole sound at once. Without a
folder it takes a synthetic voice and bursts of noise. Prints two markdown tables; docs/vocoder.md holds them.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).parents[1]))

from realtime.plugins.vocoder import WINDOWS, Vocoder
from realtime.quality import vocoder_windows
from realtime.quality.metrics import mel_distance, mr_stft
from realtime.quality.shifters import band_limit, shift
from tests.signals import SAMPLE_RATE, Audio, noise_bursts, voice

SEMITONES = (12, 4, -5, -12)
DAMAGES = ("signalsmith", "rubberband")
MOST_CLIPS = 8
CLIP_SECONDS = 3
Inverse = Callable[[Audio, int], Audio]


def clips(folder: Path | None) -> list[Audio]:
    """The loudest 3 s of up to eight recordings spread over the folder, mono, at 48 kHz."""
    if folder is None:
        return [voice(CLIP_SECONDS * SAMPLE_RATE), noise_bursts(CLIP_SECONDS * SAMPLE_RATE)]
    paths = sorted(path for ending in ("flac", "wav") for path in folder.rglob(f"*.{ending}"))
    if not paths:
        raise SystemExit(f"no .flac or .wav file in {folder}: give a folder of recordings")
    spread = np.unique(np.linspace(0, len(paths) - 1, min(MOST_CLIPS, len(paths))).astype(int))
    return [loudest(paths[place]) for place in spread]


def loudest(path: Path) -> Audio:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
    length, step = CLIP_SECONDS * SAMPLE_RATE, SAMPLE_RATE // 10
    starts = range(0, max(1, len(mono) - length), step)
    start = max(starts, key=lambda at: float(np.sum(mono[at : at + length] ** 2)))
    return mono[start : start + length]


def undone(vocoder: Vocoder, audio: Audio) -> Audio:
    """The whole of `audio` through the vocoder, its delay taken off."""
    hop, late = vocoder.hop_samples, vocoder.latency_samples - vocoder.hop_samples
    padded = np.pad(audio, (0, late + -(len(audio) + late) % hop))
    blocks = [vocoder.process(padded[None, at : at + hop]) for at in range(0, len(padded), hop)]
    return np.concatenate(blocks, axis=1)[0, late : late + len(audio)]


def with_vocoder(window_samples: int) -> Inverse:
    return lambda audio, semitones: undone(Vocoder(SAMPLE_RATE, 1, semitones, window_samples), audio)


def with_one_window(samples: int) -> Inverse:
    """The vocoder with one Hann window in both directions: what the windows by direction are measured by."""

    def undo(audio: Audio, semitones: int) -> Audio:
        kept = dict(vocoder_windows.SPANS)
        vocoder_windows.SPANS[samples] = ((samples, samples), (samples, samples))
        vocoder_windows.windows.cache_clear()
        try:
            return with_vocoder(samples)(audio, semitones)
        finally:
            vocoder_windows.SPANS.update(kept)
            vocoder_windows.windows.cache_clear()

    return undo


def with_shifter(name: str) -> Inverse:
    return lambda audio, semitones: shift(audio[None], SAMPLE_RATE, semitones, name)[0]


def quality(found: list[Audio]) -> None:
    inverses: dict[str, Inverse] = {
        "nothing": lambda audio, semitones: audio,
        "1024, one window": with_one_window(1024),
        "vocoder 1024": with_vocoder(1024),
        "2048, one window": with_one_window(2048),
        "vocoder 2048": with_vocoder(2048),
        "Signalsmith, offline": with_shifter("signalsmith"),
        "Rubber Band R3, offline": with_shifter("rubberband"),
    }
    print(f"\n| damage | semitones | {' | '.join(inverses)} |\n|{'---|' * (len(inverses) + 2)}")
    for damage in DAMAGES:
        for semitones in SEMITONES:
            totals = np.zeros((len(inverses), 2))
            for clip in found:
                original = band_limit(clip[None], SAMPLE_RATE, semitones)
                damaged = shift(original, SAMPLE_RATE, semitones, damage)[0]
                for total, undo in zip(totals, inverses.values(), strict=True):
                    total += distances(undo(damaged, -semitones), original[0])
            figures = " | ".join(f"{mel:.2f} / {stft:.2f}" for mel, stft in totals / len(found))
            print(f"| {damage} | {semitones:+d} | {figures} |", flush=True)


def distances(heard: Audio, original: Audio) -> tuple[float, float]:
    return mel_distance(heard, original, SAMPLE_RATE), mr_stft(heard, original, SAMPLE_RATE)


def speed(audio: Audio) -> None:
    titles = ("window", "channels", "latency, ms", "hop, ms", "median, µs", "p99, µs", "× real time")
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for window in WINDOWS:
        for channels in (1, 2):
            vocoder = Vocoder(SAMPLE_RATE, channels, -12.0, window)
            hop, times_us = vocoder.hop_samples, []
            for at in range(0, len(audio) - hop, hop):
                block = np.tile(audio[at : at + hop], (channels, 1))
                start = time.perf_counter()
                vocoder.process(block)
                times_us.append(1e6 * (time.perf_counter() - start))
            median_us, hop_us = float(np.median(times_us)), 1e6 * hop / SAMPLE_RATE
            latency_ms = 1000 * vocoder.latency_samples / SAMPLE_RATE
            print(
                f"| {window} | {channels} | {latency_ms:.1f} | {hop_us / 1000:.2f} | {median_us:.0f} | "
                f"{np.percentile(times_us, 99):.0f} | {median_us / hop_us:.3f} |",
                flush=True,
            )


def main() -> None:
    found = clips(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    speed(found[0])
    quality(found)


if __name__ == "__main__":
    main()

"""The figures of docs/model-card.md: a plugin file beside doing nothing and beside Signalsmith's inverse.

    python benchmarks/model_card.py FOLDER [--model NAME|PATH] [--semitones 12]

Every recording of FOLDER (its sub-folders are the kinds: speech, singing, …) is band-limited, shifted by each shifter
and restored by each way. Shifters that the model was trained with are its *matched* damage, the others *unseen*.
Prints markdown; mean over the recordings; lower is better except for SI-SDR.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

import deshift
from realtime.model import Model
from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from realtime.quality.shifters import SHIFTER_NAMES, band_limit, shift

Audio = NDArray[np.float32]
LONGEST_SECONDS = 10  # of one recording, from its middle


def recordings(folder: Path, rate: int) -> Iterator[tuple[str, Audio]]:
    """(kind, audio ``(1, N)``) of every sound file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower().lstrip(".") not in ("wav", "flac", "ogg", "opus", "mp3"):
            continue
        audio, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = soxr.resample(audio.mean(axis=1), source_rate, rate, quality="VHQ")
        start = max(0, len(mono) - LONGEST_SECONDS * rate) // 2
        yield path.relative_to(folder).parts[0], mono[None, start : start + LONGEST_SECONDS * rate]


def ways(model: Model, semitones: float) -> dict[str, Callable[[Audio], Audio]]:
    rate = model.facts.sample_rate
    return {
        "doing nothing": lambda shifted: shifted,
        f"model {model.facts.name}": lambda shifted: model.process(shifted[0], rate)[None],
        "Signalsmith's inverse": lambda shifted: shift(shifted, rate, -semitones, "signalsmith"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--semitones", type=float, default=12.0)
    options = parser.parse_args()
    model = deshift.load(options.model)
    if model.shift_control is not None:
        model.set_shift(options.semitones)
    rate, trained = model.facts.sample_rate, model.facts.training.get("shifters", [])
    figures: dict[tuple[str, str, str], list[tuple[float, float, float]]] = defaultdict(list)
    spent: dict[str, float] = defaultdict(float)
    clips = list(recordings(options.folder, rate))
    for kind, recording in clips:
        original = band_limit(recording, rate, options.semitones)
        for shifter in SHIFTER_NAMES:
            shifted = shift(original, rate, options.semitones, shifter)
            for way, restore in ways(model, options.semitones).items():
                begun = time.perf_counter()
                restored = restore(shifted)
                spent[way] += time.perf_counter() - begun
                row = (
                    mel_distance(restored, original, rate),
                    mr_stft(restored, original, rate),
                    si_sdr(restored, original),
                )
                figures[shifter, kind, way].append(row)
                figures[shifter, "all", way].append(row)
    print("| damage | kind | clips | restored by | mel | MR-STFT | SI-SDR, dB |\n|---|---|---|---|---|---|---|")
    for (shifter, kind, way), rows in sorted(figures.items()):
        mel, stft, ratio = np.mean(rows, axis=0)
        seen = "matched" if shifter in trained else "unseen"
        print(f"| {shifter} ({seen}) | {kind} | {len(rows)} | {way} | {mel:.2f} | {stft:.2f} | {ratio:.1f} |")
    seconds = sum(audio.shape[1] for _, audio in clips) / rate * len(SHIFTER_NAMES)
    for way, time_spent in spent.items():
        print(f"{way}: real-time factor {time_spent / seconds:.3f}")


if __name__ == "__main__":
    main()

"""What a restoring model adds to its vocoder, and how much of it does no harm: `export --residual` is chosen by it.

    python -m benchmarks.residual MODEL FOLDER [FOLDER ...]

Each folder is one kind of sound; take recordings that the model was trained with, not those that judge it. Up to
twelve of a folder, 3 s each, are damaged by every shifter that `deshift train` has, each time by another interval.
Prints three markdown tables: how the distances change against the vocoder alone, by kind, damage and direction, when a
share of what the file adds is added; how many dB the whole of it changes the octaves, with its spread over time; and
how far the distances would fall if the level of every band were the original's: what levels alone can bring.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.vocoder import SAMPLE_RATE, distances, loudest
from realtime.model import Model, load_model
from realtime.quality.metrics import mel_filterbank
from realtime.quality.prestage import shift_back
from realtime.quality.shifters import SHIFTER_NAMES, band_limit, shift

SHARES = (0.4, 0.6, 0.8, 1.0)
MOST_CLIPS = 12
SEED = 0
NEAREST = 1.0  # semitones; a shift that does next to nothing leaves no distance to compare with
LOWEST_HZ, OCTAVES = 62.5, 8
FRAME = 2048
WINDOW, HOP = 1024, 128
BAND_COUNTS = (16, 40, 100)
LARGEST_GAIN = 10.0
QUIETEST = 1e-5  # a band below -100 dB has no level to speak of

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """One damaged clip: ``(N,)`` after the vocoder, after the model, and before the damage."""

    kind: str
    shifter: str
    semitones: float
    vocoder: Audio
    model: Audio
    original: Audio


def trials(model: Model, folders: list[Path]) -> Iterator[Trial]:
    prestage, draw = str(model.facts.recipe["prestage"]), np.random.default_rng(SEED)
    low, high = model.facts.shift_semitones
    for folder in folders:
        found = sorted(path for path in folder.iterdir() if path.suffix in (".flac", ".wav", ".ogg"))
        if not found:
            raise SystemExit(f"no .flac, .wav or .ogg file in {folder}: give folders of recordings")
        for place in np.unique(np.linspace(0, len(found) - 1, min(MOST_CLIPS, len(found))).astype(int)):
            clip = loudest(found[place])
            for shifter in SHIFTER_NAMES:
                semitones = float(draw.choice([draw.uniform(low, -NEAREST), draw.uniform(NEAREST, high)]))
                original = band_limit(clip[None], SAMPLE_RATE, semitones)
                damaged = shift(original, SAMPLE_RATE, semitones, shifter)
                model.set_shift(semitones)
                restored = model.process(damaged[0], SAMPLE_RATE)
                back = shift_back(damaged, semitones, prestage)[0]
                yield Trial(folder.name, shifter, semitones, back, restored, original[0])


def gains(trial: Trial) -> NDArray[np.float64]:
    """Mel distance and MR-STFT as factors of the vocoder's alone, for each share: ``(shares, 2)``."""
    added = trial.model - trial.vocoder
    alone = np.array(distances(trial.vocoder, trial.original))
    return np.array([distances(trial.vocoder + share * added, trial.original) for share in SHARES]) / alone


def octave_levels(audio: Audio) -> NDArray[np.float64]:
    """dB in each octave and frame, nan where there is nothing: ``(frames, OCTAVES)``."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, FRAME)[:: FRAME // 2] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames)) ** 2 / FRAME**2
    edges = np.rint(LOWEST_HZ * 2.0 ** np.arange(OCTAVES + 1) * FRAME / SAMPLE_RATE).astype(int)
    sums = np.stack([power[:, low:high].sum(axis=1) for low, high in pairwise(edges)], axis=1)
    levels: NDArray[np.float64] = np.where(sums > QUIETEST**2, 10 * np.log10(np.maximum(sums, 1e-30)), np.nan)
    return levels


def share_table(found: list[Trial]) -> None:
    groups = defaultdict(list)
    for trial in found:
        groups[trial.kind, trial.shifter, "up" if trial.semitones > 0 else "down"].append(gains(trial))
    print("| kind | damage | shifted | clips |" + "".join(f" {share:g} |" for share in SHARES))
    print("|---|---|---|---|" + "---|" * len(SHARES))
    means = {key: np.mean(values, axis=0) for key, values in sorted(groups.items())}
    for key, ratios in means.items():
        figures = " | ".join(f"{mel:.3f} / {stft:.3f}" for mel, stft in ratios)
        print(f"| {' | '.join(key)} | {len(groups[key])} | {figures} |")
    every = np.array(list(means.values()))
    print("| mean | | | |" + "".join(f" {mel:.3f} / {stft:.3f} |" for mel, stft in every.mean(axis=0)))
    worse = (every > 1).sum(axis=0)
    print(f"| worse, of {len(every)} | | | |" + "".join(f" {mel} / {stft} |" for mel, stft in worse))


def level_table(found: list[Trial]) -> None:
    print("\n| kind |" + "".join(f" {LOWEST_HZ * 2**octave:g} Hz |" for octave in range(OCTAVES)))
    print("|---|" + "---|" * OCTAVES)
    for kind in dict.fromkeys(trial.kind for trial in found):
        of_kind = [trial for trial in found if trial.kind == kind]
        changes = [octave_levels(trial.model) - octave_levels(trial.vocoder) for trial in of_kind]
        means = np.nanmean(np.concatenate(changes), axis=0)
        spread = np.nanmean([np.nanstd(change, axis=0) for change in changes], axis=0)
        print(f"| {kind} |" + "".join(f" {mean:+.1f} ± {std:.1f} |" for mean, std in zip(means, spread, strict=True)))


def spectra(audio: Audio) -> NDArray[np.complex128]:
    padded = np.pad(audio.astype(np.float64), WINDOW)
    window = np.sqrt(np.hanning(WINDOW + 1)[:-1])
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * window)


def sound_of(spectrum: NDArray[np.complex128], samples: int) -> Audio:
    """The inverse of `spectra`: squared windows that overlap eightfold add up to 4."""
    frames = np.fft.irfft(spectrum, WINDOW) * np.sqrt(np.hanning(WINDOW + 1)[:-1])
    audio = np.zeros(WINDOW + HOP * len(frames))
    for place, frame in enumerate(frames):
        audio[place * HOP : place * HOP + WINDOW] += frame / (WINDOW / HOP / 2)
    return audio[WINDOW : WINDOW + samples].astype(np.float32)


def with_levels_of(original: Audio, heard: Audio, bands: int, steady: bool) -> Audio:
    """`heard` with the level of each band as in `original`: in every hop, or by one factor for the whole (`steady`)."""
    filters = mel_filterbank(SAMPLE_RATE, WINDOW, bands) + 1e-12
    spectrum = spectra(heard)
    wanted, found = (np.sqrt(np.abs(each) ** 2 @ filters.T + QUIETEST**2) for each in (spectra(original), spectrum))
    factors = np.clip(wanted / found, 1 / LARGEST_GAIN, LARGEST_GAIN)
    if steady:
        factors = np.exp(np.log(factors).mean(axis=0, keepdims=True))
    return sound_of(spectrum * np.exp(np.log(factors) @ (filters / filters.sum(axis=0))), len(heard))


def ceiling_table(found: list[Trial]) -> None:
    print("\n| levels set to the original's | mel | MR-STFT |\n|---|---|---|")
    rows = {"none: the vocoder": [distances(trial.vocoder, trial.original) for trial in found]}
    rows["by the model"] = [distances(trial.model, trial.original) for trial in found]
    for steady, when in ((True, "once for a clip"), (False, "every 2.7 ms")):
        for bands in BAND_COUNTS:
            heard = (with_levels_of(trial.original, trial.vocoder, bands, steady) for trial in found)
            rows[f"{bands} bands, {when}"] = [
                distances(audio, trial.original) for audio, trial in zip(heard, found, strict=True)
            ]
    for name, figures in rows.items():
        mel, stft = np.mean(figures, axis=0)
        print(f"| {name} | {mel:.3f} | {stft:.3f} |", flush=True)


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    model = load_model(sys.argv[1])
    if not all(model.facts.recipe.get(part) for part in ("residual", "conditioned", "prestage")):
        raise SystemExit(f"{sys.argv[1]} adds nothing to a vocoder that is told the shift: give a restoring one")
    found = list(trials(model, [Path(name) for name in sys.argv[2:]]))
    share_table(found)
    level_table(found)
    ceiling_table(found)


if __name__ == "__main__":
    main()

"""Recordings to pairs (shifted, original): made once, in parallel, kept on disk under a key of their settings."""

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from realtime.quality import peak_vocoder
from realtime.quality.prestage import PRESTAGES
from realtime.quality.shifters import LARGEST_SHIFT_SEMITONES, SHIFTER_NAMES
from realtime.quality.worker_pool import worker_pool
from training.crops import Crops, Pair, centre_crops, read_crop
from training.lossy import SAMPLE_RATE as CODEC_RATE
from training.lossy import check_codecs
from training.pair_cache import Damage, Made, find, make, pairs_of, remove_stale
from training.recordings import PairsError, Recording, find_recordings, hash_recordings

__all__ = [
    "Crops",
    "Pair",
    "PairIndex",
    "PairSettings",
    "PairsError",
    "Skipped",
    "centre_crops",
    "make_pairs",
    "read_crop",
    "split_validation",
]

_REASONS_TOLD = 10

Job = tuple[Recording, Damage]


@dataclass(frozen=True)
class PairSettings:
    """What to do to the recordings.

    Args:
        shifters: names from `realtime.quality.shifters`; every one is applied to every segment.
        semitones: a set; every (segment, shifter, semitone) is one pair.
        semitone_range: instead of the set, one value per (segment, shifter), drawn from here by content and seed.
        sample_rate: Hz of the pairs; seed: of the draws.
        prestage: shifts every damaged sound back; a recipe's own, see `training.recipes.Recipe`.
        augment: probability of each of a noise floor, a narrow band and a codec, see `training.augment`; 0 is none.
    """

    shifters: tuple[str, ...] = ("signalsmith",)
    semitones: tuple[float, ...] = (12.0,)
    semitone_range: tuple[float, float] | None = None
    sample_rate: int = 48_000
    seed: int = 0
    prestage: str = ""
    augment: float = 0.0


@dataclass(frozen=True)
class Skipped:
    """A file that gave no pair, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class PairIndex:
    """What `make_pairs` made. `hours` counts every recording once, whatever the number of shifts."""

    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...]
    hours: float
    source_hashes: tuple[str, ...]


def make_pairs(
    folders: Sequence[Path],
    settings: PairSettings,
    cache: Path,
    workers: int,
    report: Callable[[int, int], None],
    only: Collection[str] | None = None,
) -> PairIndex:
    """Make the pairs of every recording below the folders, or take those that an earlier run left whole.

    Args:
        folders: searched through; settings: see `PairSettings`; cache: folder that keeps the pairs.
        workers: processes; 1 works in this one. report: called as ``report(done, total)`` in units of (file, shift).
        only: content hashes of the recordings to take; None takes all.
    Returns: the pairs in an order that depends on content and settings alone, and what was skipped.
    Raises: PairsError for a bad setting, a missing folder, no usable recording or a lost worker; ShifterError for a
        library that is not installed; OSError if the cache cannot be written.
    """
    damages = _damages(settings)
    recordings, failed = hash_recordings(find_recordings(folders), cache / "sources.json")
    reasons = {path: [reason] for path, reason in failed.items()}
    unique: dict[str, Recording] = {}
    for recording in recordings:
        if only is not None and recording.content_hash not in only:
            continue
        first = unique.setdefault(recording.content_hash, recording)
        if first is not recording:
            reasons[recording.path] = [f"same content as {first.path.name}"]
    for damage in damages:
        remove_stale(damage, cache)
    jobs = [(recording, damage) for damage in damages for _, recording in sorted(unique.items())]
    made = _run(jobs, cache, workers, report)
    for job in jobs:
        if reason := made[job].skipped:
            reasons.setdefault(job[0].path, []).append(reason)
    skipped = tuple(Skipped(path, "; ".join(dict.fromkeys(told))) for path, told in sorted(reasons.items()))
    pairs = tuple(pair for job in jobs for pair in pairs_of(*job, made[job], cache))
    if not pairs:
        raise PairsError(_nothing_usable(folders, skipped))
    return _index(pairs, skipped, settings.sample_rate)


def split_validation(index: PairIndex, sample_rate: int = 48_000, share: float = 0.05) -> tuple[PairIndex, PairIndex]:
    """Hold out whole recordings, chosen by content, so that recordings added later seldom move one across.

    Args: index: of `make_pairs`; sample_rate: Hz of the pairs; share: how many of the recordings, about.
    Returns: training, validation; skipped files stay with training.
    Raises: PairsError if there is only one recording.
    """
    if len(index.source_hashes) < 2:
        raise PairsError("one recording cannot be split: give a second one, or a folder of validation recordings")
    draws = {hashlib.sha256(f"held out {name}".encode()).digest(): name for name in index.source_hashes}
    ordered = sorted(draws)
    held = {draws[draw] for draw in ordered if int.from_bytes(draw[:8]) < share * 2**64}
    held = (held | {draws[ordered[0]]}) - {draws[ordered[-1]]}  # at least one on each side
    training = tuple(pair for pair in index.pairs if pair.source_hash not in held)
    validation = tuple(pair for pair in index.pairs if pair.source_hash in held)
    return _index(training, index.skipped, sample_rate), _index(validation, (), sample_rate)


def _damages(settings: PairSettings) -> list[Damage]:
    shifters = dict.fromkeys(settings.shifters)
    for name in shifters:
        if name not in SHIFTER_NAMES:
            raise PairsError(f"unknown shifter '{name}': choose from {', '.join(SHIFTER_NAMES)}")
    if settings.sample_rate <= 0:
        raise PairsError(f"sample rate {settings.sample_rate} Hz is not positive: 48000 is usual")
    limits = settings.semitones if settings.semitone_range is None else settings.semitone_range
    if not limits or not shifters:
        raise PairsError("no shift asked for: name at least one shifter and one interval in semitones")
    if settings.prestage and settings.prestage not in PRESTAGES:
        raise PairsError(f"unknown pre-stage {settings.prestage!r}: choose {', '.join(PRESTAGES)}, or none")
    largest = peak_vocoder.LARGEST_SHIFT_SEMITONES if settings.prestage else LARGEST_SHIFT_SEMITONES
    if not all(abs(value) <= largest for value in limits):
        told = f", as far as the pre-stage {settings.prestage} shifts back" if settings.prestage else ""
        raise PairsError(f"semitones {limits} are out of range: give {-largest:g} to {largest:g}{told}")
    augment = _share(settings)
    if settings.semitone_range is None:
        seed = settings.seed if augment else 0  # where nothing is drawn, the seed stays out of the key
        intervals = [float(value) for value in dict.fromkeys(settings.semitones)]
        return [
            Damage(name, value, None, seed, settings.sample_rate, settings.prestage, augment)
            for name in shifters
            for value in intervals
        ]
    low, high = settings.semitone_range
    if not low < high:
        raise PairsError(f"the range {low} to {high} semitones is empty: give the lower end first")
    span = (float(low), float(high))
    return [
        Damage(name, None, span, settings.seed, settings.sample_rate, settings.prestage, augment) for name in shifters
    ]


def _share(settings: PairSettings) -> float:
    if not 0 <= settings.augment <= 1:  # also catches NaN
        raise PairsError(f"augmenting a share of {settings.augment}: give 0 (none) to 1")
    if settings.augment:
        check_codecs()
        if settings.sample_rate != CODEC_RATE:
            raise PairsError(f"pairs at {settings.sample_rate} Hz cannot be augmented: the codecs need {CODEC_RATE} Hz")
    return float(settings.augment)


def _nothing_usable(folders: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    told = "; ".join(f"{entry.path.name}: {entry.reason}" for entry in skipped[:_REASONS_TOLD])
    more = f"; and {len(skipped) - _REASONS_TOLD} more" if len(skipped) > _REASONS_TOLD else ""
    return f"no usable recording in {', '.join(map(str, folders))}: {told}{more}"


def _run(jobs: list[Job], cache: Path, workers: int, report: Callable[[int, int], None]) -> dict[Job, Made]:
    made = {job: known for job in jobs if (known := find(*job, cache)) is not None}
    waiting = [job for job in jobs if job not in made]
    report(len(made), len(jobs))
    if workers <= 1 or len(waiting) <= 1:
        for job in waiting:
            made[job] = make(*job, cache)
            report(len(made), len(jobs))
        return made
    with worker_pool(min(workers, len(waiting))) as pool:
        try:
            running = {pool.submit(make, *job, cache): job for job in waiting}
            for future in as_completed(running):
                made[running[future]] = future.result()
                report(len(made), len(jobs))
        except BrokenProcessPool as error:
            raise PairsError("a process that made pairs was killed (memory?): run again with fewer workers") from error
    return made


def _index(pairs: tuple[Pair, ...], skipped: tuple[Skipped, ...], sample_rate: int) -> PairIndex:
    lengths = {pair.path.stem: pair.frames for pair in pairs}  # a segment once, whatever the number of shifts
    hours = math.fsum(lengths.values()) / sample_rate / 3600
    return PairIndex(pairs, skipped, hours, tuple(sorted({pair.source_hash for pair in pairs})))

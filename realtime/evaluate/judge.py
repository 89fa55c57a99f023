"""Every clip damaged in every way and restored by every system: one row of figures for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.evaluate.cells import Interval, damage
from realtime.evaluate.clips import SAMPLE_RATE, Clip, read_clip
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.figures import measure
from realtime.evaluate.placing import measured_delay, place, probe
from realtime.evaluate.systems import System, build_systems
from realtime.quality.shifters import band_limit
from realtime.quality.worker_pool import worker_pool

Audio = NDArray[np.float32]

SPEECH = "speech"
_WARM_UP_SAMPLES = SAMPLE_RATE // 4


@dataclass(frozen=True)
class Plan:
    """What is judged: the plugin files, the damages, the intervals, and how much of each clip."""

    model_paths: tuple[Path, ...]
    damages: tuple[str, ...]
    intervals: tuple[Interval, ...]
    seconds: float


@dataclass(frozen=True)
class Row:
    """One clip in one cell by one system.

    Attributes:
        figures: by the keys of `FIGURES`; None where one says nothing.
        offset_samples: the delay that was measured and taken off, at 48 kHz; None where nothing showed it.
        exact: that delay is right to the sample.
        real_time_factor: processor seconds per second of sound.
    """

    clip: str
    kind: str
    damage: str
    interval: str
    semitones: float
    system: str
    figures: dict[str, float | None]
    offset_samples: int | None
    exact: bool
    real_time_factor: float


@dataclass(frozen=True)
class Judged:
    """What became of one clip: its rows, or why it could not be used."""

    rows: tuple[Row, ...]
    problem: str = ""


def judge_all(plan: Plan, clips: Sequence[Clip], workers: int, report: Callable[[str], None]) -> list[Judged]:
    """Judge every clip; the order and the figures (real-time factors apart) do not depend on the workers.

    Args: workers: processes; 1 works in this one. report: gets a line after each clip.
    Raises: EvaluateError where a system fails or a worker is killed.
    """
    judged: list[Judged] = []
    if workers <= 1 or len(clips) <= 1:
        for clip in clips:
            judged.append(judge(plan, clip))
            report(_progress(judged, clips))
        return judged
    with worker_pool(min(workers, len(clips))) as pool:
        try:
            for future in [pool.submit(judge, plan, clip) for clip in clips]:
                judged.append(future.result())
                report(_progress(judged, clips))
        except BrokenProcessPool as error:
            told = "a process was killed (memory?): run again with fewer --workers or --seconds"
            raise EvaluateError(told) from error
    return judged


def judge(plan: Plan, clip: Clip) -> Judged:
    """Every row of one clip; a clip that cannot be used is told, not raised."""
    try:
        audio = read_clip(clip, plan.seconds)
    except EvaluateError as error:
        return Judged((), str(error))
    rows: list[Row] = []
    for interval in plan.intervals:
        semitones = interval.of(clip)
        original = original_of(audio, semitones)
        for name in plan.damages:
            shifted = damage(original, semitones, name)
            rows += _rows(plan, clip, original, shifted, interval, name)
    return Judged(tuple(rows))


def original_of(audio: Audio, semitones: float) -> Audio:
    """The target: without what the shift would push out of the band, which nothing could bring back."""
    limited: Audio = band_limit(audio[None], SAMPLE_RATE, semitones)[0]
    return limited


def systems_of(model_paths: tuple[Path, ...]) -> tuple[System, ...]:
    """The systems of this process, opened once and warmed up, so that no first call counts as speed."""
    return _warm_systems(model_paths)


@lru_cache(maxsize=1)
def _warm_systems(model_paths: tuple[Path, ...]) -> tuple[System, ...]:
    systems = tuple(build_systems(model_paths)[0])
    for system in systems:
        system.restore(np.full(_WARM_UP_SAMPLES, 1e-3, np.float32), 12.0)
    return systems


def _rows(
    plan: Plan, clip: Clip, original: Audio, shifted: Audio, interval: Interval, damage_name: str
) -> Iterator[Row]:
    semitones = interval.of(clip)
    for index, system in enumerate(systems_of(plan.model_paths)):
        begun = time.process_time()
        restored = system.restore(shifted, semitones)
        spent = time.process_time() - begun
        if restored is None:
            continue
        delay = _delay_of(plan.model_paths, index, damage_name, semitones)
        placed = place(restored, original, SAMPLE_RATE, delay)
        figures = measure(placed, SAMPLE_RATE, clip.kind == SPEECH)
        names = (clip.name, clip.kind, damage_name, interval.label, semitones, system.name)
        speed = spent / (len(original) / SAMPLE_RATE)
        yield Row(*names, figures, placed.offset_samples, placed.exact, speed)


@lru_cache(maxsize=4096)
def _delay_of(model_paths: tuple[Path, ...], index: int, damage_name: str, semitones: float) -> int | None:
    system = systems_of(model_paths)[index]
    return measured_delay(lambda sent: system.restore(_damaged_probe(damage_name, semitones), semitones), SAMPLE_RATE)


@lru_cache(maxsize=16)
def _damaged_probe(damage_name: str, semitones: float) -> Audio:
    """The probe, damaged once for all systems: a blind interval is another for every clip."""
    return damage(original_of(probe(SAMPLE_RATE), semitones), semitones, damage_name)


def _progress(judged: Sequence[Judged], clips: Sequence[Clip]) -> str:
    problem = judged[-1].problem
    return f"{len(judged)}/{len(clips)} {problem or clips[len(judged) - 1].name}"

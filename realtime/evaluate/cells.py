"""What is done to the recordings: shifters, intervals, and how each stands to what a model was trained with."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.contract import Facts
from realtime.evaluate.clips import SAMPLE_RATE, Clip
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.world import load_pyworld, world_shift
from realtime.quality.shifters import LARGEST_SHIFT_SEMITONES, SHIFTER_NAMES, ShifterError, shift

Audio = NDArray[np.float32]

WORLD = "world"
DAMAGES: tuple[str, ...] = (*SHIFTER_NAMES, WORLD)
USUAL_SEMITONES: tuple[float, ...] = (12.0, 7.0, 4.0, -4.0, -5.0, -7.0, -12.0)
BLIND = "blind"
BLIND_RANGE = (-12.0, 12.0)
_LEAST_BLIND = 1.0  # semitones: less is hardly a shift
RELATIONS = ("matched", "mixed", "unseen", "outside", "unknown")

_PACKAGES = {"signalsmith": "python_stretch", "rubberband": "pedalboard", "pedalboard": "pedalboard", WORLD: "pyworld"}


@dataclass(frozen=True)
class Interval:
    """A column of the table: one shift for all clips, or (`semitones` is None) one of its own for each clip."""

    semitones: float | None

    @property
    def label(self) -> str:
        """``+12``, ``-5`` or ``blind``."""
        return BLIND if self.semitones is None else f"{self.semitones:+g}"

    def of(self, clip: Clip) -> float:
        """The shift of a clip in semitones; a blind one is drawn from -12 … -1 and 1 … 12 by the clip's content."""
        if self.semitones is not None:
            return self.semitones
        draw = int(clip.content_hash, 16) / float(16 ** len(clip.content_hash))
        low, high = BLIND_RANGE
        signed = low + _LEAST_BLIND + draw * (high - low - 2 * _LEAST_BLIND)
        return round(signed + (_LEAST_BLIND if signed >= 0 else -_LEAST_BLIND), 2)


def damage(audio: Audio, semitones: float, name: str) -> Audio:
    """Shift one channel at 48 kHz by one of `DAMAGES`: ``(N,)`` -> ``(N,)``.

    Raises: EvaluateError, one line, where the library is missing or the interval is out of range.
    """
    if name == WORLD:
        return world_shift(audio, SAMPLE_RATE, semitones)
    try:
        shifted: Audio = shift(audio[None], SAMPLE_RATE, semitones, name)[0]
    except ShifterError as error:
        raise EvaluateError(str(error)) from error
    return shifted


def missing_package(name: str) -> str:
    """The package that a shifter needs and that is not installed; empty where nothing is missing."""
    package = _PACKAGES.get(name, "")
    return package if package and importlib.util.find_spec(package) is None else ""


def choose_damages(wanted: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The shifters to damage with, and a note for each that is left out: all that are installed, or those asked for.

    Raises: EvaluateError for an unknown name, or one that was asked for and is not installed.
    """
    for name in wanted:
        if name not in DAMAGES:
            raise EvaluateError(f"unknown damage '{name}': choose from {', '.join(DAMAGES)}")
        if package := missing_package(name):
            raise EvaluateError(
                f'damage by {name} needs {package}, which is not installed: pip install "deshift[evaluate]"'
            )
    if wanted:
        return tuple(dict.fromkeys(wanted)), []
    absent = {name: package for name in DAMAGES if (package := missing_package(name))}
    if WORLD not in absent:
        load_pyworld()
    notes = [f"no damage by {name}: {package} is not installed" for name, package in absent.items()]
    return tuple(name for name in DAMAGES if name not in absent), notes


def choose_intervals(wanted: Sequence[float], blind: bool | None, facts: Sequence[Facts]) -> tuple[Interval, ...]:
    """The intervals asked for; else the usual ones that some model was trained with, and the ends of its range.

    Args: blind: whether the blind set is one more; None: where no interval was asked for and some model covers it.
    Raises: EvaluateError for an interval out of range, or 0.
    """
    for value in wanted:
        if not 0 < abs(value) <= LARGEST_SHIFT_SEMITONES:
            raise EvaluateError(f"a shift of {value:g} semitones cannot be judged: give -36 to 36, and not 0")
    chosen = list(dict.fromkeys(wanted))
    if blind is None:
        blind = not wanted and (not facts or any(all(_within(end, one) for end in BLIND_RANGE) for one in facts))
    if not chosen:
        trained = {end for one in facts for end in one.shift_semitones if end != 0}
        inside = {value for value in USUAL_SEMITONES for one in facts if _within(value, one)}
        chosen = sorted(trained | inside, reverse=True) or list(USUAL_SEMITONES)
        chosen = [value for value in chosen if abs(value) <= LARGEST_SHIFT_SEMITONES] or list(USUAL_SEMITONES)
    return (*(Interval(value) for value in chosen), *([Interval(None)] if blind else []))


def relation(facts: Facts, damage_name: str, interval: Interval) -> str:
    """How a cell stands to a model's training, by the model's own facts: one of `RELATIONS`.

    matched: the one shifter it was trained with. mixed: one of several. unseen: another. outside: an interval that it
    was not trained for, whatever the shifter. unknown: the facts name no shifters.
    """
    low, high = facts.shift_semitones
    ends = BLIND_RANGE if interval.semitones is None else (interval.semitones, interval.semitones)
    if not (low <= ends[0] and ends[1] <= high):
        return "outside"
    shifters = facts.training.get("shifters")
    if not isinstance(shifters, list) or not shifters:
        return "unknown"
    if damage_name not in shifters:
        return "unseen"
    return "matched" if len(set(shifters)) == 1 else "mixed"


def _within(semitones: float, facts: Facts) -> bool:
    return facts.shift_semitones[0] <= semitones <= facts.shift_semitones[1]

"""What no recording holds: silence, DC, full-scale squares and noise, a click, NaN. Does a plugin file survive it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.contract import SHIFT_CONTROL, ContractError, Facts
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.systems import BLOCK_SAMPLES
from realtime.plugins.offline_file import OfflineFile, aligned
from realtime.plugins.plugin_file import PluginFile
from realtime.trust import TrustedFile, read_plugin_file

Audio = NDArray[np.float32]

LOUDEST_SILENCE_DBFS = -80.0  # of any sample, where nothing goes in and nothing rings on
LOUDEST_PEAK_DBFS = 12.0  # partials of a full-scale square or noise that fall together reach this; a runaway passes it
LOUDEST_VOICE_DBFS = 0.0  # a voice that goes in 6 dB below full scale has no reason to clip
SILENCE, VOICE = "silence", "voice at -6 dBFS"

_SHORTEST_S, _LONGEST_S = 0.4, 1.0  # of a signal; as long as the receptive field between them, so that it is filled
_JUDGED_TAIL_S = 0.05
_NOTHING_DBFS = -200.0


@dataclass(frozen=True)
class Trial:
    """One signal through one plugin file at one shift.

    Attributes:
        semitones: the shift that it was told to undo; None where it cannot be told.
        peak_dbfs: the highest sample of the output.
        tail_dbfs: the same, from one receptive field after the signal's end on.
        finite: no sample of the model was NaN or infinite (the host would have muted it).
        limit_dbfs: what the peak may reach.
    """

    model: str
    signal: str
    semitones: float | None
    peak_dbfs: float
    tail_dbfs: float
    finite: bool
    limit_dbfs: float

    @property
    def too_loud(self) -> bool:
        """Its peak is beyond the limit."""
        return self.peak_dbfs > self.limit_dbfs

    @property
    def tail_limit(self) -> float:
        """What the end may reach, dBFS."""
        return LOUDEST_SILENCE_DBFS

    @property
    def passed(self) -> bool:
        """Finite, not louder than the limit, and silent again in time."""
        return self.finite and not self.too_loud and self.tail_dbfs <= self.tail_limit


def signals(samples: int, sample_rate: int) -> dict[str, Audio]:
    """What goes in, each ``(samples,)``; full scale is ±1."""
    times = np.arange(samples) / sample_rate
    voice = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 20)) * np.sin(np.pi * 4 * times) ** 2
    voice *= 0.5 / np.abs(voice).max()
    broken = voice.copy()
    for start, value in enumerate((np.nan, np.inf, -np.inf)):
        broken[(start + 1) * samples // 4 :][: max(1, sample_rate // 1000)] = value
    click = np.zeros(samples)
    click[samples // 2] = 1
    made = {
        SILENCE: np.zeros(samples),
        "DC, +0.5 then -0.5": np.where(np.arange(samples) < samples // 2, 0.5, -0.5),
        "square wave, 55 Hz": np.where(times * 55 % 1 < 0.5, 1, -1),
        "square wave, 1 kHz": np.where(times * 1000 % 1 < 0.5, 1, -1),
        "noise": np.random.default_rng(0).uniform(-1, 1, samples),
        "click": click,
        VOICE: voice,
        "voice with NaN and infinity": broken,
    }
    return {name: audio.astype(np.float32) for name, audio in made.items()}


def shifts_of(facts: Facts) -> tuple[float | None, ...]:
    """Both ends and the middle of what a model can be told to undo; one None where it cannot be told."""
    control = facts.shift_control
    if control is None:
        return (None,)
    low, high = control.minimum, control.maximum
    return tuple(dict.fromkeys((low, (low + high) / 2, high)))


def try_out(path: Path) -> list[Trial]:
    """Every signal through a plugin file, as a host runs it, at the model's own rate, at every shift of `shifts_of`.

    Raises: EvaluateError, one line, where the file cannot be run.
    """
    try:
        file = read_plugin_file(path)
        return [trial for semitones in shifts_of(file.facts) for trial in _at_shift(file, semitones)]
    except ContractError as error:
        raise EvaluateError(str(error)) from error


def _at_shift(file: TrustedFile, semitones: float | None) -> list[Trial]:
    facts, rate = file.facts, file.facts.sample_rate
    reach = facts.receptive_field_samples
    samples = round(min(max(reach, _SHORTEST_S * rate), _LONGEST_S * rate))
    sent = signals(samples, rate)
    quiet = reach + max(1, round(_JUDGED_TAIL_S * rate))
    audio = np.stack([np.pad(each, (0, quiet)) for each in sent.values()])
    heard, finite = _run(file, semitones, audio)
    if not finite:  # rare: each alone, to see which of them it was
        runs = [_run(file, semitones, row[None]) for row in audio]
        heard, each_finite = np.concatenate([run[0] for run in runs]), [run[1] for run in runs]
    else:
        each_finite = [True] * len(audio)
    trials = []
    for name, row, good in zip(sent, heard, each_finite, strict=True):
        limit = {SILENCE: LOUDEST_SILENCE_DBFS, VOICE: LOUDEST_VOICE_DBFS}.get(name, LOUDEST_PEAK_DBFS)
        levels = (_peak_dbfs(row), _peak_dbfs(row[samples + reach :]))
        trials.append(Trial(file.path.stem, name, semitones, *levels, good, limit))
    return trials


def _run(file: TrustedFile, semitones: float | None, audio: Audio) -> tuple[Audio, bool]:
    """Rows ``(C, N)`` as channels, in blocks; and whether nothing had to be muted."""
    streams = file.facts.kind == "stream"
    plugin = PluginFile(file, len(audio)) if streams else OfflineFile(file, len(audio))
    if semitones is not None:
        plugin.set_control(SHIFT_CONTROL, semitones)
    sound = aligned(plugin)
    blocks = (audio[:, start : start + BLOCK_SAMPLES] for start in range(0, audio.shape[1], BLOCK_SAMPLES))
    parts = [sound.process(block) for block in blocks]
    heard: Audio = np.concatenate([*parts, sound.finish()], axis=1)
    return heard, plugin.muted_blocks == 0


def _peak_dbfs(audio: Audio) -> float:
    peak = float(np.abs(audio).max(initial=0))
    return max(_NOTHING_DBFS, 20 * float(np.log10(peak))) if peak > 0 else _NOTHING_DBFS


def robustness_table(trials: Sequence[Trial]) -> str:
    """Markdown: for each model a line for each signal, its worst levels and whether it passed at every shift."""
    parts = []
    for model in dict.fromkeys(trial.model for trial in trials):
        own = [trial for trial in trials if trial.model == model]
        shifts = [f"{each:+g}" for each in dict.fromkeys(trial.semitones for trial in own) if each is not None]
        told = f", told to undo {', '.join(shifts)} semitones" if shifts else ""
        parts.append(f"\n### {model}: robustness{told}\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
        parts += [f"| {' | '.join(row)} |" for row in table_rows(own)]
    return "\n".join(parts) + "\n" if parts else ""


HEADS = ("in", "highest peak out, dBFS", "at most", "after the end, dBFS", "at most", "result")


def table_rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """The lines of one model's table, under `HEADS`: of each signal the worst over all shifts."""
    rows: list[tuple[str, ...]] = []
    for signal in dict.fromkeys(trial.signal for trial in trials):
        own = [trial for trial in trials if trial.signal == signal]
        failed = [trial for trial in own if not trial.passed]
        levels = (max(trial.peak_dbfs for trial in own), max(trial.tail_dbfs for trial in own))
        verdict = "passed" if not failed else "FAILED" + "".join(_why(trial) for trial in failed)
        limits = (f"{own[0].limit_dbfs:g}", f"{LOUDEST_SILENCE_DBFS:g}")
        rows.append((signal, _level(levels[0]), limits[0], _level(levels[1]), limits[1], verdict))
    return rows


def _why(trial: Trial) -> str:
    at = "" if trial.semitones is None else f" at {trial.semitones:+g}"
    return at + ("" if trial.finite else " (NaN or infinity)")


def _level(dbfs: float) -> str:
    return "silence" if dbfs <= _NOTHING_DBFS else f"{dbfs:.1f}"

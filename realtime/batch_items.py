"""What a queue of files is made of: options, items, and a snapshot of all of it. No work is done here."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from realtime.audio_formats import AudioFileError, Encoding
from realtime.files import AS_INPUT, result_path

State = Literal["waiting", "running", "done", "skipped", "failed", "cancelled"]
Existing = Literal["skip", "number", "overwrite"]
STATES: tuple[State, ...] = get_args(State)
EXISTING: tuple[Existing, ...] = get_args(Existing)
PRESET_SUFFIX = ".json"


@dataclass(frozen=True)
class BatchOptions:
    """How files are rendered, and where to.

    folder: of the results, with the same folders inside as a searched folder has; None puts each beside its input.
    encoding: format and sample type of the results.
    mix: 0 gives the original, 1 the model's result.
    model: a bundled model's name, a plugin file or a preset (.json); empty for the default model.
    as_live: sample for sample what the live path gives; a preset is always rendered so.
    semitones: the shift to undo, for a model that takes it; 0 is not told yet, or a preset's own.
    existing: what becomes of results that are there already.
    """

    folder: Path | None = None
    encoding: Encoding = AS_INPUT
    mix: float = 1.0
    model: str = ""
    as_live: bool = False
    semitones: float = 0.0
    existing: Existing = "skip"

    @property
    def is_preset(self) -> bool:
        """Whether `model` names a preset."""
        return Path(self.model).suffix.lower() == PRESET_SUFFIX

    @property
    def runs_live(self) -> bool:
        """Whether it is the live path that renders."""
        return self.as_live or self.is_preset

    @property
    def model_key(self) -> tuple[str, bool, float]:
        """Files with the same key share one opened model."""
        return self.model, self.runs_live, self.semitones

    def target(self, source: Path, below: Path) -> Path:
        """The result's path for a file that lay in `below`, seen from the folder that was searched."""
        return result_path(source, None if self.folder is None else self.folder / below, self.encoding.suffix)


@dataclass(frozen=True, slots=True)  # there may be tens of thousands
class BatchItem:
    """One file of the queue.

    output: the result's path, None before the work begins. below: where it lay, seen from the folder that was searched.
    fraction: done, 0 … 1. seconds: length of the audio, 0 where it is not known. reason: why it failed or was skipped.
    times_real_time: seconds of audio per second of work; eta_s: until it is done; None where it is not known.
    undone: the lowest and highest shift, in semitones, that the model undoes that rendered it.
    """

    id: int
    input: Path
    output: Path | None = None
    state: State = "waiting"
    fraction: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    times_real_time: float | None = None
    eta_s: float | None = None
    below: Path = Path()
    undone: tuple[float, float] | None = None

    def waiting(self) -> BatchItem:
        """The same file, to be rendered anew."""
        return BatchItem(self.id, self.input, seconds=self.seconds, below=self.below)

    def worked(self, seconds: float, times_real_time: float) -> BatchItem:
        """The same file with so many seconds of it done, at that speed."""
        if self.seconds <= 0 or times_real_time <= 0:
            return replace(self, times_real_time=times_real_time)
        left_s = max(0.0, self.seconds - seconds) / times_real_time
        fraction = min(1.0, seconds / self.seconds)
        return replace(self, fraction=fraction, times_real_time=times_real_time, eta_s=left_s)

    def ended(self, state: State, reason: str = "") -> BatchItem:
        """The same file, no longer worked on."""
        return replace(self, state=state, reason=reason, fraction=0.0, eta_s=None)


@dataclass(frozen=True)
class BatchStatus:
    """A snapshot: all items in order, and of this run the seconds of audio, the speed and the time left.

    `items` is the same tuple as before where nothing changed. `running` includes `paused`.
    """

    items: tuple[BatchItem, ...] = ()
    seconds_done: float = 0.0
    seconds_total: float = 0.0
    eta_s: float | None = None
    times_real_time: float | None = None
    running: bool = False
    paused: bool = False
    counts: Mapping[State, int] = field(default_factory=dict)


class Tally:
    """Sums over items, kept up to date item by item, so that a snapshot of many costs nothing.

    Items whose id is in `settled` were over before this run, and count only by their state; one that is to run again
    is taken out of it while it is counted out.
    """

    def __init__(self, items: Iterable[BatchItem] = (), settled: Iterable[int] = ()) -> None:
        self.counts: Counter[State] = Counter()
        self.seconds_done = self.seconds_total = 0.0
        self.settled = set(settled)
        for item in items:
            self.count(item, 1)

    def count(self, item: BatchItem, sign: int) -> None:
        """Count an item in (1) or out (-1)."""
        self.counts[item.state] += sign
        if item.id not in self.settled and item.state in ("waiting", "running", "done"):
            self.seconds_total += sign * item.seconds
            self.seconds_done += sign * item.seconds * item.fraction

    def status(self, items: tuple[BatchItem, ...], speed: float | None, running: bool, paused: bool) -> BatchStatus:
        """The snapshot of a queue with these sums."""
        done, total = self.seconds_done, self.seconds_total
        eta_s = max(0.0, total - done) / speed if speed and running else None
        return BatchStatus(items, done, total, eta_s, speed, running, paused, dict(self.counts))


class SkippedError(AudioFileError):
    """The result is there already, and is to be left as it is."""


def settle_target(
    item: BatchItem,
    options: BatchOptions,
    is_input: Callable[[Path], bool],
    made_from: Callable[[Path], Path | None],
) -> tuple[Path, bool]:
    """The path that a result gets, and whether what is there may be replaced.

    Args:
        is_input: whether a resolved path is an input of the queue.
        made_from: the input whose result a resolved path already is in this queue, if any.
    Raises: SkippedError, AudioFileError: one line.
    """
    if item.input.is_dir():
        raise AudioFileError(f"{item.input}: this is a folder; add it again to have it searched anew")
    if options.folder is not None and options.folder.exists() and not options.folder.is_dir():
        raise AudioFileError(f"{options.folder}: this is a file, not a folder; choose another output folder")
    wanted = options.target(item.input, item.below)
    resolved = real(wanted)
    other = made_from(resolved)
    theirs = other is not None and other != item.input
    if options.existing == "number":
        return _numbered(wanted, lambda path: is_input(path) or path.exists() or made_from(path) is not None), False
    if is_input(resolved):
        raise AudioFileError(f"the result would replace the input {wanted}; choose another output folder or format")
    if theirs:
        raise AudioFileError(
            f"its result {wanted} would replace that of {other}; have new names numbered, or choose another format"
        )
    if options.existing == "skip" and wanted.exists():
        raise SkippedError(f"{wanted}: exists already and was left as it is")
    return wanted, options.existing == "overwrite"


def real(path: Path) -> Path:
    """The path without links, whether anything is there or not; never fails, unlike `Path.resolve` on a loop."""
    return Path(os.path.realpath(path))


def sentence(error: ValueError | OSError) -> str:
    """An error as it can be shown on a screen: one line, without options of the command line."""
    if isinstance(error, AudioFileError):
        return error.on_screen
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _numbered(wanted: Path, occupied: Callable[[Path], bool]) -> Path:
    names = itertools.chain([wanted.name], (f"{wanted.stem} ({n}){wanted.suffix}" for n in itertools.count(2)))
    return next(path for path in (wanted.with_name(name) for name in names) if not occupied(real(path)))

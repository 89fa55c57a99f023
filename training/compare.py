"""Recipes trained alike, one after another, each in a process of its own, so that its peak of memory is its own."""

import math
import multiprocessing
import platform
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch

from training.checkpoint import CheckpointError, as_json
from training.compare_files import Record, Run, read_run, write_sound
from training.crops import Crops, Pair
from training.loop import LAST, Progress, Trainer
from training.machine import Machine
from training.pairs import PairsError
from training.recipes import Recipe
from training.reporting import ProgressLine
from training.settings import DataFacts, TrainingError, TrainSettings, changed_keys
from training.validation import fixed_clips, restore

LISTENED_CLIPS = 4
_LOOK_EVERY_SECONDS = 0.2
_KILLED = -9  # the exit code after SIGKILL, a name that Windows does not have

State = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class Task:
    """All that one run's process needs; `folder` is the comparison's, the same for every task."""

    recipe: Recipe
    settings: TrainSettings
    facts: DataFacts
    training: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    folder: Path
    device: str
    threads: int | None

    @property
    def run_folder(self) -> Path:
        return self.folder / "runs" / self.recipe.name

    def asked(self) -> dict[str, dict[str, Any]]:
        """What makes two runs the same run."""
        validation = {"sources": sorted({pair.source_hash for pair in self.validation})}
        asked = {
            "recipe": self.recipe.to_json(),
            "settings": self.settings.to_json(),
            "data": self.facts.to_json(),
            "validation": validation,
        }
        return as_json(asked)


@dataclass(frozen=True)
class Outcome:
    """How a recipe fared. `reason` says in one line why it is not finished."""

    recipe: Recipe
    state: State
    reason: str
    run: Run


def listened(count: int) -> list[int]:
    """Which of `count` validation clips stand on the page: a few, spread over shifters and voices."""
    shown = min(LISTENED_CLIPS, count)
    return [index * count // shown for index in range(shown)]


def check(tasks: Sequence[Task]) -> None:
    """Refuse, before anything is trained, what is not one comparison.

    Raises: TrainingError for a recipe named twice, a folder of something else, or earlier runs made otherwise.
    """
    names = [task.recipe.name for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingError(f"{', '.join(twice)} is named more than once: name every recipe once")
    folder = tasks[0].folder
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "runs").is_dir():
        raise TrainingError(f"{folder} holds files that are not of a comparison: give --out a new folder")
    for task in tasks:
        record = Record.read(task.run_folder)
        if record is None:
            if (task.run_folder / LAST).exists():
                raise TrainingError(f"{task.run_folder} holds a run that is not of a comparison: give another --out")
            continue
        for part, values in task.asked().items():
            changed = changed_keys(record.asked.get(part, {}), values)
            if changed:
                raise TrainingError(
                    f"{task.run_folder} was compared with another {part} ({', '.join(changed)} differ): give the same "
                    "again to go on with it, or another --out"
                )


def train_alike(
    tasks: Sequence[Task], begins: Callable[[Task], None], told: Callable[[tuple[Outcome, ...]], None]
) -> tuple[Outcome, ...]:
    """Train every task that is not finished, in turn; one that fails does not stop the others.

    Args: begins: called before a task is trained; told: called with all outcomes so far after each one.
    Returns: the outcomes; fewer than tasks if a signal (Ctrl-C, SIGTERM) came, which saves and stops the task in hand.
    """
    outcomes: list[Outcome] = []
    with _counting_signals() as signals:
        for task in tasks:
            record = Record.read(task.run_folder)
            state: State = "finished"
            reason = ""
            if record is None or not record.finished:
                begins(task)
                state, reason = _in_own_process(task, signals)
            outcomes.append(Outcome(task.recipe, state, reason, read_run(task.run_folder)))
            told(tuple(outcomes))
            if signals:
                break
    return tuple(outcomes)


def _in_own_process(task: Task, signals: list[int]) -> tuple[State, str]:
    """Train one task in a fresh process. Returns: its state and the reason."""
    if Record.read(task.run_folder) is None:
        Record(task.asked()).write(task.run_folder)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_task, args=(task, theirs))
    # A process inherits what is ignored: until the trainer has its own handlers, Ctrl-C must not end it half way.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
        theirs.close()
    with ours:
        _wait(process, ours, signals)
        if ours.poll():
            with suppress(EOFError, ConnectionError):  # no word was left: the exit code says why
                state, reason = ours.recv()
                return state, reason
    if signals:
        return "stopped", "ended by a second signal before it could save"
    guess = "killed: too little memory?" if process.exitcode == _KILLED else "see its messages above"
    return "failed", f"its process ended with exit code {process.exitcode} ({guess})"


def _wait(process: BaseProcess, link: "Connection[Any, Any]", signals: list[int]) -> None:
    """Until the process has ended; the first signal asks it to save and stop, a second one ends it."""
    asked = 0
    while process.is_alive():
        if len(signals) > asked:
            asked = len(signals)
            if asked == 1:
                with suppress(ConnectionError):  # it has just ended by itself
                    link.send("stop")
            else:
                process.terminate()
        process.join(_LOOK_EVERY_SECONDS)


@contextmanager
def _counting_signals() -> Iterator[list[int]]:
    """Every SIGINT and SIGTERM lands in the list."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_task(task: Task, link: "Connection[Any, Any]") -> None:
    """The whole life of a run's own process; tells through the link how it ended."""
    stop = threading.Event()
    threading.Thread(target=_hear_stop, args=(link, stop), daemon=True).start()
    try:
        state, reason = _train(task, stop)
    except torch.OutOfMemoryError as error:
        first_line = str(error).splitlines()[0]
        state, reason = "failed", f"the device's memory is too small: lower --batch or --crop ({first_line})"
    except (TrainingError, PairsError, CheckpointError, ValueError, OSError) as error:
        state, reason = "failed", str(error)
    link.send((state, reason))


def _hear_stop(link: "Connection[Any, Any]", stop: threading.Event) -> None:
    with suppress(EOFError, OSError):  # a parent that is gone wants the run to stop as well
        link.recv()
    stop.set()


def _train(task: Task, stop: threading.Event) -> tuple[State, str]:
    settings = task.settings
    machine = Machine.join(task.device, task.threads)
    clips = fixed_clips(task.validation, settings)
    crops = Crops(task.training, settings.crop, settings.batch, settings.seed, settings.gain_db)
    trainer = Trainer(task.recipe, settings, task.facts, crops, clips, task.run_folder, machine)
    if (task.run_folder / LAST).exists():
        trainer.resume()
    record = Record.read(task.run_folder) or Record(task.asked())
    try:
        if trainer.step < settings.steps:
            _run(trainer, stop)
    finally:
        record = _spent(record, trainer)
        record.write(task.run_folder)
    if trainer.step < settings.steps:
        return "stopped", f"at step {trainer.step} of {settings.steps}"
    scores = read_run(task.run_folder).scores
    if scores is None or not all(math.isfinite(value) for value in asdict(scores).values()):
        raise TrainingError(
            f"after step {trainer.step} the validation figures are not numbers: lower the learning rates or the clip"
        )
    _write_outputs(task, trainer)
    replace(record, finished=True).write(task.run_folder)
    return "finished", ""


def _spent(record: Record, trainer: Trainer) -> Record:
    """With what the run has taken so far; the peak is the highest of all its parts."""
    device = trainer.machine.device
    peaks = [peak for peak in (record.peak_memory_bytes, peak_memory_bytes(device)) if peak is not None]
    return replace(record, seconds=trainer.seconds, peak_memory_bytes=max(peaks, default=None), device=device.type)


def _run(trainer: Trainer, stop: threading.Event) -> None:
    """Train to the end, or until `stop`, which another thread sets; the trainer knows signals alone."""
    line = ProgressLine(quiet=False)

    def report(progress: Progress) -> None:
        line.show(progress)
        if stop.is_set():
            stop.clear()
            signal.raise_signal(signal.SIGINT)

    try:
        # The terminal's Ctrl-C reaches this process too. With the parent's word, which comes after the step is saved,
        # it counts as a second one, and that is an interrupt.
        with suppress(KeyboardInterrupt):
            trainer.run(report)
    finally:
        line.close()


def _write_outputs(task: Task, trainer: Trainer) -> None:
    """What the trained model makes of the listened clips: with the averaged weights where there is an average."""
    if trainer.average:
        trainer.model.load_state_dict(trainer.average)
    for place, index in enumerate(listened(len(trainer.clips)), start=1):
        clip = trainer.clips[index]
        output = restore(trainer.model, trainer.fit(clip.shifted), clip.semitones, trainer.machine.device)
        write_sound(task.folder, place, task.recipe.name, output, task.facts.pairs.sample_rate)


def peak_memory_bytes(device: torch.device) -> int | None:
    """The most so far: allocated on the CUDA device, or resident for this process; None where no one counts it."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    system = platform.system()
    if system == "Linux":  # not ru_maxrss: it starts with what the parent held when it made this process
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        return 1024 * int(found[1]) if found else None
    if system == "Darwin":
        import resource  # Windows has no such module

        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return None

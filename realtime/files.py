"""Audio files through a model: which files, to where, and one of them from end to end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from realtime.audio_files import EXISTS, AudioReader, AudioWriter
from realtime.audio_formats import (
    FORMATS,
    NAMES,
    AudioFileError,
    Encoding,
    OutputFormat,
    check_writable,
    choose_format,
    is_audio,
    widen,
)
from realtime.render import Aligned

OWN_ENDING = "_deshifted"
AS_INPUT = Encoding()


class FileModel(Protocol):
    """What a file can be rendered with: a plugin file (realtime.model.Model), or the live path made of one."""

    def renderer(self, channels: int, sample_rate: int, mix: float = 1.0) -> Aligned:
        """For one recording: blocks ``(C, N)`` at `sample_rate` in, as many samples out, delay-compensated.

        Raises: ValueError, one line, where it cannot take such a recording.
        """

    @property
    def untold(self) -> str:
        """That the shift to undo must be told, as the start of a sentence; empty where nothing is missing."""

    @property
    def undone_shift(self) -> tuple[float, float] | None:
        """The lowest and the highest shift of its input that it undoes as it is set; None where that is not known."""

    @property
    def muted_blocks(self) -> int:
        """Blocks so far whose result was not finite and was muted."""


@dataclass(frozen=True)
class Job:
    """One file to process. `problem`, where it is not empty, is why it cannot be."""

    input: Path
    output: Path | None
    problem: str = ""


@dataclass(frozen=True)
class FileResult:
    """What became of one file: `seconds` of audio took `processing_seconds`; `error` is empty where it worked.

    `on_screen` is the error without options of the command line.
    """

    input: Path
    output: Path | None
    seconds: float = 0.0
    processing_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str = ""
    on_screen: str = ""

    @property
    def realtime_factor(self) -> float:
        """Processing time per second of audio: below 1 is faster than real time."""
        return self.processing_seconds / self.seconds if self.seconds else 0.0


def plan(inputs: Sequence[str], output: str | None) -> list[Job]:
    """Work out which files are processed and where the results go; folders are searched, own results in them skipped.

    Raises: AudioFileError where `output` cannot be meant for these inputs.
    """
    single = len(inputs) == 1 and not Path(inputs[0]).is_dir()
    target = _single_target(output) if single and output is not None else None
    if target is not None:
        return _without_collisions([_checked(Job(Path(inputs[0]), target))])
    folder = None if output is None else Path(output)
    if folder is not None and (folder.is_file() or (is_audio(folder) and not folder.is_dir())):
        raise AudioFileError(f"{output}: for a folder or several files, -o must name a folder, not a file")
    jobs: list[Job] = []
    for name in inputs:
        path = Path(name)
        jobs += search(path, folder) if path.is_dir() else [_checked(Job(path, result_path(path, folder)))]
    return _without_collisions(jobs)


def _single_target(output: str) -> Path | None:
    """The file that -o names for a single input, or None where it names a folder."""
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix:
        return None
    if not is_audio(path):
        raise AudioFileError(f"{output}: cannot write {path.suffix} files, only {NAMES}; a folder's name ends with /")
    return path


def result_path(path: Path, folder: Path | None, suffix: str = "") -> Path:
    """Where the result of a file goes: beside it, or into a folder; `suffix` is that of another format (".flac")."""
    name = f"{path.stem}{OWN_ENDING}{suffix or path.suffix}"
    return path.with_name(name) if folder is None else folder / name


def _checked(job: Job) -> Job:
    problem = ""
    if not job.input.exists():
        problem = f"{job.input}: no such file or folder"
    elif job.output is not None and not is_audio(job.output):
        problem = f"{job.input}: not one of the formats that can be written ({NAMES}); name the result with -o"
    return Job(job.input, job.output, problem)


def search(root: Path, folder: Path | None) -> Iterator[Job]:
    """The audio files in a folder and all below it, as they are found; own results and hidden files are skipped.

    Results go beside each, or into the same folders inside `folder`. What cannot be searched comes last, as problems.
    """
    found = False
    problems: list[Job] = []

    def unreadable(error: OSError) -> None:
        where = Path(str(error.filename))
        problems.append(Job(where, None, f"{where}: cannot be searched: {error.strerror or error}"))

    for parent, folders, names in os.walk(root, onerror=unreadable):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            if is_audio(path) and not path.stem.endswith(OWN_ENDING) and not path.name.startswith("."):
                below = None if folder is None else folder / path.parent.relative_to(root)
                found = True
                yield Job(path, result_path(path, below))
    if not found and not problems:
        known = ", ".join(suffix.removeprefix(".") for suffix in FORMATS)
        problems.append(Job(root, None, f"{root}: no audio files in this folder ({known})"))
    yield from problems


def _without_collisions(jobs: list[Job]) -> list[Job]:
    """Drop repeated inputs; a result that would replace an input or the result of another file is a problem."""
    unique = {job.input.resolve(): job for job in reversed(jobs)}
    targets: dict[Path, Path] = {}
    kept = []
    for job in reversed(unique.values()):
        problem = job.problem
        if job.output is not None and not problem:
            first = targets.setdefault(job.output.resolve(), job.input)
            if job.output.resolve() in unique:
                problem = f"{job.input}: the result would replace the input {job.output}; name another target with -o"
            elif first != job.input:
                problem = f"{job.input}: its result {job.output} would replace that of {first}; process it by itself"
        kept.append(Job(job.input, job.output, problem))
    return kept


def claimed_seconds(path: Path) -> float:
    """The length that a file's header claims, for an estimate; 0 where it cannot be read."""
    try:
        with AudioReader(path) as reader:
            seconds: float = reader.claimed_frames / reader.sample_rate
            return seconds
    except AudioFileError:
        return 0.0


def process_file(
    job: Job,
    model: FileModel,
    mix: float = 1.0,
    overwrite: bool = False,
    on_progress: Callable[[float], None] = lambda seconds: None,
    encoding: Encoding = AS_INPUT,
) -> FileResult:
    """De-shift one file into another of the same length, rate and channels; what goes wrong stands in the result.

    Args:
        on_progress: called with the seconds of audio read so far, and once more before the result gets its name;
            what it raises, unless a ValueError or OSError, ends the work, and no file is left.
        encoding: of the result; its suffix is for the caller, who names the target.
    """
    if job.problem or job.output is None:
        problem = job.problem or f"{job.input}: no target"
        return FileResult(job.input, job.output, error=problem, on_screen=problem)
    started = time.perf_counter()
    try:
        if job.output.exists() and not overwrite:
            raise AudioFileError(f"{job.output}: exists already", EXISTS)
        with AudioReader(job.input) as reader:
            form = _output_format(reader, job.output, encoding)
            warnings = _render(reader, job.output, form, model, mix, overwrite, on_progress)
            seconds = reader.read_frames / reader.sample_rate
    except (ValueError, OSError) as error:
        on_screen = error.on_screen if isinstance(error, AudioFileError) else str(error)
        return FileResult(job.input, job.output, error=str(error), on_screen=on_screen)
    return FileResult(job.input, job.output, seconds, time.perf_counter() - started, tuple(warnings))


def _output_format(reader: AudioReader, target: Path, encoding: Encoding) -> OutputFormat:
    form = choose_format(target, reader.format, encoding.subtype or reader.subtype)
    form = widen(form, reader.claimed_frames, reader.channels)
    check_writable(target, form, reader.sample_rate, reader.channels)
    return form


def _render(
    reader: AudioReader,
    target: Path,
    form: OutputFormat,
    model: FileModel,
    mix: float,
    overwrite: bool,
    on_progress: Callable[[float], None],
) -> list[str]:
    renderer = model.renderer(reader.channels, reader.sample_rate, mix)
    muted = model.muted_blocks
    with AudioWriter(target, reader.sample_rate, reader.channels, form) as writer:
        for block in reader.blocks():
            writer.write(renderer.process(block))
            on_progress(reader.read_frames / reader.sample_rate)
        writer.write(renderer.finish())
        on_progress(reader.read_frames / reader.sample_rate)
        writer.commit(overwrite)
    warnings = [*reader.warnings, *([form.note] if form.note else [])]
    if writer.clipped_samples:
        warnings.append(f"{writer.clipped_samples} samples were beyond full scale and were clipped ({form.subtype})")
    if model.muted_blocks > muted:
        warnings.append(f"the model gave NaN or infinite samples in {model.muted_blocks - muted} blocks: muted")
    return warnings

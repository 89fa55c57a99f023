"""Recordings as the trainer hears them: found in folders, known by their content, read in mono segments at one rate."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]

SUFFIXES: tuple[str, ...] = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
SEGMENT_SECONDS = 30
SHORTEST_SECONDS = 0.5
SILENCE_PEAK = 1e-3  # -60 dBFS
_BLOCK_FRAMES = 1 << 18
_HASH_BLOCK_BYTES = 1 << 20


class PairsError(ValueError):
    """No pairs can be made: a folder, a setting or every recording is unusable."""


class RecordingError(ValueError):
    """One recording cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Recording:
    """One audio file and the first 16 hexadecimal digits of the SHA-256 of its bytes."""

    path: Path
    content_hash: str


def find_recordings(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Every audio file below the folders, hidden ones left out, sorted, each once.

    Raises: PairsError if a folder is missing or none of them holds an audio file.
    """
    found: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise PairsError(f"{folder} is not a folder: give a folder of recordings")
        for path in folder.rglob("*"):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
                found.add(path.resolve())
    if not found:
        names = ", ".join(str(folder) for folder in folders) or "no folder"
        raise PairsError(f"no audio file in {names}: put {', '.join(SUFFIXES)} files there")
    return tuple(sorted(found))


def hash_recordings(paths: Sequence[Path], index_file: Path) -> tuple[list[Recording], dict[Path, str]]:
    """Name each file by its content; a file of the same path, size and time as in `index_file` is not read again.

    Returns: the recordings, and for each file that could not be opened the reason.
    Raises: OSError if `index_file` cannot be written.
    """
    known = _read_index(index_file)
    fresh: dict[str, list[int | str]] = {}
    recordings, failed = [], {}
    for path in paths:
        try:
            status = path.stat()
            entry = known.get(str(path))
            if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
                entry = [status.st_size, status.st_mtime_ns, _content_hash(path)]
        except OSError as error:
            failed[path] = f"unreadable: {error.strerror}"
            continue
        fresh[str(path)] = entry
        recordings.append(Recording(path, str(entry[2])))
    if any(known.get(path) != entry for path, entry in fresh.items()):
        write_whole(index_file, json.dumps(known | fresh, indent=0, sort_keys=True).encode())
    return recordings, failed


def segments(path: Path, sample_rate: int) -> Iterator[Audio]:
    """Mono segments of at most 30 s at `sample_rate`, read block by block; a last piece under 0.5 s is left out.

    Args: path: any file libsndfile reads, any rate and channel count; sample_rate: Hz.
    Returns: float32 ``(frames,)`` each.
    Raises: RecordingError for an unreadable file, NaN or infinite samples, or less than 0.5 s in all.
    """
    longest, shortest = SEGMENT_SECONDS * sample_rate, int(SHORTEST_SECONDS * sample_rate)
    held: list[Audio] = []
    frames = total = 0
    for block in _resampled_blocks(path, sample_rate):
        held.append(block)
        frames, total = frames + len(block), total + len(block)
        while frames >= longest:
            joined = np.concatenate(held)
            yield joined[:longest]
            held, frames = [joined[longest:]], frames - longest
    if total < shortest:
        raise RecordingError(f"too short: {total / sample_rate:.2f} s, at least {SHORTEST_SECONDS} s is needed")
    if frames >= shortest:
        yield np.concatenate(held)


def is_silent(audio: Audio) -> bool:
    """True if no sample reaches -60 dBFS."""
    return not audio.size or float(np.max(np.abs(audio))) < SILENCE_PEAK


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the target, then rename: whoever reads `path` finds it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _resampled_blocks(path: Path, sample_rate: int) -> Iterator[Audio]:
    try:
        with soundfile.SoundFile(path) as file:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="VHQ")
            while True:
                block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
                if not np.isfinite(block).all():
                    raise RecordingError("NaN or infinite samples")
                is_last = len(block) < _BLOCK_FRAMES
                mono = np.ascontiguousarray(block.mean(axis=1, dtype=np.float32))
                yield mono if file.samplerate == sample_rate else resampler.resample_chunk(mono, last=is_last)
                if is_last:
                    return
    except soundfile.LibsndfileError as error:
        raise RecordingError(f"unreadable: {error.error_string.rstrip('.')}") from error


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:16]


def _read_index(index_file: Path) -> dict[str, list[int | str]]:
    """What an earlier run noted; a missing or damaged index only costs reading the files again."""
    try:
        noted = json.loads(index_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(noted, dict):
        return {}
    return {path: entry for path, entry in noted.items() if isinstance(entry, list) and len(entry) == 3}

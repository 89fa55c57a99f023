"""The recordings to judge with: found, known by their content, sorted into kinds, none that a model has heard."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from realtime.audio_files import AudioReader
from realtime.audio_formats import AudioFileError, is_audio
from realtime.evaluate.errors import EvaluateError
from realtime.model import Model

Audio = NDArray[np.float32]

SAMPLE_RATE = 48_000
MANIFEST = "MANIFEST.csv"
KINDS = ("speech", "singing", "instrument", "music")
OTHER_KIND = "sound"
SHORTEST_S = 0.5
SILENCE_PEAK = 1e-3  # -60 dBFS
_HASH_DIGITS = 16  # as many as a model's training facts keep
_HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Clip:
    """One recording: `name` is its path below the folder, `content_hash` the head of its file's SHA-256."""

    path: Path
    name: str
    kind: str
    content_hash: str


def find_clips(folder: Path, most_of_a_kind: int | None = None) -> list[Clip]:
    """The recordings below a folder, by name; one file twice counts once.

    A MANIFEST.csv in the folder or above it (columns ``file`` and ``kind``, perhaps ``split``) tells the kinds, and
    what it calls ``train`` is left out. Else a kind is the folder's name: speech, singing, instrument, music, any.

    Args: most_of_a_kind: take so many of each kind, evenly spread over their names; None takes all.
    Raises: EvaluateError where there is no folder, no recording, or a manifest that cannot be read.
    """
    if not folder.is_dir():
        raise EvaluateError(f"{folder}: no such folder: --data names a folder of recordings")
    listed = _manifest(folder)
    unique: dict[str, Clip] = {}
    for path in sorted(folder.rglob("*")):
        if not is_audio(path) or path.name.startswith(".") or not path.is_file():
            continue
        kind, split = listed.get(path.resolve(), (_kind_by_folder(path, folder), ""))
        if split != "train":
            digest = _content_hash(path)
            unique.setdefault(digest, Clip(path, path.relative_to(folder).as_posix(), kind, digest))
    if not unique:
        raise EvaluateError(f"{folder}: no recordings to judge with in this folder (wav, flac, ogg, opus, mp3, aiff)")
    clips = sorted(unique.values(), key=lambda clip: clip.name)
    return clips if most_of_a_kind is None else _spread(clips, most_of_a_kind)


def refuse_heard(clips: Sequence[Clip], models: Sequence[Model]) -> None:
    """See that no model was trained with a clip, by the hashes that plugin files keep.

    Raises: EvaluateError naming the first such file and the model.
    """
    for model in models:
        hashes = model.facts.training.get("source_hashes", [])
        trained = {str(entry)[:_HASH_DIGITS] for entry in hashes} if isinstance(hashes, list) else set()
        heard = [clip for clip in clips if clip.content_hash in trained]
        if heard:
            more = f" (and {len(heard) - 1} more files)" if len(heard) > 1 else ""
            raise EvaluateError(
                f"{heard[0].path}{more}: {model.facts.name} was trained with it, so it proves nothing; take it away"
            )


def read_clip(clip: Clip, seconds: float) -> Audio:
    """The middle of a recording, mono, at 48 kHz: ``(N,)``.

    Raises: EvaluateError where it cannot be read, is shorter than half a second, or is silent.
    """
    try:
        with AudioReader(clip.path) as reader:
            rate, wanted = reader.sample_rate, round(seconds * reader.sample_rate)
            first = max(0, reader.claimed_frames - wanted) // 2
            parts = [part.mean(axis=0) for part in _between(reader, first, first + wanted)]
    except AudioFileError as error:
        raise EvaluateError(str(error)) from error
    mono = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if len(mono) < SHORTEST_S * rate:
        raise EvaluateError(
            f"{clip.path}: {len(mono) / rate:.2f} s is too short to judge by; {SHORTEST_S} s are needed"
        )
    if np.max(np.abs(mono)) < SILENCE_PEAK:
        raise EvaluateError(f"{clip.path}: silent, no sample reaches -60 dBFS")
    resampled: Audio = np.asarray(soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ"), np.float32)
    return resampled


def _between(reader: AudioReader, first: int, last: int) -> Iterator[Audio]:
    """The frames first … last - 1 of an open file, block by block: ``(C, N)``."""
    at = 0
    for block in reader.blocks():
        yield block[:, max(0, first - at) : max(0, last - at)]
        at += block.shape[1]
        if at >= last:
            return


def _manifest(folder: Path) -> dict[Path, tuple[str, str]]:
    """(kind, split) of each file that the nearest manifest lists."""
    for place in (folder, *folder.resolve().parents[:2]):
        path = place / MANIFEST
        if not path.is_file():
            continue
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise EvaluateError(f"{path}: cannot be read: {error}") from error
        if rows and not {"file", "kind"} <= set(rows[0]):
            raise EvaluateError(f"{path}: a manifest needs the columns 'file' and 'kind'")
        return {
            (place / (row["file"] or "")).resolve(): (row["kind"] or OTHER_KIND, row.get("split") or "") for row in rows
        }
    return {}


def _kind_by_folder(path: Path, folder: Path) -> str:
    """The first folder below `folder`, else the name of `folder` itself where it is that of a known kind."""
    below = path.relative_to(folder).parts[:-1]
    known = [part for part in below if part in KINDS]
    if known or below:
        return known[0] if known else below[0]
    return folder.resolve().name if folder.resolve().name in KINDS else OTHER_KIND


def _spread(clips: list[Clip], most: int) -> list[Clip]:
    chosen = []
    for kind in dict.fromkeys(clip.kind for clip in clips):
        alike = [clip for clip in clips if clip.kind == kind]
        count = min(most, len(alike))
        chosen += [alike[(2 * place + 1) * len(alike) // (2 * count)] for place in range(count)]
    return chosen


def _content_hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise EvaluateError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()[:_HASH_DIGITS]

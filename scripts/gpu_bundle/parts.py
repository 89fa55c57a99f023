"""A run on its way home: a tar in parts of limited size with checksums, and the way back into a folder.

The standard library alone: this runs on the box before anything is installed there.
"""

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scripts.gpu_bundle.files import MIB, BundleError, place_below

FORMAT = "deshift parts 1"
LISTING = "parts.json"
_NAME = re.compile(r"part_\d{3,}")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """One file of the whole: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


def clear(folder: Path) -> None:
    """Take away the parts of an earlier run, so that two are never mixed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name == LISTING or _NAME.fullmatch(path.name):
            path.unlink()


def write_parts(files: Mapping[str, Path], folder: Path, part_bytes: int, left_out: list[str]) -> list[Part]:
    """Put files into one tar, cut it into `part_000`, `part_001` …, and list them in `parts.json`, which comes last.

    Args:
        files: name in the tar to the file; folder: gets the parts; part_bytes: the most that one may take.
        left_out: names that found no room, for the listing alone.
    Raises: OSError where they cannot be written.
    """
    clear(folder)
    writer = _PartWriter(folder, part_bytes)
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, path in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)
    parts = writer.close()
    facts = {
        "format": FORMAT,
        "sha256": writer.whole.hexdigest(),
        "parts": [vars(part) for part in parts],
        "files": sorted(files),
        "left_out": left_out,
    }
    partial = folder / f"{LISTING}.part"
    partial.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    partial.replace(folder / LISTING)
    return parts


def join(folder: Path, out: Path) -> list[str]:
    """Check every part and the whole, then unpack it as a new folder. Returns: the names of the files in it.

    Raises: BundleError, one line, for a part that is damaged, missing or one too many, for content that is not plain
        files inside the folder, and where `out` is there already; OSError.
    """
    if out.exists():
        raise BundleError(f"{out} is there already: give another --out")
    listing = _read_listing(folder)
    with tempfile.TemporaryFile() as whole:
        _join_into(whole, folder, listing)
        whole.seek(0)
        partial = out.with_name(out.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            names = _unpack(whole, partial, folder)
            partial.replace(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return names


class _PartWriter:
    """What tarfile writes into: one part after another, each full before the next is begun."""

    def __init__(self, folder: Path, part_bytes: int) -> None:
        self._folder, self._room = folder, part_bytes
        self._parts: list[Part] = []
        self._held = bytearray()
        self.whole = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._held += data
        while len(self._held) > self._room:
            self._leave(bytes(self._held[: self._room]))
            del self._held[: self._room]
        return len(data)

    def close(self) -> list[Part]:
        self._leave(bytes(self._held))
        return self._parts

    def _leave(self, data: bytes) -> None:
        part = Part(f"part_{len(self._parts):03d}", len(data), hashlib.sha256(data).hexdigest())
        (self._folder / part.name).write_bytes(data)
        self.whole.update(data)
        self._parts.append(part)


@dataclass(frozen=True)
class _Listing:
    sha256: str
    parts: tuple[Part, ...]


def _read_listing(folder: Path) -> _Listing:
    path = folder / LISTING
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        format_ = facts["format"]
        parts = tuple(Part(str(part["name"]), int(part["size"]), str(part["sha256"])) for part in facts["parts"])
        listing = _Listing(str(facts["sha256"]), parts)
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing: give the folder that `train` wrote on the box") from error
    except (KeyError, TypeError, ValueError) as error:  # ValueError: no JSON, or no number
        raise BundleError(f"{path} is damaged ({error}): fetch it again") from error
    if format_ != FORMAT:
        raise BundleError(f"{path} is a {format_!r}, not a {FORMAT!r}: join it with the version that packed it")
    if not parts or any(part.name != f"part_{number:03d}" for number, part in enumerate(parts)):
        raise BundleError(f"{path} is damaged (its parts are not numbered from part_000): fetch it again")
    return listing


def _join_into(whole: IO[bytes], folder: Path, listing: _Listing) -> None:
    """Raises: BundleError at the first part that is not as it was written, naming it."""
    known = {part.name for part in listing.parts}
    found = {path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)}
    if missing := sorted(known - found):
        raise BundleError(f"{folder}: {', '.join(missing)} missing of {len(known)} parts: fetch it again")
    if extra := sorted(found - known):
        raise BundleError(f"{folder}: {', '.join(extra)} not in {LISTING}: take away what belongs to another run")
    digest = hashlib.sha256()
    for part in listing.parts:
        path = folder / part.name
        if path.stat().st_size != part.size:
            raise BundleError(f"{path} has {path.stat().st_size} bytes, not {part.size}: fetch it again")
        own = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                own.update(block)
                digest.update(block)
                whole.write(block)
        if own.hexdigest() != part.sha256:
            raise BundleError(f"{path} is damaged (its checksum is another): fetch it again")
    if digest.hexdigest() != listing.sha256:
        raise BundleError(f"{folder}: the parts do not make the whole of {LISTING}: fetch all of them again")


def _unpack(whole: IO[bytes], target: Path, source: Path) -> list[str]:
    names = []
    try:
        with tarfile.open(fileobj=whole, mode="r:") as archive:
            for member in archive:
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):  # neither links nor devices nor sparse files
                    raise BundleError(f"{source}: {member.name!r} is no plain file: do not use these parts")
                place = place_below(target, member.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None  # a plain file
                with content, place.open("xb") as file:
                    shutil.copyfileobj(content, file, _BLOCK)
                names.append(member.name)
    except (tarfile.TarError, FileExistsError) as error:
        raise BundleError(f"{source}: the parts hold no archive of a run ({error})") from error
    if not names:
        raise BundleError(f"{source}: there is nothing in the parts")
    return names


def part_bytes(part_mib: float) -> int:
    """Raises: BundleError for parts that could hold nothing."""
    if not part_mib * MIB >= 1024:
        raise BundleError(f"--part-mib is {part_mib}: give 0.001 or more; 15 is usual")
    return int(part_mib * MIB)

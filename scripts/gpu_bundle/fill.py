"""The room of a bundle filled with recordings, coded as well as it allows."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from scripts.gpu_bundle.choose import KBPS, Source, find_sources, fitting_kbps, in_turn
from scripts.gpu_bundle.encode import encode
from scripts.gpu_bundle.files import BundleError, mib
from training.recordings import RecordingError

VALIDATION_RECORDINGS = 32  # as many as `deshift train` validates on
_ENTRY_BYTES = 400  # of a recording in the zip and in its manifest, besides the content


@dataclass(frozen=True)
class Filling:
    """Recordings in the bundle by place: their content, and what each was made from. `skipped`: which are not, why."""

    content: Mapping[str, bytes]
    sources: Mapping[str, Source]
    skipped: tuple[str, ...]
    kbps: int

    def folders(self, kind: str) -> tuple[str, ...]:
        """The places of `data` or `validation` that hold something."""
        return tuple(
            sorted({name.rpartition("/")[0] for name in self.sources if name.startswith(f"{kind}/")}, key=_number)
        )

    def seconds(self, kind: str) -> float:
        """Of `data` or of `validation`."""
        return sum(source.seconds for name, source in self.sources.items() if name.startswith(f"{kind}/"))


def places(kind: str, folders: Sequence[Path]) -> tuple[str, ...]:
    """Where each folder lies in the bundle: numbered, and last its own name, which the run remembers."""
    return tuple(f"{kind}/{number}/{_plain(folder.resolve().name)}" for number, folder in enumerate(folders))


def fill(
    data: Sequence[Path],
    validation: Sequence[Path],
    room: int,
    longest_s: float,
    wanted: Collection[str] | None,
) -> Filling:
    """Choose recordings and code them. What is validated on goes first, then the others until the room is full.

    Args:
        data, validation: folders; room: bytes; longest_s: how much of each recording, from its start.
        wanted: content hashes of those that must travel, all of them and no other; None for a free choice.
    Raises: BundleError where nothing fits, or not all that must.
    """
    held, skipped = find_sources(validation, (), longest_s) if validation else ([], [])
    training, more = find_sources(data, {source.content_hash for source in held}, longest_s)
    judged = list(islice(in_turn(held), VALIDATION_RECORDINGS))
    if wanted is not None:
        training = [source for source in training if source.content_hash in wanted]
        judged = [source for source in held if source.content_hash in wanted]
        _see_all(wanted, [*training, *judged])
    entries = _ENTRY_BYTES * (len(judged) + len(training))
    kbps = fitting_kbps([*judged, *training], room - entries)
    filled = _Filler(room, kbps, [*skipped, *more])
    whole = filled.take(judged, places("validation", validation))
    whole &= filled.take(list(in_turn(training)), places("data", data))
    done = filled.done()
    if wanted is not None and not whole:
        raise BundleError(
            f"the {len(wanted)} recordings of the run do not fit into the {mib(room)} that are left, "
            f"even at {KBPS[-1]} kbit/s: give a larger --max-mib, or start a new run with --init"
        )
    _see_enough(done, room, bool(validation))
    return done


def _see_enough(done: Filling, room: int, judges: bool) -> None:
    """Training wants something on either side, and holds some of its own out where there is no --validation."""
    if judges and not done.folders("validation"):
        told = f"; {done.skipped[0]}" if done.skipped else f" in the {mib(room)} that are left"
        raise BundleError(f"no recording of --validation can be packed{told}")
    if sum(name.startswith("data/") for name in done.sources) < (1 if judges else 2):
        raise BundleError(f"{mib(room)} are left for recordings, too little for any: give a larger --max-mib")


class _Filler:
    """Takes recordings until one does not fit."""

    def __init__(self, room: int, kbps: int, skipped: Sequence[str]) -> None:
        self._room, self._kbps = room, kbps
        self._skipped = list(skipped)
        self._content: dict[str, bytes] = {}
        self._sources: dict[str, Source] = {}

    def take(self, sources: Sequence[Source], folders: Sequence[str]) -> bool:
        """Returns: whether all of them fitted."""
        for source in sources:
            try:
                audio = encode(source, self._kbps)
            except RecordingError as error:
                self._skipped.append(f"{source.path}: {error}")
                continue
            if len(audio) + _ENTRY_BYTES > self._room:
                return False
            self._room -= len(audio) + _ENTRY_BYTES
            name = f"{folders[source.folder]}/{source.content_hash}.ogg"
            self._content[name], self._sources[name] = audio, source
        return True

    def done(self) -> Filling:
        return Filling(self._content, self._sources, tuple(self._skipped), self._kbps)


def _see_all(wanted: Collection[str], found: Sequence[Source]) -> None:
    missing = set(wanted) - {source.content_hash for source in found}
    if missing:
        raise BundleError(
            f"{len(missing)} of the {len(wanted)} recordings of the run are not in the folders: "
            "give the folders that it was packed from, as they were"
        )


def _number(place: str) -> int:
    return int(place.split("/")[1])


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name) or "recordings"

"""Which recordings travel: evenly from every folder, by content, so that the same folders give the same choice."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from scripts.gpu_bundle.files import BundleError
from training.recordings import PairsError, Recording, find_recordings, hash_recordings

SAMPLE_RATE = 48_000
KBPS = (128, 96, 64)  # tried in this order until all recordings fit
_COPIED_UP_TO = 1.3  # times the rate: a second lossy coding would cost more than it saves


@dataclass(frozen=True)
class Source:
    """One recording that could travel. `folder` is the number of its data folder, `group` the folder it lies in;
    `seconds` as packed; `own_bytes` is 0 unless the file could travel as it is (Ogg, mono, 48 kHz, not cut)."""

    path: Path
    content_hash: str
    folder: int
    group: str
    seconds: float
    own_bytes: int

    def is_copied(self, kbps: int) -> bool:
        """Whether the file travels as it is at this rate."""
        return 0 < self.own_bytes <= _COPIED_UP_TO * self.bytes_coded(kbps)

    def bytes_coded(self, kbps: int) -> int:
        """About how many bytes it takes when coded anew."""
        return int(self.seconds * kbps * 125)

    def bytes_at(self, kbps: int) -> int:
        """About how many bytes it takes."""
        return self.own_bytes if self.is_copied(kbps) else self.bytes_coded(kbps)


def find_sources(
    folders: Sequence[Path], excluded: Collection[str], longest_s: float
) -> tuple[list[Source], list[str]]:
    """Every usable recording below the folders, each content once.

    Args: folders: searched through; excluded: content hashes that must not travel; longest_s: seconds of each.
    Returns: the recordings, and what was skipped, with the reason.
    Raises: BundleError for a missing folder or no recording.
    """
    found: dict[str, Source] = {}
    skipped: list[str] = []
    for number, folder in enumerate(folders):
        for recording in _recordings(folder, skipped):
            if recording.content_hash in excluded:
                skipped.append(f"{recording.path}: stands in --validation")
            elif recording.content_hash not in found:
                try:
                    found[recording.content_hash] = _describe(recording, number, folder, longest_s)
                except soundfile.LibsndfileError as error:
                    skipped.append(f"{recording.path}: unreadable: {error.error_string.rstrip('.')}")
    return list(found.values()), skipped


def in_turn(sources: Sequence[Source]) -> Iterator[Source]:
    """Always from the group that has had the fewest seconds so far; within a group in the order of the hashes."""
    waiting: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda source: source.content_hash, reverse=True):
        waiting.setdefault(source.group, []).append(source)
    had = dict.fromkeys(sorted(waiting), 0.0)
    while had:
        group = min(had, key=lambda name: (had[name], name))
        source = waiting[group].pop()
        had[group] += source.seconds
        if not waiting[group]:
            del had[group]
        yield source


def fitting_kbps(sources: Sequence[Source], room: int) -> int:
    """The highest bit rate at which all of them fit into so many bytes, or else the lowest one."""
    fitting = (kbps for kbps in KBPS if sum(source.bytes_at(kbps) for source in sources) <= room)
    return next(fitting, KBPS[-1])


def _recordings(folder: Path, skipped: list[str]) -> list[Recording]:
    try:
        with tempfile.TemporaryDirectory() as place:
            recordings, failed = hash_recordings(find_recordings([folder]), Path(place) / "sources.json")
    except PairsError as error:
        raise BundleError(str(error)) from error
    skipped += [f"{path}: {reason}" for path, reason in failed.items()]
    return recordings


def _describe(recording: Recording, number: int, folder: Path, longest_s: float) -> Source:
    facts = soundfile.info(recording.path)
    plain = (facts.format, facts.channels, facts.samplerate) == ("OGG", 1, SAMPLE_RATE)
    own_bytes = recording.path.stat().st_size if plain and facts.duration <= longest_s else 0
    group = f"{number}/{recording.path.parent.relative_to(folder.resolve()).as_posix()}"
    return Source(recording.path, recording.content_hash, number, group, min(facts.duration, longest_s), own_bytes)

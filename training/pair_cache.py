"""The pairs of one recording under one kind of damage, on disk: made whole, noted when done, found again by key."""

import hashlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from realtime.quality.prestage import PRESTAGE_VERSIONS, shift_back
from realtime.quality.shifters import SHIFTER_VERSIONS, band_limit, shift
from training.augment import AUGMENT_VERSION, FULL_SCALE, Augmentation, after_shift, before_shift, draw
from training.crops import Pair
from training.recordings import Audio, Recording, RecordingError, is_silent, segments, write_whole

FORMAT_VERSION = 1
_STALE_SECONDS = 3600


@dataclass(frozen=True)
class Damage:
    """One shifter with one interval, or with a range of them: what one folder of the cache holds.

    `semitones` is None where `semitone_range` is given. `sample_rate` is in Hz; `seed` steers the draws.
    `prestage` shifts the damaged sound back again; empty for none. `augment` is a share, see `training.augment.draw`.
    """

    shifter: str
    semitones: float | None
    semitone_range: tuple[float, float] | None
    seed: int
    sample_rate: int
    prestage: str = ""
    augment: float = 0.0

    def key(self) -> str:
        """The folder's name: a hash of everything that decides what is in it."""
        facts = {"format": FORMAT_VERSION, "shifter_version": SHIFTER_VERSIONS[self.shifter], **asdict(self)}
        if self.prestage:
            facts["prestage_version"] = PRESTAGE_VERSIONS[self.prestage]
        else:
            del facts["prestage"]  # as in keys from before there were pre-stages, whose pairs are the same
        if self.augment:
            facts["augment_version"] = AUGMENT_VERSION
        else:
            del facts["augment"]  # likewise
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def augmentation(self, content_hash: str, segment: int) -> Augmentation:
        """What one segment is given besides the shift: the same for every interval."""
        return draw(self.augment, f"{self.seed} {self.shifter} {content_hash} {segment}")

    def interval(self, content_hash: str, segment: int) -> float:
        """The shift in semitones of one segment; one drawn from a range is in whole cents."""
        if self.semitone_range is None:
            assert self.semitones is not None
            return self.semitones
        seed = hashlib.sha256(f"{self.seed} {self.shifter} {content_hash} {segment}".encode()).digest()
        return round(float(np.random.default_rng(list(seed)).uniform(*self.semitone_range)), 2)


@dataclass(frozen=True)
class Made:
    """What one recording gave: (frames, semitones) by segment number, or the reason why it gave nothing."""

    segments: dict[int, tuple[int, float]]
    skipped: str | None


def make(recording: Recording, damage: Damage, cache: Path) -> Made:
    """Make the pairs of one recording, taking over those that are there; the note that says "whole" is written last.

    Returns: what was made; a recording that cannot be used is no error.
    Raises: OSError if the cache cannot be written.
    """
    done: dict[int, tuple[int, float]] = {}
    skipped = None
    try:
        for number, original in enumerate(segments(recording.path, damage.sample_rate)):
            if is_silent(original):
                continue
            semitones = damage.interval(recording.content_hash, number)
            target = _file(recording, damage, cache, number)
            if not target.exists():
                augmentation = damage.augmentation(recording.content_hash, number)
                write_whole(target, _pair(original[None], damage, semitones, augmentation))
            done[number] = (len(original), semitones)
        if not done:
            skipped = "silent: the peak in mono is below -60 dBFS"
    except RecordingError as error:
        done, skipped = {}, str(error)
    rows = [[number, *facts] for number, facts in done.items()]
    note = {"source": recording.path.name, "skipped": skipped, "segments": rows}
    write_whole(_note(recording, damage, cache), json.dumps(note).encode())
    return Made(done, skipped)


def find(recording: Recording, damage: Damage, cache: Path) -> Made | None:
    """What an earlier run noted, if every file that the note names is still there; else None, and it is made again."""
    try:
        note = json.loads(_note(recording, damage, cache).read_bytes())
        done = {int(number): (int(frames), float(semitones)) for number, frames, semitones in note["segments"]}
        skipped = note["skipped"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    whole = all(_file(recording, damage, cache, number).exists() for number in done)
    return Made(done, skipped) if whole else None


def pairs_of(recording: Recording, damage: Damage, made: Made, cache: Path) -> Iterator[Pair]:
    """The pairs of one recording, in the order of its segments."""
    for number, (frames, semitones) in sorted(made.segments.items()):
        yield Pair(_file(recording, damage, cache, number), frames, damage.shifter, semitones, recording.path.name)


def remove_stale(damage: Damage, cache: Path) -> None:
    """Delete what killed runs were writing; a younger file may belong to a run at work."""
    for partial in (cache / damage.key()).glob("*.partial"):
        if time.time() - partial.stat().st_mtime > _STALE_SECONDS:
            partial.unlink(missing_ok=True)


def _pair(original: Audio, damage: Damage, semitones: float, augmentation: Augmentation) -> bytes:
    """One FLAC of two channels, shifted and original, scaled down together where the shifter passed full scale.

    A codec and then a pre-stage have the first channel before it is kept.
    """
    original = before_shift(original, augmentation, damage.sample_rate)
    original = band_limit(original, damage.sample_rate, semitones)
    shifted = shift(original, damage.sample_rate, semitones, damage.shifter)
    if np.isfinite(shifted).all():
        shifted = after_shift(shifted, augmentation)
        if damage.prestage:
            shifted = shift_back(shifted, semitones, damage.prestage)
    both = np.concatenate([shifted, original])
    if not np.isfinite(both).all():
        raise RecordingError(f"{damage.shifter} made NaN or infinite samples of it")
    peak = float(np.max(np.abs(both)))
    if peak > FULL_SCALE:
        both *= np.float32(FULL_SCALE / peak)
    flac = io.BytesIO()
    soundfile.write(flac, both.T, damage.sample_rate, subtype="PCM_24", format="FLAC")
    return flac.getvalue()


def _file(recording: Recording, damage: Damage, cache: Path, segment: int) -> Path:
    return cache / damage.key() / f"{recording.content_hash}_{segment:04d}.flac"


def _note(recording: Recording, damage: Damage, cache: Path) -> Path:
    return cache / damage.key() / f"{recording.content_hash}.json"

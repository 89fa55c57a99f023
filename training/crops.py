"""Crops of cached pairs, as a pure function of seed and step: nothing to save, nothing to share between processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.augment import NO_GAIN_DB, amplified, gains
from training.recordings import PairsError

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """One cached file of two channels, shifted and original; `source` is the recording's file name, for reports."""

    path: Path
    frames: int
    shifter: str
    semitones: float
    source: str

    @property
    def source_hash(self) -> str:
        """The content hash of the recording that the pair was cut from."""
        return self.path.stem.split("_")[0]


def read_crop(pair: Pair, start: int, frames: int) -> Audio:
    """Read `frames` samples from `start`: ``(2, frames)`` float32, row 0 shifted, row 1 original, zeros past the end.

    Raises: PairsError if the cached file is gone or damaged.
    """
    crop = np.zeros((2, frames), np.float32)
    wanted = max(0, min(frames, pair.frames - start))
    if not wanted:
        return crop
    try:
        with soundfile.SoundFile(pair.path) as file:
            file.seek(start)
            audio = file.read(wanted, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise PairsError(
            f"{pair.path} cannot be read ({error.error_string}): delete it and make the pairs again"
        ) from error
    if audio.shape != (wanted, 2):
        raise PairsError(f"{pair.path} is damaged: delete it and make the pairs again")
    crop[:, :wanted] = audio.T
    return crop


class Crops:
    """Random crops: a pair is drawn with a probability proportional to its length, its start evenly.

    Args:
        pairs: what to draw from; the order matters, so take it from `make_pairs`.
        crop: frames of one crop; batch: crops of one joint batch; seed: of the whole run.
        gain_db: both sides of a crop get one gain from this range, as far as full scale allows.
    Raises: PairsError for no pairs, or a crop or batch below 1.
    """

    def __init__(
        self, pairs: Sequence[Pair], crop: int, batch: int, seed: int, gain_db: tuple[float, float] = NO_GAIN_DB
    ) -> None:
        if not pairs:
            raise PairsError("there are no pairs to draw crops from: give more recordings")
        if crop < 1 or batch < 1:
            raise PairsError(f"a batch of {batch} crops of {crop} samples is empty: give 1 or more of both")
        self._pairs, self._crop, self._batch, self._seed = tuple(pairs), crop, batch, seed
        self._gain_db = gain_db
        self._ends = np.cumsum([pair.frames for pair in pairs])

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Audio, Audio, Audio]:
        """The crops of one step, the same whenever it is asked for.

        Args: step: from 0; rank, world: this process and their number; it gets the rows ``rank::world``.
        Returns: shifted, original, each ``(batch / world, 1, crop)`` float32, and the semitones of the shift
            ``(batch / world,)`` float32.
        Raises: PairsError if `world` does not divide the batch, or a cached file cannot be read.
        """
        if self._batch % world or not 0 <= rank < world:
            raise PairsError(
                f"a batch of {self._batch} cannot be split for process {rank} of {world}: change the batch"
            )
        places = self.places(step)[rank::world]
        both = np.stack([read_crop(pair, start, self._crop) for pair, start in places])[:, :, None]
        if self._gain_db != NO_GAIN_DB:
            both = amplified(both, gains(self._gain_db, self._seed, step, self._batch)[rank::world])
        semitones = np.array([pair.semitones for pair, _ in places], np.float32)
        return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1]), semitones

    def places(self, step: int) -> list[tuple[Pair, int]]:
        """The pair and start frame of every row of the joint batch of a step."""
        random = np.random.default_rng((self._seed, step))
        # Numbers are drawn for all rows at once, so a row does not depend on how many processes share the batch.
        places = random.integers(self._ends[-1], size=self._batch)
        fractions = random.random(self._batch)
        chosen = [self._pairs[index] for index in np.searchsorted(self._ends, places, side="right")]
        room = [max(0, pair.frames - self._crop) + 1 for pair in chosen]
        return [(pair, int(fraction * count)) for pair, fraction, count in zip(chosen, fractions, room, strict=True)]


def centre_crops(pairs: Sequence[Pair], crop: int, most: int) -> Iterator[tuple[Pair, Audio, Audio]]:
    """The middle of at most `most` pairs, spread evenly over the list: the same crops in every validation.

    Returns: (pair, shifted ``(1, crop)``, original ``(1, crop)``), zeros past the end of a short pair.
    Raises: PairsError if a cached file cannot be read.
    """
    count = min(most, len(pairs))
    for index in range(count):
        pair = pairs[index * len(pairs) // count]
        both = read_crop(pair, max(0, (pair.frames - crop) // 2), crop)
        yield pair, both[:1], both[1:]

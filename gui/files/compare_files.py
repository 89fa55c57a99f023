"""Long audio files for the compare page: outline, picture and level in one pass, and stretches of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import soxr
from numpy.typing import NDArray

from gui.files.compare_levels import BLOCK_S, gated_level
from gui.widgets.spectrogram_image import HIGH_DB, LOW_DB
from gui.widgets.waveform_envelope import Envelope, EnvelopeBuilder
from realtime.audio_files import AudioReader
from realtime.quality.spectrogram import LogSpectrogram

Samples = NDArray[np.float32]
Powers = NDArray[np.float64]
Colours = NDArray[np.uint8]

MOST_COLUMNS = 4096
FINEST_HOP, _WINDOW = 256, 2048


@dataclass(frozen=True)
class Sound:
    """What the page shows of a file.

    Attributes:
        picture: ``(R, M)`` places in the map of colours, of `frequencies_hz`; M equal columns last `picture_s`.
        powers: the mean square of every 0.1 s, ``(N,)``; level_dbfs: see `gated_level`; peak: full scale is 1.
        warnings: what is wrong with the file, a sentence each.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    envelope: Envelope
    picture: Colours
    picture_s: float
    frequencies_hz: NDArray[np.float64]
    powers: Powers
    level_dbfs: float | None
    peak: float
    warnings: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.frames / self.sample_rate


def scan(path: Path, stop: Event, on_progress: Callable[[float], None] = lambda fraction: None) -> Sound | None:
    """Read a file once, by blocks, in bounded memory; None where `stop` was set on the way.

    Raises: AudioFileError, one line, where it cannot be read.
    """
    with AudioReader(path) as reader:
        outline = EnvelopeBuilder(reader.sample_rate, reader.claimed_frames)
        picture = _PictureBuilder(reader.sample_rate, reader.claimed_frames)
        powers = _PowerBuilder(reader.sample_rate)
        for block in reader.blocks():
            if stop.is_set():
                return None
            outline.add(block)
            picture.add(block.mean(axis=0))
            powers.add(block)
            on_progress(min(1.0, reader.read_frames / max(reader.claimed_frames, 1)))
        found, columns = powers.finish(), picture.finish()
        return Sound(
            path=path,
            sample_rate=reader.sample_rate,
            channels=reader.channels,
            frames=reader.read_frames,
            envelope=outline.finish(),
            picture=in_colours(columns),
            picture_s=picture.column_s * columns.shape[1],
            frequencies_hz=picture.frequencies_hz,
            powers=found,
            level_dbfs=gated_level(found),
            peak=powers.peak,
            warnings=tuple(reader.warnings),
        )


def read_stretch(path: Path, from_s: float, to_s: float, rate: int, stop: Event) -> Samples | None:
    """The mean of the channels from one time to another at `rate` Hz, ``(N,)``; less where the file ends.

    Returns: None where `stop` was set on the way.
    Raises: AudioFileError, one line, where it cannot be read.
    """
    parts = [np.zeros(0, np.float32)]
    with AudioReader(path) as reader:
        first, last = round(from_s * reader.sample_rate), round(to_s * reader.sample_rate)
        for block in reader.blocks():
            if stop.is_set():
                return None
            start = reader.read_frames - block.shape[1]
            parts.append(block[:, max(0, first - start) : max(0, last - start)].mean(axis=0))
            if reader.read_frames >= last:
                break
        audio = np.concatenate(parts)
        if rate != reader.sample_rate and len(audio):
            audio = soxr.resample(audio, reader.sample_rate, rate, quality="HQ")
    return audio


def in_colours(decibels: Samples) -> Colours:
    """Levels as places in the map of colours, 0 … 255: done here, since it would hold up the screen."""
    share = (decibels - LOW_DB) / (HIGH_DB - LOW_DB)
    places: Colours = np.clip(np.nan_to_num(share) * 255 + 0.5, 0, 255).astype(np.uint8)
    return places


class _PowerBuilder:
    """The mean square of every 0.1 s, over all channels."""

    def __init__(self, sample_rate: int) -> None:
        self._block = max(1, round(BLOCK_S * sample_rate))
        self._left = np.zeros(0)
        self._powers: list[Powers] = []
        self.peak = 0.0

    def add(self, block: Samples) -> None:
        pending = np.concatenate([self._left, np.square(block, dtype=np.float64).mean(axis=0)])
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
        whole = len(pending) // self._block * self._block
        self._powers.append(pending[:whole].reshape(-1, self._block).mean(axis=1))
        self._left = pending[whole:]

    def finish(self) -> Powers:
        last = [self._left.mean(keepdims=True)] if len(self._left) else []
        return np.concatenate([*self._powers, *last])


class _PictureBuilder:
    """A spectrogram of at most `MOST_COLUMNS` columns, or twice as many where the header told less than there is.

    Column m shows the strongest of what lies between m and m + 1 times `column_s`.
    """

    def __init__(self, sample_rate: int, claimed_frames: int) -> None:
        hop = FINEST_HOP
        while hop < _WINDOW and claimed_frames > hop * MOST_COLUMNS:
            hop *= 2
        self._picture = LogSpectrogram(sample_rate, window_samples=_WINDOW, hop_samples=hop)
        self._hop, self._rate = hop, sample_rate
        self._together = max(1, -(-claimed_frames // (hop * MOST_COLUMNS)))
        self._columns: list[Samples] = []
        self._left = np.zeros((len(self.frequencies_hz), 0), np.float32)
        self._count = 0
        # A window ends with its column: its middle lies (window - hop) / 2 before that of the column. Silence put in
        # front makes this a whole number of columns, which are dropped.
        late = (_WINDOW - hop) // 2
        self._silence = -late % hop
        self._late = late
        self._drop = (late + self._silence) // hop
        self._add(np.zeros(self._silence, np.float32))

    @property
    def frequencies_hz(self) -> NDArray[np.float64]:
        """Of the rows."""
        return self._picture.frequencies_hz

    @property
    def column_s(self) -> float:
        """How long a column is."""
        return self._hop * self._together / self._rate

    def add(self, audio: Samples) -> None:
        self._add(audio)

    def finish(self) -> Samples:
        self._add(np.zeros(self._late + self._hop - 1, np.float32))
        columns = [*self._columns, *([_strongest(self._left, self._together)] if self._left.shape[1] else [])]
        empty = np.zeros((len(self.frequencies_hz), 0), np.float32)
        return np.concatenate([empty, *columns], axis=1)

    def _add(self, audio: Samples) -> None:
        new = self._picture.columns(audio)
        dropped = min(self._drop, new.shape[1])
        self._drop -= dropped
        pending = np.concatenate([self._left, new[:, dropped:]], axis=1)
        whole = pending.shape[1] // self._together * self._together
        self._columns.append(_strongest(pending[:, :whole], self._together))
        self._left = pending[:, whole:]
        self._count += self._columns[-1].shape[1]
        if self._count > 2 * MOST_COLUMNS:
            self._halve()

    def _halve(self) -> None:
        """Columns twice as long. Where one is left over, it counts as so many of the short ones that are pending."""
        columns = np.concatenate(self._columns, axis=1)
        even = self._count // 2 * 2
        self._left = np.concatenate([np.repeat(columns[:, even:], self._together, axis=1), self._left], axis=1)
        self._columns = [_strongest(columns[:, :even], 2)]
        self._together, self._count = 2 * self._together, even // 2


def _strongest(columns: Samples, together: int) -> Samples:
    """The largest of each `together` neighbours, the last of them fewer: ``(R, N)`` -> ``(R, ⌈N / together⌉)``."""
    if together == 1 or not columns.shape[1]:
        return columns
    return np.maximum.reduceat(columns, np.arange(0, columns.shape[1], together), axis=1)

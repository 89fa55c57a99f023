"""Pictures of sound: the level over time on a logarithmic scale of frequency, and the names of notes."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from realtime.quality.levels import Samples

Picture = NDArray[np.float32]

_ZERO_PADDING = 4  # spectra this much denser: a sine between two bins reads at most 0.09 dB low under a Hann window
_FRAMES_AT_ONCE = 64  # bounds the memory of a long sound
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class SpectrogramError(ValueError):
    """A spectrogram that cannot be, or a frequency that has no note."""


class LogSpectrogram:
    """Levels in dB over rows of equal ratio, from the lowest frequency up; 0 dB is a sine of full scale.

    Rows narrower than a bin lie between two bins; wider ones show their strongest bin, so no partial falls between.

    Args:
        sample_rate: Hz.
        low_hz, high_hz: centres of the first and of the last row; a row above half the rate reads `floor_db`.
        rows: R.
        window_samples: of the Hann window.
        hop_samples: from one column to the next.
        floor_db: what is quieter reads this.

    Raises: SpectrogramError, one line.
    """

    def __init__(
        self,
        sample_rate: int,
        low_hz: float = 40.0,
        high_hz: float = 16_000.0,
        rows: int = 192,
        window_samples: int = 2048,
        hop_samples: int = 512,
        floor_db: float = -100.0,
    ) -> None:
        if not (sample_rate > 0 and 0 < low_hz < high_hz and rows >= 2 and math.isfinite(high_hz)):
            raise SpectrogramError(
                f"a spectrogram needs a rate above 0, 0 < low_hz < high_hz and 2 rows or more, not {sample_rate} Hz, "
                f"{low_hz:g} … {high_hz:g} Hz and {rows} rows"
            )
        if not (window_samples >= 16 and 1 <= hop_samples <= window_samples):
            raise SpectrogramError(
                f"a spectrogram needs a window of 16 samples or more and a hop within it, not {window_samples} "
                f"and {hop_samples}"
            )
        self.sample_rate, self.hop_samples, self.window_samples = sample_rate, hop_samples, window_samples
        self.floor_db = floor_db
        self.frequencies_hz: NDArray[np.float64] = np.geomspace(low_hz, high_hz, rows)
        window = np.hanning(window_samples + 1)[:-1]
        self._window = (window * 2 / window.sum()).astype(np.float32)
        self._fft_samples = 1 << (_ZERO_PADDING * window_samples - 1).bit_length()
        self._place_rows()
        self._past = np.zeros(window_samples - hop_samples, np.float32)

    @property
    def column_s(self) -> float:
        """From one streamed column to the next."""
        return self.hop_samples / self.sample_rate

    @property
    def delay_s(self) -> float:
        """From the middle of a streamed column's window to its newest sample."""
        return self.window_samples / 2 / self.sample_rate

    def reset(self) -> None:
        """Begin anew from silence."""
        self._past = np.zeros(self.window_samples - self.hop_samples, np.float32)

    def columns(self, audio: Samples) -> Picture:
        """The columns ``(R, M)`` that ``(N,)`` more samples complete; the rest is kept for the next call.

        Column m looks at the `window_samples` up to sample ``(m + 1) * hop_samples``, after silence. A column whose
        window holds anything but finite numbers is NaN throughout.
        """
        audio = np.concatenate([self._past, np.asarray(audio, np.float32)])
        count = max(0, (len(audio) - self.window_samples) // self.hop_samples + 1)
        self._past = audio[count * self.hop_samples :]
        if not count:
            return np.zeros((len(self.frequencies_hz), 0), np.float32)
        return self._in_parts(sliding_window_view(audio, self.window_samples)[:: self.hop_samples][:count])

    def whole(self, audio: Samples, columns: int) -> Picture:
        """A whole sound ``(N,)`` in at most `columns` columns of equal length, ``(R, M)``; keeps nothing.

        Each column shows the strongest of its frames, which are at most `hop_samples` apart and centred in time.
        """
        if columns < 1:
            raise SpectrogramError(f"a picture needs 1 column or more, not {columns}")
        frames = -(-len(audio) // self.hop_samples)
        if not frames:
            return np.zeros((len(self.frequencies_hz), 0), np.float32)
        width = min(columns, frames)
        each = -(-frames // width)
        half = self.window_samples // 2
        padded = np.pad(np.asarray(audio, np.float32), (half, self.window_samples))
        starts = ((np.arange(width * each) + 0.5) * len(audio) / (width * each)).astype(int)
        windows = sliding_window_view(padded, self.window_samples)
        picture = np.empty((len(self.frequencies_hz), width), np.float32)
        step = max(1, _FRAMES_AT_ONCE // each)
        for first in range(0, width, step):
            last = min(width, first + step)
            decibels = self._in_parts(windows[starts[first * each : last * each]])
            picture[:, first:last] = decibels.reshape(len(decibels), -1, each).max(axis=2)
        return picture

    def _place_rows(self) -> None:
        """Which bins each row looks at. Rows above half the rate are left out here."""
        bin_hz, bins = self.sample_rate / self._fft_samples, self._fft_samples // 2 + 1
        ratio = self.frequencies_hz[1] / self.frequencies_hz[0]
        inside = self.frequencies_hz[self.frequencies_hz < self.sample_rate / 2]
        places = inside / bin_hz
        self._below = np.minimum(places.astype(int), bins - 2)
        self._share = (places - self._below).astype(np.float32)[None]
        edges = np.append(places / math.sqrt(ratio), places[-1:] * math.sqrt(ratio))
        cuts = np.clip(np.ceil(edges).astype(int), 0, bins)
        narrow = np.flatnonzero(np.diff(cuts) < 1)
        self._first_wide = int(narrow[-1]) + 1 if len(narrow) else 0
        self._cuts = cuts[self._first_wide :]

    def _in_parts(self, frames: Samples) -> Picture:
        parts = [self._decibels(frames[at : at + _FRAMES_AT_ONCE]) for at in range(0, len(frames), _FRAMES_AT_ONCE)]
        return np.concatenate(parts, axis=1)

    def _decibels(self, frames: Samples) -> Picture:
        """``(M, window)`` -> ``(R, M)``."""
        usable: NDArray[np.bool_] = np.all(np.isfinite(frames), axis=1)
        windowed = np.where(usable[:, None], frames, 0) * self._window
        spectrum = np.fft.rfft(windowed, self._fft_samples, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        rows = power[:, self._below] * (1 - self._share) + power[:, self._below + 1] * self._share
        if self._first_wide < rows.shape[1]:
            last = self._cuts[-1]
            strongest = np.maximum.reduceat(power[:, :last], self._cuts[:-1], axis=1)
            np.maximum(rows[:, self._first_wide :], strongest, out=rows[:, self._first_wide :])
        floor = 10 ** (self.floor_db / 10)
        picture = np.full((len(self.frequencies_hz), len(frames)), self.floor_db, np.float32)
        picture[: rows.shape[1]] = np.maximum(10 * np.log10(np.maximum(rows, floor)), self.floor_db).T
        picture[:, ~usable] = np.nan
        return picture


def note_name(frequency_hz: float) -> str:
    """The nearest note of equal temperament and how far off it is: ``"A4 +12 ct"``, A4 at 440 Hz.

    Raises: SpectrogramError for anything but a frequency above 0.
    """
    if not (frequency_hz > 0 and math.isfinite(frequency_hz)):
        raise SpectrogramError(f"only a frequency above 0 Hz has a note, not {frequency_hz}")
    key = 69 + 12 * math.log2(frequency_hz / 440)  # MIDI: A4 is key 69, C-1 key 0
    nearest = math.floor(key + 0.5)
    cents = round(100 * (key - nearest))
    octave, note = divmod(nearest, 12)
    return f"{_NOTES[note]}{octave - 1} {'−' if cents < 0 else '+'}{abs(cents)} ct"

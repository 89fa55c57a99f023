"""The vocoder's arithmetic, free of plugins: a phase vocoder that moves the spectral peaks, hop by hop, in numpy alone.

The host wraps it as a plugin (realtime.plugins.vocoder); training runs it over recordings (realtime.quality.prestage).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realtime.quality.vocoder_windows import LOSS_STEPS, SPANS, Windows, windows

WINDOWS: tuple[int, ...] = tuple(SPANS)
LARGEST_SHIFT_SEMITONES = 12.0
ONSET_RISE = 4.0  # in power, from one window to the next: 6 dB within a hop is an attack
EXTENSION = 0.15  # of a region, on both sides, into the gaps that a shift up leaves between regions

Samples = NDArray[np.float32]
Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]
Indices = NDArray[np.intp]


class PeakVocoder:
    """Shift pitch by `semitones`, which may be set between hops; each channel on its own, no formant correction.

    The window is cut into regions, one around each spectral peak. A region moves by whole bins and is turned, from
    window to window, by the exact phase that its new frequency gains on the old one. Beyond the paper: the level
    that rounding to whole bins costs is given back; shifts up fill the gaps between regions from the regions' own
    edges; at an onset a region's turning starts anew, counted from the moment of the attack; a shift up hears twice as
    far back as it is late.

    Raises: ValueError on building, where there is no such window.
    Source: Laroche & Dolson, New phase-vocoder techniques for pitch-shifting, WASPAA 1999.
    """

    def __init__(self, channels: int, semitones: float, window_samples: int) -> None:
        if window_samples not in WINDOWS:
            raise ValueError(f"vocoder: no window of {window_samples} samples; choose {', '.join(map(str, WINDOWS))}")
        self.semitones = semitones
        self._channels = channels
        both = [windows(window_samples, rising) for rising in (False, True)]
        self._hop, self._late = both[0].block, window_samples
        self._heard = np.zeros((channels, max(pair.reach for pair in both)))
        self._overlap = np.zeros((channels, window_samples))
        self._take(windows(window_samples, semitones > 0))
        self.replaced_samples = 0  # of the input: NaN or infinite, taken as 0

    @property
    def hop_samples(self) -> int:
        """Samples per channel of one block: an eighth of the window."""
        return self._hop

    @property
    def latency_samples(self) -> int:
        """The window: a sample is complete once the last window that holds it has been heard."""
        return self._late

    @property
    def channels(self) -> int:
        """Rows of a block; each row is shifted on its own."""
        return self._channels

    def _take(self, using: Windows) -> None:
        """Use these windows from now on; what was turned so far is forgotten, as at an onset."""
        self._using, self._bins = using, using.bins
        # Radians by which each bin's region has been turned so far.
        self._turned = np.zeros(self._channels * using.bins)
        # Of this window and the one before; the two columns of zeros are what the outer bins are compared with.
        self._power, self._past_power = (np.zeros((self._channels, using.bins + 2)) for _ in range(2))

    def reset(self) -> None:
        """Back to silence; the shift and the counter stay."""
        for state in (self._heard, self._overlap, self._turned, self._power, self._past_power):
            state.fill(0)

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``. NaN and infinite samples count as 0."""
        hop = self._hop
        self._heard[:, :-hop] = self._heard[:, hop:]
        self._heard[:, -hop:] = block
        finite = np.isfinite(block)
        if not finite.all():
            self.replaced_samples += int(np.count_nonzero(~finite))
            self._heard[:, -hop:][~finite] = 0
        ratio = 2 ** (self.semitones / 12)
        wanted = windows(self._late, ratio > 1)
        if wanted is not self._using:
            self._take(wanted)
        for end in wanted.ends:
            stop = self._heard.shape[1] - end
            heard = self._heard[:, stop - wanted.heard : stop]
            shifted = self._shift(np.fft.rfft(heard * wanted.analysis), ratio, wanted)
            made = np.fft.irfft(shifted, wanted.heard) * wanted.synthesis
            stop = self._late - end
            self._overlap[:, stop - wanted.kept : stop] += made[:, -wanted.kept :]
        result = self._overlap[:, :hop].astype(np.float32)
        self._overlap[:, :-hop] = self._overlap[:, hop:]
        self._overlap[:, -hop:] = 0
        return result

    def _shift(self, spectrum: Spectrum, ratio: float, using: Windows) -> Spectrum:
        """Move the region around each peak to `ratio` times the peak's frequency: ``(C, K)`` -> ``(C, K)``."""
        self._power, self._past_power = self._past_power, self._power
        power, past = self._power[:, 1:-1], self._past_power[:, 1:-1]
        np.add(spectrum.real**2, spectrum.imag**2, out=power)
        peaks = _find_peaks(self._power)
        if not len(peaks):
            self._turned.fill(0)
            return np.zeros_like(spectrum)
        bins = peaks % self._bins
        moves = (ratio - 1) * (bins + _peak_offsets(power, peaks, using.offsets))
        starts = _region_starts(power, peaks)
        turned = self._turned[peaks] + moves * (2 * math.pi * using.hop / using.heard)
        rises = np.add.reduceat(power.reshape(-1), starts) > ONSET_RISE * np.add.reduceat(past.reshape(-1), starts)
        if rises.any():  # turning counts from the attack, so that all bins of the region meet there again
            turned[rises] = -2 * math.pi * moves[rises] * _attack_places(spectrum, peaks[rises], using)
        turned -= 2 * math.pi * np.floor(turned / (2 * math.pi))
        turned[bins == 0] = 0  # a constant has no phase
        if ratio == 1:  # what was turned before must not stay: the output is the input now
            turned[:] = 0
        lengths = np.diff(starts, append=power.size)
        self._turned = np.repeat(turned, lengths)
        whole = np.rint(moves).astype(np.intp)
        gains = using.gains[np.rint((moves - whole) * LOSS_STEPS).astype(np.intp) + LOSS_STEPS // 2]
        # The turning counts from the middle, where a move by whole bins has turned the sound already.
        angles = turned - 2 * math.pi * using.middle / using.heard * whole
        factors = np.empty(len(angles), np.complex128)
        factors.real, factors.imag = gains * np.cos(angles), gains * np.sin(angles)
        return _moved(spectrum, peaks, starts, lengths, whole, factors)


def _find_peaks(power: Array) -> Indices:
    """Bins above both neighbours: ``(C, 1 + K + 1)`` with zeros at the ends -> places in the flattened ``(C, K)``.

    A row that is not all 0 has one at least.
    """
    middle = power[:, 1:-1]
    higher = middle > power[:, :-2]
    higher &= middle >= power[:, 2:]
    return np.flatnonzero(higher)


def _peak_offsets(power: Array, peaks: Indices, offsets: tuple[float, ...]) -> Array:
    """Where between the bins a peak lies, -0.5 to 0.5; 0 at either end of a row.

    Not from a parabola, whose top lies up to a fiftieth of a bin off, but from the curve that a steady tone has under
    the window: see `realtime.quality.vocoder_windows`.
    """
    places, inside = _inside(peaks, power.shape[1])
    left, middle, right = np.sqrt(power.reshape(-1)[places + np.array([[-1], [0], [1]])])
    total = left + 2 * middle + right
    total[total == 0] = 1
    lean = inside * (right - left) / total
    place: Array = np.zeros_like(lean)
    for factor in reversed(offsets):
        place = place * lean**2 + factor
    within: Array = np.minimum(np.maximum(place * lean, -0.5), 0.5)
    return within


def _attack_places(spectrum: Spectrum, peaks: Indices, using: Windows) -> Array:
    """When in the window a peak sounds, in windows from the middle: its group delay, from its two neighbours."""
    places, inside = _inside(peaks, spectrum.shape[1])
    flat = spectrum.reshape(-1)
    slope = flat[places + 1] * flat[places].conj() + flat[places] * flat[places - 1].conj()
    # A sound in the middle turns by this much a bin, counted from the window's start.
    middle = np.exp(2j * math.pi * using.middle / using.heard)
    places_in_window: Array = inside * np.angle(slope * middle) / (-2 * math.pi)
    return places_in_window


def _inside(peaks: Indices, bin_count: int) -> tuple[Indices, NDArray[np.bool_]]:
    """The peaks with those at either end of a row replaced by a bin that has two neighbours, and which were not."""
    bins = peaks % bin_count
    inside = (bins > 0) & (bins < bin_count - 1)
    return np.where(inside, peaks, 1), inside


def _region_starts(power: Array, peaks: Indices) -> Indices:
    """The first bin of each peak's region: regions meet half way between peaks and never cross a row.

    The bin in the very middle goes with the stronger peak, else the skirt of a tone could follow a peak of mere
    rounding errors beside it.
    """
    bins = power.shape[1]
    rows, levels = peaks // bins, power.reshape(-1)[peaks]
    starts = np.zeros_like(peaks)
    halves = (peaks[:-1] + peaks[1:] + 1 + (levels[:-1] > levels[1:])) // 2
    starts[1:] = np.where(rows[1:] > rows[:-1], rows[1:] * bins, halves)
    return starts


def _moved(
    spectrum: Spectrum, peaks: Indices, starts: Indices, lengths: Indices, moves: Indices, factors: Spectrum
) -> Spectrum:
    """Each region times its factor, moved by whole bins: ``(C, K)`` -> ``(C, K)``; peaks move apart or together."""
    parts = spectrum.copy()
    parts[:, [0, -1]] *= 0.5  # each of these two stands for itself and for its mirror image
    if moves.max() > 0:
        moved = _moved_apart(parts, peaks, starts, lengths, moves, factors)
    else:
        moved = _moved_together(parts, lengths, moves, factors)
    moved[:, [0, -1]] *= 2
    return moved


def _moved_together(parts: Spectrum, lengths: Indices, moves: Indices, factors: Spectrum) -> Spectrum:
    """A shift down: regions overlap and add up. What passes 0 Hz comes back as its mirror image."""
    channels, bins = parts.shape
    parts *= np.repeat(factors, lengths).reshape(channels, bins)
    places = np.arange(bins) + np.repeat(moves, lengths).reshape(channels, bins)
    np.negative(parts.imag, out=parts.imag, where=places < 0)
    places = (np.abs(places) + bins * np.arange(channels)[:, None]).reshape(-1)
    moved = np.empty((channels, bins), np.complex128)
    moved.real = np.bincount(places, parts.real.reshape(-1), parts.size).reshape(channels, bins)
    moved.imag = np.bincount(places, parts.imag.reshape(-1), parts.size).reshape(channels, bins)
    return moved


def _moved_apart(
    parts: Spectrum, peaks: Indices, starts: Indices, lengths: Indices, moves: Indices, factors: Spectrum
) -> Spectrum:
    """A shift up: each new bin belongs to the nearest moved peak and is taken from that peak's region.

    A region is read a little beyond its edges, which fills the gaps; further it would hold its neighbour's peak twice.
    What passes half the sample rate is gone.
    """
    bins, count = parts.shape[1], len(peaks)
    floor = peaks // bins * bins  # where the peak's row starts
    ends, places = floor + bins, peaks + moves
    # A row without peaks lies in its neighbour's outer region: that part is cut off.
    starts, stops = np.maximum(starts, floor), np.minimum(starts + lengths, ends)
    starts, stops = _extended(np.abs(parts.reshape(-1)), peaks, starts, stops, floor, ends)
    middles = np.full(count + 1, parts.size)
    middles[0] = 0
    middles[1:-1] = np.where(floor[1:] > floor[:-1], floor[1:], (places[:-1] + places[1:] + 1) // 2)
    first = np.minimum(np.maximum(starts + moves, middles[:-1]), ends)
    last = np.minimum(stops + moves, middles[1:])
    last = np.maximum(np.minimum(last, ends), first)
    # Gap and region take turns, a gap first; a gap is multiplied by 0.
    turns = np.zeros(2 * count + 2, np.intp)
    turns[1:-1:2], turns[2:-1:2], turns[-1] = first, last, parts.size
    lengths = turns[1:] - turns[:-1]
    turn_moves, turn_factors = np.zeros(len(lengths), np.intp), np.zeros(len(lengths), np.complex128)
    turn_moves[1::2], turn_factors[1::2] = moves, factors
    sources = np.arange(parts.size) - np.repeat(turn_moves, lengths)
    moved = parts.reshape(-1)[sources] * np.repeat(turn_factors, lengths)
    return moved.reshape(parts.shape)


def _extended(
    levels: Array, peaks: Indices, starts: Indices, stops: Indices, floor: Indices, ends: Indices
) -> tuple[Indices, Indices]:
    """Regions with some more on both sides, inside their rows; not where that would take in more than their own peak.

    A peak of rounding errors beside a tone would else carry the tone's skirt away with it.
    """
    extra = np.ceil(EXTENSION * (stops - starts)).astype(np.intp)
    wider_starts, wider_stops = np.maximum(starts - extra, floor), np.minimum(stops + extra, ends)
    own = levels[peaks]
    return (
        np.where(levels[wider_starts] <= own, wider_starts, starts),
        np.where(levels[wider_stops - 1] <= own, wider_stops, stops),
    )

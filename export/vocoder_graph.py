"""The host's vocoder as operators of the graph: fixed shapes, no control flow, every hop of a call in one go.

Computes what `realtime.quality.peak_vocoder.PeakVocoder` computes, in float32. What that keeps as lists of peaks lies
here in every bin: a bin knows its *owner*, the peak of its region, and what a region shares is gathered from there.
Only the turning goes from hop to hop. Source: Laroche & Dolson, WASPAA 1999; see there for what is added.
"""

import math
from dataclasses import dataclass

import numpy as np

from export.graph_writer import GraphWriter
from export.vocoder_regions import Moved, Peaks, find_peaks, moved_apart, moved_together
from export.vocoder_transform import Transform
from training.vocoder import EXTENSION, ONSET_RISE, Windows, vocoder_windows

TURN = 2 * math.pi
_SMALL = 1e-37  # keeps a quotient of zeros from being no number


@dataclass(frozen=True)
class Spectrum:
    """Names of ``[rows, bins]`` float32, a row for each hop of each channel."""

    real: str
    imaginary: str
    power: str
    level: str


def vocoder(graph: GraphWriter, audio: str, control: str, hop_samples: int, prestage: str) -> str:
    """Undo a shift of `control` semitones ``[1]``: ``[channels, 1, hop]`` -> the same, 7/8 of a window later.

    Shifts down and shifts up have windows of their own, so both are worked out, and one is taken.
    Args: hop_samples: a multiple of the vocoder's own; prestage: one of `realtime.quality.prestage.PRESTAGES`.
    """
    down, up = vocoder_windows(prestage)
    ratio = graph.node("Exp", graph.node("Mul", control, graph.number(-math.log(2) / 12)))
    longest = max(down.reach, up.reach)
    one, kept = graph.number(1.0), longest - up.block
    heard = graph.node("Concat", graph.state("vocoder_heard", (1, kept)), audio, axis=2)
    graph.slice(heard, hop_samples, hop_samples + kept, 2, out="next_vocoder_heard")
    lower = _Shifter(graph, "down", hop_samples, down).write(heard, longest, graph.node("Min", ratio, one))
    higher = _Shifter(graph, "up", hop_samples, up).write(heard, longest, graph.node("Max", ratio, one))
    frames = graph.node("Where", graph.node("Greater", ratio, one), higher, lower)
    return _overlapped(graph, frames, hop_samples, up)


def _overlapped(graph: GraphWriter, frames: str, hop_samples: int, using: Windows) -> str:
    """Add windows ``[rows, latency]`` where they lie; what later ones still add to is the state."""
    count, per_window = hop_samples // using.block, using.latency // using.block
    kept = per_window - 1
    parts = graph.reshape(frames, -1, count * per_window, using.block)
    parts = graph.node("Concat", graph.state("vocoder_overlap", (kept, using.block)), parts, axis=1)
    hop, part = np.divmod(np.arange(count * per_window), per_window)
    targets = np.concatenate([np.arange(kept), hop + part])
    adds = (targets == np.arange(count + kept)[:, None]).astype(np.float32)
    added = graph.node("MatMul", graph.weight("vocoder_adds", adds), parts)
    graph.slice(added, count, count + kept, 1, out="next_vocoder_overlap")
    return graph.reshape(graph.slice(added, 0, count, 1), -1, 1, hop_samples)


class _Shifter:
    """One direction. `name` tells its states and constants from the other's."""

    def __init__(self, graph: GraphWriter, name: str, hop_samples: int, using: Windows) -> None:
        self._graph, self._name, self._using = graph, name, using
        self._frames, self._bins = hop_samples // using.hop, using.bins
        self._transform = Transform(graph, using.heard)

    def write(self, heard: str, longest: int, ratio: str) -> str:
        """What was heard ``[channels, 1, longest - one hop + hop_samples]`` -> shifted windows ``[rows, latency]``."""
        graph, using = self._graph, self._using
        real, imaginary = self._transform.forward(self._windows(heard, longest))
        power = graph.add(graph.squared(real), graph.squared(imaginary))
        spectrum = Spectrum(real, imaginary, power, graph.node("Sqrt", power))
        peaks = find_peaks(graph, power, spectrum.level, self._bins)
        moves = self._moves(spectrum, ratio)
        turned = self._turned(spectrum, peaks, moves, ratio)
        own_moves = graph.gather(moves, peaks.owner)
        whole = graph.node("Round", own_moves)
        factors = self._factors(own_moves, whole, turned)
        halves = np.ones(self._bins, np.float32)
        halves[[0, -1]] = 0.5  # each of these two stands for itself and for its mirror image
        half = graph.weight(f"vocoder_halves_{self._bins}", halves)
        parts = Moved(graph.node("Mul", real, half), graph.node("Mul", imaginary, half))
        if self._name == "down":
            made = moved_together(graph, parts, whole, factors, self._bins)
        else:
            level = graph.node("Mul", spectrum.level, half)
            peak_moves = graph.node("Round", moves)
            made = moved_apart(graph, parts, level, peaks, peak_moves, factors, EXTENSION, self._bins)
        frames = self._transform.inverse(made.real, made.imaginary, using.kept)
        frames = graph.node("Mul", frames, self._constant("synthesis", using.synthesis[-using.kept :]))
        return self._in_blocks(frames)

    def _in_blocks(self, frames: str) -> str:
        """Windows ``[rows, kept]`` -> what the windows of each block add up to, ``[blocks, latency]``."""
        graph, using = self._graph, self._using
        if using.kept == using.latency:
            return frames
        steps = len(using.ends)
        parts = graph.split(graph.reshape(frames, -1, steps, using.kept), [1] * steps, axis=1)
        block = ""
        for part, end in zip(parts, using.ends, strict=True):
            pads = graph.integers((0, using.latency - using.kept - end, 0, end))
            placed = graph.node("Pad", graph.reshape(part, -1, using.kept), pads)
            block = graph.add(block, placed) if block else placed
        return block

    def _constant(self, name: str, values: np.ndarray) -> str:
        return self._graph.weight(f"vocoder_{self._name}_{name}", values.astype(np.float32))

    def _windows(self, heard: str, longest: int) -> str:
        """The windows that end with each hop: ``[rows, window]``."""
        graph, using = self._graph, self._using
        first = longest - using.reach
        places = using.hop * np.arange(self._frames)[:, None] + np.arange(first, first + using.heard)
        index = graph.weight(f"vocoder_{self._name}_places", places.astype(np.int64))
        frames = graph.node("Mul", graph.node("Gather", heard, index, axis=2), self._constant("window", using.analysis))
        return graph.reshape(frames, -1, using.heard)

    def _moves(self, heard: Spectrum, ratio: str) -> str:
        """By how many bins each bin would move if it were a peak; `peak_vocoder._peak_offsets` has the formula."""
        graph = self._graph
        left, right = graph.neighbours(heard.level, self._bins)
        total = graph.add(graph.add(left, right), graph.node("Mul", heard.level, graph.number(2.0)))
        lean = graph.node("Div", graph.node("Sub", right, left), graph.add(total, graph.number(_SMALL)))
        lean = graph.node("Mul", lean, self._inside())
        squared, (*lower, highest) = graph.squared(lean), self._using.offsets
        offset = graph.number(highest)
        for factor in reversed(lower):
            offset = graph.add(graph.node("Mul", offset, squared), graph.number(factor))
        offset = graph.node("Mul", offset, lean)
        offset = graph.node("Clip", offset, graph.number(-0.5), graph.number(0.5))
        place = graph.add(offset, graph.bin_numbers(self._bins))
        return graph.node("Mul", place, graph.node("Sub", ratio, graph.number(1.0)))

    def _inside(self) -> str:
        inside = np.ones(self._bins, np.float32)
        inside[[0, -1]] = 0
        return self._graph.weight(f"vocoder_inside_{self._bins}", inside)

    def _turned(self, heard: Spectrum, peaks: Peaks, moves: str, ratio: str) -> str:
        """By how much each bin's region has been turned, hop after hop, in whole turns: 0 to 1, ``[rows, bins]``."""
        graph = self._graph
        rises = graph.node("Greater", *self._region_powers(heard, peaks))
        fresh = graph.node("Neg", graph.node("Mul", moves, self._attack_places(heard)))
        fresh, gained = graph.gather(fresh, peaks.owner), graph.gather(moves, peaks.owner)
        gained = graph.node("Mul", gained, graph.number(self._using.hop / self._using.heard))
        added = graph.node("Where", rises, fresh, gained)
        shifts = graph.node("Cast", graph.node("Not", graph.node("Equal", ratio, graph.number(1.0))), to=1)
        kept = graph.node("Where", rises, graph.number(0.0), shifts)  # at a ratio of 1 the output is the input
        has_phase = graph.node("Cast", graph.node("Greater", peaks.owner_number, graph.number(0.0)), to=1)
        # One row a channel and hop: apart by hop, since each goes on from the one before; a constant has no phase.
        turned = graph.state(f"vocoder_{self._name}_turned", (self._bins,))
        hops = zip(
            self._by_hop(graph.node("Mul", added, has_phase)),
            self._by_hop(graph.node("Mul", kept, has_phase)),
            self._by_hop(peaks.owner),
            strict=True,
        )
        steps = []
        for place, (addition, keep, owner) in enumerate(hops):
            sum_ = graph.add(graph.node("Mul", graph.gather(turned, owner), keep), addition)
            out = f"next_vocoder_{self._name}_turned" if place == self._frames - 1 else ""
            turned = graph.node("Sub", sum_, graph.node("Floor", sum_), out=out)
            steps.append(graph.node("Unsqueeze", turned, graph.integers([1])))
        joined = steps[0] if len(steps) == 1 else graph.node("Concat", *steps, axis=1)
        return graph.reshape(joined, -1, self._bins)

    def _by_hop(self, rows: str) -> list[str]:
        parts = self._graph.reshape(rows, -1, self._frames, self._bins)
        apart = [parts] if self._frames == 1 else self._graph.split(parts, [1] * self._frames, axis=1)
        return [self._graph.node("Squeeze", part, self._graph.integers([1])) for part in apart]

    def _region_powers(self, heard: Spectrum, peaks: Peaks) -> tuple[str, str]:
        """The power of each bin's region, now and, times the rise that makes an onset, one hop ago."""
        graph, bins = self._graph, self._bins
        by_hop = graph.reshape(heard.power, -1, self._frames, bins)
        past = graph.state(f"vocoder_{self._name}_power", (1, bins))
        graph.slice(by_hop, self._frames - 1, self._frames, 1, out=f"next_vocoder_{self._name}_power")
        if self._frames > 1:
            past = graph.node("Concat", past, graph.slice(by_hop, 0, self._frames - 1, 1), axis=1)
        past = graph.node("Mul", graph.reshape(past, -1, bins), graph.number(ONSET_RISE))
        nothing = graph.constant_like(heard.power, 0.0)
        sums = [graph.scatter(nothing, peaks.owner, power, reduction="add") for power in (heard.power, past)]
        return graph.gather(sums[0], peaks.owner), graph.gather(sums[1], peaks.owner)

    def _attack_places(self, heard: Spectrum) -> str:
        """When in the window each bin sounds, in windows from the middle: its group delay, from its two neighbours."""
        graph, bins = self._graph, self._bins
        (left, right), (left_i, right_i) = (graph.neighbours(x, bins) for x in (heard.real, heard.imaginary))
        real, imaginary = heard.real, heard.imaginary
        # next * own' + own * last', where ' is the conjugate.
        around, around_i = graph.add(left, right), graph.add(left_i, right_i)
        across, across_i = graph.node("Sub", right, left), graph.node("Sub", right_i, left_i)
        x = graph.add(graph.node("Mul", around, real), graph.node("Mul", around_i, imaginary))
        y = graph.node("Sub", graph.node("Mul", across_i, real), graph.node("Mul", across, imaginary))
        # A sound in the middle turns by this much a bin, counted from the window's start.
        turn = TURN * self._using.middle / self._using.heard
        cos, sin = graph.number(math.cos(turn)), graph.number(math.sin(turn))
        angle = self._angle(*reversed(graph.complex_product(x, y, cos, sin)))
        return graph.node("Mul", graph.node("Mul", angle, graph.number(-1 / TURN)), self._inside())

    def _angle(self, y: str, x: str) -> str:
        """The angle of (x, y), -pi to pi, by the half-angle tangent, whose form is chosen for what does not cancel."""
        graph = self._graph
        length = graph.node("Sqrt", graph.add(graph.squared(x), graph.squared(y)))
        right = graph.node("Div", y, graph.add(graph.add(length, x), graph.number(_SMALL)))
        left = graph.node("Div", graph.node("Sub", length, x), y)
        tangent = graph.node("Where", graph.node("Less", x, graph.number(0.0)), left, right)
        return graph.node("Mul", graph.node("Atan", tangent), graph.number(2.0))

    def _factors(self, moves: str, whole: str, turned: str) -> Moved:
        """What each region is multiplied with: turned, and given back the level that rounding its move costs."""
        graph, using = self._graph, self._using
        most = len(using.gains) // 2  # the entry for a rest of half a bin; the middle one is for none
        rest = graph.node("Mul", graph.node("Sub", moves, whole), graph.number(2 * most))
        index = graph.index(graph.add(graph.node("Round", rest), graph.number(most)), len(using.gains))
        gain = graph.node("Gather", self._constant("gains", using.gains), index)
        # The turning counts from the middle, where a move by whole bins has turned the sound already.
        there = graph.node("Mul", whole, graph.number(using.middle / using.heard))
        turns = graph.node("Sub", turned, there)
        turns = graph.node("Sub", turns, graph.node("Floor", turns))
        angle = graph.node("Mul", turns, graph.number(TURN))
        return Moved(*(graph.node("Mul", gain, graph.node(wave, angle)) for wave in ("Cos", "Sin")))

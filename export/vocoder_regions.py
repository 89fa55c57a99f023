"""The vocoder's regions in the graph: which peak owns a bin, and moving what each peak owns."""

from collections.abc import Iterator
from dataclasses import dataclass

from export.graph_writer import GraphWriter

_NONE = 1e4  # a bin number beyond every spectrum: there is no such peak


@dataclass(frozen=True)
class Moved:
    """Real and imaginary part, names of ``[rows, bins]``."""

    real: str
    imaginary: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.real, self.imaginary))


@dataclass(frozen=True)
class Peaks:
    """Names of ``[rows, bins]``, but for `table`.

    `is_peak`: bool; `owner`: the bin of the peak whose region a bin lies in, int64, and `owner_number` the same in
    float32; `boundary`: the first bin beyond the region of the last peak at or below a bin; `table`: the peaks in a
    row, counted from 1, `_NONE` beyond them.
    """

    is_peak: str
    owner: str
    owner_number: str
    boundary: str
    table: str


def find_peaks(graph: GraphWriter, power: str, level: str, bins: int) -> Peaks:
    """Peaks and regions as `peak_vocoder._find_peaks` and `_region_starts` have them."""
    left, right = graph.neighbours(power, bins)
    higher = (graph.node("Greater", power, left), graph.node("GreaterOrEqual", power, right))
    is_peak = graph.node("And", *higher)
    numbers, counted = graph.bin_numbers(bins), graph.node("Cast", is_peak, to=1)
    count = graph.counted_up(counted)
    # Peak number n goes to place n; every other bin to a place of its own behind all of them.
    most = bins // 2 + 2
    place = graph.node("Where", is_peak, count, graph.add(numbers, graph.number(most)))
    blank = graph.constant_like(graph.node("Pad", power, graph.integers((0, 0, 0, most))), _NONE)
    table = graph.scatter(blank, graph.index(place, bins + most), graph.node("Mul", counted, numbers))
    table = graph.slice(table, 0, most, 1)
    before, after = _around(graph, table, count, most)
    louder = graph.node("Greater", *(graph.gather(level, graph.index(peak, bins)) for peak in (before, after)))
    boundary = _middle(graph, graph.add(before, after), graph.node("Cast", louder, to=1))
    owner = graph.index(_nearer(graph, before, after, boundary, numbers), bins)
    return Peaks(is_peak, owner, graph.node("Cast", owner, to=1), boundary, table)


def moved_together(graph: GraphWriter, parts: Moved, whole: str, factors: Moved, bins: int) -> Moved:
    """A shift down: regions overlap and add up. What passes 0 Hz comes back as its mirror image."""
    real, imaginary = graph.complex_product(parts.real, parts.imaginary, factors.real, factors.imaginary)
    place = graph.add(whole, graph.bin_numbers(bins))
    mirrored = graph.node("Less", place, graph.number(0.0))
    imaginary = graph.node("Where", mirrored, graph.node("Neg", imaginary), imaginary)
    # What passes half the sample rate, in a shift up, whose result is another: all of it in one place behind the bins.
    place = graph.index(graph.node("Abs", place), bins + 1)
    nothing = graph.constant_like(graph.node("Pad", real, graph.integers((0, 0, 0, 1))), 0.0)
    sums = (graph.scatter(nothing, place, part, reduction="add") for part in (real, imaginary))
    return Moved(*(graph.slice(part, 0, bins, 1) for part in sums))


def moved_apart(
    graph: GraphWriter,
    parts: Moved,
    level: str,
    peaks: Peaks,
    moves: str,
    factors: Moved,
    extension: float,
    bins: int,
) -> Moved:
    """A shift up: each new bin belongs to the nearest moved peak and is taken from that peak's region, read a little
    beyond its edges. `moves`: of every bin, as if it were a peak, in whole bins."""
    numbers = graph.bin_numbers(bins)
    owner = _new_owner(graph, peaks, moves, bins)
    source = graph.node("Sub", numbers, graph.gather(moves, owner))
    start, stop = (graph.gather(edge, owner) for edge in _wider_regions(graph, level, peaks, extension, bins))
    inside = graph.node("And", graph.node("GreaterOrEqual", source, start), graph.node("Less", source, stop))
    factor = (graph.node("Mul", graph.gather(part, owner), graph.node("Cast", inside, to=1)) for part in factors)
    place = graph.index(source, bins)
    taken = (graph.gather(part, place) for part in parts)
    return Moved(*graph.complex_product(*taken, *factor))


def _new_owner(graph: GraphWriter, peaks: Peaks, moves: str, bins: int) -> str:
    """For each bin after the move, the bin where the peak that is nearest now lay before."""
    numbers = graph.bin_numbers(bins)
    target = graph.add(numbers, moves)
    stays = graph.node("And", peaks.is_peak, graph.node("Less", target, graph.number(bins)))
    place = graph.node(
        "Where", stays, graph.node("Max", target, graph.number(0.0)), graph.add(numbers, graph.number(bins))
    )
    blank = graph.constant_like(graph.node("Pad", target, graph.integers((0, 0, 0, bins))), 0.0)
    arrived = graph.scatter(blank, graph.index(place, 2 * bins), graph.node("Cast", stays, to=1))
    count = graph.counted_up(graph.slice(arrived, 0, bins, 1))
    before, after = _around(graph, peaks.table, count, bins // 2 + 2)
    there = (graph.add(peak, graph.gather(moves, graph.index(peak, bins))) for peak in (before, after))
    boundary = _middle(graph, graph.add(*there), graph.number(0.0))
    return graph.index(_nearer(graph, before, after, boundary, numbers), bins)


def _wider_regions(graph: GraphWriter, level: str, peaks: Peaks, extension: float, bins: int) -> tuple[str, str]:
    """First bin and end of each peak's region with some more on both sides, true where there is a peak.

    Not where that would take in something louder than the peak; see `peak_vocoder._extended`.
    """
    last, first = graph.number(bins), graph.number(0.0)
    before = graph.slice(graph.node("Pad", peaks.boundary, graph.integers((0, 1, 0, 0))), 0, bins, 1)
    start = graph.node("Where", graph.node("Greater", before, last), first, before)
    stop = graph.node("Min", peaks.boundary, last)
    more = graph.node("Mul", graph.node("Sub", stop, start), graph.number(extension))
    more = graph.node("Ceil", more)
    wider_start = graph.node("Max", graph.node("Sub", start, more), first)
    wider_stop = graph.node("Min", graph.add(stop, more), last)
    ends = (wider_start, graph.node("Sub", wider_stop, graph.number(1.0)))
    quieter = [graph.node("LessOrEqual", graph.gather(level, graph.index(end, bins)), level) for end in ends]
    return (
        graph.node("Where", quieter[0], wider_start, start),
        graph.node("Where", quieter[1], wider_stop, stop),
    )


def _around(graph: GraphWriter, table: str, count: str, most: int) -> tuple[str, str]:
    """The peak that is number `count`, and the next one."""
    numbers = (count, graph.add(count, graph.number(1.0)))
    before, after = (graph.gather(table, graph.index(number, most)) for number in numbers)
    return before, after


def _middle(graph: GraphWriter, sum_: str, more: str) -> str:
    """Half way, rounded up for a whole number `more` of 0 and one more for 1."""
    sum_ = graph.add(graph.add(sum_, graph.number(1.0)), more)
    return graph.node("Floor", graph.node("Mul", sum_, graph.number(0.5)))


def _nearer(graph: GraphWriter, before: str, after: str, boundary: str, numbers: str) -> str:
    there = graph.node("Less", before, graph.number(_NONE))
    return graph.node("Where", graph.node("And", there, graph.node("Less", numbers, boundary)), before, after)

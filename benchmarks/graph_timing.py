"""Times of things that take turns, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WARM_UP_CALLS = 2  # of every turn: the one before has left its own weights in the caches
LEAST_CALLS = 3


@dataclass(frozen=True)
class Contender:
    """`run` is one hop, or one reading of a buffer; `share` is how much of the time it gets, against others' 1."""

    name: str
    run: Callable[[], object]
    share: float = 1.0


@dataclass(frozen=True)
class Timing:
    """Milliseconds a call, over all turns.

    `processor_ms`, the median of the time that the process itself ran, all threads together, leaves out what the call
    waited for other programs: on a machine that is not idle, the figure to compare.
    """

    median_ms: float
    p99_ms: float
    least_ms: float
    processor_ms: float
    calls: int


def summary(calls: Sequence[tuple[float, float]] | NDArray[np.float64]) -> Timing:
    """Args: calls: of each, seconds by the clock and seconds of the processor. Raises: ValueError if there is none."""
    if not len(calls):
        raise ValueError("no call was timed: give the benchmark more seconds")
    clock_ms, processor_ms = 1e3 * np.asarray(calls).T
    median, late = np.percentile(clock_ms, [50, 99])
    return Timing(float(median), float(late), float(clock_ms.min()), float(np.median(processor_ms)), len(calls))


def take_turns(contenders: Sequence[Contender], seconds: float, rounds: int) -> dict[str, Timing]:
    """Time all contenders in `rounds` rounds; each round starts with another one.

    Args: seconds: of the whole, about; a contender whose calls are long gets at least three of them a turn.
    Raises: ValueError where two contenders have one name, or there is no round.
    """
    if len({contender.name for contender in contenders}) < len(contenders):
        raise ValueError("two contenders have the same name: their times would be mixed")
    if rounds < 1:
        raise ValueError(f"a benchmark takes 1 round or more, not {rounds}")
    times: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in contenders}
    shares = sum(contender.share for contender in contenders)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds):
            first = number * len(contenders) // rounds
            for contender in (*contenders[first:], *contenders[:first]):
                times[contender.name] += _turn(contender.run, seconds * contender.share / shares / rounds)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return {name: summary(calls) for name, calls in times.items()}


def _turn(run: Callable[[], object], seconds: float) -> list[tuple[float, float]]:
    end = time.perf_counter() + seconds
    for _ in range(WARM_UP_CALLS):
        run()
    times: list[tuple[float, float]] = []
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        worked, begun = time.process_time(), time.perf_counter()
        run()
        ended = time.perf_counter()  # before the other clock, whose reading costs more
        times.append((ended - begun, time.process_time() - worked))
    return times

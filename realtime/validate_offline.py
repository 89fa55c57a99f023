"""What an offline plugin file promises, measured on short recordings."""

from __future__ import annotations

import time

import numpy as np

from realtime.plugins.offline_file import AlignedOffline, OfflineFile
from realtime.trust import TrustedFile
from realtime.validate_parts import (
    CHANGE,
    LOUDEST_PEAK,
    LOUDEST_SILENCE_DB,
    BareGraph,
    Check,
    changed_places,
    difference,
    level_db,
    sound,
)

MOST_SAMPLES = 1 << 20  # of one recording: a receptive field beyond it is not walked to its end
LARGEST_DIFFERENCE = 1e-4  # as the exporter allows


def offline_checks(file: TrustedFile) -> list[Check]:
    """Every check of an offline file, in the order of the report.

    Raises: ContractError, one line, where ONNX Runtime does not run it.
    """
    hop, seen = file.facts.hop_samples, file.facts.receptive_field_samples
    samples = -(-min(MOST_SAMPLES, 2 * seen + 8 * hop) // hop) * hop
    graph = BareGraph(file, 1)
    return [
        check_finite(graph, samples),
        check_repeatable(file, graph, samples),
        check_channels(file, graph, samples),
        check_chunks(file, graph, samples),
        *check_reach(file, graph, samples),
        check_silence(graph, samples),
        check_extremes(graph, samples),
        check_speed(file, graph, samples),
    ]


def check_finite(graph: BareGraph, samples: int) -> Check:
    """Sound in, numbers out."""
    heard, _ = graph.call(sound(1, samples), {})
    finite = bool(np.isfinite(heard).all())
    return Check("finite", finite, f"largest output {np.abs(heard).max():.3g}" if finite else "noise in, NaN out")


def check_repeatable(file: TrustedFile, graph: BareGraph, samples: int) -> Check:
    """The same again, in the same session and in another one."""
    audio = sound(1, samples)
    first, again = graph.call(audio, {})[0], graph.call(audio, {})[0]
    elsewhere = BareGraph(file, 1).call(audio, {})[0]
    same = np.array_equal(first, again, equal_nan=True) and np.array_equal(first, elsewhere, equal_nan=True)
    return Check("repeatable", same, f"two runs and a new session are {'' if same else 'not '}equal to the bit")


def check_channels(file: TrustedFile, graph: BareGraph, samples: int) -> Check:
    """A row's result is its own, whatever the other row holds."""
    both, pair = sound(2, samples), BareGraph(file, 2)
    other = both.copy()
    other[1] = np.nan
    heard, beside = pair.call(both, {})[0], pair.call(other, {})[0]
    touched = not np.array_equal(heard[0], beside[0], equal_nan=True)
    apart = difference(heard[:1], graph.call(both[:1], {})[0])
    told = "the other row changes it" if touched else "NaN in another row changes nothing"
    good = not touched and not apart > LARGEST_DIFFERENCE
    return Check("channels", good, f"{told}; a row beside another and alone differ by {apart:.1e}")


def check_chunks(file: TrustedFile, graph: BareGraph, samples: int) -> Check:
    """Chunks with the context that the metadata asks for give what the whole recording gives."""
    audio = sound(1, samples)
    stream = AlignedOffline(OfflineFile(file), min_chunk_samples=file.facts.hop_samples)
    parts = np.concatenate([stream.process(audio), stream.finish()], axis=1)
    apart = difference(parts, graph.call(audio, {})[0])
    return Check("chunks", apart <= LARGEST_DIFFERENCE, f"chunks and the whole differ by {apart:.1e}")


def check_reach(file: TrustedFile, graph: BareGraph, samples: int) -> list[Check]:
    """Change one sample in turn: the output hears of it within lookahead and past, and at its own place."""
    facts, hop = file.facts, file.facts.hop_samples
    audio = sound(1, samples, seed=4)
    before = graph.call(audio, {})[0]
    middle = samples // 2 // hop * hop
    first, last, expected = samples, -samples, False
    for place in sorted({middle, middle + hop // 2, middle + hop - 1}):
        changed = audio.copy()
        changed[0, place] += CHANGE
        where = changed_places(before, graph.call(changed, {})[0]) - place
        if len(where):
            first, last = min(first, int(where[0])), max(last, int(where[-1]))
            expected |= bool((where == 0).any())
    if last == -samples:
        return [Check("alignment", False, "a changed sample changes nothing that comes out")]
    ahead, past = max(0, -first), facts.past_samples
    allowed = facts.lookahead_samples
    return [
        Check("lookahead", ahead <= allowed, f"the output moves {ahead} samples ahead of a change, {allowed} at most"),
        Check("alignment", expected, f"a change is {'' if expected else 'not '}heard at its own place"),
        Check("receptive field", last <= past, f"a change is heard for {last} samples, {past} at most"),
    ]


def check_silence(graph: BareGraph, samples: int) -> Check:
    """Nothing in, next to nothing out."""
    level = level_db(graph.call(np.zeros((1, samples), dtype=np.float32), {})[0])
    return Check("silence", level <= LOUDEST_SILENCE_DB, f"{level:.1f} dB, {LOUDEST_SILENCE_DB:g} dB at most")


def check_extremes(graph: BareGraph, samples: int) -> Check:
    """Full-scale square and DC, and denormal numbers."""
    square = np.where(np.arange(samples) // 50 % 2, 1.0, -1.0)
    signals = {"square": square, "DC": np.ones(samples), "denormals": np.full(samples, 1e-40)}
    peaks = {
        name: float(np.abs(graph.call(signal.astype(np.float32)[None], {})[0]).max())
        for name, signal in signals.items()
    }
    problems = [name for name, peak in peaks.items() if not peak <= LOUDEST_PEAK]  # NaN is not
    told = f"not finite or beyond {LOUDEST_PEAK:g}: {', '.join(problems)}" if problems else ""
    told = told or f"largest output {max(peaks.values()):.3g}"
    return Check("extremes", not problems, f"{told} (square, DC, denormals)")


def check_speed(file: TrustedFile, graph: BareGraph, samples: int) -> Check:
    """One core, one channel, the CPU. Whole files may take their time: this only tells."""
    audio = sound(1, samples)
    started = time.perf_counter()
    graph.call(audio, {})
    spent = time.perf_counter() - started
    return Check("speed", True, f"{samples / file.facts.sample_rate / spent:.1f} × real time")

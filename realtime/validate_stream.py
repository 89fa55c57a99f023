"""What a streaming plugin file promises, measured: each function runs the file and returns one check."""

from __future__ import annotations

import time

import numpy as np

from realtime.plugins.base import Samples, Stream
from realtime.plugins.plugin_file import PluginFile
from realtime.trust import TrustedFile
from realtime.validate_parts import (
    CHANGE,
    LOUDEST_PEAK,
    LOUDEST_SILENCE_DB,
    BareGraph,
    Check,
    changed_places,
    level_db,
    sound,
)

WARM_HOPS = 4
MOST_HOPS = 1000  # of one run: a receptive field beyond it is not walked to its end
TIMED_SECONDS = 1.0


def stream_checks(file: TrustedFile) -> list[Check]:
    """Every check of a streaming file, in the order of the report.

    Raises: ContractError, one line, where ONNX Runtime does not run it.
    """
    graph = BareGraph(file, 1)
    return [
        check_finite(file, graph),
        check_states(file, graph),
        check_repeatable(file, graph),
        check_channels(file, graph),
        check_reset(file),
        check_blocks(file),
        *check_times(file, graph),
        check_silence(file, graph),
        check_extremes(file, graph),
        check_hop_time(file, graph),
    ]


def check_finite(file: TrustedFile, graph: BareGraph) -> Check:
    """Sound in, numbers out, in the audio and in every state."""
    heard, states = graph.stream(sound(1, 16 * file.facts.hop_samples))
    broken = [name for name, state in states.items() if not np.isfinite(state).all()]
    if not np.isfinite(heard).all():
        broken.insert(0, "audio_out")
    if broken:
        return Check("finite", False, f"after 16 hops of noise not finite: {', '.join(broken)}")
    largest = max((float(np.abs(state).max()) for state in states.values()), default=0.0)
    return Check("finite", True, f"largest output {np.abs(heard).max():.3g}, largest state {largest:.3g}")


def check_states(file: TrustedFile, graph: BareGraph) -> Check:
    """A state that nothing hears of is carried for nothing, or was forgotten in the graph.

    With the controls at their ends too: at 0 semitones a vocoder is a delay, and shifts up and down have states of
    their own.
    """
    hop, facts = file.facts.hop_samples, file.facts
    graphs = [graph, *(BareGraph(file, 1, end) for end in ("maximum", "minimum") if facts.controls)]
    _, states = graph.stream(sound(1, WARM_HOPS * hop))
    hops = min(MOST_HOPS, 2 + facts.receptive_field_samples // hop)
    draw = np.random.default_rng(2)
    unused = []
    for state in file.states:
        other = {**states, state.input_name: draw.standard_normal((1, *state.shape)).astype(np.float32)}
        if not any(_is_heard(each, states, other, hop, hops) for each in graphs):
            unused.append(state.input_name)
    numbers = sum(int(np.prod(state.shape)) for state in file.states)
    told = f"{len(file.states)} states of {numbers} numbers a channel"
    told += ", controls at their ends too" if facts.controls else ""
    return Check("states", not unused, f"{told}; without effect: {', '.join(unused) or 'none'}")


def _is_heard(
    graph: BareGraph, states: dict[str, Samples], other: dict[str, Samples], hop: int, most_hops: int
) -> bool:
    for number in range(most_hops):
        block = sound(1, hop, seed=number)
        one, states = graph.call(block, states)
        two, other = graph.call(block, other)
        if not np.array_equal(one, two):
            return True
    return False


def check_repeatable(file: TrustedFile, graph: BareGraph) -> Check:
    """The same again, in the same session and in another one."""
    audio = sound(1, 16 * file.facts.hop_samples)
    first, _ = graph.stream(audio)
    again, _ = graph.stream(audio)
    elsewhere, _ = BareGraph(file, 1).stream(audio)
    same = np.array_equal(first, again, equal_nan=True) and np.array_equal(first, elsewhere, equal_nan=True)
    return Check("repeatable", same, f"two runs and a new session are {'' if same else 'not '}equal to the bit")


def check_channels(file: TrustedFile, graph: BareGraph) -> Check:
    """A row's result is its own, whatever the other row holds, NaN included; and that of the row alone."""
    both, pair = sound(2, 16 * file.facts.hop_samples), BareGraph(file, 2)
    other, broken = both.copy(), both.copy()
    other[1], broken[1, :: file.facts.hop_samples] = 0.7, np.nan
    heard = pair.stream(both)[0]
    beside = [pair.stream(audio)[0] for audio in (other, broken)]
    touched = any(not np.array_equal(heard[0], rows[0], equal_nan=True) for rows in beside)
    alone = graph.stream(both[:1])[0]
    apart = float(np.abs(heard[:1].astype(np.float64) - alone).max())
    told = "the other row changes it" if touched else "another row, or NaN in it, changes nothing"
    good = not touched and (apart <= 1e-5 or not np.isfinite(alone).all())  # another kernel may round otherwise
    return Check("channels", good, f"{told}; a row beside another and alone differ by {apart:.1e}")


def check_reset(file: TrustedFile) -> Check:
    """After a reset the first hops come back."""
    plugin, hop = PluginFile(file), file.facts.hop_samples
    blocks = sound(1, 8 * hop).reshape(8, 1, hop)
    first = [plugin.process(block) for block in blocks]
    plugin.reset()
    same = all(np.array_equal(plugin.process(block), old) for block, old in zip(blocks, first, strict=True))
    return Check("reset", same, f"the first 8 hops come back {'' if same else 'otherwise '}after a reset")


def check_blocks(file: TrustedFile) -> Check:
    """However a host cuts its blocks, the sound is the same."""
    plugin, audio = PluginFile(file), sound(1, 12 * file.facts.hop_samples + 1)
    whole = Stream(plugin).process(audio)
    plugin.reset()
    stream, draw, at, parts = Stream(plugin), np.random.default_rng(3), 0, [np.zeros((1, 0), dtype=np.float32)]
    while at < audio.shape[1]:
        count = int(draw.integers(0, 2 * file.facts.hop_samples + 1))
        parts.append(stream.process(audio[:, at : at + count]))
        at += count
    same = np.array_equal(np.concatenate(parts, axis=1), whole)
    return Check("blocks", same, f"{len(parts) - 1} random blocks and whole hops are {'' if same else 'not '}equal")


def check_times(file: TrustedFile, graph: BareGraph) -> list[Check]:
    """Change one sample in turn: where the output hears of it shows causality, latency and receptive field."""
    facts, hop = file.facts, file.facts.hop_samples
    most_past = facts.lookahead_samples + facts.past_samples
    hops = min(MOST_HOPS, 4 + most_past // hop)
    _, warm = graph.stream(sound(1, WARM_HOPS * hop))
    audio = sound(1, hops * hop, seed=4)
    before, _ = graph.stream(audio, warm)
    first, last, expected = hops * hop, -hop, False
    for place in sorted({0, hop // 2, hop - 1}):
        changed = audio.copy()
        changed[0, place] += CHANGE
        where = changed_places(before, graph.stream(changed, warm)[0]) - place
        if len(where):
            first, last = min(first, int(where[0])), max(last, int(where[-1]))
            expected |= bool((where == facts.lookahead_samples).any())
    if last == -hop:
        return [Check("latency", False, "a changed sample changes nothing that comes out")]
    ahead = max(0, -first)
    declared = f"{facts.lookahead_samples} samples after it"
    return [
        Check(
            "causality", ahead < hop, f"the output moves {ahead} samples ahead of a change, less than a hop of {hop}"
        ),
        Check("latency", expected, f"a change is {'' if expected else 'not '}heard {declared}; heard from {first} on"),
        Check("receptive field", last <= most_past, f"a change is heard for {last} samples, {most_past} at most"),
    ]


def check_silence(file: TrustedFile, graph: BareGraph) -> Check:
    """Nothing in, next to nothing out."""
    hop = file.facts.hop_samples
    hops = min(MOST_HOPS, 8 + file.facts.receptive_field_samples // hop)
    heard, _ = graph.stream(np.zeros((1, hops * hop), dtype=np.float32))
    level = level_db(heard[:, -4 * hop :])
    return Check("silence", level <= LOUDEST_SILENCE_DB, f"{level:.1f} dB, {LOUDEST_SILENCE_DB:g} dB at most")


def _extremes(hop: int) -> dict[str, Samples]:
    samples = 8 * hop
    square = np.where(np.arange(samples) // 50 % 2, 1.0, -1.0)
    broken = sound(1, samples)[0]
    broken[::3], broken[1::7] = np.nan, np.inf
    signals = {"square": square, "DC": np.ones(samples), "NaN": broken, "denormals": np.full(samples, 1e-40)}
    return {name: signal.astype(np.float32)[None] for name, signal in signals.items()}


def check_extremes(file: TrustedFile, graph: BareGraph) -> Check:
    """Full-scale square and DC, NaN as a careful host feeds it, denormal numbers; and ordinary sound after each."""
    hop, problems, peak = file.facts.hop_samples, [], 0.0
    for name, audio in _extremes(hop).items():
        fed = np.where(np.isfinite(audio), audio, np.float32(0))
        heard, _ = graph.stream(np.concatenate([fed, sound(1, 4 * hop)], axis=1))
        if not np.isfinite(heard).all() or float(np.abs(heard).max()) > LOUDEST_PEAK:
            problems.append(name)
        else:
            peak = max(peak, float(np.abs(heard).max()))
    told = f"not finite or beyond {LOUDEST_PEAK:g}: {', '.join(problems)}" if problems else f"largest output {peak:.3g}"
    return Check("extremes", not problems, f"{told} (square, DC, NaN, denormals)")


def check_hop_time(file: TrustedFile, graph: BareGraph) -> Check:
    """One core, one channel, the CPU."""
    hop = file.facts.hop_samples
    block, states = sound(1, hop), graph.silence()
    times: list[float] = []
    until = time.perf_counter() + TIMED_SECONDS
    while len(times) < 20 or (len(times) < 1000 and time.perf_counter() < until):
        started = time.perf_counter()
        _, states = graph.call(block, states)
        times.append(1000 * (time.perf_counter() - started))
    budget = 1000 * hop / file.facts.sample_rate
    middle, late = np.percentile(times, [50, 99])
    told = f"median {middle:.3f} ms, 99 of 100 within {late:.3f} ms, of the {budget:.3f} ms that a hop lasts"
    return Check("hop time", bool(middle < budget), told)

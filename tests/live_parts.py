"""What the tests of the live engine's parts share: a plugin whose output is known, and a device without a clock."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from realtime.live.controls import Controls
from realtime.live.exchange import Exchange
from realtime.live.path import Path
from realtime.live.pipeline import Pipeline
from realtime.live.plan import Plan
from realtime.live.rates import LiveResampler
from realtime.plugins.base import Samples

RATE = 48_000
PLAIN = Controls(limiter=False)


class Later:
    """A plugin: ``y[n] = gain * x[n - later]``."""

    def __init__(
        self, hop: int = 64, later: int = 0, gain: float = 1.0, channels: int = 1, sample_rate: int = 48_000
    ) -> None:
        self.sample_rate, self.hop_samples, self.channels = sample_rate, hop, channels
        self.latency_samples, self.gain = hop + later, np.float32(gain)
        self.calls = 0
        self._line = np.zeros((channels, later), dtype=np.float32)

    def reset(self) -> None:
        self._line[:] = 0

    def process(self, block: Samples) -> Samples:
        self.calls += 1
        line = np.concatenate([self._line, block], axis=1)
        self._line = line[:, block.shape[1] :]
        return line[:, : block.shape[1]] * self.gain


def delayed(audio: np.ndarray, samples: int) -> np.ndarray:
    """``(C, N)`` later by so many samples, silence first."""
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


def plan_for(
    path: Path, rate_in: int, rate_out: int, block_frames: int, deadline_ms: float = 0.0, two_clocks: bool = False
) -> Plan:
    """The plan that an engine would make."""
    chain = path.chain
    into = LiveResampler(rate_in, chain.sample_rate, 1).lag_frames(block_frames) * chain.sample_rate / rate_in
    out = LiveResampler(chain.sample_rate, rate_out, 1, two_clocks).lag_frames(chain.hop_samples)
    rates = (rate_in, rate_out, chain.sample_rate)
    latency = path.latency_samples
    return Plan(*rates, block_frames, chain.hop_samples, latency, into + out, deadline_ms, two_clocks)


def exchange_for(plan: Plan, channels_in: int = 1, channels_out: int = 1, concealment: str = "silence") -> Exchange:
    """The exchange that fits a plan."""
    return Exchange(
        channels_in,
        channels_out,
        plan.input_rate,
        plan.prefill_frames,
        plan.content_delay_frames,
        plan.hop_frames,
        plan.output_rate / plan.input_rate,
        "dry" if concealment == "dry" else "silence",
        not plan.two_clocks,
    )


def play_through(exchange: Exchange, pipeline: Pipeline, audio: np.ndarray, blocks: Iterable[int]) -> np.ndarray:
    """A device of one rate: each callback captures and plays a block; all the work is done before the next one."""
    heard, at = np.zeros((len(audio), exchange.output_channels), dtype=np.float32), 0
    for size in blocks:
        count = min(size, len(audio) - at)
        exchange.capture(audio[at : at + count])
        exchange.play(heard[at : at + count])
        while pipeline.step():
            pass
        at += count
        if at == len(audio):
            break
    return heard[:at]


SLOW = 300  # Hz: rings of 600 frames, and the 5 ms of a fade are a single frame, so that numbers stay numbers


class Clock:
    """Seconds that a test moves by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def numbered(start: int, count: int) -> np.ndarray:
    """Frames that tell which they are: start + 1, start + 2, …"""
    return np.arange(start + 1, start + count + 1, dtype=np.float32)[:, None]


def work(exchange: Exchange, count: int = 10**9, gain: float = 1.0) -> np.ndarray:
    """The worker: moves frames from the input ring to the output ring; returns them."""
    frames = np.zeros((min(count, exchange.input.readable), exchange.input_channels), dtype=np.float32)
    exchange.input.read_into(frames)
    exchange.output.write(frames * np.float32(gain))
    return frames


def played(exchange: Exchange, count: int) -> np.ndarray:
    out = np.full((count, exchange.output_channels), np.nan, dtype=np.float32)
    exchange.play(out)
    return out


def largest_step(audio: np.ndarray, axis: int = 0) -> float:
    """Between one frame and the next."""
    return float(np.abs(np.diff(audio, axis=axis)).max())


def built(
    path: Path, block: int, rate: int = RATE, controls: Controls = PLAIN, deadline_ms: float = 0.0
) -> tuple[Exchange, Pipeline]:
    """A pipeline on one clock at one rate, and its exchange."""
    plan = plan_for(path, rate, rate, block, deadline_ms)
    exchange = exchange_for(plan)
    return exchange, Pipeline(exchange, path, plan, controls)

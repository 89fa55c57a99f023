"""The worker's half: captured frames to hops, through the chain, and back to frames for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np

from realtime.live.controls import Controls
from realtime.live.exchange import Exchange
from realtime.live.meters import Meter, Times
from realtime.live.mixer import Glide, Mixer, from_db
from realtime.live.path import Path
from realtime.live.plan import Plan
from realtime.live.rates import DriftControl, LiveResampler
from realtime.live.ring import Ring
from realtime.plugins.base import Samples

WARM_UP_SECONDS = 0.1
CROSSFADE_SECONDS = 0.02
READ_FRAMES = 8192
NEAR_MS = 0.3  # two clocks that meet as near as this at the start are left to the rate


class Source(Protocol):
    """Something that stands in for the captured sound: a self-test."""

    def read(self, count: int) -> tuple[Samples, Samples]:
        """The next input and its reference, each ``(C, count)``."""


@dataclass(frozen=True)
class Hop:
    """What one hop gave, each ``(C, hop)`` and aligned in time; buffers that the next hop overwrites."""

    raw: Samples
    model: Samples
    heard: Samples
    reference: Samples | None


Tap = Callable[[Hop], None]


class Pipeline:
    """Run `step` until it says False, whenever something was captured.

    Args:
        path: what every hop runs through.
        plan: rates and latency; must have been made for this path.
        steered: input and output run on two clocks; the rate follows.
    """

    def __init__(
        self,
        exchange: Exchange,
        path: Path,
        plan: Plan,
        controls: Controls | None = None,
        steered: bool = False,
        taps: Sequence[Tap] = (),
        source: Source | None = None,
    ) -> None:
        self.taps, self.source = tuple(taps), source
        self._exchange, self._steered = exchange, steered
        self.controls = controls or Controls()
        self.plan = plan
        self._next: tuple[Path, Plan] | None = None
        self._replanned: Plan | None = None
        self._rising: tuple[Path, Mixer] | None = None
        self._rising_hops = 0
        self.chain_times, self.other_times = Times(), Times()
        self.hops = 0
        self.swaps = 0
        self._install(path)
        self._realignments = 0
        self._drift = DriftControl(plan.output_rate, float(plan.prefill_frames))

    @property
    def controls(self) -> Controls:
        """The knobs; set by any thread, heard from the next hop on, and at once in what stands in for late hops."""
        return self._controls

    @controls.setter
    def controls(self, controls: Controls) -> None:
        self._controls = controls
        unheard = controls.muted or self.source is not None
        self._exchange.dry_gain = 0.0 if unheard else from_db(controls.input_gain_db + controls.output_gain_db)

    def _install(self, path: Path) -> None:
        """Everything that depends on rates, channels or the hop."""
        self.path, self._leaving = path, False
        chain, exchange, plan = path.chain, self._exchange, self.plan
        hop, rate, channels = chain.hop_samples, chain.sample_rate, chain.channels
        self._to_plugin = LiveResampler(plan.input_rate, rate, channels)
        self._to_device = LiveResampler(rate, plan.output_rate, channels, self._steered)
        self._fifo = Ring(max(4 * hop, 4 * READ_FRAMES) * max(1, -(-rate // plan.input_rate)), channels)
        self._captured = np.zeros((READ_FRAMES, exchange.input_channels), dtype=np.float32)
        self._frames = np.zeros((hop, channels), dtype=np.float32)
        self._block = np.zeros((channels, hop), dtype=np.float32)
        self._heard = np.zeros((hop, channels), dtype=np.float32)
        self._ramp = np.arange(1, hop + 1, dtype=np.float32) / hop
        self._input_gain = Glide(from_db(self.controls.input_gain_db), hop, rate)
        self.mixer = Mixer(hop, rate, channels)
        self.input_meter, self.output_meter = Meter(hop, rate), Meter(hop, rate)
        self._warm_hops = max(1, round(WARM_UP_SECONDS * rate / hop))
        self._fade_hops = max(1, round(CROSSFADE_SECONDS * rate / hop))

    @property
    def ppm(self) -> float:
        """The correction between the two clocks, in parts in a million."""
        return self._to_device.ppm

    def swap(self, path: Path, plan: Plan) -> None:
        """Go over to another path, from any thread: by a crossfade where rate, hop and channels are the same."""
        self._next = path, plan

    def replan(self, plan: Plan) -> None:
        """Another latency for the same path: the device takes larger blocks than it said. For any thread."""
        self._replanned = plan

    def step(self) -> bool:
        """Process one hop if it is complete; False where the input does not suffice."""
        started = perf_counter()
        if self._replanned is not None:
            self._take_over(_with_blocks(self.plan, self._replanned))  # the path may be another
            self._replanned = None
        self._fill()
        hop = self.path.chain.hop_samples
        if self._fifo.readable < hop:
            return False
        self._exchange.busy = True
        if self._next is not None and self._rising is None:
            self._begin_swap(*self._next)
            hop = self.path.chain.hop_samples
            if self._fifo.readable < hop:
                self._exchange.busy = False
                return False
        self._fifo.read_into(self._frames)
        np.copyto(self._block, self._frames.T)
        reference = None
        if self.source is not None:
            block, reference = self.source.read(hop)
            np.copyto(self._block, block)
        self._input_gain.apply(self._block, from_db(self.controls.input_gain_db))
        chain_seconds = self._run(reference)
        self._deliver()
        self._exchange.busy = False
        self._exchange.finished()
        self.hops += 1
        self.chain_times.add(chain_seconds)
        self.other_times.add(perf_counter() - started - chain_seconds)
        return True

    def _fill(self) -> None:
        """Captured frames, as many as there are, to the plugin's rate and channels."""
        while self._exchange.input.readable and self._fifo.readable < self.path.chain.hop_samples:
            count = self._exchange.input.read_into(self._captured)
            frames = fit_channels(self._captured[:count], self.path.chain.channels)
            self._fifo.write(self._to_plugin.process(frames))

    def _run(self, reference: Samples | None) -> float:
        """The path, the mixer, the taps; returns the seconds that the path took."""
        started = perf_counter()
        raw, inverse, model = self.path.process(self._block)
        seconds = perf_counter() - started
        controls = replace(self.controls, muted=True) if self._leaving else self.controls
        heard = self.mixer.process(raw, inverse, model, controls)
        if self._rising is not None:
            self._crossfade(heard)
        np.copyto(self._heard, heard.T)
        self.input_meter.update(self._block)
        self.output_meter.update(heard)
        if self.taps:
            aligned = None if reference is None else self.path.align_reference(reference)
            result = Hop(raw, model, heard, aligned)
            for tap in self.taps:
                tap(result)
        return seconds

    def _deliver(self) -> None:
        """One hop to the device's rate and channels, and the clocks held together."""
        exchange = self._exchange
        frames = self._to_device.process(self._heard)
        lost = len(frames) - exchange.output.write(fit_channels(frames, exchange.output_channels))
        if lost:  # nobody has played for as long as the ring lasts: these will never come
            exchange.skip(-lost)
        if self._steered:
            self._steer()

    def _steer(self) -> None:
        """Hold the two clocks together: slowly by the rate, at once where they are far apart."""
        exchange, drift = self._exchange, self._drift
        if self._realignments != exchange.realignments:
            self._realignments = exchange.realignments
            drift.restart()
        seconds = self.path.chain.hop_samples / self.path.chain.sample_rate
        settling = drift.settling
        self._to_device.steer(drift.update(exchange.in_flight_frames + self._held_frames(), seconds))
        beyond = round(drift.error_frames)
        far = self.plan.block_frames + self.plan.hop_frames
        if abs(beyond) > far or (
            settling and not drift.settling and abs(beyond) > NEAR_MS / 1000 * self.plan.output_rate
        ):
            exchange.skip(beyond)
            drift.jumped(-beyond)

    def _held_frames(self) -> float:
        """What waits for the rest of a hop and lies in the resamplers, in output frames."""
        rates = self.plan
        at_plugin = (self._fifo.readable + self._to_device.held_frames) / rates.plugin_rate
        return (at_plugin + self._to_plugin.held_frames / rates.input_rate) * rates.output_rate

    def _begin_swap(self, path: Path, plan: Plan) -> None:
        old, new = self.path.chain, path.chain
        if (old.sample_rate, old.hop_samples, old.channels) == (new.sample_rate, new.hop_samples, new.channels):
            self._rising = path, Mixer(new.hop_samples, new.sample_rate, new.channels, fade_in=False)
            self._rising_hops, self._rising_plan, self._next, self._leaving = 0, plan, None, False
            return
        self._leaving = not self.mixer.faded_out
        if self._leaving:
            return  # another hop: `_run` fades out while a swap waits
        self._next = None
        lost = self._held_frames()
        self._take_over(plan)
        self._install(path)
        self._exchange.skip(-round(lost))
        self.swaps += 1

    def _take_over(self, plan: Plan) -> None:
        """Another latency. A plan that was made before the device took larger blocks does not make them smaller."""
        self.plan = _with_blocks(plan, self.plan)
        prefill = self.plan.prefill_frames
        self._exchange.replan(prefill, self.plan.content_delay_frames, self.plan.hop_frames)
        self._drift.target_frames = float(prefill)  # as many more are in flight then: its error stays

    def _crossfade(self, heard: Samples) -> None:
        """Run the rising path beside the old one, unheard while it settles, then go over to it."""
        assert self._rising is not None
        path, mixer = self._rising
        rising = mixer.process(*path.process(self._block), self.controls)
        at = self._rising_hops - self._warm_hops
        if at >= 0:
            share = (at + self._ramp) / self._fade_hops
            heard *= 1 - share
            heard += rising * share
        self._rising_hops += 1
        if at + 1 == self._fade_hops:
            self.path, self.mixer = path, mixer
            self._rising = None
            self._take_over(self._rising_plan)
            self.swaps += 1


def _with_blocks(plan: Plan, other: Plan) -> Plan:
    """A plan that also meets the blocks of another one."""
    return replace(
        plan,
        block_frames=max(plan.block_frames, other.block_frames),
        blocks_vary=plan.blocks_vary or other.blocks_vary,
    )


def fit_channels(frames: Samples, channels: int) -> Samples:
    """``(N, C)`` to another number of channels: one is spread to all, many become one by their mean."""
    have = frames.shape[1]
    if have == channels:
        return frames
    if channels == 1:
        mean: Samples = frames.mean(axis=1, keepdims=True)
        return mean
    if have == 1:
        return np.broadcast_to(frames, (len(frames), channels))
    if have > channels:
        return frames[:, :channels]
    return np.concatenate([frames, np.broadcast_to(frames[:, -1:], (len(frames), channels - have))], axis=1)

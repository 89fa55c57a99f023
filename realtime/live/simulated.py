"""A sound device that exists in virtual time only: its callbacks come when a script says, early, late or never."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from realtime.live.device import SLOWEST_HEARTBEAT_S, Exchange, Health
from realtime.live.lanes import Pulse
from realtime.live.script import DeviceScript, Event
from realtime.live.simulated_sound import Sound
from realtime.plugins.base import Samples

NAME = "simulated device, simulation"
TURN_DOWN_SECONDS = 0.01


@dataclass
class VirtualTime:
    """Seconds since the simulation began."""

    now_s: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """The events of a script, asked by kind."""

    events: tuple[Event, ...]
    _by_kind: dict[str, tuple[Event, ...]] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[Event, ...]:
        """All events of a kind, in order of time."""
        if kind not in self._by_kind:
            self._by_kind[kind] = tuple(event for event in self.events if event.kind == kind)
        return self._by_kind[kind]

    def now(self, kind: str, time_s: float) -> Event | None:
        """The event of this kind that lasts at that time."""
        return next((event for event in self.of(kind) if event.holds(time_s)), None)


class Clock:
    """When the callbacks of one direction come, and how many frames each moves.

    By the device's own clock a callback belongs to `nominal_s`; `due_s` is when it really comes.
    """

    def __init__(self, rate: int, blocks: tuple[int, int], scenario: Scenario, side: str, seed: int) -> None:
        self.rate, self.frames = rate, 0
        self.ppm, self.jitter_ms = 0.0, 0.0
        self._blocks, self._scenario, self._side = blocks, scenario, side
        self._rng = np.random.default_rng([seed, {"input": 0, "output": 1}[side]])
        self._burst: list[float] = []

    def begin(self, time_s: float) -> None:
        """The first callback comes at once."""
        self.nominal_s = self.due_s = time_s
        self.size = self._next_size()
        self._plan()

    def moved(self) -> None:
        """The callback came: plan the next."""
        self.frames += self.size
        self.nominal_s += self.size / self._speed
        self.size = self._next_size()
        self._plan()

    @property
    def _speed(self) -> float:
        """Frames in a second of true time."""
        drifts = [event for event in self._scenario.of("drift") if event.at_s <= self.nominal_s]
        ppm = drifts[-1].value if drifts and self._side == "output" else self.ppm
        return self.rate * (1 + ppm * 1e-6)

    def _next_size(self) -> int:
        low, high = self._blocks
        return low if low == high else int(self._rng.integers(low, high + 1))

    def _plan(self) -> None:
        for event in self._scenario.of("unplug"):
            if event.holds(self.nominal_s) and event.value in (self._side, "both"):
                self.nominal_s = event.end_s
        for event in self._scenario.of("rate"):
            if event.holds(self.nominal_s):
                self.nominal_s = math.inf  # this device never comes back: another one does
        due_s = self.nominal_s
        jitter = self._scenario.now("jitter", due_s)
        spread_ms = jitter.value if jitter else self.jitter_ms
        if spread_ms:
            due_s += 0.001 * spread_ms * self._rng.random()
        late = self._scenario.now("late", self.nominal_s)
        if late:
            due_s = max(due_s, late.end_s)
        storm = self._scenario.now("storm", self.nominal_s)
        if storm and math.isfinite(due_s):
            period_s = storm.value * self._blocks[1] / self.rate
            burst = math.floor((self.nominal_s - storm.at_s) / period_s) + 1
            due_s = max(due_s, storm.at_s + burst * period_s)
        self.due_s = max(self.due_s, due_s)


class SimulatedDevice:
    """Implements `realtime.live.device.Device` on virtual time, with C rings that go on while Python is stalled.

    Args:
        heard, played: are told of every block ``(N, C)``, with its time by the device's clock.
    """

    def __init__(
        self,
        script: DeviceScript,
        scenario: Scenario,
        time: VirtualTime,
        sound: Sound,
        seed: int,
        heard: Callable[[Samples, float], None],
        played: Callable[[Samples, float], None],
    ) -> None:
        self._script, self._scenario, self._time, self._sound = script, scenario, time, sound
        self._heard, self._played = heard, played
        self.input_rate, self.output_rate = script.input_rate, script.output_rate
        self.input_channels, self.output_channels = script.input_channels, script.output_channels
        self.block_frames = max(script.block_frames[1], script.output_blocks[1])
        self._vary = any(low != high for low, high in (script.block_frames, script.output_blocks))
        self.one_clock = script.one_clock
        self.input_name = self.output_name = NAME
        self._input = Clock(script.input_rate, script.block_frames, scenario, "input", seed)
        self._output = Clock(script.output_rate, script.output_blocks, scenario, "output", seed)
        self._output.ppm = script.drift_ppm
        self._input.jitter_ms = self._output.jitter_ms = script.jitter_ms
        self._out = np.zeros((self.block_frames, script.output_channels), dtype=np.float32)
        self._exchange: Exchange | None = None
        self._stalled_until_s = 0.0
        self._backlog: list[Samples] = []
        self._backlog_frames = self._lost_frames = self._queued = self._missed = 0
        self._callbacks = self._stalls = 0

    # -- what the engine sees

    def start(self, exchange: Exchange, queued_frames: int) -> None:
        """See `Device.start`."""
        now_s = self._time.now_s
        self._exchange = exchange
        self._input.begin(now_s)
        self._output.begin(now_s)
        self._heard_pulse = Pulse(self.input_rate, self.block_frames, now_s)
        self._played_pulse = Pulse(self.output_rate, self.block_frames, now_s)

    def stop(self, limit_s: float) -> bool:
        """See `Device.stop`."""
        self._exchange = None
        return True

    def health(self) -> Health:
        """See `Device.health`; the devices' own latency is 0."""
        block = self.block_frames
        if self._exchange is None:
            return Health(
                False, math.inf, self._callbacks, 0, 0, 0, self._stalls, 0.0, 0.0, block, blocks_vary=self._vary
            )
        pulses = (self._heard_pulse, self._played_pulse)
        age_s = self._time.now_s - min(pulse.seen_s for pulse in pulses)
        gaps = self._played_pulse.gaps + (0 if self.one_clock else self._heard_pulse.gaps)
        most = max(pulse.at_once_frames for pulse in pulses)
        alive = age_s <= SLOWEST_HEARTBEAT_S
        counted = (self._callbacks, 0, 0, gaps, self._stalls, 0.0, 0.0)
        return Health(alive, age_s, *counted, most, priority="virtual", blocks_vary=self._vary)

    # -- what the simulation drives

    @property
    def next_s(self) -> float:
        """When something happens next."""
        due_s = self._input.due_s if self.one_clock else min(self._input.due_s, self._output.due_s)
        return min(due_s, self._stalled_until_s) if self._stalled_until_s else due_s

    def run_next(self) -> None:
        """Let it happen; the time is `next_s`."""
        now_s = self._time.now_s
        if self._stalled_until_s and now_s >= self._stalled_until_s:
            self._recover()
            return
        stall = self._scenario.now("stall", now_s)
        if stall and not self._stalled_until_s:
            self._stalled_until_s = stall.end_s
            self._queued = self._running.ready_frames
        self._callbacks += 1
        if self.one_clock or self._input.due_s <= self._output.due_s:
            clock, side = self._input, "input"
        else:
            clock, side = self._output, "output"
        if side == "input":
            self._capture(clock.frames, clock.size, clock.nominal_s)
        if side == "output" or self.one_clock:
            self._play(clock.size, clock.nominal_s)
        clock.moved()

    def look(self) -> None:
        """Before and after the callbacks of a moment: what a feeder can see of them."""
        now_s = self._time.now_s
        played = self._input if self.one_clock else self._output
        self._heard_pulse.see(self._input.frames, self._script.block_frames[1], now_s)
        self._played_pulse.see(played.frames, self._script.output_blocks[1], now_s)

    @property
    def _running(self) -> Exchange:
        assert self._exchange is not None, "the device was not started"
        return self._exchange

    def _capture(self, frame: int, count: int, time_s: float) -> None:
        samples = self._sound.read(frame, count)
        zeros = self._scenario.now("zeros", time_s)
        if zeros:  # turned down and up again, so that the sound itself does not step
            now_s = time_s + np.arange(count) / self.input_rate
            outside_s = np.maximum(zeros.at_s + TURN_DOWN_SECONDS - now_s, now_s - zeros.end_s + TURN_DOWN_SECONDS)
            samples *= np.clip(outside_s / TURN_DOWN_SECONDS, 0, 1).astype(np.float32)
        block = np.repeat(samples[:, None], self.input_channels, axis=1)
        self._heard(block, time_s)
        if not self._stalled_until_s:
            self._running.capture(block)
            return
        room = int(self._script.ring_s * self.input_rate) - self._backlog_frames
        kept = block[: max(0, room)]
        self._backlog.append(kept)
        self._backlog_frames += len(kept)
        self._lost_frames += count - len(kept)

    def _play(self, count: int, time_s: float) -> None:
        out = self._out[:count]
        given = count
        if self._stalled_until_s:  # the C ring plays what it holds, then silence
            given = min(count, self._queued)
            self._queued -= given
            self._missed += count - given
            out[given:] = 0
        if given:
            self._running.play(out[:given])
        self._played(out, time_s)

    def _recover(self) -> None:
        """Python runs again: hand over what the C ring held, make up for what was lost and what was not played."""
        self._stalled_until_s = 0.0
        if self._backlog:
            self._running.capture(np.concatenate(self._backlog))
        beyond = self._missed - round(self._lost_frames * self.output_rate / self.input_rate)
        if beyond > 0:
            self._running.slip(beyond)
        elif beyond < 0:
            lost = round(-beyond * self.input_rate / self.output_rate)
            self._running.capture(np.zeros((lost, self.input_channels), dtype=np.float32))
        self._stalls += bool(self._missed or self._lost_frames)
        self._backlog = []
        self._backlog_frames = self._lost_frames = self._missed = 0

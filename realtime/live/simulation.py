"""The real engine on a simulated device in virtual time: no threads, no waiting, twice the same result."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from realtime.live.engine import Engine, EngineSettings
from realtime.live.mixer import from_db
from realtime.live.outcome import MissLog, Outcome, Reading
from realtime.live.script import Event, Script, read_chain
from realtime.live.simulated import Scenario, SimulatedDevice, VirtualTime
from realtime.live.simulated_chain import SimulatedPlugin, TimedChain, build_chain
from realtime.live.simulated_sound import FARTHEST_SECONDS, Sound, StepWatch, Track, measured_latency_s
from realtime.plugins.base import Plugin, Samples
from realtime.plugins.chain import Chain

TICK_SECONDS = 0.25


class Recording:
    """All that was heard and played by one device, and by whose clock: kept for tests."""

    def __init__(self) -> None:
        self.captured: list[Samples] = []
        self.played: list[Samples] = []

    def audio(self) -> tuple[Samples, Samples]:
        """Captured ``(N, Cin)`` and played ``(M, Cout)``."""
        return np.concatenate(self.captured), np.concatenate(self.played)


class Simulation:
    """Plays a script once.

    Args:
        chain: in place of the script's.
        inverse: a DSP inverse beside it.
        keep: whether to keep the sound, one `Recording` for each device in `recordings`.
        tick_s: how often the engine's owner looks after it.
    """

    def __init__(
        self,
        script: Script,
        chain: Chain | None = None,
        inverse: Plugin | None = None,
        keep: bool = False,
        tick_s: float = TICK_SECONDS,
    ) -> None:
        self.script, self.time, self.scenario = script, VirtualTime(), Scenario(script.events)
        self.recordings: list[Recording] = []
        self._inverse = inverse
        self._keep, self._tick_s, self._rng = keep, tick_s, np.random.default_rng([script.seed, 2])
        self._chain_script = script.chain
        self._chain = self._timed(chain) if chain is not None else build_chain(script.chain)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._log = MissLog(self.scenario)
        self._readings: list[Reading] = []
        self._notes: list[tuple[float, str]] = []
        self._steps: list[float] = []
        self._state = "running"
        self._hops = self._callbacks = self._swaps = 0
        self._late_done: set[Event] = set()
        self._reopen_s = math.inf
        self.device_script = script.device
        self._open()
        self._chain.spend = self._spend
        self._schedule()

    def _timed(self, chain: Chain) -> TimedChain:
        return chain if isinstance(chain, TimedChain) else TimedChain(chain.plugins, chain.sample_rate, chain.channels)

    def _open(self) -> None:
        """A device, and the engine on it."""
        script, device = self.script, self.device_script
        sound = Sound(device.input_rate, script.seed)
        self.captured = Track(device.input_rate, FARTHEST_SECONDS + 1)
        self.played = Track(device.output_rate, 1)
        gain = max(1.0, from_db(self._chain_script.gain_db)) * from_db(max(0.0, script.controls.output_gain_db))
        self._watch = StepWatch(device.output_rate, sound.slope_per_second, gain)
        self._opened_s = self.time.now_s
        if self._keep:
            self.recordings.append(Recording())
        self.device = SimulatedDevice(device, self.scenario, self.time, sound, script.seed, self._hear, self._listen)
        settings = EngineSettings(script.deadline_ms, script.concealment, script.controls)
        self.engine = Engine(self.device, self._chain, settings, self._inverse, clock=self._clock)
        self.engine.start(threaded=False)
        self.engine.tick()  # before the first callback: this device knows from the start whether its blocks vary
        self._log.begin()

    def run(self) -> Outcome:
        """Play it to the end."""
        self.play_until(self.script.seconds)
        return self.outcome()

    def play_until(self, time_s: float) -> None:
        """Play as far as that; the last hop may reach beyond."""
        while self.time.now_s < time_s:
            if self.time.now_s >= self._reopen_s:
                self._reopen()
            stall = self.scenario.now("stall", self.time.now_s)
            if stall:
                self._run_until(stall.end_s)
            elif not self.engine.step():
                self._run_until(self._next_s, inclusive=True)

    def outcome(self) -> Outcome:
        """What was found; ends the engine."""
        self._read()
        self.engine.stop()
        status = self.engine.status()
        return Outcome(
            seconds=self.script.seconds,
            misses=self._log.misses,
            readings=tuple(self._readings),
            steps_s=None if self._chain_script.plugin == "" else tuple(_rounded(self._steps + self._watch.times_s)),
            notes=tuple(self._notes),
            hops=self._hops + status.speed.hops,
            callbacks=self._callbacks + self.device.health().callbacks,
            muted_blocks=status.muted_blocks,
            swaps=self._swaps + status.swaps,
        )

    # -- time

    def _clock(self) -> float:
        return self.time.now_s

    @property
    def _next_s(self) -> float:
        due_s = self._agenda[0][0] if self._agenda else math.inf
        return min(due_s, self.device.next_s, self.script.seconds, max(self.time.now_s, self._reopen_s))

    def _run_until(self, time_s: float, inclusive: bool = False) -> None:
        """Let everything happen that comes before, and at that moment too where `inclusive`."""
        time_s = min(time_s, self.script.seconds)
        while True:
            due_s = self._agenda[0][0] if self._agenda else math.inf
            next_s = min(due_s, self.device.next_s)
            if not (next_s < time_s or (inclusive and next_s == time_s)):
                break
            self.time.now_s = max(self.time.now_s, next_s)
            if due_s <= next_s:
                heapq.heappop(self._agenda)[2]()
                continue
            self.device.look()
            while self.device.next_s <= next_s:
                self.device.run_next()
                self._log.look(self.time.now_s, self.engine.misses())
            self.device.look()
        self.time.now_s = max(self.time.now_s, time_s)

    def _spend(self) -> None:
        """One hop's cost passes, and the stalls that fall into it."""
        start_s = self.time.now_s
        low, high = self._chain_script.cost_ms
        cost_ms = low if low == high else self._rng.uniform(low, high)
        for event in self.scenario.of("late_model"):
            once = not event.duration_s and event.at_s <= start_s and event not in self._late_done
            if once:
                self._late_done.add(event)
            if once or event.holds(start_s):
                cost_ms = event.value
        end_s = start_s + cost_ms / 1000
        for stall in self.scenario.of("stall"):
            if start_s <= stall.at_s < end_s:
                end_s += stall.duration_s
        self._run_until(end_s)

    def _schedule(self) -> None:
        for event in self.script.events:
            if event.kind in ("set", "swap", "rate", "fault"):
                self._at(event.at_s, lambda event=event: self._happen(event))  # type: ignore[misc]
            if event.kind == "fault":
                self._at(event.end_s, lambda: self._break(""))
        for period_s, call in ((self._tick_s, self._tick), (self.script.measure_every_s, self._read)):
            self._repeat(period_s, 1, call)

    def _repeat(self, period_s: float, count: int, call: Callable[[], None]) -> None:
        def again() -> None:
            call()
            self._repeat(period_s, count + 1, call)

        self._at(count * period_s, again)

    def _at(self, time_s: float, call: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (time_s, self._order, call))

    # -- what happens

    def _happen(self, event: Event) -> None:
        if event.kind == "set":
            self.engine.set_control(event.name, event.value)
        elif event.kind == "fault":
            self._break(event.value)
        elif event.kind == "swap":
            self._chain_script = read_chain(event.value, "value")
            self._chain = build_chain(self._chain_script)
            self._chain.spend = self._spend
            self.engine.swap(self._chain)
        else:
            rate = int(event.value)
            self.device_script = replace(self.device_script, input_rate=rate, output_rate=rate)
            self._reopen_s = event.end_s

    def _break(self, fault: str) -> None:
        for plugin in self._chain.plugins:
            if isinstance(plugin, SimulatedPlugin):
                plugin.fault = fault

    def _reopen(self) -> None:
        self._reopen_s = math.inf
        self.engine.stop()
        status = self.engine.status()
        self._hops += status.speed.hops
        self._swaps += status.swaps
        self._callbacks += self.device.health().callbacks
        self._steps += self._watch.times_s
        self._chain.spend = None
        self._open()
        self._chain.spend = self._spend
        self._note(f"the device is back with {self.device_script.output_rate} Hz")

    # -- what is found

    def _hear(self, block: Samples, time_s: float) -> None:
        self.captured.add(block[:, 0], time_s)
        if self._keep:
            self.recordings[-1].captured.append(block.copy())

    def _listen(self, block: Samples, time_s: float) -> None:
        self.played.add(block[:, 0], time_s)
        self._watch.look(block[:, 0], self._opened_s)
        if self._keep:
            self.recordings[-1].played.append(block.copy())

    def _tick(self) -> None:
        self.engine.tick()
        status = self.engine.status()
        if status.state != self._state:
            self._state = status.state
            self._note(f"{status.state}: {status.message}" if status.message else status.state)
        for text in (*status.warnings, *status.faults):
            if text and text not in (note for _, note in self._notes):
                self._note(text)

    def _note(self, text: str) -> None:
        self._notes.append((round(self.time.now_s, 6), text))

    def _read(self) -> None:
        status, plan = self.engine.status(), self.engine.plan
        measured_s = measured_latency_s(self.captured, self.played)
        reading = Reading(
            at_s=round(self.time.now_s, 6),
            state=status.state,
            planned_ms=round(1000 * plan.in_app_frames / plan.output_rate, 6),
            measured_ms=None if measured_s is None else round(1000 * measured_s, 6),
            drift_ppm=round(status.device.drift_ppm, 6),
            input_fill_ms=round(status.input_fill_ms, 6),
            output_fill_ms=round(status.output_fill_ms, 6),
        )
        self._readings.append(reading)


def _rounded(times_s: list[float]) -> list[float]:
    return [round(time_s, 6) for time_s in times_s]

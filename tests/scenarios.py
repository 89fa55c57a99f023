"""Scenarios for the simulated device, and a detector of clicks that shares nothing with the engine's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.live.outcome import Outcome, Reading
from realtime.live.script import parse_script
from realtime.live.simulation import Simulation

Audio = NDArray[np.float32]
CLICK = 0.06


def play(seconds: float, chain: str = "", device: str = "", events: str = "", top: str = "", **options: Any) -> Played:
    """Play a scenario; `chain`, `device` and `events` are lines of TOML, events separated by blank lines."""
    text = f"seconds = {seconds}\n{top}\n[chain]\n{chain or PASS}\n[device]\n{device}\n"
    for event in events.split("\n\n") if events else ():
        text += f"[[event]]\n{event}\n"
    simulation = Simulation(parse_script(text), keep=True, **options)
    return Played(simulation, simulation.run())


PASS = 'plugin = "gain"'
QUIETER = 'plugin = "gain"\ngain_db = -6'


class Played:
    """A simulation and what it found."""

    def __init__(self, simulation: Simulation, outcome: Outcome) -> None:
        self.simulation, self.outcome = simulation, outcome
        captured, played = simulation.recordings[-1].audio()
        self.captured, self.played = captured[:, 0], played[:, 0]

    @property
    def delay_frames(self) -> int:
        """What the plan says at the end."""
        return self.simulation.engine.plan.in_app_frames

    @property
    def causes(self) -> set[str]:
        return {missed.cause for missed in self.outcome.misses}

    def reading(self, at_s: float) -> Reading:
        """The first reading at or after a time."""
        return next(reading for reading in self.outcome.readings if reading.at_s >= at_s - 1e-6)

    def assert_latency_is_the_planned_one(self, from_s: float = 0.0, within_ms: float = 0.05) -> None:
        readings = [reading for reading in self.outcome.readings if reading.at_s >= from_s]
        assert readings
        for reading in readings:
            assert reading.measured_ms is not None, f"not found at {reading.at_s} s"
            assert abs(reading.measured_ms - reading.planned_ms) <= within_ms, reading

    def error_db(self, gain: float = 1.0, from_s: float = 0.2, to_s: float | None = None) -> float:
        """The played sound less the captured one, later by the plan, relative to that."""
        rate, delay = self.simulation.device_script.output_rate, self.delay_frames
        start, stop = int(from_s * rate), len(self.played) if to_s is None else int(to_s * rate)
        expected = gain * self.captured[start - delay : stop - delay].astype(np.float64)
        error = self.played[start:stop] - expected
        return float(10 * np.log10(max(np.mean(error**2), 1e-30) / np.mean(expected**2)))

    def clicks_s(self) -> list[float]:
        rate = self.simulation.device_script.output_rate
        return [frame / rate for frame in clicks(self.played, rate)]


def clicks(audio: Audio, rate: int = 48_000) -> list[int]:
    """Where the fourth difference is large.

    A step of height h makes one of 3 h; at 48 kHz 0.02 is found, 24 dB below the sound's peak. Sound below 900 Hz makes
    less than 0.005, a corner between two slopes twice the change of slope, and the sound's is at most 0.02 a frame.
    """
    steep = np.flatnonzero(np.abs(np.diff(audio.astype(np.float64), 4)) > CLICK * max(1.0, 48_000 / rate))
    apart = np.flatnonzero(np.diff(steep, prepend=-(10**6)) > rate // 100)
    return [int(frame) for frame in steep[apart]]


def event(at_s: float, kind: str, duration_s: float = 0.0, value: Any = None, name: str = "") -> str:
    """One event as TOML."""
    lines = [f"at_s = {at_s}", f'kind = "{kind}"']
    if duration_s:
        lines.append(f"duration_s = {duration_s}")
    if value is not None:
        texts = {bool: str(value).lower(), str: f'"{value}"' if not str(value).startswith("{") else value}
        lines.append(f"value = {texts.get(type(value), value)}")
    if name:
        lines.append(f'name = "{name}"')
    return "\n".join(lines)

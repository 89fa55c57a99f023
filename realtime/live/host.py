"""A live session as its owner sees it: the engine runs in a process of its own that is watched and replaced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realtime.live.analysis import Analysis
from realtime.live.child_process import HostError
from realtime.live.host_status import LiveStatus, Recorded, readouts_from_json
from realtime.live.keeper import Keeper
from realtime.live.probe import Measurement
from realtime.live.settings import LiveSettings
from realtime.live.shared import Audio
from realtime.live.status import Status

__all__ = ["Host", "HostError", "LiveStatus"]


class Host:
    """Start, listen, stop; may be started again. Callable from any thread; no call takes longer than its limit.

    A process that dies or hangs is replaced at once; one whose device is lost is replaced once a second until the
    same device, by name, is there again. Settings, controls and counters go on.
    """

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._keeper: Keeper | None = None
        self._analysis: Analysis | None = None
        self._running = False
        self._readouts: dict[str, Any] | None = None

    # -- life

    def start(self, limit_s: float = 10.0) -> None:
        """Open the device, load the chain, begin the sound.

        Raises: DeviceError, ContractError, HostError (each a ValueError): one line on what is wrong.
        """
        if self._running:
            raise HostError("the session runs already")
        keeper = self._keeper = Keeper(self._settings, self._opened, self._looked)
        self._readouts = None
        try:
            keeper.start(limit_s)
        except BaseException:
            keeper.stop(0.5)
            self._end_analysis()
            raise
        self._running = True

    def stop(self, limit_s: float = 5.0) -> bool:
        """End the sound and all processes; False where one hung and was killed. May be called again."""
        if not self._running or self._keeper is None:
            return True
        self._running = False
        self.status()  # the last readouts
        clean = self._keeper.stop(limit_s)
        self._end_analysis()
        self._settings = self._keeper.settings
        return clean

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what it says

    def status(self) -> LiveStatus:
        """A snapshot; never waits, never raises: what is wrong is a state and a sentence."""
        keeper = self._keeper
        if keeper is None:
            return LiveStatus(Status("stopped", controls=self._settings.controls))
        analysis = self._analysis
        if analysis is not None and self._running:
            self._readouts = analysis.readouts(keeper.read("readouts"))
        readouts = self._readouts
        return LiveStatus(
            engine=keeper.current(),
            quality=None if readouts is None else readouts_from_json(readouts),
            quality_ages_s={} if readouts is None else readouts["ages_s"],
            restarts=keeper.restarts,
            lost_s=keeper.lost_s,
            note=keeper.note,
            failed=keeper.failed,
        )

    @property
    def settings(self) -> LiveSettings:
        """As they are now: with the controls as they were turned, and the model that was swapped in."""
        return self._settings if self._keeper is None else self._keeper.settings

    @property
    def facts(self) -> dict[str, Any]:
        """What the engine's process told of the chain: "chain" (its members), "controls", "model", …"""
        return {} if self._keeper is None else dict(self._keeper.facts)

    def newest_audio(self, frames: int) -> Audio | None:
        """The last frames of raw input, model, heard output and reference, aligned; None while nothing runs."""
        return None if self._keeper is None else self._keeper.newest_audio(frames)

    def report(self) -> dict[str, Any]:
        """The session so far or, once stopped, as it was; ready for JSON."""
        if self._keeper is None:
            raise HostError("there is nothing to report before the start")
        keeper = self._keeper
        return keeper.journal.report(keeper.settings, keeper.facts, self.status(), tuple(keeper.recorded))

    # -- what it is told

    def set_control(self, name: str, value: Any) -> None:
        """Turn a knob of the host, or, with a dot in its name, of the chain. Does not wait; kept over restarts.

        Raises: ValueError where there is none, or it does not take the value.
        """
        if self._keeper is None:
            controls = self._settings.controls.change(name, value)
            self._settings = replace(self._settings, controls=controls)
            return
        if name == "listen" and value == "inverse" and not self.settings.compare:
            raise HostError('there is no DSP inverse to listen to: start with "compare"')
        if "." in name:
            self._check_chain_control(name, value)
        self._keeper.turn(name, value)
        if name == self.facts.get("shift_control") and self._analysis is not None:
            self._analysis.tell(self.facts)

    def swap(self, path: str | Path, limit_s: float = 20.0) -> None:
        """Load another model (a name or a plugin file) or preset (.json), and change over to it without a click.

        Raises: ValueError, one line, where it cannot be loaded; the old one then goes on.
        """
        preset = str(path) if str(path).endswith(".json") else None
        model = None if preset else str(path)
        facts = self._request("swap", limit_s, model=model, preset=preset)
        assert self._keeper is not None
        self._keeper.swapped(facts, model, preset)
        self._keeper.say(f"changed to {', '.join(facts['chain'])}")
        if self._analysis is not None:
            self._analysis.tell(self._keeper.facts)

    def record(self, folder: str | Path, limit_s: float = 5.0) -> None:
        """Record input and output into a folder; `Status.recording` tells how it goes.

        Raises: ValueError, one line, where that cannot be.
        """
        self._request("record", limit_s, folder=str(folder))
        assert self._keeper is not None
        self._keeper.settings = replace(self._keeper.settings, record=str(folder))

    def stop_recording(self, limit_s: float = 12.0) -> Recorded:
        """End the recording; what became of it.

        Raises: ValueError where nothing is being recorded.
        """
        result = self._request("stop_recording", limit_s)
        assert self._keeper is not None
        self._keeper.settings = replace(self._keeper.settings, record=None)
        recorded = Recorded(tuple(result["files"]), result["seconds"], result["dropped_frames"], result["error"])
        self._keeper.recorded.update(dict.fromkeys(recorded.files))
        return recorded

    def measure(self, limit_s: float = 6.0) -> Measurement:
        """Measure the round trip through a loop-back.

        Raises: ValueError, one line, where the chirp does not come back.
        """
        return Measurement(**self._request("measure", limit_s + 1, limit_s=limit_s))

    # -- inside

    def _request(self, command: str, wait_s: float, **arguments: Any) -> dict[str, Any]:
        if self._keeper is None or not self._running:
            raise HostError("the session does not run")
        return self._keeper.request(command, wait_s, **arguments)

    def _check_chain_control(self, name: str, value: Any) -> None:
        facts = self.facts
        known = {control["name"]: control for control in facts.get("controls", ())}
        if name not in known and name in {f"{index}.bypass" for index in range(len(facts.get("chain", ())))}:
            if value not in (0, 1):
                raise ValueError(f"{name} takes 0 (in) or 1 (out), not {value!r}")
            return
        control = known.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if control is None or not number or not control["minimum"] <= value <= control["maximum"]:
            listed = ", ".join(f"{c['name']} {c['minimum']:g} … {c['maximum']:g} {c['unit']}" for c in known.values())
            raise ValueError(f"the chain has no control {name!r} that takes {value!r}; it has: {listed or 'none'}")

    def _opened(self, facts: dict[str, Any]) -> None:
        keeper = self._keeper
        if keeper is None or not keeper.settings.quality:
            return
        if self._analysis is None:
            self._analysis = Analysis(keeper.shared, keeper.settings, keeper.say)
        self._analysis.tell(facts)

    def _looked(self, step_s: float) -> None:
        if self._analysis is not None:
            self._analysis.look_after(step_s)

    def _end_analysis(self) -> None:
        analysis, self._analysis = self._analysis, None
        if analysis is not None:
            analysis.end()

"""The live session as the screen steers it: start, stop, knobs, swaps, recording. The sound itself runs elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.live.device_hints import on_screen
from gui.tasks import Tasks
from realtime.live.controls import Controls
from realtime.live.host import Host
from realtime.live.host_status import LiveStatus, Recorded
from realtime.live.probe import Measurement
from realtime.live.settings import LiveSettings
from realtime.live.shared import Audio

TICK_MS = 33  # 30 looks a second: meters and spectrograms
SWAP_AFTER_MS = 150  # several edits in a row are one swap
LIVE_STATES = ("running", "waiting")


class Setup(Protocol):
    """Where the settings of a session come from: the boxes of the page."""

    def settings(self, controls: Controls, compare: bool) -> LiveSettings:
        """All that is chosen now but for the chain. Raises: ValueError, a sentence, where that cannot be."""
        ...

    def chain_writer(self) -> Callable[[], Path]:
        """What writes the chain as it is now into a file for the engine; may wait for the disk.

        It raises ValueError or OSError.
        """
        ...


class Session(QObject):
    """One live session after the other; `state` is stopped, starting, running, waiting (for a device) or stopping."""

    state_changed = pyqtSignal(str)
    controls_changed = pyqtSignal()
    chain_loaded = pyqtSignal(object)  # `Host.facts` of a chain that is heard from now on
    ticked = pyqtSignal(object)  # LiveStatus, 30 times a second while it runs

    def __init__(
        self,
        setup: Setup,
        tasks: Tasks,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._setup, self._tasks, self._say, self._complain = setup, tasks, say, complain
        self._host: Host | None = None
        self._again = False
        self._ended: Callable[[], None] | None = None
        self.state = "stopped"
        self.controls = Controls()
        self.compare = False
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._swap_timer = QTimer(self)
        self._swap_timer.setInterval(SWAP_AFTER_MS)
        self._swap_timer.setSingleShot(True)
        self._swap_timer.timeout.connect(self._swap)

    # -- life

    @property
    def is_live(self) -> bool:
        """Whether there is sound, or there will be as soon as the device is back."""
        return self.state in LIVE_STATES

    def toggle(self) -> None:
        """Start, or stop."""
        if self.state == "stopped":
            self.start()
        elif self.is_live:
            self.stop()

    def start(self) -> None:
        """Begin with what is chosen now; errors are told."""
        if self.state != "stopped":
            return
        try:
            settings = self._setup.settings(self.controls, self.compare)
        except ValueError as error:
            self._complain(on_screen(error))
            return
        self._enter("starting")
        self._say("Opening the sound device and loading the model…")
        self._tasks.run(partial(_opened, settings, self._setup.chain_writer()), self._started, self._not_started)

    def stop(self) -> None:
        """End the sound; a recording is finished first."""
        if not self.is_live or self._host is None:
            return
        self._timer.stop()
        self._swap_timer.stop()
        self._enter("stopping")
        self._tasks.run(partial(self._host.stop, 12.0), self._stopped, self._not_stopped)

    def restart(self) -> None:
        """Stop and start anew, for what cannot change while it runs."""
        if self.is_live:
            self._again = True
            self.stop()

    def end(self, ended: Callable[[], None]) -> None:
        """Stop for good; `ended` is called when there is no sound and no process left."""
        self._ended = ended
        self._again = False
        if self.state == "stopped":
            self._over()
        elif self.is_live:
            self.stop()  # else it is starting or stopping, and ends when that is done

    # -- what it is told

    def set_control(self, name: str, value: Any) -> None:
        """Turn one of the host's knobs, whether it runs or not."""
        self.controls = self.controls.change(name, value)
        if self._host is not None and self.is_live:
            self._try(partial(self._host.set_control, name, value))
        self.controls_changed.emit()

    def set_chain_control(self, name: str, value: float) -> None:
        """Turn a knob of the chain, "0.semitones", where one runs."""
        if self._host is not None and self.is_live and not self._swap_timer.isActive():
            self._try(partial(self._host.set_control, name, value))

    def listen(self, what: str) -> None:
        """A raw, B inverse or C model. B starts the comparison where it does not run."""
        if what == "inverse" and not self.compare:
            self.set_compare(True, "inverse")
        else:
            self.set_control("listen", what)

    def set_compare(self, compare: bool, listen: str = "model") -> None:
        """Whether the DSP inverse runs beside the model; a running session starts anew, since its latency changes."""
        self.compare = compare
        self.controls = replace(self.controls, listen=listen if compare else "model")  # type: ignore[arg-type]
        self.controls_changed.emit()
        if self.is_live:
            self._say("Starting anew: the DSP inverse " + ("now runs beside the model." if compare else "is let go."))
            self.restart()

    def toggle_control(self, name: str) -> None:
        """Bypass, mute, limiter or level match, the other way round."""
        self.set_control(name, not getattr(self.controls, name))

    def chain_changed(self) -> None:
        """The chain has other members: the engine changes over without a click, a moment from now."""
        if self.is_live:
            self._swap_timer.start()

    def record(self, folder: Path) -> None:
        """Begin to record into a folder, or end the recording."""
        if self._host is None or self.state != "running":
            self._say("Start the sound first: then it can be recorded.")
        elif self._host.status().engine.recording:
            self._tasks.run(self._host.stop_recording, self._recorded, self._failed)
        else:
            self._tasks.run(partial(_recorded_into, self._host, folder), self._recording, self._failed)

    def measure(self) -> None:
        """Measure the round trip; needs a cable or a loop-back from output to input."""
        if self._host is None or self.state != "running":
            self._say("Start the sound first: then its latency can be measured.")
            return
        self._say("Measuring: a chirp is on its way…")
        self._tasks.run(self._host.measure, self._measured, self._failed)

    # -- what it says

    def newest_audio(self, frames: int) -> Audio | None:
        """See `Host.newest_audio`."""
        return self._host.newest_audio(frames) if self._host is not None and self.is_live else None

    @property
    def settings(self) -> LiveSettings | None:
        """Of the session that runs or ran last."""
        return None if self._host is None else self._host.settings

    def report(self) -> dict[str, Any] | None:
        """Of this session or, once stopped, of the last; None before the first."""
        return None if self._host is None else self._host.report()

    # -- inside

    def _enter(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _started(self, host: Host) -> None:
        self._host = host
        self._enter("running")
        if self._ended is not None:
            self.stop()
            return
        if self.controls != host.settings.controls:  # turned while it was starting
            for name in ("bypass", "muted", "mix", "input_gain_db", "output_gain_db", "level_match", "limiter"):
                self._try(partial(host.set_control, name, getattr(self.controls, name)))
        self._say("")
        self.chain_loaded.emit(host.facts)
        self._timer.start()

    def _not_started(self, error: Exception) -> None:
        self._enter("stopped")
        self._say("")
        if self._ended is not None:
            self._over()
        else:
            self._complain(on_screen(error))

    def _stopped(self, clean: bool) -> None:
        self._enter("stopped")
        if not clean:
            self._complain("The sound system hung while it was closed, so its process was ended. It can start again.")
        if self._ended is not None:
            self._over()
        elif self._again:
            self._again = False
            self.start()

    def _not_stopped(self, error: Exception) -> None:
        self._complain(on_screen(error))
        self._stopped(True)

    def _over(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def _tick(self) -> None:
        if self._host is None:
            return
        status: LiveStatus = self._host.status()
        if status.failed:
            self._complain(on_screen(status.note))
            self.stop()
            return
        if self.is_live:
            self._enter("running" if status.engine.state == "running" else "waiting")
        self.ticked.emit(status)

    def _swap(self) -> None:
        if self._host is None or not self.is_live:
            return
        swap = partial(_swapped_in, self._host, self._setup.chain_writer())
        self._tasks.run(swap, self._swapped, self._not_swapped)

    def _swapped(self, _nothing: None) -> None:
        if self._host is not None:
            self.chain_loaded.emit(self._host.facts)

    def _not_swapped(self, error: Exception) -> None:
        self._complain(f"The chain was not changed over, the one before it goes on: {on_screen(error)}")

    def _recording(self, folder: Path) -> None:
        self._say(f"Recording into {folder}")

    def _recorded(self, recorded: Recorded) -> None:
        (self._complain if recorded.error else self._say)(f"{recorded}")

    def _measured(self, found: Measurement) -> None:
        self._say(
            f"Measured: {found.total_ms:.1f} ms from microphone to loudspeaker, of which {found.in_app_ms:.1f} ms in "
            f"the app and {found.device_ms:.1f} ms in the devices."
        )

    def _failed(self, error: Exception) -> None:
        self._complain(on_screen(error))

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except ValueError as error:
            self._complain(on_screen(error))


def _opened(settings: LiveSettings, write: Callable[[], Path]) -> Host:
    """Off the screen: the session, started."""
    host = Host(replace(settings, preset=str(write())))
    host.start()
    return host


def _swapped_in(host: Host, write: Callable[[], Path]) -> None:
    """Off the screen: the engine changes over to the chain."""
    host.swap(write())


def _recorded_into(host: Host, folder: Path) -> Path:
    """Off the screen: a recording begins."""
    folder.mkdir(parents=True, exist_ok=True)
    host.record(folder)
    return folder

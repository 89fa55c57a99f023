"""The engine's own process: what the host's commands do in it, and its status, twenty times a second."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from realtime.live import assemble, engines
from realtime.live.commands_reader import Commands, Handler
from realtime.live.engine import Engine
from realtime.live.pipeline import Hop
from realtime.live.settings import LiveSettings, SettingsError
from realtime.live.shared import SharedMemory
from realtime.live.threads import calm_interpreter
from realtime.plugins.base import Samples

if TYPE_CHECKING:
    from realtime.live.recorder import Recorder
    from realtime.live.self_test import Follower, SelfTest

TICK_SECONDS = 0.05
STOP_SECONDS = 1.0
RECORDING_SECONDS = 10.0


class AudioTap:
    """Gives each hop to the recorder, where there is one, and, mixed to mono, to the analyst and the screen."""

    def __init__(self, shared: SharedMemory) -> None:
        self._shared = shared
        self.recorder: Recorder | None = None
        self._silence = np.zeros(0, dtype=np.float32)

    def __call__(self, hop: Hop) -> None:
        """Called by the worker."""
        count = hop.raw.shape[1]
        if len(self._silence) != count:
            self._silence = np.zeros(count, dtype=np.float32)
        reference = self._silence if hop.reference is None else _mono(hop.reference)
        self._shared.write_audio(_mono(hop.raw), _mono(hop.model), _mono(hop.heard), reference)
        recorder = self.recorder
        if recorder is not None:
            recorder.feed(hop.raw, hop.heard)


class EngineProcess:
    """Holds the one engine of this process.

    Args:
        token: of the shared memory.
    """

    def __init__(self, token: str) -> None:
        self._shared = SharedMemory.attach(token)
        self._settings = LiveSettings()
        self._tap = AudioTap(self._shared)
        self._recorded: dict[str, None] = {}  # files that are done, in order
        self._recording_error = ""  # of the last one that ended
        self._engine: Engine | None = None
        self._loaded: assemble.LoadedChain | None = None
        self._follower: Follower | None = None
        self._swaps = 0
        self._telling = threading.Lock()

    def run(self, source: BinaryIO, answers: BinaryIO) -> None:
        """Until the host says stop, or is gone."""
        handlers: dict[str, Handler] = {
            "start": self._start,
            "swap": self._swap,
            "measure": self._measure,
            "record": self._record,
            "stop_recording": self._stop_recording,
            "stop": self._stop,
        }
        commands = Commands(source, answers, handlers, {"set_control": self._set_control})
        commands.start()
        while not commands.over.wait(TICK_SECONDS):
            engine = self._engine
            if engine is not None:
                engine.tick()
                self._tell(engine)
        self._end(STOP_SECONDS)

    def _tell(self, engine: Engine) -> None:
        with self._telling:  # the memory takes one writer
            status = engine.status()
            if status.swaps != self._swaps and self._loaded is not None:
                self._swaps = status.swaps
                self._begin_sound(self._loaded)
            status = replace(status, recording=self._recording())
            document = {"pid": os.getpid(), "status": status.to_json_object(), "recorded": list(self._recorded)}
            self._shared.write("status", document)

    def _begin_sound(self, loaded: assemble.LoadedChain) -> None:
        """Another chain is heard from now on: perhaps at another rate."""
        self._shared.begin_audio(loaded.chain.sample_rate, self._settings.self_test is not None)
        if self._settings.record is not None and self._tap.recorder is None:
            self._tap.recorder = _new_recorder(self._settings.record, loaded)

    def _recording(self) -> str:
        recorder = self._tap.recorder
        if recorder is None:
            return self._recording_error
        state = recorder.state
        lost = f", {state.dropped_frames} frames lost" if state.dropped_frames else ""
        return state.error or f"recording {int(state.seconds)} s{lost}"

    def _end_recording(self, limit_s: float) -> dict[str, Any]:
        recorder, self._tap.recorder = self._tap.recorder, None
        if recorder is None:
            return {"files": [], "seconds": 0.0, "dropped_frames": 0, "error": None}
        made = recorder.stop(limit_s)
        files = [str(path) for path in made.files]
        self._recorded |= dict.fromkeys(files)
        self._recording_error = made.error or ""
        return {
            "files": files,
            "seconds": made.seconds,
            "dropped_frames": made.dropped_frames,
            "error": made.error,
        }

    # -- commands

    def _start(self, command: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        self._settings = settings = LiveSettings.from_json_object(command["settings"])
        with ThreadPoolExecutor(1, "load") as other:  # opening a device is mostly waiting
            loading = other.submit(engines.load_built_chain, settings)
            device = assemble.open_device(settings)
            opened = time.monotonic()
        try:
            loaded = loading.result()
            source = assemble.make_source(settings, loaded)
            engine = assemble.make_engine(settings, device, loaded, [self._tap], source)
            self._follower = None if source is None else _new_follower(source, engine)
            for name, value in command["chain_controls"].items():
                engine.set_control(name, value)
            self._follow(loaded)
            self._begin_sound(loaded)
            calm_interpreter()
            made = time.monotonic()
            engine.start()
        except BaseException:
            device.stop(STOP_SECONDS)
            raise
        self._loaded = loaded
        engine.tick()
        self._tell(engine)
        self._engine = engine
        seconds = {"open_device": opened - began, "load": made - opened, "start": time.monotonic() - made}
        names = {"input_name": device.input_name, "output_name": device.output_name}
        return {**loaded.to_json_object(), **names, "pid": os.getpid(), "portaudio": _portaudio(), "seconds": seconds}

    def _swap(self, command: dict[str, Any]) -> dict[str, Any]:
        engine, old = self._running()
        settings = replace(self._settings, model=command["model"], preset=command["preset"], semitones=None)
        loaded = engines.load_built_chain(settings)
        old_rows, rows = ((one.chain.sample_rate, one.chain.channels) for one in (old, loaded))
        if settings.self_test is not None and rows != old_rows:
            raise SettingsError("the self-test was made for another rate: stop, and start with this model")
        if settings.preset is None:
            loaded.take_shift_of(old)
        if rows != old_rows:
            self._end_recording(RECORDING_SECONDS)  # one file has one rate; the next begins with the new chain
        self._settings, self._loaded = settings, loaded
        engine.swap(loaded.chain, loaded.inverse)
        self._follow(loaded)
        return loaded.to_json_object()

    def _set_control(self, command: dict[str, Any]) -> dict[str, Any]:
        engine, loaded = self._running()
        engine.set_control(command["name"], command["value"])
        self._follow(loaded)
        return {}

    def _follow(self, loaded: assemble.LoadedChain) -> None:
        """The self-test is shifted by what there is to undo now."""
        if self._follower is not None:
            self._follower.follow(assemble.shift_of_test(loaded.chain))

    def _measure(self, command: dict[str, Any]) -> dict[str, Any]:
        result = self._running()[0].measure(command["limit_s"])
        return {
            "device_ms": result.device_ms,
            "in_app_ms": result.in_app_ms,
            "clearness": result.clearness,
        }

    def _record(self, command: dict[str, Any]) -> dict[str, Any]:
        _, loaded = self._running()
        if self._tap.recorder is not None:
            raise SettingsError("a recording runs already: stop it first")
        self._tap.recorder = _new_recorder(command["folder"], loaded)
        self._settings = replace(self._settings, record=command["folder"])
        return {}

    def _stop_recording(self, command: dict[str, Any]) -> dict[str, Any]:
        if self._tap.recorder is None:
            raise SettingsError("nothing is being recorded")
        self._settings = replace(self._settings, record=None)
        return self._end_recording(RECORDING_SECONDS)

    def _stop(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"stopped": self._end(command["limit_s"])}  # the host then closes the input, and this process leaves

    def _running(self) -> tuple[Engine, assemble.LoadedChain]:
        if self._engine is None or self._loaded is None:
            raise SettingsError("the engine does not run")
        return self._engine, self._loaded

    def _end(self, limit_s: float) -> bool:
        engine, self._engine = self._engine, None
        if engine is None:
            return True
        stopped = engine.stop(limit_s)
        self._end_recording(limit_s)
        self._tell(engine)
        return stopped


def _mono(block: Samples) -> Samples:
    if block.shape[0] == 1:
        row: Samples = block[0]
        return row
    mean: Samples = block.mean(axis=0, dtype=np.float32)
    return mean


def _portaudio() -> str:
    """The version in use, empty where no sound card is."""
    sounddevice = sys.modules.get("sounddevice")
    return "" if sounddevice is None else str(sounddevice.get_portaudio_version()[1])


def _new_follower(source: SelfTest, engine: Engine) -> Follower:
    from realtime.live.self_test import Follower  # the shifters, which only a self-test has to wait for

    return Follower(source, engine.set_source)


def _new_recorder(folder: str, loaded: assemble.LoadedChain) -> Recorder:
    from realtime.live.recorder import Recorder  # 30 ms that only a recording has to wait for

    return Recorder(folder, loaded.chain.sample_rate, loaded.chain.channels)

"""A device without hardware: it hears silence and plays to nobody, in real time."""

from __future__ import annotations

import math
import threading
from time import monotonic

import numpy as np

from realtime.live.device import SLOWEST_HEARTBEAT_S, DeviceChoice, DeviceError, Exchange, Health
from realtime.live.threads import FEEDER_PRIORITY, raise_priority

NAME = "none"
DEFAULT_RATE = 48_000
DEFAULT_BLOCK_FRAMES = 256
GAP_SECONDS = 0.25


def is_clock_device(choice: DeviceChoice) -> bool:
    """Whether the choice means this device.

    Raises: DeviceError where only one side does.
    """
    sides = (choice.input, choice.output)
    if NAME not in sides:
        return False
    if sides != (NAME, NAME):
        raise DeviceError(f'the device "{NAME}" stands for both sides: give it for input and output, or for neither')
    return True


class ClockDevice:
    """Paced by the system's clock; a `realtime.live.device.Device`.

    Its clock is no crystal: a thread that is late by a block or more goes on from now instead of catching up, so what
    is missed is the engine's own doing.
    """

    one_clock = True
    input_name = output_name = NAME

    def __init__(self, choice: DeviceChoice) -> None:
        self.input_rate = self.output_rate = choice.rate or DEFAULT_RATE
        self.input_channels, self.output_channels = choice.input_channels or 1, choice.output_channels or 2
        self.block_frames = choice.block_frames or DEFAULT_BLOCK_FRAMES
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._callbacks = self._gaps = 0
        self._seen_s = -math.inf
        self._priority, self._error = "normal", ""

    def start(self, exchange: Exchange, queued_frames: int) -> None:
        """See `Device.start`."""
        if self._thread is not None:
            raise DeviceError(f"{NAME}: was started before; open it anew")
        self._seen_s = monotonic()
        self._thread = threading.Thread(target=self._run, args=(exchange,), name="clock device", daemon=True)
        self._thread.start()

    def stop(self, limit_s: float) -> bool:
        """See `Device.stop`."""
        self._ending.set()
        if self._thread is None or self._thread.ident is None:
            return True
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def health(self) -> Health:
        """See `Device.health`."""
        age_s = monotonic() - self._seen_s
        alive = self._thread is not None and self._thread.is_alive() and not self._ending.is_set()
        return Health(
            running=alive and age_s <= SLOWEST_HEARTBEAT_S,
            heartbeat_age_s=age_s,
            callbacks=self._callbacks,
            input_overflows=0,
            output_underflows=0,
            gaps=self._gaps,
            stalls=0,
            input_latency_s=0.0,
            output_latency_s=0.0,
            block_frames=self.block_frames,
            priority=self._priority,
            error=self._error or None,
        )

    def _run(self, exchange: Exchange) -> None:
        self._priority = raise_priority(FEEDER_PRIORITY)
        silence = np.zeros((self.block_frames, self.input_channels), dtype=np.float32)
        played = np.zeros((self.block_frames, self.output_channels), dtype=np.float32)
        block_s = self.block_frames / self.input_rate
        due_s = monotonic() + block_s
        try:
            while not self._ending.wait(max(0.0, due_s - monotonic())):
                exchange.capture(silence)
                exchange.play(played)
                self._callbacks += 1
                now_s = monotonic()
                self._gaps += now_s - self._seen_s > max(GAP_SECONDS, 8 * block_s)
                self._seen_s = now_s
                due_s = due_s + block_s if now_s < due_s + block_s else now_s + block_s
        except Exception as error:  # noqa: BLE001  # told by `health`: this thread has no caller
            self._error = f"the silent device ended: {type(error).__name__}: {error}"

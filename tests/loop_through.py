"""A program for the tests of `SoundCard`: plays what it hears, some frames later, and tells how it fares.

usage: loop_through.py CHOICE_AS_JSON PREFILL_FRAMES HOP_FRAMES [two]

"two" opens one stream for each direction, as for devices with clocks of their own.

Each line of its output is a JSON object. Lines of its input: ``health``; ``stall SECONDS`` (holds the interpreter);
``raise`` (an error in the exchange); ``stop LIMIT_S`` (says whether the device stopped in time, then leaves).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from dataclasses import asdict

import numpy as np

from realtime.live import devices
from realtime.live.device import Block, DeviceChoice, DeviceError
from realtime.live.ring import Ring


class LoopThrough:
    """An exchange without a model: whole hops leave as they came, `prefill_frames` later; late ones are dropped."""

    def __init__(self, channels: int, prefill_frames: int, hop_frames: int = 1) -> None:
        self.device_queue_frames = 0
        self.device_played_at_s: float | None = None
        self.concealed = self.slipped = self.captured = self.played = 0
        self.fails = False
        self._hop_frames, self._debt = hop_frames, 0
        self._input, self._output = Ring(1 << 20, channels), Ring(1 << 20, channels)
        self._output.write_silence(prefill_frames)
        self._ready = threading.Event()

    @property
    def ready_frames(self) -> int:
        return max(0, self._output.readable - self._debt)

    def capture(self, block: Block) -> None:
        if self.fails:
            raise ZeroDivisionError("asked for")
        self.captured += len(block)
        self._input.write(block)
        whole = self._input.readable // self._hop_frames * self._hop_frames
        hops = np.empty((whole, block.shape[1]), dtype=np.float32)
        self._input.read_into(hops)
        self._output.write(hops)

    def play(self, out: Block) -> None:
        self._debt -= self._output.skip(self._debt)
        count = min(len(out), self.ready_frames)
        self._output.read_into(out[:count])
        out[count:] = 0
        self._debt += len(out) - count
        self.concealed += len(out) - count
        self.played += len(out)

    def wait_output(self, timeout_s: float) -> bool:
        return self._ready.wait(timeout_s)

    def slip(self, frames: int) -> None:
        self._debt += frames
        self.slipped += frames


def main() -> None:
    def say(**facts: object) -> None:
        print(json.dumps(facts), flush=True)

    if sys.argv[4:] == ["two"]:
        devices._is_jack = lambda device: False
    try:
        card = devices.SoundCard(DeviceChoice(**json.loads(sys.argv[1])))
    except DeviceError as error:
        say(error=str(error))
        return
    exchange = LoopThrough(card.output_channels, int(sys.argv[2]), int(sys.argv[3]))
    card.start(exchange, int(sys.argv[2]))
    names = ("input_name", "output_name", "input_rate", "output_rate", "block_frames", "one_clock")
    say(**{name: getattr(card, name) for name in names})
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "health":
            counts = {name: getattr(exchange, name) for name in ("concealed", "slipped", "captured", "played")}
            say(**asdict(card.health()), **counts, queue=exchange.device_queue_frames)
        elif word == "stall":
            ctypes.PyDLL(None).usleep(round(float(number) * 1e6))
            say(stalled=number)
        elif word == "raise":
            exchange.fails = True
        elif word == "stop":
            began = time.monotonic()
            stopped = card.stop(float(number))
            say(stopped=stopped, took_s=time.monotonic() - began, **asdict(card.health()))
            os._exit(0)


if __name__ == "__main__":
    main()

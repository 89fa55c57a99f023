"""What is heard in place of late frames: the captured sound, aligned in time, or silence."""

from __future__ import annotations

import numpy as np

from realtime.live.ring import Ring
from realtime.plugins.base import Samples

FADE_SECONDS = 0.005


class Concealer:
    """Keeps what was captured, and plays it without a step where it begins and ends. A gain of 0 is silence."""

    def __init__(self, history_frames: int, channels: int, rate: int) -> None:
        self.last = np.zeros(channels, dtype=np.float32)
        self._history = np.zeros((history_frames, channels), dtype=np.float32)
        self._heard = 0
        self._fade_frames = max(1, int(FADE_SECONDS * rate))
        self._decay = np.exp(-5.0 * np.arange(1, 4097) / self._fade_frames).astype(np.float32)[:, None]
        self._offset = np.zeros(channels, dtype=np.float32)
        self._share = 1.0  # of the processed sound
        self._gain = 1.0  # of the captured sound
        self._next_position = 0  # of the captured sound, if it goes on as it did
        self._stood = np.zeros(channels, dtype=np.float32)  # the last frame of the concealment
        self._from: Samples | None = None  # where a concealment must begin, if not there
        self._scratch = np.zeros((history_frames, channels), dtype=np.float32)

    def remember(self, block: Samples) -> None:
        """Keep what was captured; a channel more or less is spread or averaged."""
        channels = self._history.shape[1]
        rows = block if block.shape[1] == channels else block.mean(axis=1, keepdims=True)
        size = len(self._history)
        rows = rows[-size:]
        start = (self._heard + len(block) - len(rows)) % size
        first = min(len(rows), size - start)
        self._history[start : start + first] = rows[:first]
        self._history[: len(rows) - first] = rows[first:]
        self._heard += len(block)

    def splice(self) -> None:
        """The processed sound jumps at the next frame: it is faded over from where it stands."""
        self._share, self._from = 0.0, self.last.copy()

    def was_silent(self) -> None:
        """The device played silence meanwhile, because nobody fed it: what comes next begins there."""
        self.last[:] = 0
        self.splice()

    def fill(self, gain: float, position: int, out: Samples) -> None:
        """Only concealment: captured frames from `position` on times `gain`, beginning where the sound stood."""
        if self._share > 0:
            self._gain = gain
            self.splice()
        self._under(gain, position, out)
        self.last[:] = out[-1]

    def leave(self, gain: float, position: int, out: Samples, processed: Ring) -> None:
        """Processed frames, faded in where there was a concealment before."""
        processed.read_into(out)
        if self._share < 1:
            under = self._scratch[: len(out)]
            self._under(gain, position, under)
            ramp = np.minimum(1.0, self._share + np.arange(1, len(out) + 1, dtype=np.float32) / self._fade_frames)
            out *= ramp[:, None]
            out += under * (1 - ramp[:, None])
            self._share = float(ramp[-1])
        self.last[:] = out[-1]

    def _under(self, gain: float, position: int, out: Samples) -> None:
        """The concealment alone, going on where it stood however the position moved."""
        self._base(gain, position, out)
        if self._from is not None or position != self._next_position:
            self._offset[:] = (self._stood if self._from is None else self._from) - out[0]
            self._from = None
        self._add_offset(out)
        self._stood[:] = out[-1]
        self._next_position = position + len(out)

    def _base(self, gain: float, position: int, out: Samples) -> None:
        size, before, self._gain = len(self._history), self._gain, gain
        early = min(max(0, -position), len(out))
        out[:early] = 0  # before the first frame captured
        out, position = out[early:], position + early
        if before == gain == 0 or position < self._heard - size or position + len(out) > self._heard:
            out[:] = 0
            return
        start = position % size
        first = min(len(out), size - start)
        out[:first] = self._history[start : start + first]
        out[first:] = self._history[: len(out) - first]
        if position < self._fade_frames:  # the very beginning of what was captured
            out *= np.minimum(1.0, np.arange(position + 1, position + len(out) + 1) / self._fade_frames)[:, None]
        if before != gain:
            out *= np.linspace(before, gain, len(out), dtype=np.float32)[:, None]
        elif gain != 1.0:
            out *= np.float32(gain)

    def _add_offset(self, out: Samples) -> None:
        if self._offset.any():
            count = min(len(out), len(self._decay))
            out[:count] += self._offset * self._decay[:count]
            self._offset *= self._decay[count - 1] if count else 1
            self._offset[np.abs(self._offset) < 1e-6] = 0

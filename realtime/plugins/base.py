"""What a plugin is, and how blocks of any size reach it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.contract import Facts

Samples = NDArray[np.float32]


def check_control(facts: Facts, name: str, value: float) -> None:
    """See that a model has a control that takes a value.

    Raises: ValueError where there is no such control, or the value is out of its range.
    """
    if any(each.name == name and each.minimum <= value <= each.maximum for each in facts.controls):
        return
    known = ", ".join(f"{c.name} {c.minimum:g} … {c.maximum:g} {c.unit}" for c in facts.controls) or "none"
    raise ValueError(f"{facts.name} has no control {name!r} that takes {value:g}; it has: {known}")


class Plugin(Protocol):
    """One hop in, one hop out, states carried in between. Full scale is ±1."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio it works on."""

    @property
    def hop_samples(self) -> int:
        """Samples per channel of one block."""

    @property
    def latency_samples(self) -> int:
        """Algorithmic latency: the hop plus the future the model waits for."""

    @property
    def channels(self) -> int:
        """Rows of a block; each row has states of its own."""

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``, which sounds `latency_samples` - `hop_samples` later."""

    def reset(self) -> None:
        """Back to silence."""


class Stream:
    """Blocks of any size through a plugin: as many samples out as in, `latency_samples` later, however they are cut.

    The plugin's last hop is played while its next hop fills, so the delay is one hop more than the plugin's own.
    """

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._filling = np.zeros((plugin.channels, plugin.hop_samples), dtype=np.float32)
        self._playing = np.zeros_like(self._filling)
        self._position = 0

    @property
    def plugin(self) -> Plugin:
        """What the stream feeds."""
        return self._plugin

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio that goes in and comes out."""
        return self._plugin.sample_rate

    @property
    def latency_samples(self) -> int:
        """Samples by which the output comes later than the input."""
        return self._plugin.latency_samples

    def reset(self) -> None:
        """Forget all that was heard: the next block starts from silence."""
        self._plugin.reset()
        self._filling[:] = 0
        self._playing[:] = 0
        self._position = 0

    def process(self, block: Samples) -> Samples:
        """Feed audio, ``(C, N)``, or ``(N,)`` for one channel; the result has the same shape. N may be 0.

        Raises: ValueError where the block's rows are not the stream's channels.
        """
        audio = np.asarray(block, dtype=np.float32)
        rows = audio[None] if audio.ndim == 1 else audio
        if rows.ndim != 2 or rows.shape[0] != self._plugin.channels:
            wanted = "(N,) or (1, N)" if self._plugin.channels == 1 else f"({self._plugin.channels}, N)"
            raise ValueError(f"a block for this stream must have the shape {wanted}, not {audio.shape}")
        heard = np.empty(rows.shape, dtype=np.float32)
        at, hop = 0, self._plugin.hop_samples
        while at < rows.shape[1]:
            count = min(hop - self._position, rows.shape[1] - at)
            end = self._position + count
            heard[:, at : at + count] = self._playing[:, self._position : end]
            self._filling[:, self._position : end] = rows[:, at : at + count]
            at, self._position = at + count, end % hop
            if self._position == 0:
                self._playing = self._plugin.process(self._filling)
        return heard[0] if audio.ndim == 1 else heard

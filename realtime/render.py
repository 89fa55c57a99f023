"""Audio of any rate through a plugin, delay-compensated and mixed with the original, block by block."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from realtime.plugins.base import Plugin, Samples, Stream
from realtime.resample import Resampler


class Aligned(Protocol):
    """Takes blocks, gives back as many samples in all, at the same place in time."""

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""

    def finish(self) -> Samples:
        """The rest, after the last block: ``(C, M)``."""


class AlignedStream:
    """A streaming plugin without its delay: the first `latency_samples` are dropped, as many of silence end it."""

    def __init__(self, plugin: Plugin) -> None:
        plugin.reset()
        self._stream, self._channels = Stream(plugin), plugin.channels
        self._early = plugin.latency_samples
        self._fed = 0

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""
        self._fed += block.shape[1]
        heard = self._stream.process(block)
        dropped = min(self._early, heard.shape[1])
        self._early -= dropped
        return heard[:, dropped:]

    def finish(self) -> Samples:
        """The rest, after the last block: ``(C, M)``."""
        rest, hop = [np.zeros((self._channels, 0), dtype=np.float32)], self._stream.plugin.hop_samples
        left = self._stream.latency_samples if self._fed else 0
        while left:  # hop by hop, since a model may wait for seconds
            count = min(left, hop)
            left -= count
            rest.append(self.process(np.zeros((self._channels, count), dtype=np.float32)))
        return np.concatenate(rest, axis=1)


class Renderer:
    """Blocks ``(C, N)`` at `sample_rate` in; in all as many samples out, each beside the one it was made from.

    Args:
        aligned: the plugin, at `plugin_rate`.
        mix: 0 gives the original, 1 the plugin's result, between them the weighted sum of both, aligned in time.
    Raises: ValueError where mix is not within 0 … 1.
    """

    def __init__(self, aligned: Aligned, plugin_rate: int, channels: int, sample_rate: int, mix: float = 1.0) -> None:
        if not 0.0 <= mix <= 1.0:
            raise ValueError(f"mix must lie within 0 … 1, not {mix}")
        self._aligned = aligned
        self._to_plugin = Resampler(sample_rate, plugin_rate, channels)
        self._from_plugin = Resampler(plugin_rate, sample_rate, channels)
        self._mix = np.float32(mix)
        self._dry = np.zeros((channels, 0), dtype=np.float32)  # what went in and has not come out yet
        self._wet = np.zeros((channels, 0), dtype=np.float32)  # what the plugin gave and has not come out yet

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""
        self._dry = np.concatenate([self._dry, block], axis=1)
        wet = self._from_plugin.process(self._aligned.process(self._to_plugin.process(block)))
        return self._emit(wet)

    def finish(self) -> Samples:
        """The rest, after the last block, so that as much has come out as went in: ``(C, M)``."""
        last = self._to_plugin.finish()
        parts = [self._aligned.process(last), self._aligned.finish()]
        parts = [self._from_plugin.process(part) for part in parts]
        wet = np.concatenate([*parts, self._from_plugin.finish()], axis=1)
        missing = self._dry.shape[1] - self._wet.shape[1] - wet.shape[1]  # a rate conversion rounds to whole samples
        return self._emit(np.pad(wet, ((0, 0), (0, max(0, missing)))))

    def _emit(self, wet: Samples) -> Samples:
        self._wet = np.concatenate([self._wet, wet], axis=1)
        count = min(self._dry.shape[1], self._wet.shape[1])
        dry, self._dry = self._dry[:, :count], self._dry[:, count:]
        ready, self._wet = self._wet[:, :count], self._wet[:, count:]
        mixed: Samples = ready * self._mix + dry * (np.float32(1) - self._mix)
        return mixed

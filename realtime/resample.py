"""Change the sample rate of audio that comes in blocks, without a seam between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr

from realtime.plugins.base import Samples


class Resampler:
    """Stateful rate conversion by libsoxr, delay-compensated: sample n in is at time n / rate_in, and out likewise.

    Blocks are ``(C, N)``; what comes out lags behind and `finish` gives the rest. Equal rates pass through untouched.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        if min(rate_in, rate_out, channels) < 1:
            raise ValueError(f"rates and channels must be positive, not {rate_in}, {rate_out} and {channels}")
        self._channels = channels
        self._stream: Any = None
        if rate_in != rate_out:
            self._stream = soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32", quality="VHQ")

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""
        return block if self._stream is None else self._chunk(block, last=False)

    def finish(self) -> Samples:
        """The rest, after the last block: ``(C, M)``."""
        silence = np.zeros((self._channels, 0), dtype=np.float32)
        return silence if self._stream is None else self._chunk(silence, last=True)

    def _chunk(self, block: Samples, last: bool) -> Samples:
        frames = np.ascontiguousarray(block.T, dtype=np.float32)
        resampled: Samples = self._stream.resample_chunk(frames, last=last)
        return np.ascontiguousarray(resampled.T)

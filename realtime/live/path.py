"""One way from input to output: a chain, the DSP inverse beside it, and the raw input, all aligned in time."""

from __future__ import annotations

import numpy as np

from realtime.live.mixer import Delay
from realtime.plugins.base import Plugin, Samples
from realtime.plugins.chain import Chain
from realtime.plugins.vocoder import Vocoder
from realtime.shift import shift_control, undone_shift


class Path:
    """What the worker runs for each hop.

    The slowest of the three sets the time; the others are delayed until they meet it. Without an `inverse` that is the
    chain alone.

    Raises: ValueError where the inverse's rate, channels or hop do not fit the chain's.
    """

    def __init__(self, chain: Plugin, inverse: Plugin | None = None) -> None:
        self.chain, self.inverse = chain, inverse
        hop, channels = chain.hop_samples, chain.channels
        later = chain.latency_samples - hop
        if inverse is not None:
            fits = (inverse.sample_rate, inverse.channels) == (chain.sample_rate, channels)
            if not fits or hop % inverse.hop_samples:
                raise ValueError(
                    f"the inverse ({inverse.sample_rate} Hz, {inverse.channels} channels, hop {inverse.hop_samples}) "
                    f"does not fit the chain ({chain.sample_rate} Hz, {channels} channels, hop {hop})"
                )
            inverse_later = inverse.latency_samples - inverse.hop_samples
            self._inverse_delay = Delay(max(0, later - inverse_later), hop, channels)
            self._chain_delay = Delay(max(0, inverse_later - later), hop, channels)
            later = max(later, inverse_later)
        else:
            self._inverse_delay = self._chain_delay = Delay(0, hop, channels)
        self.latency_samples = hop + later
        self._raw_delay, self._reference_delay = Delay(later, hop, channels), Delay(later, hop, channels)
        self._inverted = np.zeros((channels, hop), dtype=np.float32)

    def set_control(self, name: str, value: float) -> None:
        """Turn a knob of the chain; where it tells the shift to undo, the inverse follows.

        Raises: ValueError where there is no such knob, or chain or inverse do not take the value.
        """
        if not isinstance(self.chain, Chain):
            raise ValueError(f"there is no control {name!r}")
        self.chain.set_control(name, value)
        undone = undone_shift(self.chain)
        if isinstance(self.inverse, Vocoder) and shift_control(self.chain) is not None and undone is not None:
            self.inverse.set_control("semitones", -undone[0])

    def process(self, block: Samples) -> tuple[Samples, Samples | None, Samples]:
        """One hop ``(C, hop)`` -> the raw input, the inverse and the chain's result, each ``(C, hop)``, aligned."""
        model = self.chain.process(block)
        inverted = None
        if self.inverse is not None:
            step = self.inverse.hop_samples
            for start in range(0, block.shape[1], step):
                self._inverted[:, start : start + step] = self.inverse.process(block[:, start : start + step])
            inverted = self._inverse_delay.process(self._inverted)
            model = self._chain_delay.process(model)
        return self._raw_delay.process(block), inverted, model

    def align_reference(self, block: Samples) -> Samples:
        """A reference that came with the input, ``(C, hop)``, as late as the output."""
        return self._reference_delay.process(block)

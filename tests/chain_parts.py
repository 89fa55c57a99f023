"""A plugin with known latency that fails on demand, and how chains are fed."""

from __future__ import annotations

import numpy as np

from realtime.contract import Control
from realtime.plugins.base import Samples
from realtime.plugins.chain import Chain
from tests.plugin_files import RATE


class Scale:
    """y[n] = gain * x[n - delay], and on demand everything a plugin can do wrong."""

    def __init__(self, hop: int = 64, delay: int = 0, gain: float = 1.0, channels: int = 1, rate: int = RATE) -> None:
        self.sample_rate, self.hop_samples, self.channels = rate, hop, channels
        self.latency_samples, self.gain = hop + delay, gain
        self.controls = (Control("gain", "", 0.0, 4.0, 1.0),)
        self.wrong = ""
        self.calls = self.resets = 0
        self._line = np.zeros((channels, delay + hop), dtype=np.float32)

    def set_control(self, name: str, value: float) -> None:
        if not 0 <= value <= 4:
            raise ValueError(f"gain takes 0 … 4, not {value:g}")
        self.gain = value

    def reset(self) -> None:
        self.resets += 1
        self._line[:] = 0
        if self.wrong == "reset":
            raise OSError("no\nway back")

    def process(self, block: Samples) -> Samples:
        self.calls += 1
        hop = self.hop_samples
        self._line = np.concatenate([self._line[:, hop:], block], axis=1)
        block[:] = 7  # a plugin that works in place must not reach the delayed dry signal
        if self.wrong in ("raise", "reset"):
            raise RuntimeError("broken\nfor good")
        heard = self._line[:, :hop] * np.float32(self.gain)
        if self.wrong in ("nan", "infinite"):
            heard[0, hop // 2 :] = np.nan if self.wrong == "nan" else np.inf
        return heard[:, : hop // 2] if self.wrong == "shape" else heard


def hops(chain: Chain, audio: np.ndarray) -> np.ndarray:
    """A whole number of hops, one after another: delayed by latency - hop."""
    hop = chain.hop_samples
    return np.concatenate([chain.process(audio[:, at : at + hop]) for at in range(0, audio.shape[1], hop)], axis=1)


def delayed(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


def loudest_step(audio: np.ndarray) -> float:
    return float(np.abs(np.diff(audio)).max())

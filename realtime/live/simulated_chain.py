"""The chain of a simulation: real plugins, or a delay and a gain that cost nothing, and virtual time for each hop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from realtime.live.mixer import from_db
from realtime.live.script import ChainScript
from realtime.model import load_model
from realtime.plugins.base import Plugin, Samples
from realtime.plugins.chain import Chain
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.presets import load_chain


class SimulatedPlugin:
    """A gain, later by `delay_samples`, that fails when it is told to."""

    def __init__(self, sample_rate: int, channels: int, hop: int, delay_samples: int = 0, gain: float = 1.0) -> None:
        self.sample_rate, self.channels, self.hop_samples = sample_rate, channels, hop
        self.latency_samples = hop + delay_samples
        self.fault = ""
        self._gain = np.float32(gain)
        self._line = np.zeros((channels, delay_samples + hop), dtype=np.float32)

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``.

        Raises: RuntimeError while its `fault` is "raise"; NaN or infinite samples come out for the others.
        """
        if self.fault == "raise":
            raise RuntimeError("the script says so")
        delay = self.latency_samples - self.hop_samples
        self._line[:, delay:] = block
        heard: Samples = self._gain * self._line[:, : self.hop_samples]
        self._line[:, :delay] = self._line[:, self.hop_samples :].copy()
        if self.fault:
            heard[:, heard.shape[1] // 2] = np.nan if self.fault == "nan" else np.inf
        return heard

    def reset(self) -> None:
        """Back to silence."""
        self._line[:] = 0


class TimedChain(Chain):
    """A chain whose every hop takes virtual time: `spend` is called before it, once a simulation has begun."""

    def __init__(self, plugins: Sequence[Plugin], sample_rate: int | None = None, channels: int | None = None) -> None:
        super().__init__(plugins, sample_rate=sample_rate, channels=channels)
        self.spend: Callable[[], None] | None = None

    def process(self, block: Samples) -> Samples:
        """As `Chain.process`; the virtual time passes while the hop runs."""
        audio = np.array(block, dtype=np.float32)  # what runs meanwhile must not change it
        if self.spend is not None:
            self.spend()
        return super().process(audio)


def build_chain(script: ChainScript) -> TimedChain:
    """The chain that a script asks for.

    Raises: ValueError, one line, where a model or preset cannot be loaded.
    """
    if script.plugin:
        delay = script.delay_samples if script.plugin == "delay" else 0
        gain = from_db(script.gain_db)
        plugin = SimulatedPlugin(script.sample_rate, script.channels, script.hop_samples, delay, gain)
        return TimedChain([plugin])
    if script.model:
        model = load_model(script.model)
        return TimedChain([PluginFile(model.path, script.channels)])
    chain = load_chain(script.preset, script.sample_rate, script.channels)
    return TimedChain(chain.plugins, chain.sample_rate, chain.channels)

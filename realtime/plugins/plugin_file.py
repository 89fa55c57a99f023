"""A plugin file as a plugin: ONNX Runtime, one call a hop, states carried in buffers that are bound once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.contract import ContractError, Facts
from realtime.plugins.base import Samples, check_control
from realtime.plugins.buffers import Buffers, DeviceBuffers, HostBuffers
from realtime.plugins.cuda_graphs import captured
from realtime.plugins.providers import PROVIDERS
from realtime.plugins.session import RUNTIME_ERRORS, drop_inaudible, open_session, runtime_line
from realtime.trust import TrustedFile, read_plugin_file

MAX_CHANNELS = 8


class PluginFile:
    """A streaming plugin file (.onnx) for a number of channels.

    Each state has two buffers, read and written in turn, and each turn has a binding of its own: a hop copies the block
    in, runs, and copies the result out, and allocates nothing else. On a graphics card the states stay there.

    Args: provider: out of `PROVIDERS`; all of the graph runs there, or it is an error.
    Raises: ContractError on building, where the file cannot be trusted or is not a streaming one; ProviderError where
        the provider cannot run it here.
    """

    def __init__(
        self, path: str | Path | TrustedFile, channels: int = 1, threads: int = 1, provider: str = "cpu"
    ) -> None:
        file = path if isinstance(path, TrustedFile) else read_plugin_file(Path(path))
        if file.facts.kind != "stream":
            raise ContractError(f"{file.path}: an offline model cannot stream; use it on whole files")
        if not 1 <= channels <= MAX_CHANNELS or threads < 0:
            raise ValueError(f"a plugin runs 1 to {MAX_CHANNELS} channels, not {channels}, on 0 (all) or more threads")
        self._file, self._channels = file, channels
        self.replaced_samples = 0  # of the input: NaN or infinite, taken as 0
        self.muted_blocks = 0  # of the output: NaN or infinite, the states of that channel reset
        self.cuda_graphs = False  # whether a hop is the replay of a captured graph
        self._buffers: Buffers = self._open(threads, provider)
        self._rows = self._buffers.audio[:, 0]
        self._scratch, self._finite = np.zeros_like(self._rows), np.zeros(self._rows.shape, dtype=np.bool_)

    def _open(self, threads: int, provider: str) -> Buffers:
        """Session and buffers, run twice: the first call allocates, and a graph that cannot run shows itself."""
        file, device = self._file, PROVIDERS[provider].device if provider in PROVIDERS else "cpu"
        if provider == "cuda":
            buffers = captured(file, self._channels, threads)
            if buffers is not None:
                self.cuda_graphs = True
                return buffers
        session = open_session(file, self._channels, threads, provider)
        try:
            made: Buffers = (
                HostBuffers(session, file, self._channels)
                if device == "cpu"
                else DeviceBuffers(session, file, self._channels, device)
            )
            made.run()
            made.run()
        except RUNTIME_ERRORS as error:
            raise ContractError(runtime_line(file, error)) from error
        made.reset()
        return made

    @property
    def facts(self) -> Facts:
        """What the file says of itself."""
        return self._file.facts

    @property
    def path(self) -> Path:
        """Where the file lay when it was opened."""
        return self._file.path

    @property
    def channels(self) -> int:
        """Rows of a block."""
        return self._channels

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.facts.sample_rate

    @property
    def hop_samples(self) -> int:
        """Samples per channel of one block."""
        return self.facts.hop_samples

    @property
    def latency_samples(self) -> int:
        """Algorithmic latency: hop + lookahead."""
        return self.facts.latency_samples

    def set_control(self, name: str, value: float) -> None:
        """Turn a knob, from the next hop on.

        Raises: ValueError where there is no such control, or the value is out of its range.
        """
        check_control(self.facts, name, value)
        self._buffers.set_control(name, value)

    def reset(self) -> None:
        """Back to silence; the controls and the counters stay."""
        self._buffers.reset()

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``.

        NaN and infinite samples count as 0, as do those below -200 dB. A channel whose result is not finite is muted
        and starts afresh.
        """
        self._rows[:] = block
        if not np.isfinite(self._rows, out=self._finite).all():
            self.replaced_samples += int(np.count_nonzero(~self._finite))
            self._rows[~self._finite] = 0
        drop_inaudible(self._rows, self._scratch)
        self._buffers.run()
        result: Samples = self._buffers.result[:, 0].copy()
        if not np.isfinite(result, out=self._finite).all():
            self._mute(result)
        return result

    def _mute(self, result: Samples) -> None:
        broken: NDArray[np.bool_] = ~np.asarray(self._finite.all(axis=1))
        result[broken] = 0
        self._buffers.clear_rows(broken)
        self.muted_blocks += 1

"""A plugin file, ready for use: whole recordings or streams."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.bundled import find_model
from realtime.contract import ContractError, Facts
from realtime.plugins.base import Samples, Stream
from realtime.plugins.chain import Chain
from realtime.plugins.offline_file import OfflineFile
from realtime.plugins.plugin_file import MAX_CHANNELS, PluginFile
from realtime.plugins.prestage import aligned, with_prestage
from realtime.render import Renderer
from realtime.trust import TrustedFile, read_plugin_file

BLOCK_SAMPLES = 1 << 16


class Model:
    """One plugin file, behind the vocoder where it needs one. `deshift.load` makes it; its sessions are kept.

    Args:
        file: a plugin file that was checked.
        threads: of ONNX Runtime within one step; 1 is best for small models, 0 takes all cores.
        provider: what runs it, out of `realtime.plugins.providers.PROVIDERS`.
    """

    def __init__(self, file: TrustedFile, threads: int = 1, provider: str = "cpu") -> None:
        self._file, self._threads, self._provider = file, threads, provider
        self._plugins: dict[int, PluginFile | OfflineFile] = {}
        self._lock = threading.Lock()

    @property
    def facts(self) -> Facts:
        """What the file says of itself."""
        return self._file.facts

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._file.path

    def stream(self, channels: int = 1) -> Stream:
        """A stream with states of its own, at the model's rate, for blocks of any size.

        Raises: ContractError where the model works on whole files only; ValueError where channels is not within 1 … 8.
        """
        if self.facts.kind != "stream":
            raise ContractError(
                f"{self.path}: an offline model cannot stream: it looks ahead over the file; use process"
            )
        members = with_prestage(PluginFile(self._file, channels, self._threads, self._provider))
        return Stream(members[0] if len(members) == 1 else Chain(members))

    def renderer(self, channels: int, sample_rate: int, mix: float = 1.0) -> Renderer:
        """Block-wise work on one recording, at any rate. One at a time: the next one takes over the sessions."""
        return Renderer(aligned(self._plugin(channels)), self.facts.sample_rate, channels, sample_rate, mix)

    @property
    def muted_blocks(self) -> int:
        """Blocks so far whose result was not finite and was muted."""
        return sum(plugin.muted_blocks for plugin in self._plugins.values())

    def process(self, audio: NDArray[np.floating], sample_rate: int, mix: float = 1.0) -> Samples:
        """De-shift a whole recording, delay-compensated.

        Args:
            audio: ``(N,)`` or ``(N, C)`` as soundfile gives it, full scale ±1, at most 8 channels.
            sample_rate: of the audio, in Hz; any.
            mix: 0 gives the original, 1 the model's result.
        Returns: float32 of the same shape and rate.
        Raises: ValueError where the shape or a sample cannot be used.
        """
        samples = np.asarray(audio, dtype=np.float32)
        if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MAX_CHANNELS):
            raise ValueError(f"audio must be (N,) or (N, C) with 1 to {MAX_CHANNELS} channels, not {samples.shape}")
        broken = int(np.count_nonzero(~np.isfinite(samples)))
        if broken:
            raise ValueError(f"{broken} samples of the audio are NaN or infinite: replace them (numpy.nan_to_num)")
        rows = np.atleast_2d(samples.T)
        with self._lock:
            renderer = self.renderer(rows.shape[0], sample_rate, mix)
            starts = range(0, rows.shape[1], BLOCK_SAMPLES)
            parts = [renderer.process(rows[:, start : start + BLOCK_SAMPLES]) for start in starts]
            heard = np.concatenate([*parts, renderer.finish()], axis=1)
        return np.ascontiguousarray(heard.T).reshape(samples.shape)

    def _plugin(self, channels: int) -> PluginFile | OfflineFile:
        if channels not in self._plugins:
            kind = OfflineFile if self.facts.kind == "offline" else PluginFile
            self._plugins[channels] = kind(self._file, channels, self._threads, self._provider)
        return self._plugins[channels]


def load_model(name_or_path: str | Path | None = None, threads: int = 1, provider: str = "cpu") -> Model:
    """Open a plugin file by path, a bundled model by name, or the default model.

    Raises: ContractError, one line, where there is none or it cannot be trusted.
    """
    return Model(read_plugin_file(find_model(name_or_path)), threads, provider)

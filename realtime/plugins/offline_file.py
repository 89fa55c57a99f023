"""A whole-file plugin: a centred model, run in overlapping chunks whose result is that of the whole file at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from realtime.contract import ContractError, Facts
from realtime.plugins.base import Samples, check_control
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.providers import PROVIDERS, ProviderError
from realtime.plugins.session import RUNTIME_ERRORS, drop_inaudible, open_session, runtime_line
from realtime.render import Aligned, AlignedStream
from realtime.trust import TrustedFile

MIN_CHUNK_SAMPLES = 1 << 17  # 2.7 s at 48 kHz: long enough for its edges to cost little, short enough for memory


class OfflineFile:
    """An offline plugin file (.onnx). The channels run one after another, which keeps the memory of one.

    Raises: ContractError on building, where the runtime refuses the graph; ProviderError where the provider cannot
        run it here.
    """

    def __init__(self, file: TrustedFile, channels: int = 1, threads: int = 1, provider: str = "cpu") -> None:
        if file.facts.kind != "offline":
            raise ContractError(f"{file.path}: a streaming model; it is not run on whole files")
        if provider in PROVIDERS and PROVIDERS[provider].fixed_shapes:
            raise ProviderError(
                f"{file.path}: {provider} would compile a model for whole files anew for every length: use cpu or cuda"
            )
        self._file, self._channels = file, channels
        self._controls = {
            f"control_{control.name}": np.full(1, control.default, dtype=np.float32) for control in file.facts.controls
        }
        self._session: Any = open_session(file, 1, threads, provider)
        self.muted_blocks = 0
        self.run(np.zeros((1, file.facts.hop_samples), dtype=np.float32))

    @property
    def facts(self) -> Facts:
        """What the file says of itself."""
        return self._file.facts

    @property
    def channels(self) -> int:
        """Rows of a block."""
        return self._channels

    def set_control(self, name: str, value: float) -> None:
        """Turn a knob, for all that is run from now on.

        Raises: ValueError where there is no such control, or the value is out of its range.
        """
        check_control(self.facts, name, value)
        self._controls[f"control_{name}"][:] = value

    def run(self, audio: Samples) -> Samples:
        """``(C, N)`` -> ``(C, N)``, N a multiple of the hop, as if nothing stood before or behind it.

        NaN and infinite samples count as 0, as do those below -200 dB.
        """
        return np.concatenate([self._run_row(row) for row in audio])

    def _run_row(self, row: Samples) -> Samples:
        row = np.where(np.isfinite(row), row, np.float32(0))
        drop_inaudible(row, np.empty_like(row))
        try:
            result = self._session.run(["audio_out"], {"audio": row[None, None], **self._controls})[0]
        except RUNTIME_ERRORS as error:
            raise ContractError(runtime_line(self._file, error)) from error
        if result.shape != (1, 1, len(row)):
            raise ContractError(
                f"{self._file.path}: gave {result.shape} for [1, 1, {len(row)}]: audio_out must be as long"
            )
        heard: Samples = result[0]
        finite = np.isfinite(heard)
        if not finite.all():
            self.muted_blocks += 1
            heard = np.where(finite, heard, np.float32(0))
        return heard


class AlignedOffline:
    """Blocks of any size through an offline plugin: as many samples out as in, at the same place in time.

    A chunk gets the past and the future that the model sees, rounded up to hops, so that its middle is what the whole
    file would give. The file's own ends are the only ones the model meets.
    """

    def __init__(self, plugin: OfflineFile, min_chunk_samples: int = MIN_CHUNK_SAMPLES) -> None:
        facts = plugin.facts
        self._plugin, self._hop = plugin, facts.hop_samples
        self._past = self._up_to_hops(facts.past_samples)
        self._future = self._up_to_hops(facts.lookahead_samples)
        self._chunk = self._up_to_hops(max(min_chunk_samples, 2 * (self._past + self._future)))
        self._held = np.zeros((plugin.channels, 0), dtype=np.float32)
        self._context = 0  # samples of `_held` that were put out already

    def _up_to_hops(self, samples: int) -> int:
        return -(-samples // self._hop) * self._hop

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""
        self._held = np.concatenate([self._held, block], axis=1)
        ready = [np.zeros((self._plugin.channels, 0), dtype=np.float32)]
        while self._held.shape[1] >= self._context + self._chunk + self._future:
            end = self._context + self._chunk
            heard = self._plugin.run(self._held[:, : end + self._future])
            ready.append(heard[:, self._context : end])
            kept_past = min(self._past, end)
            self._held, self._context = self._held[:, end - kept_past :], kept_past
        return np.concatenate(ready, axis=1)

    def finish(self) -> Samples:
        """The rest, after the last block: ``(C, M)``."""
        count = self._held.shape[1]
        if count == self._context:
            return np.zeros((self._plugin.channels, 0), dtype=np.float32)
        padded = np.pad(self._held, ((0, 0), (0, -count % self._hop)))
        return self._plugin.run(padded)[:, self._context : count]


def aligned(plugin: PluginFile | OfflineFile) -> Aligned:
    """A plugin file over one recording, from its start, without delay."""
    return AlignedOffline(plugin) if isinstance(plugin, OfflineFile) else AlignedStream(plugin)

"""A plugin file, ready for use: whole recordings or streams."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.bundled import find_model
from realtime.contract import SHIFT_CONTROL, ContractError, Control, Facts
from realtime.plugins.base import Samples, Stream
from realtime.plugins.offline_file import OfflineFile, aligned
from realtime.plugins.plugin_file import MAX_CHANNELS, PluginFile
from realtime.render import Renderer
from realtime.shift import EXAMPLE, ShiftError, Span, check_shift, untold
from realtime.trust import TrustedFile, read_plugin_file

BLOCK_SAMPLES = 1 << 16


class Model:
    """One plugin file. `deshift.load` makes it; its sessions are kept.

    Args:
        file: a plugin file that was checked.
        threads: of ONNX Runtime within one step; 1 is best for small models, 0 takes all cores.
        provider: what runs it, out of `realtime.plugins.providers.PROVIDERS`.
        semitones: the shift to undo, see `set_shift`.
    Raises: ShiftError, see `set_shift`.
    """

    def __init__(
        self, file: TrustedFile, threads: int = 1, provider: str = "cpu", semitones: float | None = None
    ) -> None:
        self._file, self._threads, self._provider = file, threads, provider
        control = file.facts.shift_control
        self._semitones = control.default if control is not None and control.default else None
        self._plugins: dict[int, PluginFile | OfflineFile] = {}
        self._lock = threading.Lock()
        if semitones is not None:
            self.set_shift(semitones)

    @property
    def facts(self) -> Facts:
        """What the file says of itself."""
        return self._file.facts

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._file.path

    def set_shift(self, semitones: float) -> None:
        """Tell it which shift of its input there is to undo: +12 for a sound that was raised by an octave.

        It counts for what is processed from now on, and for new streams; one that runs is turned by
        ``stream.plugin.set_control("semitones", 12)``.
        Raises: ShiftError, one line, where the model takes none, or not this one.
        """
        facts = self.facts
        check_shift(facts.name, facts.shift_control, facts.shift_semitones, semitones)
        self._semitones = semitones
        for plugin in self._plugins.values():
            self._tell(plugin)

    @property
    def shift_control(self) -> Control | None:
        """What takes the shift to undo; None where the model undoes one and the same."""
        return self.facts.shift_control

    @property
    def undone_shift(self) -> Span:
        """The lowest and the highest shift of its input that it undoes: as it was told, or as it was trained."""
        told = self._semitones
        return self.facts.shift_semitones if told is None else (told, told)

    @property
    def untold(self) -> str:
        """That the shift to undo must be told, as the start of a sentence; empty where that was done, or needs not."""
        control = self.facts.shift_control
        return untold(self.facts.name, control) if control is not None and self._semitones is None else ""

    def stream(self, channels: int = 1) -> Stream:
        """A stream with states of its own, at the model's rate, for blocks of any size.

        Raises: ContractError where the model works on whole files only; ShiftError where it was not told the shift to
            undo; ValueError where channels is not within 1 … 8.
        """
        if self.facts.kind != "stream":
            raise ContractError(
                f"{self.path}: an offline model cannot stream: it looks ahead over the file; use process"
            )
        self._require_shift()
        plugin = PluginFile(self._file, channels, self._threads, self._provider)
        self._tell(plugin)
        return Stream(plugin)

    def renderer(self, channels: int, sample_rate: int, mix: float = 1.0) -> Renderer:
        """Block-wise work on one recording, at any rate. One at a time: the next one takes over the sessions.

        Raises: ShiftError where it was not told the shift to undo.
        """
        self._require_shift()
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
        Raises: ValueError where the shape or a sample cannot be used, or the model was not told the shift to undo.
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
            self._tell(self._plugins[channels])
        return self._plugins[channels]

    def _tell(self, plugin: PluginFile | OfflineFile) -> None:
        if self._semitones is not None:
            plugin.set_control(SHIFT_CONTROL, self._semitones)

    def _require_shift(self) -> None:
        if self.untold:
            raise ShiftError(f"{self.untold}: deshift.load(…, semitones=N) or set_shift(N), {EXAMPLE}")


def load_model(
    name_or_path: str | Path | None = None, threads: int = 1, provider: str = "cpu", semitones: float | None = None
) -> Model:
    """Open a plugin file by path, a bundled model by name, or the default model; `semitones` is the shift to undo.

    Raises: ContractError, one line, where there is none or it cannot be trusted; ShiftError where it does not take
        such a shift.
    """
    return Model(read_plugin_file(find_model(name_or_path)), threads, provider, semitones)

"""Files through the live engine itself: sample for sample what a live session would have given.

A device that exists on paper hands the file to the engine, a block at a time, and takes what comes back; every step
between is the one that the microphone's sound takes. What the latency of the session delays is taken off.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime.contract import Facts
from realtime.live.assemble import facts_of, load_chain
from realtime.live.controls import Controls
from realtime.live.device import Exchange, Health
from realtime.live.engine import Engine, EngineSettings
from realtime.live.settings import LiveSettings
from realtime.plugins.base import Samples
from realtime.plugins.chain import Chain, MemberControl
from realtime.shift import Span, set_shift, shift_control, undone_shift, untold

BLOCK_FRAMES = 1024
MOST_CHANNELS = 2  # of a live session


class PaperDevice:
    """Records what it is handed and plays to whoever takes it; a `realtime.live.device.Device` without a clock."""

    one_clock = True
    input_name = output_name = "a file"
    block_frames = BLOCK_FRAMES

    def __init__(self, rate: int, channels: int) -> None:
        self.input_rate = self.output_rate = rate
        self.input_channels = self.output_channels = channels
        self._exchange: Exchange | None = None

    def start(self, exchange: Exchange, queued_frames: int) -> None:
        """See `Device.start`."""
        self._exchange = exchange

    def stop(self, limit_s: float) -> bool:
        """See `Device.stop`."""
        self._exchange = None
        return True

    def health(self) -> Health:
        """See `Device.health`."""
        return Health(self._exchange is not None, 0.0, 0, 0, 0, 0, 0, 0.0, 0.0, self.block_frames)

    def record(self, frames: Samples) -> None:
        """Hand captured ``(N, C)`` to the engine."""
        assert self._exchange is not None
        self._exchange.capture(frames)

    def play(self) -> Samples:
        """All that the engine has ready, ``(M, C)``, and never a concealment."""
        assert self._exchange is not None
        out = np.zeros((self._exchange.ready_frames, self.output_channels), dtype=np.float32)
        if len(out):
            self._exchange.play(out)
        return out


class LiveRenderer:
    """One recording through an engine of its own, from its start; as `realtime.render.Renderer`.

    Args:
        chain: what the session runs; it begins anew.
        sample_rate: of the recording and of the device that the session would have, in Hz.
        mix: 0 raw … 1 de-shifted.
    """

    def __init__(self, chain: Chain, sample_rate: int, mix: float = 1.0) -> None:
        self._chain, self._device = chain, PaperDevice(sample_rate, chain.channels)
        settings = EngineSettings(deadline_ms=0.0, concealment="silence", controls=Controls(mix=mix))
        self._engine = Engine(self._device, chain, settings)
        self._engine.start(threaded=False)
        self.latency_samples = self._engine.plan.in_app_frames  # at the recording's rate; taken off
        self._early = self.latency_samples
        self._in = self._out = 0

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``.

        Raises: ValueError where a plugin of the chain fails: a session would go on with the raw sound, which no file
            should hold unnoticed.
        """
        self._in += block.shape[1]
        return self._through(block)

    def finish(self) -> Samples:
        """The rest, after the last block, so that as much has come out as went in: ``(C, M)``."""
        silence = np.zeros((self._device.input_channels, BLOCK_FRAMES), dtype=np.float32)
        rest = [silence[:, :0]]
        while self._out < self._in:
            part = self._through(silence)
            rest.append(part[:, : part.shape[1] - max(0, self._out - self._in)])
        self._engine.stop()
        return np.concatenate(rest, axis=1)

    def _through(self, block: Samples) -> Samples:
        parts = [block[:, :0]]
        frames = np.ascontiguousarray(block.T, dtype=np.float32)
        for start in range(0, len(frames), BLOCK_FRAMES):
            self._device.record(frames[start : start + BLOCK_FRAMES])
            while self._engine.step():
                pass
            played = self._device.play()
            dropped = min(self._early, len(played))
            self._early -= dropped
            parts.append(played[dropped:].T)
        if self._chain.faults:
            fault = self._chain.faults[0]
            raise ValueError(f"{fault.name} failed: {fault.message}; take it out of the chain, or render without it")
        heard = np.concatenate(parts, axis=1)
        self._out += heard.shape[1]
        return heard


class LiveModel:
    """What a live session would run, for files; stands where a `realtime.model.Model` does.

    Args:
        model: a bundled model's name or a plugin file; None is the live session's default.
        preset: a chain saved as JSON, instead of a model.
        threads: of the model; 0 takes all cores.
        provider: what runs the model.
        semitones: the shift to undo; None leaves a preset's own.

    Raises: ValueError (ContractError, PresetError, ChainError, ShiftError), one line, where it cannot be loaded.
    """

    def __init__(
        self,
        model: str | None = None,
        preset: str | None = None,
        threads: int = 1,
        provider: str = "cpu",
        semitones: float | None = None,
    ) -> None:
        self._settings = LiveSettings(
            model=model, preset=preset, threads=threads, provider=provider, semitones=semitones
        )
        self._chains: dict[int, Chain] = {}
        chain = self._chain(1)
        self.facts: Facts | None = facts_of(chain)
        self.latency_samples = chain.latency_samples  # at `sample_rate`; every file is rendered without it
        self.sample_rate = chain.sample_rate
        self.names = chain.names

    @property
    def name(self) -> str:
        """Of the preset's file, or the model."""
        if self._settings.preset is not None:
            return Path(self._settings.preset).stem
        return self.facts.name if self.facts is not None else ", ".join(self.names)

    @property
    def shift_control(self) -> MemberControl | None:
        """What takes the shift to undo; None where nothing does."""
        return shift_control(self._chain(1))

    @property
    def undone_shift(self) -> Span | None:
        """The lowest and the highest shift of its input that it undoes; None where it has no model."""
        return undone_shift(self._chain(1))

    @property
    def untold(self) -> str:
        """As `realtime.model.Model.untold`; a preset may have told it."""
        control = self.shift_control
        told = control is None or self._settings.semitones is not None or self.undone_shift != (0.0, 0.0)
        return "" if told or control is None else untold(control.member, control)

    def set_shift(self, semitones: float) -> None:
        """As `realtime.model.Model.set_shift`. Raises: ShiftError where no member takes it."""
        for chain in self._chains.values():
            set_shift(chain, semitones)
        self._settings = replace(self._settings, semitones=semitones)

    @property
    def muted_blocks(self) -> int:
        """Blocks so far whose result was not finite and was muted."""
        return sum(chain.muted_blocks for chain in self._chains.values())

    def renderer(self, channels: int, sample_rate: int, mix: float = 1.0) -> LiveRenderer:
        """Work on one recording, at any rate. One at a time: the next one takes over the sessions.

        Raises: ValueError where a live session has no such number of channels, or mix is not within 0 … 1.
        """
        if channels > MOST_CHANNELS:
            raise ValueError(
                f"a live session has one or two channels, not {channels}: render this file without “as live”"
            )
        return LiveRenderer(self._chain(channels), sample_rate, mix)

    def _chain(self, channels: int) -> Chain:
        if channels not in self._chains or self._chains[channels].faults:
            self._chains[channels] = load_chain(replace(self._settings, channels=channels)).chain
        return self._chains[channels]

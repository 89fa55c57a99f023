"""A plugin file as a plugin: ONNX Runtime, one call a hop, states carried in buffers that are bound once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from realtime.contract import ContractError, Facts
from realtime.plugins.base import Samples
from realtime.plugins.session import RUNTIME_ERRORS, drop_inaudible, open_session, runtime_line
from realtime.trust import TrustedFile, read_plugin_file

MAX_CHANNELS = 8


class PluginFile:
    """A streaming plugin file (.onnx) for a number of channels.

    Each state has two buffers, read and written in turn, and each turn has a binding of its own: a hop copies the block
    in, runs, and copies the result out, and allocates nothing else.

    Raises: ContractError on building, where the file cannot be trusted or is not a streaming one.
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
        self._session = open_session(file, channels, threads, provider)
        self._allocate()
        self._warm_up()

    def _allocate(self) -> None:
        hop = self.facts.hop_samples
        self._audio = np.zeros((self._channels, 1, hop), dtype=np.float32)
        self._result = np.zeros_like(self._audio)
        self._rows, self._scratch = self._audio[:, 0], np.zeros_like(self._audio[:, 0])
        self._finite = np.zeros((self._channels, hop), dtype=np.bool_)
        self._controls = {c.name: np.full(1, c.default, dtype=np.float32) for c in self.facts.controls}
        self._states = [
            [np.zeros((self._channels, *state.shape), dtype=np.float32) for state in self._file.states]
            for _ in range(2)
        ]
        self._bindings = [self._bind(self._states[0], self._states[1]), self._bind(self._states[1], self._states[0])]
        self._turn = 0

    def _bind(self, past: list[Samples], following: list[Samples]) -> Any:
        binding = self._session.io_binding()
        inputs = {"audio": self._audio, **{f"control_{name}": value for name, value in self._controls.items()}}
        outputs = {"audio_out": self._result}
        for state, before, after in zip(self._file.states, past, following, strict=True):
            inputs[state.input_name], outputs[state.output_name] = before, after
        for name, buffer in inputs.items():  # on the CPU an OrtValue is the array's own memory, not a copy
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        for name, buffer in outputs.items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        return binding

    def _warm_up(self) -> None:
        """Run both bindings once: the first call of a session allocates, and a graph that cannot run shows itself."""
        try:
            for binding in self._bindings:
                self._session.run_with_iobinding(binding)
        except RUNTIME_ERRORS as error:
            raise ContractError(runtime_line(self._file, error)) from error
        self.reset()

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
        for control in self.facts.controls:
            if control.name == name and control.minimum <= value <= control.maximum:
                self._controls[name][0] = value
                return
        known = ", ".join(f"{c.name} {c.minimum:g} … {c.maximum:g} {c.unit}" for c in self.facts.controls) or "none"
        raise ValueError(f"{self.facts.name} has no control {name!r} that takes {value:g}; it has: {known}")

    def reset(self) -> None:
        """Back to silence; the controls and the counters stay."""
        for states in self._states:
            for state in states:
                state.fill(0)

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
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn
        result: Samples = self._result[:, 0].copy()
        if not np.isfinite(result, out=self._finite).all():
            self._mute(result)
        return result

    def _mute(self, result: Samples) -> None:
        broken = ~self._finite.all(axis=1)
        result[broken] = 0
        for state in self._states[self._turn]:
            state[broken] = 0
        self.muted_blocks += 1

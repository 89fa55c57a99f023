"""What a streaming session reads and writes: bound once, in the main memory or on a device.

Each state has two buffers, read and written in turn, and each turn has a binding of its own. Between hops the states
never leave their device: there, only the audio crosses.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from realtime.plugins.base import Samples
from realtime.trust import TrustedFile

GRAPH_ID = "gpu_graph_id"  # of ONNX Runtime's run options: one captured CUDA graph per number; 0 is its own
NO_GRAPH = "-1"


class Buffers(Protocol):
    """One step at a time: fill `audio`, call `run`, read `result`. Both are ``(C, 1, hop)``."""

    audio: Samples
    result: Samples

    def run(self) -> None:
        """One hop; the states go on."""

    def set_control(self, name: str, value: float) -> None:
        """From the next hop on."""

    def reset(self) -> None:
        """All states back to silence."""

    def clear_rows(self, rows: NDArray[np.bool_]) -> None:
        """The states of these channels, a mask ``(C,)``, back to silence."""


class HostBuffers:
    """In the main memory: the session works on the arrays themselves, and nothing is copied."""

    def __init__(self, session: Any, file: TrustedFile, channels: int) -> None:
        self._session = session
        self.audio: Samples = np.zeros((channels, 1, file.facts.hop_samples), dtype=np.float32)
        self.result: Samples = np.zeros_like(self.audio)
        self._controls = {c.name: np.full(1, c.default, dtype=np.float32) for c in file.facts.controls}
        self._states = [
            [np.zeros((channels, *state.shape), dtype=np.float32) for state in file.states] for _ in range(2)
        ]
        self._bindings = [self._bind(file, 0), self._bind(file, 1)]
        self._turn = 0

    def _bind(self, file: TrustedFile, turn: int) -> Any:
        binding = self._session.io_binding()
        inputs = {"audio": self.audio, **{f"control_{name}": value for name, value in self._controls.items()}}
        outputs = {"audio_out": self.result}
        for state, before, after in zip(file.states, self._states[turn], self._states[1 - turn], strict=True):
            inputs[state.input_name], outputs[state.output_name] = before, after
        for name, buffer in inputs.items():  # here an OrtValue is the array's own memory, not a copy
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        for name, buffer in outputs.items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        return binding

    def run(self) -> None:
        """See `Buffers.run`."""
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn

    def set_control(self, name: str, value: float) -> None:
        """See `Buffers.set_control`."""
        self._controls[name][0] = value

    def reset(self) -> None:
        """See `Buffers.reset`."""
        for states in self._states:
            for state in states:
                state.fill(0)

    def clear_rows(self, rows: NDArray[np.bool_]) -> None:
        """See `Buffers.clear_rows`."""
        for state in self._states[self._turn]:
            state[rows] = 0


class DeviceBuffers:
    """On a device. An array that is bound would be copied there once, at the binding, and never again; so all that is
    bound lies on the device already, and the audio is copied in and out by hand, hop by hop.

    Args:
        device: "cuda", "dml"; "cpu" is for tests.
        graphs: the session captures CUDA graphs. Such a graph holds the addresses it was captured with, so each turn
            has a graph of its own.
    """

    def __init__(self, session: Any, file: TrustedFile, channels: int, device: str, graphs: bool = False) -> None:
        self._session, self._device = session, device
        self.audio: Samples = np.zeros((channels, 1, file.facts.hop_samples), dtype=np.float32)
        self.result: Samples = np.zeros_like(self.audio)
        self._audio, self._result = self._on_device(self.audio), self._on_device(self.audio)
        self._controls = {c.name: self._on_device(np.full(1, c.default, dtype=np.float32)) for c in file.facts.controls}
        self._turned: dict[str, float] = {}  # knobs to be set before the next hop: another thread may turn them
        self._silence = [np.zeros((channels, *state.shape), dtype=np.float32) for state in file.states]
        self._states = [[self._on_device(silence) for silence in self._silence] for _ in range(2)]
        self._bindings = [self._bind(file, 0), self._bind(file, 1)]
        self._captured = [_run_options(str(turn + 1)) if graphs else None for turn in range(2)]
        self._plain = [_run_options(NO_GRAPH) if graphs else None for _ in range(2)]
        self._options = self._captured
        self._turn = 0

    def _on_device(self, values: Samples) -> Any:
        """An OrtValue with memory of its own, also where the device is "cpu"."""
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(values.shape), np.float32, self._device, 0)
        value.update_inplace(values)
        return value

    def _bind(self, file: TrustedFile, turn: int) -> Any:
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("audio", self._audio)
        binding.bind_ortvalue_output("audio_out", self._result)
        for name, value in self._controls.items():
            binding.bind_ortvalue_input(f"control_{name}", value)
        for state, before, after in zip(file.states, self._states[turn], self._states[1 - turn], strict=True):
            binding.bind_ortvalue_input(state.input_name, before)
            binding.bind_ortvalue_output(state.output_name, after)
        return binding

    def use_graphs(self, wanted: bool) -> None:
        """Whether the next hops replay captured graphs, where the session captures any."""
        self._options = self._captured if wanted else self._plain

    def run(self) -> None:
        """See `Buffers.run`."""
        while self._turned:
            name, value = self._turned.popitem()
            self._controls[name].update_inplace(np.full(1, value, dtype=np.float32))
        self._audio.update_inplace(self.audio)
        self._session.run_with_iobinding(self._bindings[self._turn], self._options[self._turn])
        self.result[:] = self._result.numpy()
        self._turn = 1 - self._turn

    def set_control(self, name: str, value: float) -> None:
        """See `Buffers.set_control`."""
        self._turned[name] = value

    def reset(self) -> None:
        """See `Buffers.reset`."""
        for states in self._states:
            for state, silence in zip(states, self._silence, strict=True):
                state.update_inplace(silence)

    def clear_rows(self, rows: NDArray[np.bool_]) -> None:
        """See `Buffers.clear_rows`. Seldom needed, so the states come over and go back whole."""
        for state in self._states[self._turn]:
            values = np.array(state.numpy())
            values[rows] = 0
            state.update_inplace(values)


def _run_options(graph: str) -> Any:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry(GRAPH_ID, graph)
    return options

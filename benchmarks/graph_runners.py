"""What runs a hop: torch itself, a graph in ONNX Runtime, and the peer that a user would take instead."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from realtime.plugins.eight_bit import needs_precision
from realtime.plugins.huge_pages import prefer_huge_pages
from training.layers import ConvTranspose1d
from training.unet import UNet

Audio = NDArray[np.float32]
ERRORS_ONLY = 3


class Runner(Protocol):
    """A mono stream of hops. `run` is timed: the hop lies in `audio` before, the result in `result` after."""

    audio: Audio
    result: Audio

    def run(self) -> None: ...


class TorchRunner:
    """The model's own `step`, eager, on as many threads as torch is set to.

    Its transposed weights lie in memory as `step` reads them; else each hop would copy 20 MB of output19's, and torch
    would look twice as slow as it is.
    """

    def __init__(self, model: UNet, hop_samples: int) -> None:
        self._model = copy.deepcopy(model)
        for layer in self._model.modules():
            if isinstance(layer, ConvTranspose1d):
                layer.weight.data = layer.weight.permute(2, 1, 0).contiguous().permute(2, 1, 0)
        self._past = model.silence(batch=1)
        self._block = torch.zeros(1, 1, hop_samples)
        self.audio: Audio = self._block.numpy()
        self.result: Audio = np.zeros_like(self.audio)

    def run(self) -> None:
        with torch.inference_mode():
            restored, self._past = self._model.step(self._block, self._past)
        self.result = restored.numpy()


class GraphRunner:
    """A streaming graph as `realtime.plugins.plugin_file` runs it: two sets of states, bound once, in turn."""

    def __init__(self, model_bytes: bytes, threads: int, profile_prefix: str = "") -> None:
        self.session = open_session(model_bytes, threads, profile_prefix)
        values = {value.name: tuple(value.shape) for value in self.session.get_inputs()}
        self.audio: Audio = np.zeros(values.pop("audio"), np.float32)
        self.result: Audio = np.zeros_like(self.audio)
        controls = {name: np.zeros(shape, np.float32) for name, shape in values.items() if name.startswith("control_")}
        states = {name: shape for name, shape in values.items() if name.startswith("state_")}
        turns = [{name: np.zeros(shape, np.float32) for name, shape in states.items()} for _ in range(2)]
        self._bindings = [self._bind(turns[n], turns[1 - n], controls) for n in range(2)]
        self._turn = 0

    def _bind(self, past: dict[str, Audio], following: dict[str, Audio], controls: dict[str, Audio]) -> Any:
        binding = self.session.io_binding()
        for name, buffer in {"audio": self.audio, **past, **controls}.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        outputs = {name.replace("state_", "next_", 1): buffer for name, buffer in following.items()}
        for name, buffer in {"audio_out": self.result, **outputs}.items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
        return binding

    def run(self) -> None:
        self.session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn


def open_session(model_bytes: bytes, threads: int, profile_prefix: str = "") -> Any:
    """An `onnxruntime.InferenceSession` with the options of `realtime.plugins.session`, and a profile where wanted."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    options.add_free_dimension_override_by_name("channels", 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if needs_precision():
        options.add_session_config_entry("session.x64quantprecision", "1")
    if profile_prefix:
        options.enable_profiling, options.profile_file_prefix = True, profile_prefix
    session = onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
    prefer_huge_pages()  # of all that is there by now: torch's weights too
    return session


def stream(runner: Runner, audio: Audio) -> Audio:
    """A fresh runner over whole hops of audio ``(N,)``; what is left over at the end is not run."""
    hop, heard = runner.audio.size, [np.zeros(0, np.float32)]
    for block in audio[: len(audio) // hop * hop].reshape(-1, hop):
        runner.audio.reshape(-1)[:] = block
        runner.run()
        heard.append(runner.result.reshape(-1).copy())
    return np.concatenate(heard)


def endless(runner: Runner, audio: Audio) -> Callable[[], None]:
    """Runs a hop a call on real audio, over and over: zeros could be quicker, and fading ones slower."""
    hop = runner.audio.size
    blocks = audio[: len(audio) // hop * hop].reshape(-1, hop)
    into, place = runner.audio.reshape(-1), 0

    def run() -> None:
        nonlocal place
        into[:] = blocks[place]  # a few µs, as a host's own copy
        place = (place + 1) % len(blocks)
        runner.run()

    return run


class RubberBand:
    """Rubber Band R3 with its short window in real-time mode, an octave down: what a live host could run instead.

    Raises: ImportError where pylibrb is missing.
    """

    def __init__(self, sample_rate: int, block_samples: int) -> None:
        import pylibrb

        option = pylibrb.Option
        chosen = option.PROCESS_REALTIME | option.ENGINE_FINER | option.WINDOW_SHORT
        self._stretcher = pylibrb.RubberBandStretcher(
            sample_rate=sample_rate, channels=1, options=chosen, initial_time_ratio=1.0, initial_pitch_scale=0.5
        )
        self._stretcher.set_max_process_size(block_samples)
        self.latency_samples = int(self._stretcher.get_start_delay())
        self.audio: Audio = np.zeros((1, block_samples), np.float32)
        self.result: Audio = np.zeros((1, 0), np.float32)

    def run(self) -> None:
        self._stretcher.process(self.audio)
        self.result = self._stretcher.retrieve_available()

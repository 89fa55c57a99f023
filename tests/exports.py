"""What the tests of exported files hold them against: torch, and a host written from the format alone."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import numpy_helper

import deshift
from export.graph import plain_copy
from tests.signals import chirp, noise, voice
from training import checkpoint
from training.models import build
from training.recipes import Recipe, find
from training.unet import UNet

Audio = NDArray[np.float32]
LIMIT = 1e-4
TINY = find("tiny")
CENTRED = dataclasses.replace(TINY, name="centred", causal=False, norm="layer")


def audio_of(samples: int, channels: int = 1) -> Audio:
    """Something like real audio, another one in each channel: ``(C, N)``."""
    parts = [
        voice(samples, 140 + 50 * n) + chirp(80, 9000, samples, level=0.1) + noise(samples, n, 0.01)
        for n in range(channels)
    ]
    return np.stack(parts)


def model_of(path: Path, half: bool = True) -> UNet:
    """The model of a checkpoint, its larger weights rounded as a file with float16 weights stores them."""
    saved = checkpoint.load(path)
    model = build(Recipe.from_json(saved.facts["recipe"]))
    checkpoint.put_weights(model, saved.best_weights(), path)
    model = plain_copy(model)
    for parameter in model.parameters():
        if half and parameter.numel() >= 64:
            parameter.copy_(parameter.half().float())
    return model


@torch.no_grad()
def run_torch(model: UNet, audio: Audio) -> Audio:
    """The model over the whole: ``(C, N)`` -> ``(C, N)``."""
    return model(torch.from_numpy(audio)[:, None])[:, 0].numpy()


def run_blocks(model: onnx.ModelProto, audio: Audio, hop: int) -> Audio:
    """A host written from the words of the format alone: states start at zero and are carried by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    states = {value.name: np.zeros((len(audio), *value.shape[1:]), np.float32) for value in session.get_inputs()[1:]}
    names, heard = [value.name for value in session.get_outputs()], []
    for block in np.split(audio, audio.shape[1] // hop, axis=1):
        results = dict(zip(names, session.run(names, {"audio": block[:, None], **states}), strict=True))
        heard.append(results["audio_out"][:, 0])
        states = {name: results[name.replace("state_", "next_")] for name in states}
    return np.concatenate(heard, axis=1)


def export(*words: object) -> tuple[int, str]:
    """Run the command in this process: exit code and output. TensorRT, which takes seconds, has tests of its own."""
    result = CliRunner().invoke(deshift.main, ["export", "--no-tensorrt", *map(str, words)])
    return result.exit_code, result.output


def refused(*words: object) -> str:
    """The one line of an export that must fail."""
    exit_code, output = export(*words)
    assert exit_code == 1
    (line,) = output.splitlines()
    assert line.startswith("Error: ")
    return line


def damaged(graph: onnx.ModelProto, name: str, change: float) -> bytes:
    """The file with one weight that is not the model's."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] += change
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return model.SerializeToString()

"""Runs in the Neutone SDK's own environment, started by `export.neutone` with one word: a JSON file with its task.

The network is the same code as in training; one hop of it is traced, since TorchScript cannot compile it as it stands,
and its states are kept in one buffer beside it.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

# At the path's end: beside an installed deshift lie packages that this environment has in other versions.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import torch
from neutone_sdk import WaveformToWaveformBase  # type: ignore[import-not-found, unused-ignore]
from neutone_sdk.utils import save_neutone_model  # type: ignore[import-not-found, unused-ignore]
from safetensors.torch import load_file
from torch import Tensor, nn

from training.models import build
from training.recipes import Recipe
from training.unet import UNet

CHANNELS = 2


class Hop(nn.Module):
    """One hop: audio ``(C, 1, hop)`` and all states end to end ``(C, M)`` -> audio, the next states."""

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet
        self.shapes = [state.shape[1:] for state in unet.silence(1)]
        self.sizes = [shape.numel() for shape in self.shapes]

    def forward(self, audio: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        parts = memory.split(self.sizes, dim=1)
        past = [part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)]
        restored, present = self.unet.step(audio, past)
        return restored, torch.cat([state.flatten(1) for state in present], dim=1)


def frozen(traced: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """The same, with what layers make of their weights alone worked out now: a third less work in every hop."""
    content = io.BytesIO()
    torch.jit.save(torch.jit.freeze(traced), content)
    content.seek(0)
    return torch.jit.load(content)  # as freeze() leaves it, a module cannot be part of another one


class Stream(nn.Module):
    """A stream of hops, and what the SDK's methods answer: plain values, since it compiles those methods."""

    memory: Tensor

    def __init__(self, unet: UNet, job: dict[str, Any]) -> None:
        super().__init__()
        hop = Hop(unet)
        self.register_buffer("memory", torch.zeros(CHANNELS, sum(hop.sizes)))
        with torch.no_grad():
            example = (torch.zeros(CHANNELS, 1, job["hop_samples"]), self.memory.clone())
            self.hop = frozen(torch.jit.trace(hop.eval(), example))
        self.name: str = job["name"]
        self.authors: list[str] = job["authors"]
        self.short_description: str = job["short_description"]
        self.long_description: str = job["long_description"]
        self.technical_description: str = job["technical_description"]
        self.tags: list[str] = job["tags"]
        self.version: str = job["version"]
        self.sample_rate: int = job["sample_rate"]
        self.hop_samples: int = job["hop_samples"]
        self.delay_samples: int = job["delay_samples"]

    def forward(self, audio: Tensor) -> Tensor:
        """audio ``(C, hop)`` -> the same shape; the states move on."""
        restored, memory = self.hop(audio.unsqueeze(1), self.memory)
        self.memory = memory
        return restored.squeeze(1)

    @torch.jit.export
    def forget(self) -> None:
        """Silence, as before the first hop."""
        self.memory.zero_()


class Plugin(WaveformToWaveformBase):  # type: ignore[misc, unused-ignore]
    """The SDK's questions, answered."""

    def get_model_name(self) -> str:
        return self.model.name

    def get_model_authors(self) -> list[str]:
        return self.model.authors

    def get_model_short_description(self) -> str:
        return self.model.short_description

    def get_model_long_description(self) -> str:
        return self.model.long_description

    def get_technical_description(self) -> str:
        return self.model.technical_description

    def get_technical_links(self) -> dict[str, str]:
        return {}  # the SDK would call each of them up

    def get_tags(self) -> list[str]:
        return self.model.tags

    def get_model_version(self) -> str:
        return self.model.version

    def is_experimental(self) -> bool:
        return True

    @torch.jit.export
    def is_input_mono(self) -> bool:
        return False

    @torch.jit.export
    def is_output_mono(self) -> bool:
        return False

    @torch.jit.export
    def get_native_sample_rates(self) -> list[int]:
        return [self.model.sample_rate]

    @torch.jit.export
    def get_native_buffer_sizes(self) -> list[int]:
        return [self.model.hop_samples]

    @torch.jit.export
    def calc_model_delay_samples(self) -> int:
        return self.model.delay_samples

    def do_forward_pass(self, x: Tensor, params: dict[str, Tensor]) -> Tensor:
        return self.model(x)

    @torch.jit.export
    def reset_model(self) -> bool:
        self.model.forget()
        return True


def read_network(job: dict[str, Any]) -> UNet:
    """The recipe's layers with the weights that were handed over, every one of them."""
    network = build(Recipe.from_json(job["recipe"]))
    assert isinstance(network, UNet)
    network.load_state_dict(load_file(job["weights"]), strict=True)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    plugin = Plugin(Stream(read_network(job), job))
    save_neutone_model(plugin, Path(job["folder"]), dump_samples=True, submission=True)


if __name__ == "__main__":
    main()

"""The device a run uses, and the other processes that share it with us under torchrun."""

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from training.settings import TrainingError

PAIRS_TAKE_AT_MOST = timedelta(hours=24)  # one process makes them, the others wait


@dataclass(frozen=True)
class Machine:
    """`rank` of `world` processes; alone it is 0 of 1."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device: str, threads: int | None) -> "Machine":
        """Choose the device and, when torchrun started us, find the others.

        Args: device: "cpu", "cuda" or "auto"; threads: of the CPU; None leaves torch's choice.
        Raises: TrainingError if CUDA was asked for and is not there.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise TrainingError(
                "no CUDA device can be used: install a CUDA build of torch and its driver, or --device cpu"
            )
        if threads is not None:
            torch.set_num_threads(threads)
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls(torch.device(device))
        local = int(os.environ["LOCAL_RANK"])
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PAIRS_TAKE_AT_MOST)
        place = torch.device(device, local) if device == "cuda" else torch.device(device)
        if device == "cuda":
            torch.cuda.set_device(place)
        return cls(place, dist.get_rank(), world)

    def leave(self) -> None:
        """Close the process group that `join` opened."""
        if self.world > 1:
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def tensor(self, audio: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(audio)).to(self.device, non_blocking=True)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, of each entry."""
        if self.world > 1:
            value = value.clone() / self.world
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether any process raises its flag: all must stop at the same step."""
        if self.world == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(raised)
        return bool(raised > 0)

    def wait_for_all(self) -> None:
        if self.world > 1:
            dist.barrier()

    def autocast(self, precision: str) -> AbstractContextManager[Any]:
        """tf32 is a way to multiply fp32 numbers on NVIDIA's tensor cores; elsewhere it is plain fp32."""
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        if precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def versions() -> dict[str, str]:
    """What a checkpoint was made with."""
    return {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}

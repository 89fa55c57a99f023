"""What a hop must cost at least: read every weight once, multiply as often as the recipe asks, at this machine's rates.

floor = bytes of the weights / the rate at which one thread reads such a buffer
      + multiply-accumulates of a hop / the rate of one thread's matrix product that lies in its cache

Both rates are measured among the graphs' own turns. Of several ways to read, and of several sizes of product, the
fastest counts, and of its time only what the processor spent: a floor must not be padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.graph_timing import Contender, Timing
from training.geometry import SAMPLE_RATE, macs_per_second, parameter_count
from training.recipes import Recipe

BYTES_PER_WEIGHT = 4
COLUMNS = 2048  # of the matrix that is read by a product with a vector
PRODUCT_SIZES = (128, 256, 384, 512)  # from 0.2 to 3 MB for three matrices: one of them fits any cache
READERS = ("dot", "vector", "maximum")


@dataclass(frozen=True)
class Work:
    """Of one hop: the bytes of all fp32 weights, and the multiply-accumulates of the convolutions."""

    weight_bytes: int
    macs: float


@dataclass(frozen=True)
class Rates:
    """Of one thread. `copied`, what memcpy moves (its bytes counted once), stands beside for comparison only."""

    read_bytes_per_second: float
    copied_bytes_per_second: float
    macs_per_second: float


def work_of(recipe: Recipe, model: nn.Module, hop_samples: int) -> Work:
    """Count a hop's work. `model`: the recipe's, weight norm already worked into the weights."""
    return Work(BYTES_PER_WEIGHT * parameter_count(model), macs_per_second(recipe) * hop_samples / SAMPLE_RATE)


def floor_ms(work: Work, rates: Rates) -> float:
    """The least time of a hop in fp32."""
    return 1e3 * (work.weight_bytes / rates.read_bytes_per_second + work.macs / rates.macs_per_second)


def reading_contenders(weight_bytes: int) -> list[Contender]:
    """Ways to read a float32 buffer of this size once, and one to copy it."""
    rows = max(1, weight_bytes // (BYTES_PER_WEIGHT * COLUMNS))
    matrix = torch.ones(rows, COLUMNS)
    flat, vector, product = matrix.view(-1), torch.ones(COLUMNS), torch.empty(rows)
    values, copied = flat.numpy(), np.empty(matrix.numel(), np.float32)
    runs = {
        "dot": partial(torch.dot, flat, flat),  # both operands are the same bytes: one reading
        "vector": partial(torch.mv, matrix, vector, out=product),
        "maximum": partial(np.max, values),
        "copy": partial(np.copyto, copied, values),
    }
    return [Contender(f"{how} {weight_bytes}", run, share=0.25) for how, run in runs.items()]


def product_contenders() -> list[Contender]:
    """Square float32 products."""
    made = []
    for size in PRODUCT_SIZES:
        one, other, product = torch.ones(size, size), torch.ones(size, size), torch.empty(size, size)
        made.append(Contender(f"product {size}", partial(torch.mm, one, other, out=product), share=0.25))
    return made


def rates_of(timings: Mapping[str, Timing], weight_bytes: int) -> Rates:
    """From the times of `reading_contenders` (of this size) and `product_contenders`: medians of the processor's
    time, so that nobody else's load makes the floor look high."""
    read = min(timings[f"{how} {weight_bytes}"].processor_ms for how in READERS)
    copied = timings[f"copy {weight_bytes}"].processor_ms
    rows = max(1, weight_bytes // (BYTES_PER_WEIGHT * COLUMNS))
    read_bytes = rows * COLUMNS * BYTES_PER_WEIGHT
    products = [size**3 / timings[f"product {size}"].processor_ms for size in PRODUCT_SIZES]
    return Rates(1e3 * read_bytes / read, 1e3 * read_bytes / copied, 1e3 * max(products))

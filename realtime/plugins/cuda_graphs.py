"""CUDA graphs: a hop as one launch instead of one for each operator, where replaying gives what running gives.

A captured graph repeats the same launches with the same addresses, so inputs, outputs and states must never move (ONNX
Runtime, CUDA execution provider, "Using CUDA Graphs"). What an operator copies from the main memory while it is
captured is copied from the same place at each replay, whatever lies there by then; so a replay is believed only after
it was compared.
"""

from __future__ import annotations

import numpy as np

from realtime.plugins.base import Samples
from realtime.plugins.buffers import DeviceBuffers
from realtime.plugins.providers import ProviderError
from realtime.plugins.session import RUNTIME_ERRORS, open_session
from realtime.trust import TrustedFile

PROBE_HOPS = 8  # four replays of each of the two graphs
LARGEST_DIFFERENCE = 1e-5


def captured(file: TrustedFile, channels: int, threads: int) -> DeviceBuffers | None:
    """Buffers whose hops replay captured graphs; None where this model cannot be captured, or replays differ.

    Raises: ProviderError where CUDA itself is missing.
    """
    try:
        session = open_session(file, channels, threads, "cuda", cuda_graphs=True)
        buffers = DeviceBuffers(session, file, channels, "cuda", graphs=True)
        return buffers if replays_truly(buffers) else None
    except ProviderError as error:
        if isinstance(error.__cause__, RUNTIME_ERRORS):
            return None  # the session, not the provider: it is opened again without graphs, and then says why
        raise
    except RUNTIME_ERRORS:
        return None


def replays_truly(buffers: DeviceBuffers) -> bool:
    """Whether replays give what plain runs give, on noise, from silence; leaves the buffers silent and replaying."""
    draw = np.random.default_rng(0)
    blocks = [0.1 * draw.standard_normal(buffers.audio.shape, dtype=np.float32) for _ in range(PROBE_HOPS)]
    buffers.use_graphs(True)
    _run(buffers, blocks)  # captures
    buffers.use_graphs(False)
    plain = _run(buffers, blocks)
    buffers.use_graphs(True)
    replayed = _run(buffers, blocks)
    buffers.reset()
    return bool(np.allclose(replayed, plain, rtol=0, atol=LARGEST_DIFFERENCE, equal_nan=True))


def _run(buffers: DeviceBuffers, blocks: list[Samples]) -> Samples:
    buffers.reset()
    heard = []
    for block in blocks:
        buffers.audio[:] = block
        buffers.run()
        heard.append(buffers.result.copy())
    return np.stack(heard)

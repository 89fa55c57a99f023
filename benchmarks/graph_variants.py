"""The graphs of a case by the name of the variant, and how far each is from torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from benchmarks.graph_cases import Case, plain_graph
from benchmarks.graph_runners import Audio, GraphRunner, stream
from export.fast_graph import fast_stream_graph
from export.rewrite import Rewrites

FP32, INT8 = Rewrites(), Rewrites(int8=True)


def graphs_of(case: Case) -> dict[str, bytes]:
    """Variant -> graph. `shipped` is a bundled file as it lies in `realtime/models/`."""
    graphs = {
        "plain": plain_graph(case).SerializeToString(),
        "fp32": written(case, FP32),
        "int8": written(case, INT8),
    }
    return {**graphs, "shipped": case.shipped} if case.shipped else graphs


def written(case: Case, rewrites: Rewrites) -> bytes:
    """Our own graph of a case, with these rewrites; weights as float32."""
    model_bytes: bytes = fast_stream_graph(case.model, case.hop_samples, rewrites).model.SerializeToString()
    return model_bytes


def switches() -> list[str]:
    """The rewrites that can be left out one by one."""
    return [field.name for field in dataclasses.fields(Rewrites) if field.name != "int8"]


def without(rewrites: Rewrites, *names: str) -> Rewrites:
    """The same without these rewrites."""
    return dataclasses.replace(rewrites, **dict.fromkeys(names, False))


def differences(case: Case, graphs: Mapping[str, bytes], audio: Audio) -> dict[str, float]:
    """Largest absolute difference of each graph's stream from torch over the whole, on audio ``(N,)``."""
    audio = audio[: len(audio) // case.hop_samples * case.hop_samples]
    with torch.inference_mode():
        expected = case.model(torch.from_numpy(audio)[None, None])[0, 0].numpy()
    return {
        name: float(np.abs(stream(GraphRunner(graph, threads=1), audio) - expected).max())
        for name, graph in graphs.items()
    }

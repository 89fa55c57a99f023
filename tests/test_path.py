"""The three signals of a hop belong to the same moment, whoever of them is the slowest."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.live.path import Path
from realtime.plugins.chain import Chain
from tests.live_parts import Later, delayed
from tests.signals import noise

HOPS = 60


def through(path: Path, audio: np.ndarray) -> list[np.ndarray]:
    """Raw, inverse and model of all hops, and the audio as a reference that came with it."""
    hop, parts = path.chain.hop_samples, []
    for at in range(0, audio.shape[1], hop):
        block = audio[:, at : at + hop].copy()
        raw, inverse, model = path.process(block)
        reference = path.align_reference(block)
        parts.append([raw.copy(), model.copy(), reference.copy(), *([] if inverse is None else [inverse.copy()])])
    return [np.concatenate(blocks, axis=1) for blocks in zip(*parts, strict=True)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("later", [0, 1, 300, 512, 5000])
@pytest.mark.parametrize("inverse_hop, inverse_later", [(512, 0), (512, 700), (128, 300), (64, 5001), (1, 13)])
def test_raw_inverse_and_model_are_aligned_to_the_sample(
    channels: int, later: int, inverse_hop: int, inverse_later: int
) -> None:
    inverse = Later(inverse_hop, inverse_later, 0.25, channels)
    path = Path(Chain([Later(512, later, 0.5, channels)]), inverse)
    audio = noise(channels * 512 * HOPS).reshape(channels, -1)
    raw, model, reference, inverted = through(path, audio)
    expected = delayed(audio, path.latency_samples - 512)
    assert path.latency_samples == 512 + max(later, inverse_later)
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(model, expected / 2)
    np.testing.assert_array_equal(inverted, expected / 4)
    np.testing.assert_array_equal(reference, expected)


@pytest.mark.parametrize("later", [0, 300, 5000])
def test_without_an_inverse_the_chain_alone_sets_the_time(later: int) -> None:
    path, audio = Path(Later(512, later)), noise(512 * HOPS)[None]
    raw, model, reference = through(path, audio)
    assert path.latency_samples == 512 + later
    for signal in (raw, model, reference):
        np.testing.assert_array_equal(signal, delayed(audio, later))


@pytest.mark.parametrize(
    "inverse",
    [Later(512, sample_rate=44_100), Later(512, channels=2), Later(1024), Later(500)],
    ids=["rate", "channels", "hop longer", "hop no divisor"],
)
def test_an_inverse_that_does_not_fit_is_refused_in_one_line(inverse: Later) -> None:
    with pytest.raises(
        ValueError, match=r"the inverse \(.*\) does not fit the chain \(48000 Hz, 1 channels, hop 512\)"
    ):
        Path(Later(512), inverse)

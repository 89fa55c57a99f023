"""The pre-stage of training: what shifts back is the host's own vocoder, in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.plugins.base import Samples, Stream
from realtime.plugins.vocoder import Vocoder
from realtime.quality.prestage import PRESTAGES, PrestageError, prestage_delay, shift_back
from tests.signals import SAMPLE_RATE, chirp, click, noise, voice


def streamed(audio: Samples, semitones: float, window: int = 1024, block: int = 513) -> Samples:
    """``(C, N)`` as a host hears it: through the plugin in blocks of any size, its stated latency taken off."""
    stream = Stream(Vocoder(SAMPLE_RATE, len(audio), semitones, window))
    fed = np.pad(audio, ((0, 0), (0, window)))
    heard = [stream.process(fed[:, at : at + block]) for at in range(0, fed.shape[1], block)]
    return np.concatenate(heard, axis=1)[:, window:]


@settings(max_examples=10, deadline=None)
@given(
    frames=st.sampled_from([1, 65, 511, 513, 8193]),
    channels=st.integers(1, 2),
    semitones=st.floats(-12, 12),
    prestage=st.sampled_from(sorted(PRESTAGES)),
)
def test_what_training_shifts_back_is_bit_for_bit_what_the_host_streams(
    frames: int, channels: int, semitones: float, prestage: str
) -> None:
    audio = noise(frames * channels, frames).reshape(channels, frames)
    expected = streamed(audio, -semitones, PRESTAGES[prestage])
    assert np.array_equal(shift_back(audio, semitones, prestage), expected)


def test_nothing_in_is_nothing_out() -> None:
    assert shift_back(np.zeros((1, 0), np.float32), 12, "vocoder1024").shape == (1, 0)


@pytest.mark.parametrize("prestage", sorted(PRESTAGES))
@pytest.mark.parametrize(
    "audio", [chirp(100, 9000, 8193), click(2001, 8193), voice(8193)], ids=["chirp", "click", "voice"]
)
def test_what_was_not_shifted_keeps_its_place_to_the_sample(audio: Samples, prestage: str) -> None:
    heard = shift_back(audio[None], 0.0, prestage)[0]
    assert np.argmax(np.correlate(heard, audio, "full")) == len(audio) - 1
    np.testing.assert_allclose(heard, audio, atol=1e-6)


@pytest.mark.parametrize("semitones", [12.1, -13.0, float("nan")])
def test_a_shift_beyond_the_vocoder_is_refused(semitones: float) -> None:
    with pytest.raises(PrestageError, match="-12 to 12 semitones"):
        shift_back(noise(100)[None], semitones, "vocoder1024")


def test_an_unknown_prestage_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PrestageError, match="unknown pre-stage 'echo': choose vocoder512, vocoder1024, vocoder2048"):
        prestage_delay("echo")

"""The chirp that measures the round trip: found to the sample under noise, filters and other levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.exchange import Exchange
from realtime.live.path import Path
from realtime.live.pipeline import Pipeline
from realtime.live.probe import CLEAR_PEAK, Measurement, Probe, ProbeError, chirp, find
from tests.live_parts import Later, exchange_for, plan_for
from tests.signals import noise


@given(
    at=st.integers(0, 40_000),
    rate=st.sampled_from([8000, 16_000, 44_100, 48_000, 96_000]),
    level=st.floats(0.04, 2.0),  # at 0.02 and 8 kHz, 800 samples do not always tell it from the noise
    polarity=st.sampled_from([-1, 1]),
)
@settings(max_examples=30, deadline=None)
def test_the_chirp_is_found_to_the_sample_under_noise(at: int, rate: int, level: float, polarity: int) -> None:
    pattern = chirp(rate)
    audio = noise(at + len(pattern) + 3000, level=0.01)
    audio[at : at + len(pattern)] += np.float32(polarity * level) * pattern
    found, clearness = find(pattern, audio)
    assert found == at
    assert clearness > CLEAR_PEAK


def test_a_loudspeaker_s_filter_moves_it_by_a_sample_at_most() -> None:
    pattern = chirp(48_000)
    audio = np.zeros(30_000, dtype=np.float32)
    audio[9000 : 9000 + len(pattern)] = pattern
    for smoothing in (0.3, 0.6):
        heard, state = np.zeros_like(audio), 0.0
        for index, value in enumerate(audio):
            state += (1 - smoothing) * (value - state)
            heard[index] = state
        found, clearness = find(pattern, heard)
        assert abs(found - 9000) <= 2 and clearness > CLEAR_PEAK


@pytest.mark.parametrize("seed", range(5))
def test_noise_silence_and_speech_like_sound_are_no_chirp(seed: int) -> None:
    pattern = chirp(48_000)
    assert find(pattern, noise(72_000, seed))[1] < CLEAR_PEAK
    assert find(pattern, np.zeros(72_000, dtype=np.float32)) == (0, 0.0)


class Rig:
    """A device of one clock whose output comes back `device_frames` later, and an engine's parts without threads."""

    def __init__(self, block_frames: int, device_frames: int, later: int = 0) -> None:
        self.path = Path(Later(64, later), None)
        plan = plan_for(self.path, 48_000, 48_000, block_frames)
        self.exchange: Exchange = exchange_for(plan)
        self.pipeline = Pipeline(self.exchange, self.path, plan, Controls(bypass=True, limiter=False))
        self.probe = Probe(self.exchange, 48_000, 48_000, True)
        self.in_app_frames = plan.in_app_frames
        self._block, self._air = block_frames, [np.zeros((device_frames, 1), dtype=np.float32)]

    def run(self, seconds: float, connected: bool = True) -> None:
        """Callbacks, each with all its work done before the next one."""
        for _ in range(int(seconds * 48_000 / self._block)):
            air = np.concatenate(self._air)
            heard, self._air = air[: self._block], [air[self._block :]]
            self.probe.capture(heard if connected else np.zeros_like(heard))
            out = np.zeros((self._block, 1), dtype=np.float32)
            self.probe.play(out)
            self._air.append(out)
            while self.pipeline.step():
                pass

    def stall(self, frames: int) -> None:
        """Nothing is asked of the engine for so many frames; what was recorded comes all at once."""
        air = np.concatenate([*self._air, np.zeros((frames, 1), dtype=np.float32)])
        self.probe.capture(air[:frames])
        self._air = [air[frames:]]
        self.probe.slip(frames)
        while self.pipeline.step():
            pass


@pytest.mark.parametrize("block_frames", [16, 65, 256, 511, 512, 513])
@pytest.mark.parametrize("later", [0, 100])
def test_both_parts_of_the_round_trip_are_measured_exactly(block_frames: int, later: int) -> None:
    rig = Rig(block_frames, device_frames=block_frames + 777, later=later)
    rig.run(0.3)
    rig.probe.begin()
    rig.run(2.0)
    assert rig.probe.ready
    found = rig.probe.result()
    assert found.device_ms == pytest.approx(1000 * (block_frames + 777) / 48_000, abs=0.022)
    assert found.in_app_ms == pytest.approx(1000 * rig.in_app_frames / 48_000, abs=0.022)
    assert found.total_ms == found.device_ms + found.in_app_ms


def test_a_stall_before_the_measurement_does_not_count() -> None:
    """The device records 4800 frames while it gets none to play, and plays silence; then the engine is told."""
    rig = Rig(256, 1000)
    rig.run(0.2)
    rig.stall(4800)
    rig.run(0.3)
    rig.probe.begin()
    rig.run(2.0)
    found = rig.probe.result()
    assert found.device_ms == pytest.approx(1000 * 1000 / 48_000, abs=0.022)
    assert found.in_app_ms == pytest.approx(1000 * rig.in_app_frames / 48_000, abs=0.022)


def test_nothing_connected_is_an_error_of_one_line() -> None:
    rig = Rig(256, 1000)
    rig.probe.begin()
    rig.run(2.0, connected=False)
    assert rig.probe.ready
    with pytest.raises(ProbeError, match=r"^no chirp came back: connect the output to the input"):
        rig.probe.result()


def test_it_may_be_measured_again_and_again_and_nothing_else_is_heard_meanwhile() -> None:
    rig = Rig(128, 500)
    found: list[Measurement] = []
    for _ in range(2):
        rig.probe.begin()
        assert not rig.probe.ready
        rig.run(2.0)
        found.append(rig.probe.result())
    assert found[0].device_ms == pytest.approx(found[1].device_ms, abs=0.022)


def test_what_is_played_meanwhile_is_the_chirp_and_silence_whatever_comes_in() -> None:
    rig = Rig(256, 0)
    rig.probe.begin()
    played = []
    for _ in range(300):
        rig.probe.capture(noise(256)[:, None])
        out = np.ones((256, 1), dtype=np.float32)
        rig.probe.play(out)
        played.append(out[:, 0])
        while rig.pipeline.step():
            pass
    sound = np.concatenate(played)[: int(1.4 * 48_000)]
    at, _ = find(chirp(48_000), sound)
    expected = np.zeros_like(sound)
    expected[at : at + 4800] = chirp(48_000)
    np.testing.assert_array_equal(sound, expected)

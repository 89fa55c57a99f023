"""Plugins that fail, chains that follow each other, knobs that are turned while sound runs: nothing clicks."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.live.path import Path as SoundPath
from realtime.live.script import parse_script
from realtime.live.simulated_chain import SimulatedPlugin
from realtime.live.simulation import Simulation
from realtime.plugins.chain import Chain
from tests.scenarios import PASS, QUIETER, clicks, event, play

OPEN = "[controls]\nlimiter = false"

# -- plugins


@pytest.mark.parametrize("value", ["raise", "nan", "infinite"])
def test_a_plugin_that_fails_is_replaced_by_the_input_told_and_taken_back(value):
    played = play(3, events=event(1, "fault", 0.05, value), top=OPEN)
    assert not played.outcome.misses
    assert np.isfinite(played.played).all()
    assert not played.clicks_s()
    assert any("hops failed" in note for _, note in played.outcome.notes)
    assert played.error_db(to_s=1) < -80
    assert played.error_db(from_s=1.1) < -80  # this plugin changes nothing, nor does what stands in for it


class Broken:
    """Fails in ways that a plugin of somebody else may."""

    sample_rate, channels, hop_samples, latency_samples = 48_000, 1, 512, 512

    def __init__(self, ways):
        self.ways, self.calls = ways, 0

    def process(self, block):
        self.calls += 1
        if self.calls < 40:
            return block
        if self.ways == "shape":
            return block[:, :7]
        if self.ways == "kind":
            return "sound"
        raise MemoryError("out of memory\nand more")

    def reset(self):
        if self.ways == "reset":
            raise OSError("gone")


@pytest.mark.parametrize("ways", ["shape", "kind", "memory", "reset"])
def test_nothing_that_a_plugin_does_stops_the_sound(ways):
    script = parse_script(f"seconds = 2\n{OPEN}\n[chain]\n{PASS}")
    simulation = Simulation(script, Chain([Broken(ways)]), keep=True)
    outcome = simulation.run()
    captured, heard = (audio[:, 0] for audio in simulation.recordings[0].audio())
    assert not outcome.misses and not clicks(heard)
    delay = simulation.engine.plan.in_app_frames
    error = np.abs(heard[9000:] - captured[9000 - delay : len(captured) - delay])
    assert np.count_nonzero(error > 1e-5) <= 512  # while the last good sample fades into the input
    notes = [note for _, note in outcome.notes]
    assert any("hops failed" in note for note in notes) and not any("\n" in note for note in notes)


@pytest.mark.parametrize("hop", [256, 512, 1000])
def test_another_chain_comes_in_without_a_click_and_with_its_own_latency(hop):
    value = f'{{ plugin = "delay", hop_samples = {hop}, delay_samples = 300 }}'
    played = play(4, f"{PASS}\nhop_samples = 256", events=event(1.5, "swap", value=value))
    assert played.outcome.swaps == 1
    assert not played.outcome.misses
    assert not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=2.5)
    assert played.reading(4).planned_ms > played.reading(1).planned_ms + 6
    assert played.error_db(from_s=2.5) < -80


def test_chains_that_follow_each_other_quickly_do_not_click():
    hops = [128, 512, 128, 256, 512]
    values = [f'{{ plugin = "delay", hop_samples = {hop}, delay_samples = {2 * hop} }}' for hop in hops]
    swaps = [event(1 + 0.03 * index, "swap", value=value) for index, value in enumerate(values)]
    played = play(3, f"{PASS}\nhop_samples = 128", events="\n\n".join(swaps))
    assert not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=2.5)
    assert played.error_db(from_s=2.5) < -80


# -- knobs


@pytest.mark.parametrize("hop", [64, 512, 2048])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bypass", [True, False, True, False]),
        ("listen", ["raw", "inverse", "model", "inverse", "raw"]),
        ("mix", [0.0, 1.0, 0.5, 0.0]),
        ("input_gain_db", [-60.0, 0.0, -12.0]),
        ("output_gain_db", [-60.0, 0.0, -12.0]),
        ("muted", [True, False, True]),
        ("level_match", [False, True]),
    ],
)
def test_no_knob_clicks(hop, name, values):
    events = "\n\n".join(event(0.5 + 0.23 * index, "set", value=value, name=name) for index, value in enumerate(values))
    inverse = SimulatedPlugin(48_000, 1, 64, 200, -0.7)
    played = play(2, f"{QUIETER}\nhop_samples = {hop}\ncost_ms = 0.5", "block_frames = 256", events, inverse=inverse)
    assert not played.outcome.misses and not played.clicks_s()
    assert np.abs(played.played).max() <= 0.31


def test_a_bypass_is_the_input_itself_and_as_late_as_the_model():
    played = play(2, QUIETER + "\nhop_samples = 513", events=event(1, "set", value=True, name="bypass"), top=OPEN)
    assert played.error_db(0.5012, 0.2, 0.99) < -80
    assert played.error_db(1.0, 1.2) < -120
    played.assert_latency_is_the_planned_one()


def test_the_listener_s_three_choices_are_aligned_and_of_one_level():
    events = "\n\n".join([event(4, "set", value="inverse", name="listen"), event(5, "set", value="raw", name="listen")])
    inverse = SimulatedPlugin(48_000, 1, 128, 300, 0.8)
    played = play(6, QUIETER, events=events, top=OPEN, inverse=inverse)
    played.assert_latency_is_the_planned_one()
    for start, stop in ((1, 4), (4.2, 5), (5.2, 6)):
        assert played.error_db(0.5012, start, stop) < -25


def test_an_inverse_that_does_not_fit_is_refused():
    chain = Chain([SimulatedPlugin(48_000, 1, 100)])
    with pytest.raises(ValueError, match="does not fit the chain"):
        SoundPath(chain, SimulatedPlugin(48_000, 1, 64))

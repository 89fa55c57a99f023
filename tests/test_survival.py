"""What the live engine must survive, on the simulated device: load, stalls, lost devices, two clocks, long times."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from realtime.live.device import DeviceError, Health
from realtime.live.engine import Engine
from realtime.live.script import parse_script
from realtime.live.simulated_chain import SimulatedPlugin
from realtime.live.simulation import Simulation
from realtime.plugins.chain import Chain
from tests.plugin_files import one_pole_plugin
from tests.scenarios import PASS, QUIETER, event, play

OPEN = "[controls]\nlimiter = false"
SMALL = f"{PASS}\nsample_rate = 16_000\nhop_samples = 128\ncost_ms = 1"
SMALL_DEVICE = "input_rate = 16_000\noutput_rate = 16_000\nblock_frames = 128"


# -- load


@pytest.mark.parametrize("concealment", ["dry", "silence"])
@pytest.mark.parametrize("spike", [event(1, "late_model", 0.5, 30), event(1, "late_model", value=500)])
def test_late_hops_fade_are_counted_and_cost_no_latency(concealment, spike):
    top = f'measure_every_s = 0.05\nconcealment = "{concealment}"\n{OPEN}'
    played = play(3, QUIETER, events=spike, top=top)
    assert played.causes == {"late_model"} and not played.outcome.unexplained
    assert not played.clicks_s()
    back_s = played.outcome.misses[-1].to_s
    assert back_s < 1.8
    assert played.error_db(0.5012, 0.2, 0.99) < -80
    assert played.error_db(0.5012, back_s + 0.02) < -80
    played.assert_latency_is_the_planned_one(from_s=back_s + 0.3)
    spike_part = played.played[int(1.1 * 48_000) : int(1.4 * 48_000)]
    if concealment == "silence":
        assert not spike_part.any()
    else:
        delay, start = played.delay_frames, int(1.1 * 48_000)
        np.testing.assert_array_equal(spike_part, played.captured[start - delay :][: len(spike_part)])


def test_a_model_that_is_always_too_slow_is_concealed_and_ends_as_an_overflow():
    played = play(12, f"{QUIETER}\ncost_ms = 14", top="measure_every_s = 1")
    assert played.causes == {"late_model", "input_overflow"}
    assert played.outcome.unexplained
    assert not played.clicks_s()


def test_more_sound_than_the_input_holds_is_an_overflow_and_the_latency_returns():
    played = play(8, QUIETER, events=event(1, "late_model", value=4000))
    assert played.causes == {"late_model", "input_overflow"} and not played.outcome.unexplained
    assert not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=6.5)
    assert played.error_db(0.5012, 6.5) < -80


@pytest.mark.parametrize("duration_s", [0.05, 0.5])
def test_a_stalled_interpreter_loses_no_input_and_costs_no_latency(duration_s):
    played = play(3, QUIETER, events=event(1, "stall", duration_s), top=OPEN)
    assert "input_overflow" not in played.causes and not played.outcome.unexplained
    back_s = 1 + duration_s + 0.5
    played.assert_latency_is_the_planned_one(from_s=back_s + 0.3)
    assert played.error_db(0.5012, back_s) < -80
    only_where_the_ring_ran_dry = [at for at in played.clicks_s() if not 1 < at < 1.05]
    assert not only_where_the_ring_ran_dry


def test_a_stall_longer_than_every_ring_costs_no_latency():
    played = play(9, PASS, "ring_s = 1", event(1, "stall", 3), top=OPEN)
    assert not played.outcome.unexplained
    played.assert_latency_is_the_planned_one(from_s=6)
    assert played.error_db(from_s=6) < -80


def test_a_stall_with_two_clocks_costs_no_latency():
    device = f"{SMALL_DEVICE}\none_clock = false\ndrift_ppm = 50"
    played = play(20, SMALL, device, event(8, "stall", 0.5))
    assert not played.outcome.unexplained
    before, after = (played.reading(at).measured_ms for at in (8, 10))
    assert abs(before - after) < 8


@pytest.mark.parametrize(
    "trouble",
    [event(1, "late", 0.2), event(1, "storm", 0.5, 8), event(1, "jitter", 0.5, 30), event(1, "storm", 0.5, 60)],
)
def test_callbacks_out_of_time_are_concealed_without_clicks(trouble):
    played = play(3, QUIETER, events=trouble, top=OPEN)
    assert not played.outcome.unexplained
    assert not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=2)
    assert played.error_db(0.5012, 2.2) < -80


# -- clocks


@pytest.mark.parametrize("ppm", [300, -300])
def test_two_clocks_are_held_together_and_their_difference_is_found(ppm):
    played = play(120, SMALL, f"{SMALL_DEVICE}\none_clock = false\ndrift_ppm = {ppm}", top="measure_every_s = 2")
    assert not played.outcome.misses
    assert not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=2, within_ms=8)  # a block
    for reading in played.outcome.readings:
        if reading.at_s > 90:
            assert abs(reading.drift_ppm - ppm) < 30


def test_a_clock_that_changes_is_followed():
    device = f"{SMALL_DEVICE}\none_clock = false\ndrift_ppm = 100\njitter_ms = 1"
    played = play(100, SMALL, device, event(30, "drift", value=-200), top="measure_every_s = 2")
    assert not played.outcome.misses and not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=2, within_ms=12)


@pytest.mark.parametrize("rates", [(48_000, 44_100), (16_000, 48_000)])
def test_two_devices_with_two_rates_give_the_same_sound(rates):
    device = f"input_rate = {rates[0]}\noutput_rate = {rates[1]}\none_clock = false\nblock_frames = 256"
    played = play(6, QUIETER, device)
    assert not played.outcome.misses and not played.clicks_s()
    played.assert_latency_is_the_planned_one(from_s=1, within_ms=1000 * 256 / min(rates))


# -- devices that go and come


def test_a_device_pulled_out_and_put_back_is_told_and_goes_on():
    played = play(6, QUIETER, events=event(1, "unplug", 3, "both"), top=OPEN)
    assert not played.outcome.misses
    notes = [note for _, note in played.outcome.notes]
    assert notes[0].startswith("lost: the device simulated device") and notes[1] == "running"
    lost_s, back_s = (at for at, _ in played.outcome.notes[:2])
    assert 1 < lost_s <= 2.5 and 4 <= back_s <= 4.5
    played.assert_latency_is_the_planned_one(from_s=5)
    assert played.error_db(0.5012, 0.2) < -80


@pytest.mark.parametrize("side", ["input", "output"])
def test_one_of_two_devices_pulled_out_is_concealed_and_the_latency_returns(side):
    device = f"{SMALL_DEVICE}\none_clock = false"
    played = play(12, SMALL, device, event(3, "unplug", 2, side))
    assert not played.outcome.unexplained
    assert played.causes <= {"device_gap", "late_model"}
    assert not played.clicks_s()
    assert any(note.startswith("lost") for _, note in played.outcome.notes)
    played.assert_latency_is_the_planned_one(from_s=7, within_ms=8)


def test_a_device_that_comes_back_with_another_rate_is_played_at_that():
    events = "\n\n".join([event(1, "rate", 0.5, 44_100), event(2.5, "rate", 0.5, 96_000)])
    played = play(4, QUIETER, events=events, top=OPEN)
    assert not played.outcome.misses
    assert len(played.simulation.recordings) == 3
    assert not played.clicks_s()
    assert played.error_db(0.5012) < -80
    for at_s in (0.5, 2, 4):
        reading = played.reading(at_s)
        assert abs(reading.measured_ms - reading.planned_ms) < 0.05


def test_an_input_of_zeros_is_warned_of_after_two_seconds():
    played = play(6, events=event(1, "zeros", 4))
    warnings = [(at, note) for at, note in played.outcome.notes if "zeros" in note]
    assert len(warnings) == 1 and "not allowed to use the microphone" in warnings[0][1]
    assert 3 <= warnings[0][0] < 3.6
    assert not played.clicks_s()
    short = play(4, events=event(1, "zeros", 1.5))
    assert not short.outcome.notes


# -- for ever


class Still:
    """A device that never moves a frame."""

    input_rate = output_rate = 8000  # short rings: most of a start is their allocation
    input_channels = output_channels = 1
    block_frames, one_clock = 128, True
    input_name = output_name = "still"

    def __init__(self):
        self.broken = False

    def start(self, exchange, queued_frames):
        if self.broken:
            raise DeviceError("still: cannot be started")

    def stop(self, limit_s):
        return True

    def health(self):
        return Health(True, 0.0, 0, 0, 0, 0, 0, None, None)


def test_ten_thousand_starts_and_stops_leak_no_thread_no_memory_and_no_file():
    engine = Engine(Still(), Chain([SimulatedPlugin(8000, 1, 64)]))

    def cycles(count):
        for _ in range(count):
            engine.start()
            assert engine.stop()
        gc.collect()

    threads = threading.active_count()
    cycles(200)
    files = len(list(Path("/proc/self/fd").iterdir()))
    resident_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cycles(9000)
    tracemalloc.start()
    try:
        cycles(100)
        before = tracemalloc.get_traced_memory()[0]
        cycles(700)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= files  # an earlier test may have left some that close by now
    assert grown < 70_000  # a hundred bytes a cycle
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident_kib < 10_000


def test_a_device_that_cannot_be_started_leaves_nothing_behind():
    device = Still()
    engine = Engine(device, Chain([SimulatedPlugin(8000, 1, 64)]))
    threads = threading.active_count()
    device.broken = True
    with pytest.raises(DeviceError, match="still: cannot be started"):
        engine.start()
    assert threading.active_count() == threads
    device.broken = False
    engine.start()
    assert engine.status().state == "running"
    assert engine.stop()


def test_eight_hours_pass_without_an_unexplained_miss_and_without_memory():
    seconds = 8 * 3600
    troubles = zip(range(47), TROUBLES * 10, strict=False)
    events = "\n".join(f"[[event]]\n{event(600 * n + 300, *what)}" for n, what in troubles)
    chain = f"{PASS}\nsample_rate = 8000\nhop_samples = 8192\ncost_ms = [0.5, 2]"
    device = "input_rate = 8000\noutput_rate = 8000\nblock_frames = [4096, 8191]\njitter_ms = 3"
    text = f"seconds = {seconds}\nmeasure_every_s = 120\n[chain]\n{chain}\n[device]\n{device}\n{events}"
    simulation = Simulation(parse_script(text), tick_s=4)
    simulation.play_until(3600)
    resident_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    simulation.play_until(7 * 3600)
    tracemalloc.start()
    try:
        simulation.play_until(7.5 * 3600)
        before = tracemalloc.get_traced_memory()[0]
        simulation.play_until(seconds)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    outcome = simulation.outcome()
    assert grown < 60_000  # the readings and misses of half an hour
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident_kib < 10_000
    assert outcome.hops > 0.95 * seconds * 8000 / 8192
    assert outcome.misses and not outcome.unexplained
    lost = [reading for reading in outcome.readings if reading.measured_ms is None]
    assert len(lost) <= 10
    for reading in outcome.readings:
        assert reading in lost or abs(reading.measured_ms - reading.planned_ms) < 0.2


TROUBLES = [
    ("late_model", 20, 900),
    ("stall", 3),
    ("unplug", 30, "both"),
    ("late", 2),
    ("jitter", 60, 400),
]


SILENCE = """
import sys, threading
from realtime.plugins.session import flush_denormals
flush_denormals()
import numpy as np
from realtime.plugins.base import Stream
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.vocoder import Vocoder

def denormals(audio):
    parts = audio.astype(np.complex64).view(np.float32) if np.iscomplexobj(audio) else audio.astype(np.float32)
    bits = np.ascontiguousarray(parts).view(np.uint32) & 0x7FFFFFFF
    return int(np.count_nonzero((bits > 0) & (bits < 0x00800000)))

def arrays(thing):
    if isinstance(thing, np.ndarray):
        return [thing] if thing.dtype.kind in "fc" else []
    return [array for part in thing for array in arrays(part)] if isinstance(thing, (list, tuple)) else []

def work():
    for plugin in (PluginFile(sys.argv[1]), Vocoder(48_000)):
        stream, found = Stream(plugin), 0
        found += denormals(stream.process(np.random.default_rng(0).normal(0, 0.3, (1, 48_000))))
        for _ in range(600):
            found += denormals(stream.process(np.zeros((1, 4_800), np.float32)))
            found += sum(map(denormals, arrays(list(vars(plugin).values()))))
        print(type(plugin).__name__, found)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_minute_of_silence_after_sound_leaves_no_denormal_numbers(tmp_path):
    file = one_pole_plugin(tmp_path / "p.onnx", 0.9)
    command = [sys.executable, "-c", SILENCE, str(file)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["PluginFile", "0", "Vocoder", "0"], done.stderr

"""States that stay on a device: the same samples as in the main memory. A CPU stands for the device; the calls are the
same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from realtime.contract import Control
from realtime.plugins.base import Samples, Stream
from realtime.plugins.buffers import Buffers, DeviceBuffers
from realtime.plugins.cuda_graphs import replays_truly
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.session import open_session
from realtime.trust import read_plugin_file
from tests import plugin_files as files


class OnDevice(PluginFile):
    """A plugin file by the path that a graphics card takes."""

    def _open(self, threads: int, provider: str) -> Buffers:
        return DeviceBuffers(open_session(self._file, self.channels, threads), self._file, self.channels, "cpu")


def noise(channels: int, samples: int, seed: int = 0) -> Samples:
    return (0.3 * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


@pytest.fixture(scope="module")
def one_pole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.one_pole_plugin(tmp_path_factory.mktemp("device") / "one_pole.onnx")


@given(channels=st.sampled_from([1, 2, 8]), sizes=st.lists(st.sampled_from([0, 1, 63, 65, 511, 513]), min_size=1))
@settings(max_examples=15, deadline=None)
def test_states_on_a_device_give_the_samples_of_states_in_the_main_memory(
    one_pole: Path, channels: int, sizes: list[int]
) -> None:
    audio = noise(channels, sum(sizes))
    for path in (one_pole, one_pole.parent / "delay.onnx"):
        if not path.exists():
            files.delay_plugin(path, 333)
        ends = np.cumsum(sizes)
        streams = Stream(PluginFile(path, channels)), Stream(OnDevice(path, channels))
        heard = [np.concatenate([s.process(part) for part in np.split(audio, ends, axis=1)], axis=1) for s in streams]
        np.testing.assert_array_equal(heard[1], heard[0])


def test_a_long_stream_on_a_device_equals_the_filter_sample_by_sample(one_pole: Path) -> None:
    audio = noise(2, 8193)
    heard = Stream(OnDevice(one_pole, 2)).process(audio)
    np.testing.assert_allclose(heard[:, files.HOP :], files.one_pole_reference(audio)[:, : -files.HOP], atol=1e-6)


@pytest.mark.parametrize("hops_before", [1, 2])
def test_a_reset_silences_the_states_on_the_device(one_pole: Path, hops_before: int) -> None:
    plugin, audio = OnDevice(one_pole), noise(1, files.HOP)
    fresh = plugin.process(audio)
    for _ in range(hops_before):
        plugin.process(audio)
    plugin.reset()
    np.testing.assert_array_equal(plugin.process(audio), fresh)


def test_results_from_a_device_are_not_overwritten_by_the_next_hop(one_pole: Path) -> None:
    plugin, audio = OnDevice(one_pole), noise(1, files.HOP)
    first = plugin.process(audio)
    kept = first.copy()
    plugin.process(-audio)
    np.testing.assert_array_equal(first, kept)


def test_a_channel_that_breaks_starts_afresh_on_the_device_and_the_others_go_on(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["one", "audio"], ["left"]),
        helper.make_node("Log", ["left"], ["log"]),  # not a number for samples above 1
        helper.make_node("Add", ["log", "state_sum"], ["audio_out"]),
        helper.make_node("Identity", ["audio_out"], ["next_sum"]),
    ]
    model = files.make_model(nodes, [files.weight("one", [1.0])], {"sum": (1, files.HOP)})
    path = files.save(tmp_path / "log.onnx", model, files.make_facts(model).to_metadata())
    here, there = PluginFile(path, 3), OnDevice(path, 3)
    quiet = np.full((3, files.HOP), 0.5, dtype=np.float32)
    loud = quiet.copy()
    loud[1, 7] = 2
    for block in (quiet, loud, quiet, quiet):
        np.testing.assert_array_equal(there.process(block), here.process(block))
    assert there.muted_blocks == here.muted_blocks == 1


def test_a_knob_on_a_device_is_turned_from_the_next_hop_on(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["audio", "control_level"], ["audio_out"])]
    model = files.make_model(nodes, [], controls=("level",))
    facts = files.make_facts(model, controls=(Control("level", "", 0.0, 2.0, 0.25),))
    plugin = OnDevice(files.save(tmp_path / "level.onnx", model, facts.to_metadata()))
    audio = noise(1, files.HOP)
    np.testing.assert_array_equal(plugin.process(audio), audio * np.float32(0.25))
    plugin.set_control("level", 2.0)
    plugin.reset()
    for _ in range(2):
        np.testing.assert_array_equal(plugin.process(audio), audio * 2)


class Graphs(DeviceBuffers):
    """As if a card captured: counts which graph each hop asks for; `stale`: its replays repeat the first result."""

    stale = False

    def run(self) -> None:
        self.asked = [*getattr(self, "asked", []), self._options[self._turn].get_run_config_entry("gpu_graph_id")]
        super().run()
        if self.stale and self.asked[-1] != "-1":
            first: Samples = getattr(self, "first", self.result.copy())
            self.first = first
            self.result[:] = first


@pytest.mark.parametrize("stale", [False, True])
def test_replays_are_used_only_where_they_give_what_plain_runs_give(one_pole: Path, stale: bool) -> None:
    file = read_plugin_file(one_pole)
    buffers = Graphs(open_session(file, 2, 1), file, 2, "cpu", graphs=True)
    buffers.stale = stale
    assert replays_truly(buffers) == (not stale)


def test_each_turn_replays_a_graph_of_its_own_and_the_probe_leaves_silence(one_pole: Path) -> None:
    """A captured graph keeps the addresses of its states, so two turns cannot share one."""
    file = read_plugin_file(one_pole)
    buffers = Graphs(open_session(file, 1, 1), file, 1, "cpu", graphs=True)
    assert replays_truly(buffers)
    assert buffers.asked[:4] == ["1", "2", "1", "2"] and set(buffers.asked) == {"1", "2", "-1"}
    buffers.audio[:] = noise(1, files.HOP)
    buffers.run()
    np.testing.assert_array_equal(buffers.result[:, 0], PluginFile(one_pole).process(noise(1, files.HOP)))
    assert buffers.asked[-1] == "1"

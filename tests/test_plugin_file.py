"""Plugin files as plugins: streams of any block size, states per channel, latency as stated, files that lie refused."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from realtime.contract import KEYS, ContractError, Control
from realtime.plugins.base import Stream
from realtime.plugins.offline_file import AlignedOffline, OfflineFile
from realtime.plugins.plugin_file import PluginFile
from realtime.trust import read_plugin_file
from tests import plugin_files as files


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def in_blocks(stream: Stream, audio: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Feed `audio`, cut into these sizes over and over."""
    heard, at, turn = [], 0, 0
    while at < audio.shape[1]:
        size = sizes[turn % len(sizes)]
        heard.append(stream.process(audio[:, at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate(heard, axis=1)


@pytest.fixture
def one_pole(tmp_path: Path) -> Path:
    return files.one_pole_plugin(tmp_path / "one_pole.onnx")


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_stream_carries_a_state_for_each_channel(one_pole: Path, channels: int) -> None:
    audio = noise(channels, 2000)
    heard = Stream(PluginFile(one_pole, channels)).process(audio)
    expected = files.one_pole_reference(audio)[:, : -files.HOP]
    np.testing.assert_allclose(heard[:, files.HOP :], expected, atol=1e-6)


@pytest.mark.parametrize("sizes", [[1], [65], [511], [512], [513], [8193], [0, 7, 0, 100]])
def test_block_sizes_do_not_change_a_sample(one_pole: Path, sizes: list[int]) -> None:
    audio = noise(2, 9000)
    whole = Stream(PluginFile(one_pole, 2)).process(audio)
    np.testing.assert_array_equal(in_blocks(Stream(PluginFile(one_pole, 2)), audio, sizes), whole)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=8).filter(any))
def test_random_block_sizes_do_not_change_a_sample(sizes: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "random_blocks.onnx"
    plugin = PluginFile(path if path.exists() else files.one_pole_plugin(path))
    audio = noise(1, 1500)
    np.testing.assert_array_equal(in_blocks(Stream(plugin), audio, sizes), Stream(PluginFile(path)).process(audio))


@pytest.mark.parametrize("delay, hop", [(1, 64), (100, 64), (64, 64), (1000, 65), (3, 1)])
@pytest.mark.parametrize("block", [1, 64, 513])
def test_measured_latency_is_the_stated_one(tmp_path: Path, delay: int, hop: int, block: int) -> None:
    stream = Stream(PluginFile(files.delay_plugin(tmp_path / "delay.onnx", delay, hop_samples=hop)))
    click = np.zeros((1, 5000), dtype=np.float32)
    click[0, 1234] = 1
    heard = in_blocks(stream, click, [block])
    assert heard.shape == click.shape
    assert np.flatnonzero(heard[0]).tolist() == [1234 + stream.latency_samples]
    assert stream.latency_samples == hop + delay


def test_reset_goes_back_to_silence(one_pole: Path) -> None:
    stream, audio = Stream(PluginFile(one_pole)), noise(1, 333)
    first = stream.process(audio)
    stream.reset()
    np.testing.assert_array_equal(stream.process(audio), first)


def test_a_mono_block_without_a_channel_axis_keeps_its_shape(one_pole: Path) -> None:
    stream = Stream(PluginFile(one_pole))
    assert stream.process(noise(1, 100)[0]).shape == (100,)
    assert stream.process(noise(1, 0)[0]).shape == (0,)


@pytest.mark.parametrize("shape", [(3, 10), (10,), (1, 2, 3)])
def test_a_block_with_other_channels_is_refused(one_pole: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(2, N\)"):
        Stream(PluginFile(one_pole, 2)).process(np.zeros(shape, dtype=np.float32))


def test_results_are_not_overwritten_by_the_next_hop(one_pole: Path) -> None:
    plugin, audio = PluginFile(one_pole), noise(1, files.HOP)
    first = plugin.process(audio)
    kept = first.copy()
    plugin.process(-audio)
    np.testing.assert_array_equal(first, kept)


def test_nan_and_infinite_input_counts_as_silence(one_pole: Path) -> None:
    plugin, audio = PluginFile(one_pole, 2), noise(2, files.HOP)
    clean = audio.copy()
    audio[0, 3], audio[1, 5], clean[0, 3], clean[1, 5] = np.nan, np.inf, 0, 0
    np.testing.assert_array_equal(plugin.process(audio), PluginFile(one_pole, 2).process(clean))
    assert plugin.replaced_samples == 2


def overflowing_plugin(path: Path) -> Path:
    """y = x / |x|max-like trap: adds log of (1 - x), which is NaN above 1, into its own state."""
    nodes = [
        helper.make_node("Sub", ["one", "audio"], ["left"]),
        helper.make_node("Log", ["left"], ["log"]),
        helper.make_node("Add", ["log", "state_sum"], ["audio_out"]),
        helper.make_node("Identity", ["audio_out"], ["next_sum"]),
    ]
    model = files.make_model(nodes, [files.weight("one", [1.0])], {"sum": (1, files.HOP)})
    return files.save(path, model, files.make_facts(model).to_metadata())


def test_a_model_that_gives_nan_is_muted_and_starts_afresh_in_that_channel_alone(tmp_path: Path) -> None:
    plugin = PluginFile(overflowing_plugin(tmp_path / "overflow.onnx"), channels=2)
    quiet = np.full((2, files.HOP), 0.5, dtype=np.float32)
    step = np.log(np.float32(0.5))
    np.testing.assert_allclose(plugin.process(quiet), step, rtol=1e-6)
    loud = quiet.copy()
    loud[0, 7] = 2
    heard = plugin.process(loud)
    assert not heard[0].any()
    np.testing.assert_allclose(heard[1], 2 * step, rtol=1e-6)
    heard = plugin.process(quiet)
    np.testing.assert_allclose(heard[0], step, rtol=1e-6)
    np.testing.assert_allclose(heard[1], 3 * step, rtol=1e-6)
    assert plugin.muted_blocks == 1


def test_controls_start_at_their_default_and_can_be_turned(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["audio", "control_level"], ["audio_out"])]
    model = files.make_model(nodes, [], controls=("level",))
    facts = files.make_facts(model, controls=(Control("level", "", 0.0, 2.0, 0.25),))
    plugin = PluginFile(files.save(tmp_path / "level.onnx", model, facts.to_metadata()))
    audio = noise(1, files.HOP)
    np.testing.assert_array_equal(plugin.process(audio), audio * np.float32(0.25))
    plugin.set_control("level", 2.0)
    np.testing.assert_array_equal(plugin.process(audio), audio * 2)
    with pytest.raises(ValueError, match=r"takes 3; it has: level 0 … 2"):
        plugin.set_control("level", 3.0)


@pytest.mark.parametrize("samples", [0, 1, 7, 8, 65, 511, 513, 8193])
@pytest.mark.parametrize("block", [1000, 37])
def test_overlapping_chunks_equal_the_unchunked_file(tmp_path: Path, samples: int, block: int) -> None:
    plugin = OfflineFile(read_plugin_file(files.centred_plugin(tmp_path / "centred.onnx")), channels=2)
    audio = noise(2, samples)
    padded = np.pad(audio, ((0, 0), (0, -samples % 8)))
    unchunked = plugin.run(padded)[:, :samples] if samples else audio
    chunks = AlignedOffline(plugin, min_chunk_samples=100)
    heard = [chunks.process(audio[:, at : at + block]) for at in range(0, samples, block)] + [chunks.finish()]
    np.testing.assert_allclose(np.concatenate(heard, axis=1), unchunked, atol=1e-6)


def test_a_chunk_without_its_context_would_differ(tmp_path: Path) -> None:
    """The test above can fail: a model that states a smaller reach than it has gives other samples."""
    path = files.centred_plugin(tmp_path / "liar.onnx", lookahead_samples=0, receptive_field_samples=1)
    plugin, audio = OfflineFile(read_plugin_file(path)), noise(1, 1600)
    chunks = AlignedOffline(plugin, min_chunk_samples=100)
    heard = np.concatenate([chunks.process(audio), chunks.finish()], axis=1)
    assert np.abs(heard - plugin.run(audio)).max() > 1e-2


def test_an_offline_model_is_not_streamed(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="offline model cannot stream"):
        PluginFile(files.centred_plugin(tmp_path / "centred.onnx"))


@pytest.mark.parametrize("channels, threads", [(0, 1), (9, 1), (1, -1)])
def test_impossible_channels_or_threads_are_refused(one_pole: Path, channels: int, threads: int) -> None:
    with pytest.raises(ValueError, match="1 to 8 channels"):
        PluginFile(one_pole, channels, threads)


@pytest.mark.real_time
def test_a_hop_costs_little_beside_the_model(one_pole: Path) -> None:
    plugin, block = PluginFile(one_pole), noise(1, files.HOP)
    times = []
    for _ in range(500):
        started = time.perf_counter()
        plugin.process(block)
        times.append(time.perf_counter() - started)
    assert np.percentile(times, 10) < 50e-6  # the quickest tenth: a busy machine slows the others


@pytest.mark.parametrize("quiet", [9e-11, 1e-20, 1e-39])
def test_a_fading_tail_never_reaches_denormal_numbers(tmp_path: Path, quiet: float) -> None:
    audio = np.full((1, files.HOP), -quiet, dtype=np.float32)
    assert not PluginFile(files.gain_plugin(tmp_path / "gain.onnx", 1.0)).process(audio).any()
    audible = np.full((1, files.HOP), 1e-9, dtype=np.float32)
    np.testing.assert_array_equal(PluginFile(tmp_path / "gain.onnx").process(audible), audible)
    offline = files.gain_plugin(tmp_path / "offline.onnx", 1.0, kind="offline")
    assert not OfflineFile(read_plugin_file(offline)).run(audio).any()


def test_using_a_model_leaves_the_caller_s_arithmetic_as_it_was(one_pole: Path) -> None:
    statements = (
        "import sys, numpy as np, deshift\n"
        "deshift.load(sys.argv[1]).process(np.ones(1000, np.float32), 44100)\n"
        "assert np.float32(1e-40) * np.float32(1) > 0, 'denormal numbers became 0'"
    )
    ran = subprocess.run([sys.executable, "-c", statements, str(one_pole)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_an_offline_model_has_its_controls_turned_and_hears_no_nan(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["audio", "control_level"], ["audio_out"])]
    model = files.make_model(nodes, [], hop="samples", controls=("level",))
    facts = files.make_facts(model, kind="offline", controls=(Control("level", "", 0, 2, 1),))
    plugin = OfflineFile(read_plugin_file(files.save(tmp_path / "level.onnx", model, facts.to_metadata())))
    audio = noise(1, 4 * files.HOP)
    plugin.set_control("level", 2)
    np.testing.assert_array_equal(plugin.run(audio), 2 * audio)
    for name, value in (("level", 2.1), ("pitch", 1)):
        with pytest.raises(ValueError, match=r"has no control .*; it has: level 0 … 2"):
            plugin.set_control(name, value)
    broken = audio.copy()
    broken[0, 5:9] = (np.nan, np.inf, -np.inf, np.nan)
    holed = np.where(np.isfinite(broken), broken, 0)
    np.testing.assert_array_equal(plugin.run(broken), 2 * holed)
    assert plugin.muted_blocks == 0


def test_an_offline_model_that_gives_nan_is_muted_and_counted(tmp_path: Path) -> None:
    model = files.make_model([helper.make_node("Sqrt", ["audio"], ["audio_out"])], [], hop="samples")
    path = files.save(tmp_path / "root.onnx", model, files.make_facts(model, kind="offline").to_metadata())
    plugin = OfflineFile(read_plugin_file(path))
    audio = np.full((2, files.HOP), 0.25, dtype=np.float32)
    audio[1, 3] = -1
    heard = plugin.run(audio)
    assert heard[0].tolist() == [0.5] * files.HOP and heard[1, 3] == 0 and plugin.muted_blocks == 1


DOCUMENT = Path(__file__).parents[1] / "docs" / "plugin-format.md"


@pytest.mark.parametrize("make", [files.gain_plugin, files.delay_plugin, files.one_pole_plugin, files.undoing_plugin])
def test_a_host_written_from_the_specification_gives_the_same_samples(tmp_path: Path, make) -> None:
    code = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    written: dict = {}
    exec(compile(code, str(DOCUMENT), "exec"), written)  # noqa: S102  our own page, and the point of the test
    path, audio = make(tmp_path / "plugin.onnx"), noise(1, 1500)
    host, stream = written["Host"](path), Stream(PluginFile(path))
    assert host.latency_samples == stream.latency_samples
    np.testing.assert_allclose(host.process(audio[0]), stream.process(audio[0]), atol=1e-7)


def test_the_specification_names_every_key() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    assert [key for key in KEYS if f"| `{key}` |" not in page] == []

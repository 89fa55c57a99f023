"""The LV2 plugin at the model's own rate, driven block by block as a host does."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.bundled import find_model
from tests.lv2_bundles import compiled, control_plugin, failing_plugin, streamed, with_model
from tests.lv2_host import LARGEST, NOMINAL, Heard, Instance, instance
from tests.plugin_files import HOP, delay_plugin, gain_plugin, one_pole_plugin, one_pole_reference
from tests.signals import Audio, click, noise, voice


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("lv2") / "binary")


@pytest.fixture(scope="module")
def one_pole(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = with_model(binary, tmp_path_factory.mktemp("lv2") / "one_pole.lv2")
    one_pole_plugin(folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def voice_octave(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = with_model(binary, tmp_path_factory.mktemp("lv2") / "voice.lv2")
    (folder / "model.onnx").write_bytes(find_model("voice_octave").read_bytes())
    return folder


def _stereo(samples: int) -> Audio:
    return np.stack([voice(samples), noise(samples)])


def _assert_late(heard: Heard, expected: Audio, tolerance: float = 1e-6) -> None:
    """What came out is silence for the latency, then what was expected, and nothing was missed."""
    late = heard.latency_samples
    count = min(heard.audio.shape[1] - late, expected.shape[1])
    assert count > 0
    assert not heard.audio[:, :late].any()
    np.testing.assert_allclose(heard.audio[:, late : late + count], expected[:, :count], rtol=0, atol=tolerance)
    assert (heard.misses, heard.faults) == (0, 0)


@pytest.mark.parametrize("block", [1, 64, 511, 512, 513, 1024, 8192])
def test_the_bundled_model_sounds_as_in_deshift_after_the_reported_latency(voice_octave: Path, block: int) -> None:
    audio = _stereo(24_000)
    with instance(voice_octave, 2, block=block) as plugin:
        heard = plugin.run(audio, [block])
    assert heard.latency_samples == 512 + max(512, block)
    _assert_late(heard, streamed(voice_octave / "model.onnx", np.pad(audio, ((0, 0), (0, 512)))))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.sampled_from([0, 1, 63, 64, 65, 511, 512, 513, 1024, 8192]), min_size=1, max_size=6),
       in_place=st.booleans())  # fmt: skip
def test_blocks_of_changing_sizes_change_nothing(one_pole: Path, sizes: list[int], in_place: bool) -> None:
    audio = _stereo(20_000)
    with instance(one_pole, 2, block=256) as plugin:
        heard = plugin.run(audio, [*sizes, 700], in_place)
    assert heard.latency_samples == HOP + 256
    _assert_late(heard, one_pole_reference(audio))


@pytest.mark.parametrize("delay", [1, 100, 513])
@pytest.mark.parametrize("block", [1, 64, 1000])
def test_a_click_comes_out_exactly_as_late_as_reported(binary: Path, tmp_path: Path, delay: int, block: int) -> None:
    folder = with_model(binary, tmp_path / "delay.lv2")
    delay_plugin(folder / "model.onnx", delay)
    with instance(folder, block=block) as plugin:
        heard = plugin.run(click(777, 6000)[None], [block])
    assert heard.latency_samples == HOP + delay + max(HOP, block)
    assert np.flatnonzero(heard.audio).tolist() == [777 + heard.latency_samples]
    assert heard.audio.max() == np.float32(0.5)


def test_a_run_of_no_frames_reports_the_latency(one_pole: Path) -> None:
    with instance(one_pole, block=512) as plugin:
        assert plugin.run_block(np.zeros((1, 0), np.float32)).shape == (1, 0)
        assert plugin.ports["latency"].value == HOP + 512


@pytest.mark.parametrize(
    "blocks, latency",
    [(None, 2048), ({}, 2048), ({LARGEST: 1024}, 1024), ({LARGEST: 8192, NOMINAL: 128}, 128), ({NOMINAL: 0}, 2048),
     ({NOMINAL: 1 << 30, LARGEST: 300}, 300)],
)  # fmt: skip
def test_the_latency_follows_the_block_that_the_host_names(
    one_pole: Path, blocks: dict[str, int] | None, latency: int
) -> None:
    plugin = Instance(one_pole, blocks=blocks)
    assert plugin.run(np.zeros((1, 10), np.float32), [10]).latency_samples == HOP + latency
    plugin.close()


def test_a_new_block_size_gives_a_new_latency_that_is_exact(one_pole: Path) -> None:
    audio = _stereo(9000)
    with instance(one_pole, 2, block=64) as plugin:
        assert plugin.run(audio, [64]).latency_samples == HOP + 64
        assert plugin.set_blocks({NOMINAL: 1000}) == 0
        heard = plugin.run(audio, [1000])
        assert heard.latency_samples == HOP + 1000
        _assert_late(heard, one_pole_reference(audio))
        assert plugin.set_blocks({NOMINAL: -1}) != 0


def test_a_second_activation_sounds_like_the_first(one_pole: Path) -> None:
    audio = _stereo(5003)
    with instance(one_pole, 2, block=64) as plugin:
        plugin.set(mix=0.5)  # so that the input's own delay is heard as well
        first = plugin.run(audio, [100])
        plugin.deactivate()
        plugin.activate()
        second = plugin.run(audio, [100])
    np.testing.assert_array_equal(second.audio, first.audio)
    assert np.abs(first.audio).max() > 0.1


def test_what_is_bypassed_is_the_input_as_late_as_the_result_bit_for_bit(one_pole: Path) -> None:
    audio = _stereo(6000)
    audio[0, 100] = 1e-30
    with instance(one_pole, 2, block=64) as plugin:
        plugin.set(enabled=0)
        heard = plugin.run(audio, [129])
    late = heard.latency_samples
    np.testing.assert_array_equal(heard.audio[:, late:], audio[:, :-late])


def test_mix_is_the_weighted_sum_of_both_aligned(one_pole: Path) -> None:
    audio = _stereo(6000)
    with instance(one_pole, 2, block=64) as plugin:
        plugin.set(mix=0.25)
        heard = plugin.run(audio, [129])
    _assert_late(heard, 0.25 * one_pole_reference(audio) + 0.75 * audio)


def test_bypass_and_back_cross_fade_over_ten_milliseconds(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx", gain=-0.5)
    constant = np.full((1, 4800), 0.5, np.float32)
    with instance(folder, block=64) as plugin:
        plugin.run(constant, [480])
        plugin.set(enabled=0)
        away = plugin.run(constant, [480]).audio[0]
        plugin.set(enabled=1)
        back = plugin.run(constant, [480]).audio[0]
    for heard, start, end in ((away, -0.25, 0.5), (back, 0.5, -0.25)):
        assert np.abs(np.diff(heard)).max() < 1.05 * 0.75 / 480
        np.testing.assert_allclose(heard[[0, 239, 479, -1]], [start, (start + end) / 2, end, end], atol=0.003)
        assert (heard[480:] == np.float32(end)).all()


def test_controls_reach_the_model_within_their_range(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "control.lv2")
    control_plugin(folder / "model.onnx")
    ones = np.ones((1, 640), np.float32)
    with instance(folder, block=64, controls=2) as plugin:
        for offset, gain, expected in ((0.25, 2.0, 2.25), (9.0, 9.0, 2.5), (-9.0, -9.0, -0.5), (np.nan, np.nan, 1.0)):
            plugin.set(**{"control 0": offset, "control 1": gain})
            assert plugin.run(ones, [64]).audio[0, -1] == expected


def test_a_control_turns_at_the_same_hop_at_any_block_size(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "control.lv2")
    control_plugin(folder / "model.onnx")
    ones, heard = np.ones((1, 100), np.float32), []
    for block in (1, 100):
        with instance(folder, block=100, controls=2) as plugin:
            parts = []
            for gain in (1.0, 2.0, 0.5, 0.0, 1.5):
                plugin.set(**{"control 1": gain})
                parts.append(plugin.run(ones, [block]).audio)
        heard.append(np.concatenate(parts, axis=1))
    late = HOP + 100
    ends = np.arange(HOP, 500 - late + HOP, HOP)[: (500 - late) // HOP] - 1
    expected = np.array([1.0, 2.0, 0.5, 0.0, 1.5])[ends // 100]  # as it stood at the hop's last sample
    for one in heard:
        assert one[0, late:][HOP - 1 :: HOP].tolist() == expected.tolist()
    np.testing.assert_array_equal(heard[0], heard[1])


def test_not_a_number_and_infinity_count_as_silence(one_pole: Path) -> None:
    audio = _stereo(4000)
    clean = audio.copy()
    for at, value in ((10, np.nan), (65, np.inf), (2000, -np.inf)):
        audio[:, at], clean[:, at] = value, 0
    with instance(one_pole, 2, block=64) as plugin:
        heard = plugin.run(audio, [513])
        _assert_late(heard, one_pole_reference(clean))


def test_what_nobody_hears_is_silence_to_the_model(one_pole: Path) -> None:
    faint = np.full((1, 4000), 9e-11, np.float32)
    with instance(one_pole, block=64) as plugin:
        assert not plugin.run(faint, [64]).audio.any()
        assert plugin.run(3 * faint, [64]).audio.any()


@pytest.mark.parametrize("level", [1.5, -1.5], ids=["the runtime fails", "the result is not a number"])
def test_a_failing_model_is_silent_for_that_hop_starts_over_and_is_counted(
    binary: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], level: float
) -> None:
    folder = with_model(binary, tmp_path / "failing.lv2")
    failing_plugin(folder / "model.onnx")
    audio = np.zeros((1, 20 * HOP), np.float32)
    audio[0, [3 * HOP + 5, 8 * HOP]] = level
    with instance(folder, block=64) as plugin:
        heard = plugin.run(audio, [64])
    hops = heard.audio[0, heard.latency_samples :].reshape(-1, HOP)
    assert hops[:, -1].tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert not hops[[3, 8]].any()
    assert (heard.misses, heard.faults) == (0, 2)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"deshift: {folder}")


def test_a_host_with_a_log_gets_the_line_there(binary: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = with_model(binary, tmp_path / "failing.lv2")
    lines: list[str] = []
    with pytest.raises(RuntimeError):
        Instance(folder, log=lines)
    failing_plugin(folder / "model.onnx")
    plugin = Instance(folder, log=lines, blocks={})
    plugin.set(freewheel=1)
    plugin.run(np.full((1, 3000), 1.5, np.float32), [64])
    plugin.close()
    assert len(lines) == 2 and all(line.startswith(f"deshift: {folder}/: ") and line[-1] == "\n" for line in lines)
    assert "no such file" in lines[0] and "ONNX Runtime cannot run it" in lines[1]
    assert capfd.readouterr().err == ""


def test_one_failing_channel_leaves_the_other_alone(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "failing.lv2")
    failing_plugin(folder / "model.onnx")
    audio = np.zeros((2, 8 * HOP), np.float32)
    audio[0, 3 * HOP] = -1.5
    with instance(folder, 2, block=64) as plugin:
        heard = plugin.run(audio, [64])
    hops = heard.audio[:, heard.latency_samples :].reshape(2, -1, HOP)[:, :, -1]
    assert hops.tolist() == [[0, 1, 2, 0, 0, 1], [0, 1, 2, 3, 4, 5]]
    assert heard.faults == 1


def test_ten_instances_at_once_sound_like_one(voice_octave: Path) -> None:
    audio = _stereo(12_000)[:, None]
    expected = [streamed(voice_octave / "model.onnx", channel) for channel in audio]
    heard: dict[int, Heard] = {}

    def play(index: int) -> None:
        with instance(voice_octave, block=256) as plugin:
            heard[index] = plugin.run(audio[index % 2], [64 + 37 * index])

    threads = [threading.Thread(target=play, args=(index,)) for index in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 10
    for index in range(10):
        _assert_late(heard[index], expected[index % 2])

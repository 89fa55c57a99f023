"""The LV2 plugin in real time: what is late is silence and counted, and what follows is where it belongs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.bundled import find_model
from tests.lv2_bundles import compiled, slow_plugin, with_model
from tests.lv2_host import Instance, instance
from tests.plugin_files import HOP, delay_plugin, gain_plugin
from tests.signals import Audio, noise, tone

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("lv2") / "binary")


@pytest.fixture(scope="module")
def slow(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = with_model(binary, tmp_path_factory.mktemp("lv2") / "slow.lv2")
    slow_plugin(folder / "model.onnx")
    return folder


def _catch_up(plugin: Instance) -> None:
    """As an offline host would: the block waits for all that came before."""
    plugin.set(freewheel=1)
    plugin.run_block(np.zeros((plugin.channels, 1), np.float32))
    plugin.set(freewheel=0)


def test_the_audio_thread_never_waits_for_a_model_that_is_too_slow(slow: Path) -> None:
    audio, longest_s = noise(100 * HOP)[None], []
    with instance(slow, block=64, freewheel=False) as plugin:
        started = time.perf_counter()
        for block in np.split(audio, 100, axis=1):
            before = time.perf_counter()
            plugin.run_block(block)
            longest_s.append(time.perf_counter() - before)
        real_time_s = time.perf_counter() - started
        started = time.perf_counter()
        _catch_up(plugin)
        work_s = time.perf_counter() - started
    assert work_s > 5 * real_time_s  # else the model was not slow
    assert float(np.median(longest_s)) < 0.001


def test_late_hops_are_counted_and_what_follows_is_in_its_place(slow: Path) -> None:
    audio = tone(440, 60 * HOP)[None]
    with instance(slow, block=64, freewheel=False) as plugin:
        late = plugin.run(audio[:, : 40 * HOP], [64])
        assert 30 <= late.misses <= 40
        assert not late.audio[:, -10 * HOP :].any()
        plugin.set(freewheel=1)
        rest = plugin.run(audio[:, 40 * HOP :], [64])
        assert rest.misses <= late.misses + 1
    ours, theirs = rest.audio[0, HOP:], audio[0, 40 * HOP + HOP - late.latency_samples :]
    np.testing.assert_allclose(ours[3 * HOP :], theirs[3 * HOP : len(ours)], atol=1e-6)


def test_a_late_hop_fades_out_and_in_without_a_click(slow: Path) -> None:
    constant = np.full((1, 30 * HOP), 0.5, np.float32)
    with instance(slow, block=64) as plugin:
        parts = [plugin.run(constant, [64]).audio]
        plugin.set(freewheel=0)
        parts.append(plugin.run(constant, [64]).audio)
        plugin.set(freewheel=1)
        parts.append(plugin.run(constant, [64]).audio)
    heard = np.concatenate(parts, axis=1)[0, 4 * HOP :]
    assert heard.min() == 0 and heard[-1] == heard[0] == np.float32(0.5)
    assert np.abs(np.diff(heard)).max() < 0.5 / 60


def test_a_worker_that_cannot_catch_up_starts_over_at_the_same_latency(slow: Path) -> None:
    audio = tone(300, 88_000)[None]
    with instance(slow, block=64, freewheel=False) as plugin:
        lost = plugin.run(audio[:, :80_000], [8192])  # more than the second that the ring holds
        time.sleep(0.3)
        plugin.set(freewheel=1)
        rest = plugin.run(audio[:, 80_000:], [64])
    late, fade = rest.latency_samples, 100
    assert late == lost.latency_samples
    assert not rest.audio[0, fade:late].any()
    np.testing.assert_allclose(rest.audio[0, late + fade :], audio[0, 80_000 + fade : -late], rtol=0, atol=1e-6)
    assert lost.misses > 1000
    assert rest.misses <= lost.misses + 3


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_real_time_equals_an_offline_bounce_sample_for_sample(binary: Path, tmp_path: Path, rate: int) -> None:
    folder = with_model(binary, tmp_path / "voice.lv2")
    (folder / "model.onnx").write_bytes(find_model("voice_octave").read_bytes())
    audio, block = noise(rate)[None], 2048  # a long one: the machine may be busy
    with instance(folder, rate=rate, block=block) as plugin:
        bounce = plugin.run(audio, [8192])
    with instance(folder, rate=rate, block=block, freewheel=False) as plugin:
        live = plugin.run(audio, [block], pause_s=block / rate)
    assert live.misses == 0
    assert live.latency_samples == bounce.latency_samples
    np.testing.assert_array_equal(live.audio, bounce.audio)


def _workers() -> list[Path]:
    """Every thread of this process that is a plugin's worker."""
    return [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text().strip() == "deshift"]


def _wait_until_idle(worker: Path) -> None:
    """Until it sleeps: it has done all that it can do with what it was given."""
    while (worker / "stat").read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.0002)


@pytest.mark.parametrize("rate", [44_100, 88_200, 96_000, 192_000, 22_050, 16_000, 8000, 48_001])
@pytest.mark.parametrize("delay", [0, 101], ids=["causal", "with lookahead"])
def test_the_buffering_of_the_rate_conversion_is_enough_at_any_moment(
    binary: Path, tmp_path: Path, rate: int, delay: int
) -> None:
    folder = with_model(binary, tmp_path / "model.lv2")
    path = folder / "model.onnx"
    (delay_plugin(path, delay, hop_samples=512) if delay else gain_plugin(path, hop_samples=512))
    block = int(512 * rate / 48_000) + 100 | 1  # longer than a hop, so that there is no other reserve; odd
    with instance(folder, rate=rate, block=block, freewheel=False) as plugin:
        (worker,) = _workers()
        for _ in range(700):
            plugin.run_block(np.full((1, block), 0.25, np.float32))
            _wait_until_idle(worker)
        assert plugin.ports["misses"].value == 0


def _worker_policies() -> list[tuple[int, int]]:
    """Policy and priority of every worker."""
    numbers = [int(task.name) for task in _workers()]
    return [
        (os.sched_getscheduler(number) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(number).sched_priority)
        for number in numbers
    ]


def test_the_worker_runs_one_notch_below_the_audio_thread(binary: Path, tmp_path: Path) -> None:
    folder = with_model(binary, tmp_path / "gain.lv2")
    gain_plugin(folder / "model.onnx")
    silence: Audio = np.zeros((1, 256), np.float32)
    seen: list[tuple[int, int]] = []
    refused: list[str] = []

    def audio_thread() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        except PermissionError as error:
            refused.append(str(error))
            return
        with instance(folder, block=64, freewheel=False) as plugin:
            plugin.run_block(silence)
            time.sleep(0.1)
            seen.extend(_worker_policies())

    thread = threading.Thread(target=audio_thread)
    thread.start()
    thread.join()
    if refused:
        pytest.skip(f"needs the right to real-time priority: {refused[0]}")
    assert seen == [(os.SCHED_FIFO, 9)]

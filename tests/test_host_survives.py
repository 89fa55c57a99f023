"""The host: a session goes on whatever happens to the engine's process, and nothing outlives it."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from tests.live_session import half_into_nowhere, is_alive, pid_of, wait_for_sound, wait_until
from tests.virtual_sound_card import FakeCard, JackServer

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[1]
needs_jack = pytest.mark.skipif(shutil.which("jackd") is None, reason="jackd is not installed")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def settings(tmp_path: Path) -> LiveSettings:
    return half_into_nowhere(tmp_path)


@pytest.fixture
def running(settings: LiveSettings) -> Iterator[Host]:
    with Host(settings) as host:
        yield host


@needs_posix
def test_a_process_that_is_killed_is_replaced_and_the_counters_go_on(running: Host) -> None:
    running.set_control("output_gain_db", -6.0)
    wait_for_sound(running, 60)
    before = running.status()
    pid = pid_of(running)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running.status().restarts == 1)
    assert running.status().engine.state in ("lost", "running")
    wait_for_sound(running)
    after = running.status()
    assert pid_of(running) != pid and not is_alive(pid)
    assert after.engine.controls.output_gain_db == -6.0
    assert after.engine.speed.hops > before.engine.speed.hops
    assert after.engine.device.callbacks > before.engine.device.callbacks
    assert after.engine.elapsed_s > before.engine.elapsed_s and after.lost_s > 0
    assert "signal 9" in after.note and "runs again" in after.note
    report = running.report()
    assert report["restarts"] == 1 and any("signal 9" in event["text"] for event in report["events"])


@needs_posix
def test_a_process_that_hangs_is_replaced(running: Host) -> None:
    wait_for_sound(running)
    pid = pid_of(running)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    while running.status().restarts == 0:  # `status` itself never waits for it
        asked = time.monotonic()
        running.status()
        assert time.monotonic() - asked < 0.5 and time.monotonic() - began < 10
        time.sleep(0.02)
    wait_for_sound(running)
    assert not is_alive(pid) and "silent for 2 s" in running.status().note


@needs_posix
def test_stopping_a_process_that_hangs_keeps_its_limit(settings: LiveSettings) -> None:
    host = Host(settings)
    host.start()
    os.kill(pid_of(host), signal.SIGSTOP)
    began = time.monotonic()
    assert not host.stop(2.0)
    assert time.monotonic() - began < 4 and not is_alive(pid_of(host))


PARENT = """
import json, sys, time
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
host = Host(LiveSettings.from_json_object(json.loads(sys.argv[1])))
host.start()
analysis = host._analysis
print(host.facts["pid"], analysis._child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_nothing_is_left_behind_when_the_host_is_killed(settings: LiveSettings, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    words = [sys.executable, "-c", PARENT, json.dumps(replace(settings, quality=True).to_json_object())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2 and all(map(is_alive, pids))
        assert all(os.getsid(pid) == pid for pid in pids), "Ctrl-C in the terminal would reach them"
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(map(is_alive, pids)), limit_s=3.0)
    left = [path.name for path in (tmp_path / "temporary").iterdir()]
    assert not [name for name in left if name != ".ses"], "ONNX Runtime leaves that one, once and for all processes"
    assert not list(Path("/dev/shm").glob("deshift*"))


def test_a_host_whose_interpreter_stalls_costs_no_sample(running: Host) -> None:
    wait_for_sound(running, 50)
    before = running.status().engine
    for _ in range(3):
        ctypes.PyDLL(None).usleep(500_000)  # holds the interpreter: no thread of this process runs
    after = running.status()
    assert after.engine.misses == before.misses and after.restarts == 0
    assert after.engine.elapsed_s - before.elapsed_s > 1.4


def test_an_analyst_that_dies_is_told_and_the_sound_goes_on(settings: LiveSettings) -> None:
    with Host(replace(settings, quality=True)) as host:
        wait_until(lambda: host.status().quality is not None)
        analysis = host._analysis
        assert analysis is not None and analysis._child is not None
        os.kill(analysis._child.pid, signal.SIGKILL)
        wait_until(lambda: "no quality readouts" in host.status().note)
        assert host.status().quality is None
        wait_for_sound(host)
        assert host.status().restarts == 0
        wait_until(lambda: host.status().quality is not None, limit_s=20)  # and is started again


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
def test_neither_process_loads_torch_and_the_engine_starts_without_the_libraries_of_the_screen(
    settings: LiveSettings,
) -> None:
    with Host(replace(settings, quality=True)) as host:
        assert host._analysis is not None and host._analysis._child is not None
        wait_until(lambda: host.status().quality is not None)
        for pid in (pid_of(host), host._analysis._child.pid):
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "torch" not in maps and "Qt" not in maps and "numpy" in maps


# -- a sound server


@needs_jack
def test_a_sound_server_that_is_killed_and_started_again_is_found_by_name(
    settings: LiveSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = JackServer()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    choice = DeviceChoice("fakecard", "fakecard")
    real = replace(settings, device=choice, self_test=None)
    with server:
        card = FakeCard(server, tmp_path / "one.npz")
        with pytest.raises(DeviceError, match="--allow-feedback"):
            Host(real).start()
        host = Host(replace(real, allow_feedback=True))
        host.start()
        try:
            wait_for_sound(host)
            name = host.status().engine.device.input_name
            before = host.status().engine
            server.kill()
            wait_until(lambda: host.status().engine.state == "lost", 10)
            wait_until(lambda: f"waiting for {name}" in host.status().note, 25)
            assert host.status().engine.device.input_name == name
            server.__enter__()
            second = FakeCard(server, tmp_path / "two.npz")
            wait_until(lambda: host.status().engine.state == "running", 25)
            wait_for_sound(host, 500)  # the deadline alone is 150 hops
            after = host.status()
            assert after.engine.device.input_name == name and after.restarts == 1
            assert after.engine.speed.hops > before.speed.hops and after.lost_s > 1
            assert "runs again after" in after.note
        finally:
            host.stop()
        second.unplug()
        heard = np.load(tmp_path / "two.npz")["heard"]
        assert np.abs(heard).max() > 0.01
        card._process.kill()
        card._process.communicate(timeout=5)


@needs_jack
def test_stopping_right_after_the_sound_server_was_killed_keeps_its_limit(
    settings: LiveSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = JackServer()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with server:
        host = Host(replace(settings, device=DeviceChoice("system", "system"), allow_feedback=True))
        host.start()
        pid = pid_of(host)
        server.kill()
        began = time.monotonic()
        host.stop(3.0)
        assert time.monotonic() - began < 5 and not is_alive(pid)

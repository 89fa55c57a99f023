"""The host: a session is started, steered, reported and stopped, from outside its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.contract import ContractError
from realtime.live.child_process import ChildProcess
from realtime.live.controls import Controls
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.host import Host, HostError
from realtime.live.settings import LiveSettings, SettingsError
from realtime.live.shared import SharedMemory
from realtime.plugins.preset_entries import VocoderEntry
from realtime.plugins.presets import Preset, save_preset
from realtime.quality.pitch import f0_track
from tests.live_session import NOWHERE, half_into_nowhere, is_alive, pid_of, wait_for_sound, wait_until
from tests.plugin_files import gain_plugin
from tests.signals import SAMPLE_RATE

pytestmark = pytest.mark.real_time


@pytest.fixture
def settings(tmp_path: Path) -> LiveSettings:
    return half_into_nowhere(tmp_path)


@pytest.fixture
def running(settings: LiveSettings) -> Iterator[Host]:
    with Host(settings) as host:
        yield host


# -- life


def test_a_session_starts_runs_and_stops(settings: LiveSettings, request: pytest.FixtureRequest) -> None:
    host = Host(settings)
    request.addfinalizer(host.stop)
    assert host.status().engine.state == "stopped"
    began = time.monotonic()
    host.start()
    took_s = time.monotonic() - began
    wait_for_sound(host)
    status = host.status()
    wait_until(lambda: (heard := host.newest_audio(2048)) is not None and heard.frames == 2048)
    audio = host.newest_audio(2048)
    assert audio is not None and audio.frames == 2048 and audio.has_reference
    np.testing.assert_allclose(audio.signals["model"], 0.5 * audio.signals["raw"], atol=1e-6)
    assert status.engine.device.input_name == "none" and status.restarts == 0 and not status.failed
    assert took_s < 5, f"{took_s:.1f} s, even on a busy machine"
    pid = pid_of(host)
    assert host.stop() and host.stop()
    assert host.status().engine.state == "stopped" and not is_alive(pid)
    assert host.status().engine.speed.hops >= status.engine.speed.hops
    host.start()
    wait_for_sound(host)
    assert pid_of(host) != pid
    host.stop()


def test_starting_twice_and_asking_a_stopped_session_are_told(settings: LiveSettings) -> None:
    host = Host(settings)
    with pytest.raises(HostError, match="does not run"):
        host.swap("x")
    with pytest.raises(HostError, match="before the start"):
        host.report()
    with host, pytest.raises(HostError, match="runs already"):
        host.start()
    with pytest.raises(HostError, match="does not run"):
        host.measure()


def test_a_controls_change_reaches_the_sound(running: Host) -> None:
    running.set_control("bypass", True)
    wait_until(lambda: running.status().engine.controls.bypass)
    time.sleep(0.2)
    audio = running.newest_audio(1024)
    assert audio is not None
    np.testing.assert_allclose(audio.signals["heard"], audio.signals["raw"], atol=1e-6)
    with pytest.raises(ValueError, match="mix must lie within"):
        running.set_control("mix", 2.0)
    with pytest.raises(ValueError, match=r"no control '0\.x'"):
        running.set_control("0.x", 1.0)
    with pytest.raises(ValueError, match="no DSP inverse"):
        running.set_control("listen", "inverse")
    assert running.settings.controls == Controls(bypass=True)


def test_a_model_and_a_chain_are_swapped_in_while_it_runs(running: Host, tmp_path: Path) -> None:
    running.swap(gain_plugin(tmp_path / "quarter.onnx", 0.25))
    wait_until(lambda: running.status().engine.swaps == 1)
    audio = running.newest_audio(1024)
    assert audio is not None
    np.testing.assert_allclose(audio.signals["model"], 0.25 * audio.signals["raw"], atol=1e-6)
    with pytest.raises(HostError, match=r"none\.json") as told:
        running.swap(tmp_path / "none.json")
    assert "\n" not in str(told.value)
    with pytest.raises(ContractError, match=r"none\.onnx"):
        running.swap(tmp_path / "none.onnx")
    wait_for_sound(running)
    assert running.settings.model == str(tmp_path / "quarter.onnx") and running.status().engine.misses.total == 0


def test_a_chains_control_is_turned_and_outlives_the_process(settings: LiveSettings, tmp_path: Path) -> None:
    preset = tmp_path / "down.json"
    save_preset(preset, Preset("down", (VocoderEntry(-12.0, 1024, False),)))
    with Host(replace(settings, preset=str(preset), self_test=None)) as host:
        assert [control["name"] for control in host.facts["controls"]] == ["0.semitones"]
        host.set_control("0.semitones", -5)
        with pytest.raises(ValueError, match="-12 … 12"):
            host.set_control("0.semitones", 13)
        host.set_control("mix", 0.5)
        os.kill(pid_of(host), signal.SIGKILL)
        wait_until(lambda: host.status().restarts == 1 and host.status().engine.state == "running")
        assert host.status().engine.controls.mix == 0.5


def test_it_records_both_ends(running: Host, tmp_path: Path) -> None:
    running.record(tmp_path / "takes")
    wait_until(lambda: "recording 1 s" in running.status().engine.recording)
    recorded = running.stop_recording()
    assert recorded.error is None and recorded.seconds > 1 and "recorded 1." in str(recorded)
    raw, heard = (soundfile.read(path, dtype="float32")[0] for path in sorted(recorded.files))
    assert len(raw) == len(heard)
    faded_in = 9600  # the sound begins softly
    np.testing.assert_allclose(heard[faded_in:], 0.5 * raw[faded_in:], atol=2 / (1 << 23))
    with pytest.raises(HostError, match="nothing is being recorded"):
        running.stop_recording()
    assert running.report()["recorded"] == list(recorded.files)


def test_a_recording_asked_for_from_the_start_is_in_the_report(settings: LiveSettings, tmp_path: Path) -> None:
    with Host(replace(settings, record=str(tmp_path / "takes"))) as host:
        wait_until(lambda: "recording" in host.status().engine.recording)
        wait_for_sound(host, 250)
    recorded = host.report()["recorded"]
    assert len(recorded) == 2 and all(soundfile.info(path).frames > 64 * 100 for path in recorded)


def test_a_self_test_refuses_a_model_of_another_rate(running: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="made for another rate"):
        running.swap(gain_plugin(tmp_path / "other.onnx", sample_rate=44_100))
    wait_for_sound(running)


def test_the_inverse_is_heard_beside_the_model(settings: LiveSettings, tmp_path: Path) -> None:
    plugin = gain_plugin(tmp_path / "model.onnx", 0.5, hop_samples=512)
    with Host(replace(settings, model=str(plugin), compare=True)) as host:
        host.set_control("listen", "inverse")
        wait_until(lambda: host.status().engine.controls.listen == "inverse")
        latency = host.status().engine.latency
        assert latency is not None and latency.algorithmic_ms == pytest.approx(1000 * 1408 / SAMPLE_RATE)
        wait_for_sound(host, 60)
        audio = host.newest_audio(24_000)
        assert audio is not None
        raw, heard = (f0_track(audio.signals[name], SAMPLE_RATE).f0_hz for name in ("raw", "heard"))
        voiced = np.isfinite(raw) & np.isfinite(heard)
        assert voiced.sum() > 5 and np.median(12 * np.log2(heard[voiced] / raw[voiced])) == pytest.approx(-12, abs=0.3)


def test_sessions_one_after_the_other_leave_no_thread_and_no_file_open(settings: LiveSettings) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/dev/fd").iterdir())), threading.active_count()

    with Host(settings):
        pass
    before = held()
    for _ in range(4):
        with Host(replace(settings, quality=True)):
            pass
    wait_until(lambda: held() == before, 5)


# -- what cannot be started


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model": "/nowhere/x.onnx"}, ContractError, "/nowhere/x.onnx: no such plugin file"),
        ({"preset": "/nowhere/x.json"}, HostError, "/nowhere/x.json"),
        ({"self_test": "/nowhere/x.wav"}, HostError, "/nowhere/x.wav"),
        ({"device": DeviceChoice("none", None)}, DeviceError, "both sides"),
        ({"device": DeviceChoice("none", "none", input_channels=2), "model": "\n"}, SettingsError, "model must be"),
    ],
)
def test_what_cannot_be_started_is_told_in_one_line_and_leaves_no_process(
    settings: LiveSettings, changes: dict[str, object], kind: type[ValueError], words: str
) -> None:
    with pytest.raises(kind) as told:
        Host(replace(settings, **changes)).start()  # type: ignore[arg-type]
    assert words in str(told.value) and "\n" not in str(told.value)
    children = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False).stdout
    assert not [pid for pid in children.split() if is_alive(int(pid)) and "live.child" in command_of(int(pid))]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def test_a_process_that_cannot_run_is_told_with_its_last_words() -> None:
    shared = SharedMemory.create(1 << 17)
    child = ChildProcess("nobody", shared)
    try:
        with pytest.raises(HostError, match="no such role: nobody"):
            for _ in range(20):
                child.request("start", 5.0)
    finally:
        child.kill()
        shared.close()


def test_the_report_is_json_and_says_what_ran(running: Host) -> None:
    wait_for_sound(running)
    running.set_control("mix", 0.25)
    running.stop()
    report = json.loads(json.dumps(running.report(), allow_nan=False))
    assert report["status"]["state"] == "stopped" and report["status"]["speed"]["hops"] > 0
    assert report["settings"]["controls"]["mix"] == 0.25
    assert report["settings"]["device"] == asdict(NOWHERE) and report["status"]["device"]["input_name"] == "none"
    assert report["chain"]["model"]["name"] == "test plugin" and len(report["chain"]["model"]["weights_sha256"]) == 64
    assert {"python", "onnxruntime", "numpy", "portaudio", "system"} <= report["versions"].keys()
    assert report["restarts"] == 0 and report["warnings"] == [] and not report["failed"]
    assert {"late_model", "input_overflow", "device_gap", "interpreter_stall"} <= report["status"]["misses"].keys()

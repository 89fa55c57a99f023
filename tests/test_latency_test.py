"""`deshift latency-test`: what is measured through a loop-back is what was reported, to within a block."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime.live.controls import Controls
from realtime.live.latency_command import _facts, _words
from realtime.live.status import DeviceStatus, Latency, Status
from realtime.plugins.preset_entries import ModelEntry, VocoderEntry
from realtime.plugins.presets import Preset, save_preset
from tests import plugin_files as files
from tests.live_programs import DEADLINE, Program, strict
from tests.virtual_sound_card import JackServer

pytestmark = pytest.mark.real_time

needs_jack = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("jackd") is None, reason="jackd is not installed"
)
CARD = ("-i", "system", "-o", "system", *DEADLINE)
CABLE = """
import sys, threading, jack
client = jack.Client("cable", no_start_server=True)
client.activate()
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.wait(0.02):
    for channel in "01":
        try:
            client.connect("PortAudio:out_" + channel, "PortAudio:in_" + channel)
        except jack.JackError:
            pass
client.close()
"""


@contextmanager
def cable(server: JackServer) -> Iterator[None]:
    """From the output of whatever opens the server's card to its input, as soon as there is one."""
    process = server.python("-c", CABLE)
    try:
        yield
    finally:
        process.communicate("", timeout=20)


@needs_jack
@pytest.mark.parametrize("period_frames, block_frames", [(256, 0), (256, 128), (128, 128), (512, 512)])
def test_reported_and_measured_agree_within_a_block_on_a_virtual_sound_server(
    period_frames: int, block_frames: int, tmp_path: Path
) -> None:
    model = files.delay_plugin(tmp_path / "later.onnx", 300)
    facts = measured(period_frames, tmp_path, "--block", block_frames, "-m", model)
    assert facts["agrees"] and abs(facts["measured_ms"] - facts["reported_ms"]) <= facts["block_ms"] + 0.03
    assert facts["parts_ms"]["lookahead"] == pytest.approx(1000 * 300 / 48_000)
    assert facts["measured_in_app_ms"] == pytest.approx(facts["reported_in_app_ms"], abs=0.03)
    assert facts["block_frames"] >= max(period_frames, block_frames)


@needs_jack
def test_the_window_of_a_vocoder_is_reported_and_measured(tmp_path: Path) -> None:
    files.gain_plugin(tmp_path / "half.onnx", 0.5)
    entries = (VocoderEntry(window_samples=1024), ModelEntry("half.onnx"))
    save_preset(tmp_path / "window.json", Preset("window", entries, tmp_path))
    facts = measured(256, tmp_path, "--preset", tmp_path / "window.json", "--times", 2)
    assert facts["agrees"] and len(facts["all_measured_ms"]) == 2
    assert facts["parts_ms"]["window"] == pytest.approx(1000 * (1024 - 128) / 48_000)
    assert facts["measured_in_app_ms"] == pytest.approx(facts["reported_in_app_ms"], abs=0.03)


def measured(period_frames: int, home: Path, *words: object) -> dict[str, Any]:
    with JackServer(period_frames=period_frames) as server, cable(server):
        options = ("latency-test", *CARD, "--times", 1, "--json", *words)
        with Program(*options, home=home, environment=server.environment) as program:
            code = program.wait()
    assert code == 0, program.errors
    assert program.errors == []
    facts: dict[str, Any] = strict("\n".join(program.output))
    return facts


@needs_jack
def test_without_a_loop_back_one_line_says_what_to_connect(tmp_path: Path) -> None:
    model = files.gain_plugin(tmp_path / "half.onnx", 0.5)
    with (
        JackServer() as server,
        Program("latency-test", *CARD, "-m", model, home=tmp_path, environment=server.environment) as program,
    ):
        assert program.wait() == 1
    assert program.output == []
    assert program.errors == [
        "Error: no chirp came back: connect the output to the input (a cable, or a loop-back device), and turn both up"
    ]


def status(input_ms: float | None, output_ms: float | None) -> Status:
    device = DeviceStatus("in", "out", 48_000, 48_000, 480)
    latency = Latency(10.0, 0.0, 5.0, 2.5, input_ms, output_ms)
    return Status("running", device=device, latency=latency, controls=Controls(muted=True))


@pytest.mark.parametrize("device_ms, agrees", [(8.0, True), (18.0, True), (18.1, False), (0.0, True), (40.0, False)])
def test_more_than_a_block_apart_is_a_warning(device_ms: float, agrees: bool) -> None:
    facts = _facts(status(3.0, 5.0), [device_ms], [17.5])
    assert facts["agrees"] is agrees
    assert facts["block_ms"] == 10.0 and facts["reported_ms"] == 25.5
    text = _words(facts)
    assert "reported     25.50 ms = hop 10.00 + window 5.00 + buffering 2.50 + device input 3.00" in text
    assert f"measured  {device_ms + 17.5:8.2f} ms = devices {device_ms:.2f} + app 17.50" in text
    assert ("they agree within a block (480 frames, 10.00 ms)" in text) is agrees
    differ = abs(device_ms - 8)
    assert (f"WARNING: they differ by {differ:.2f} ms, more than a block (10.00 ms): trust the" in text) is not agrees


def test_devices_that_report_nothing_are_said_to_and_do_not_agree() -> None:
    facts = _facts(status(None, 5.0), [8.0, 7.0, 9.0], [17.5, 17.5, 17.5])
    assert not facts["agrees"] and facts["reported_ms"] is None and facts["measured_ms"] == 25.5
    text = _words(facts)
    assert "17.50 ms in the app" in text and "does not say the latency of its devices" in text
    assert "24.50 … 26.50 ms in 3 measurements" in text
    assert "WARNING" not in text
    json.dumps(facts, allow_nan=False)

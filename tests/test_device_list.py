"""Listing the devices in a process of its own: whole, in time, and with one line where that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.live import device_list
from realtime.live.assemble import open_device
from realtime.live.child_process import ERRORS
from realtime.live.device import DeviceChoice, DeviceError, FeedbackError
from realtime.live.device_list import fetch_devices
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from tests.virtual_sound_card import FakeCard, JackServer

ROOT = Path(__file__).parents[1]
JACK = "JACK Audio Connection Kit"
LINUX = sys.platform.startswith("linux")
needs_jack = pytest.mark.skipif(not LINUX or shutil.which("jackd") is None, reason="jackd is not installed")
only_linux = pytest.mark.skipif(not LINUX, reason="elsewhere sounddevice brings PortAudio with it")


def use(server: JackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that this one starts see the virtual sound server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def hide_portaudio(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str = "") -> None:
    """The processes that this one starts find no PortAudio, or do something else first."""
    text = body or "import ctypes.util\nctypes.util.find_library = lambda name: None\n"
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def listing_processes() -> list[str]:
    """Those that this process started and that are not gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and device_list.MODULE in (folder / "cmdline").read_text():
                found.append(folder.name)
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    with JackServer() as running:
        use(running, monkeypatch)
        yield running


@pytest.mark.real_time
@needs_jack
def test_each_listing_sees_what_was_plugged_in_since_with_the_rates_it_takes(
    server: JackServer, tmp_path: Path
) -> None:
    before = [listed.info.label for listed in fetch_devices()]
    with FakeCard(server, tmp_path / "kept.npz", "zeros"):
        plugged = fetch_devices()
    assert before == [f"system, {JACK}"]
    assert [listed.info.label for listed in plugged] == [f"system, {JACK}", f"fakecard, {JACK}"]
    card = plugged[1]
    assert (card.info.input_channels, card.info.output_channels, card.rates) == (2, 2, (48_000,))
    assert plugged[0].info.is_default_input and not card.info.is_default_input
    assert [listed.info.label for listed in fetch_devices()] == before


@pytest.mark.real_time
@needs_jack
def test_a_sound_server_that_hangs_is_given_up_after_the_limit(server: JackServer) -> None:
    began = time.monotonic()
    with server.stalled(), pytest.raises(DeviceError) as caught:
        fetch_devices(1.0)
    assert time.monotonic() - began < 4.0
    assert str(caught.value).startswith("the sound system did not list its devices within 1 s: ")
    assert listing_processes() == []


@only_linux
def test_without_portaudio_the_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_portaudio(tmp_path, monkeypatch)
    with pytest.raises(DeviceError) as caught:
        fetch_devices()
    assert str(caught.value).startswith("PortAudio, which reaches the sound devices, is missing: apt install")
    assert "\n" not in str(caught.value)


def test_a_process_that_crashes_is_told_by_its_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_portaudio(tmp_path, monkeypatch, "import os\nos._exit(7)\n")
    with pytest.raises(DeviceError, match="ended with exit code 7"):
        fetch_devices()


def test_devices_whose_rates_did_not_come_in_time_are_listed_all_the_same() -> None:
    info = {"index": 0, "name": "Mic", "host_api": "ALSA", "input_channels": 1, "output_channels": 0}
    info |= {"default_rate": 48_000, "is_default_input": True, "is_default_output": False}
    told = [{"count": 2}, {"device": info}, {"device": {**info, "index": 1}}, {"at": 0, "rates": [44_100]}]
    lines = [json.dumps(line) for line in told] + ['{"at": 1, "ra']
    found = device_list._devices(lines, False, -9, 8.0)
    assert [listed.rates for listed in found] == [(44_100,), None]
    with pytest.raises(DeviceError, match="did not list its devices within 8 s"):
        device_list._devices(lines[:2], False, -9, 8.0)


@pytest.mark.real_time
@needs_jack
def test_a_microphone_and_a_loudspeaker_of_one_card_are_a_feedback_error_across_the_process(
    server: JackServer,
) -> None:
    assert ERRORS["FeedbackError"] is FeedbackError and issubclass(FeedbackError, DeviceError)
    host = Host(LiveSettings(DeviceChoice("system", "system"), quality=False))
    with pytest.raises(FeedbackError, match=r"use headphones and --allow-feedback$"):
        host.start()


def test_the_silent_device_never_feeds_back() -> None:
    assert open_device(LiveSettings(DeviceChoice("none", "none"))).input_name == "none"

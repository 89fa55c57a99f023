"""Choosing, listing and remembering devices, and reading a callback's pulse; no sound card is needed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live import device_commands, devices
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.device_memory import RememberedDevices, default_path, load_remembered, remember
from realtime.live.device_search import DeviceInfo, find_device
from realtime.live.devices import list_devices, sensible_latency

ROOT = Path(__file__).parents[1]


def device(
    index: int, name: str, api: str = "ALSA", inputs: int = 2, outputs: int = 2, default: str = ""
) -> DeviceInfo:
    return DeviceInfo(index, name, api, inputs, outputs, 48_000, "input" in default, "output" in default)


DEVICES = (
    device(0, "Built-in: Analog (hw:0,0)", default="output"),
    device(1, "USB Microphone", inputs=1, outputs=0, default="input"),
    device(2, "Headset"),
    device(3, "Headset", api="JACK"),
    device(4, "2", outputs=0),
    device(5, "Übertragung", inputs=0),
)


@pytest.mark.parametrize(
    "wanted, side, index",
    [
        (None, "input", 1),
        (None, "output", 0),
        (3, "input", 3),
        ("3", "input", 3),
        ("2", "input", 4),
        ("2", "output", 2),
        ("Headset, JACK", "input", 3),
        ("Built-in: Analog (hw:0,0)", "input", 0),
        ("hw:0,0", "output", 0),
        ("usb", "input", 1),
        (" übertragung ", "output", 5),
        ("jack", "output", 3),
    ],
)
def test_a_device_is_found_by_number_name_or_part_of_it(wanted: str | int | None, side: str, index: int) -> None:
    assert find_device(wanted, side, DEVICES).index == index  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from(["ALSA", "JACK"])), unique=True, min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_name_with_its_host_api_in_full_means_just_that_device(names: list[tuple[str, str]]) -> None:
    made = [device(index, name, api) for index, (name, api) in enumerate(names)]
    for one in made:
        assert find_device(one.label, "input", made).label == one.label


@pytest.mark.parametrize(
    "wanted, side, complaint",
    [
        ("Headset", "input", 'the input device "Headset" is ambiguous: 2 "Headset, ALSA"; 3 "Headset, JACK"; give'),
        ("gone", "input", 'the input device "gone" is absent; there are: 0 "Built-in'),
        ("usb", "output", 'the output device "usb" is absent'),
        (9, "input", "the input device 9 is absent"),
        (-1, "input", "the input device -1 is absent"),
        ("", "input", 'the input device "" is absent'),
    ],
)
def test_an_absent_or_ambiguous_device_is_refused_with_what_is_there(
    wanted: str | int, side: str, complaint: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        find_device(wanted, side, DEVICES)  # type: ignore[arg-type]
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


def test_no_device_at_all_is_said() -> None:
    with pytest.raises(DeviceError, match="the default input device is absent; there are: none at all"):
        find_device(None, "input", ())


@pytest.mark.parametrize(
    "field, value",
    [
        *[("rate", 0), ("rate", 10**6), ("block_frames", -1), ("block_frames", 10**6), ("latency", "medium")],
        *[("latency", -0.1), ("latency", math.nan), ("latency", 6.0), ("input_channels", 0), ("output_channels", 65)],
    ],
)
def test_a_choice_no_device_can_have_is_refused_early(field: str, value: object) -> None:
    with pytest.raises(DeviceError, match=r"choose|sound devices run"):
        DeviceChoice(**{field: value})  # type: ignore[arg-type]


def test_a_latency_is_shown_only_where_it_can_be_true() -> None:
    assert [sensible_latency(value) for value in (0.0, 0.02, 4.99)] == [0.0, 0.02, 4.99]
    assert [sensible_latency(value) for value in (-0.001, 5.0, 89478.48, math.nan, math.inf)] == [None] * 5


def test_devices_are_remembered_by_name_and_host_api(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "devices.json"
    assert load_remembered(path) == RememberedDevices()
    chosen = RememberedDevices(input="Headset, JACK", output="Übertragung, ALSA")
    remember(chosen, path)
    assert load_remembered(path) == chosen
    assert [file.name for file in path.parent.iterdir()] == ["devices.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "input": 3}', "\udcff"])
def test_a_damaged_memory_is_said_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DeviceError) as caught:
        load_remembered(path)
    assert str(path) in str(caught.value) and "delete the file" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_what_was_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "devices.json"
    remember(RememberedDevices(input="a, ALSA"), path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DeviceError, match="cannot be remembered: No space left on device"):
        remember(RememberedDevices(input="b, ALSA"), path)
    assert load_remembered(path).input == "a, ALSA"
    assert [file.name for file in tmp_path.iterdir()] == ["devices.json"]


def test_the_memory_lies_in_the_users_settings_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        assert default_path() == tmp_path / "deshift" / "devices.json"
    assert default_path().name == "devices.json"


WITHOUT_PORTAUDIO = "import ctypes.util; ctypes.util.find_library = lambda name: None\n"


def run_without_portaudio(statements: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PORTAUDIO + statements], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere sounddevice brings PortAudio with it")
def test_without_portaudio_all_imports_work_and_use_says_what_to_install() -> None:
    result = run_without_portaudio("import sys, realtime.live.devices; assert 'sounddevice' not in sys.modules")
    assert result.returncode == 0, result.stderr
    result = run_without_portaudio("import deshift; deshift.main(['devices'])")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: PortAudio, which reaches the sound devices, is missing: apt install lib")
    assert result.stderr.count("\n") == 1


def test_the_listing_of_the_real_portaudio_is_whole() -> None:
    result = CliRunner().invoke(device_commands.devices, ["--json"])
    assert result.exit_code == 0, result.output
    found = list_devices()
    assert [row["index"] for row in json.loads(result.output)] == [one.index for one in found]
    assert all(one.name and one.host_api and one.input_channels + one.output_channels for one in found)


def test_names_of_drivers_cannot_rewrite_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_commands, "list_devices", lambda: (device(0, "evil\x1b[2J\nname", default="input"),))
    monkeypatch.setattr(device_commands, "supported_rates", lambda _: (44_100, 48_000))
    result = CliRunner().invoke(device_commands.devices)
    assert "\x1b" not in result.output
    assert len(result.output.splitlines()) == 2
    assert result.output.rstrip().endswith("48 44.1 kHz")


def test_only_one_file_loads_the_sound_packages() -> None:
    users = [
        path
        for path in (ROOT / "realtime").rglob("*.py")
        if any(f"import {name}" in path.read_text(encoding="utf-8") for name in ("sounddevice", "rtmixer"))
    ]
    assert users == [Path(devices.__file__)]

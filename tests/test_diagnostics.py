"""What is copied for a question: everything that helps, nothing that names the person or their folders."""

from __future__ import annotations

import getpass
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.diagnostics import MACHINE, MOST_EVENTS, USER, Cleaner, Person, diagnostics
from realtime.live.device import DeviceChoice
from realtime.live.device_list import ListedDevice
from realtime.live.device_search import DeviceInfo
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from tests.plugin_files import gain_plugin

FOLDERS = ("/home/anna", "/tmp/anna-1234", r"C:\Users\Anna Maria")
ANNA = Person(FOLDERS, ("anna", "Anna Maria"), ("studio-pc.lan", "studio-pc"))
MIC = ListedDevice(DeviceInfo(3, "Anna's AirPods on studio-pc", "ALSA", 1, 0, 48_000, True, False), (44_100, 48_000))


def parts(text: str) -> dict[str, Any]:
    head, _, body = text.partition("\n")
    assert head == "deshift diagnostics"
    return json.loads(body)


def test_the_block_has_versions_devices_settings_the_last_session_and_the_error(qapp, tmp_path: Path) -> None:
    model = gain_plugin(tmp_path / "my model.onnx", hop_samples=512)
    chosen = LiveSettings(DeviceChoice("none", "none"), model=str(model), quality=False)
    with Host(chosen) as host:
        host.status()
    text = diagnostics(chosen, [MIC], host.report(), f"{model}: cannot be read: No space left on device")
    told = parts(text)
    for package in ("python", "system", "deshift", "numpy", "onnxruntime", "PyQt6", "Qt", "pyqtgraph", "display"):
        assert told["versions"][package]
    assert told["versions"]["display"].startswith("offscreen")
    assert told["error"] == "my model.onnx: cannot be read: No space left on device"
    assert told["settings"]["model"] == "my model.onnx" and told["settings"]["device"]["input"] == "none"
    assert told["last_session"]["settings"]["model"] == "my model.onnx"
    assert told["last_session"]["status"]["state"] == "stopped"
    assert told["devices"][0]["rates"] == [44_100, 48_000] and "AirPods" in told["devices"][0]["name"]
    assert str(tmp_path) not in text and tempfile.gettempdir() not in text


def test_neither_this_user_nor_this_computer_is_named(qapp) -> None:
    home, user, node = Path.home(), getpass.getuser(), platform.node()
    error = f"{home}/secret/take 1.wav: of {user} on {node}: cannot be read"
    told = parts(diagnostics(None, [], None, error))
    assert told["error"] == f"take 1.wav: of {USER} on {MACHINE}: cannot be read"
    assert (told["settings"], told["last_session"], told["devices"]) == (None, None, [])


def test_a_device_that_is_called_after_its_owner_loses_the_name() -> None:
    told = parts(diagnostics(None, [MIC], None, "", ANNA))
    assert told["devices"][0]["name"] == f"{USER}'s AirPods on {MACHINE}, ALSA"


@pytest.mark.parametrize(
    "path, name",
    [
        ("/home/anna/Music/take.wav", "take.wav"),
        ("/home/anna/My Music (live), 2/it's a take; no. 3.wav", "it's a take; no. 3.wav"),
        ("/home/anna/.config/deshift/gui.json", "gui.json"),
        ("/home/anna", "…"),
        ("/tmp/anna-1234/deshift-x/chain.json", "chain.json"),
        ("/tmp/other/chain.json", "chain.json"),
        (r"C:\Users\Anna Maria\Müsik\take 1.wav", "take 1.wav"),
        ("C:/Users/Anna Maria/take.wav", "take.wav"),
        (r"c:\users\bob\take.wav", "take.wav"),
        ("/Users/bob/Library/take.wav", "take.wav"),
        ("/home/bob/take.wav", "take.wav"),
        ("/private/var/folders/zz/T/take.wav", "take.wav"),
    ],
)
@pytest.mark.parametrize(
    "sentence",
    ["{}", "{}: cannot be read: Permission denied", 'the file "{}" is damaged', "[Errno 2] No such file: '{}' (2)"],
)
def test_a_path_in_a_personal_folder_is_cut_to_its_file_name(path: str, name: str, sentence: str) -> None:
    assert Cleaner(ANNA).value(sentence.format(path)) == sentence.format(name)


def test_a_windows_path_as_python_prints_it_is_cut_too() -> None:
    error = FileNotFoundError(2, "No such file", r"C:\Users\Anna Maria\secret\take.wav")
    assert Cleaner(ANNA).value(str(error)) == "[Errno 2] No such file: 'take.wav'"


def test_two_paths_in_one_sentence_are_both_cut() -> None:
    said = "recorded 3.0 s: /home/anna/secret/a b.flac, /home/anna/secret/c.flac"
    assert Cleaner(ANNA).value(said) == "recorded 3.0 s: a b.flac, c.flac"
    assert Cleaner(ANNA).value("/home/anna/x/in.wav → /home/anna/y/out.wav: 2 s") == "in.wav → out.wav: 2 s"


def test_what_belongs_to_nobody_stays() -> None:
    for text in (
        "/usr/share/sounds/a.wav: missing",
        "at 44.1/48 kHz",
        "HDA Intel PCH: ALC257 (hw:0,0), ALSA",
        "annals",
    ):
        assert Cleaner(ANNA).value(text) == text
    assert Cleaner(ANNA).value("/data/anna/take.wav") == f"/data/{USER}/take.wav"
    assert Cleaner(ANNA).value({"at": 1.5, "none": None, "on": True}) == {"at": 1.5, "none": None, "on": True}


def test_a_long_session_is_told_by_its_newest_events() -> None:
    events = [{"at_s": number, "text": str(number)} for number in range(500)]
    told = parts(diagnostics(None, [], {"events": events, "settings": {}}, "", ANNA))
    assert len(told["last_session"]["events"]) == MOST_EVENTS
    assert told["last_session"]["events"][-1]["at_s"] == 499


folder_names = st.text(st.characters(codec="utf-8", exclude_characters='/\\\0\n:"“”'), min_size=1, max_size=12)


@given(st.sampled_from(FOLDERS), st.lists(folder_names.map("sécret{}".format), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_no_folder_of_a_person_is_ever_left(home: str, folders: list[str]) -> None:
    separator = "\\" if home.startswith("C:") else "/"
    path = separator.join([home, *folders, "take.wav"])
    for value in (path, f"{path}: cannot be read", f'"{path}" is damaged', [{"files": [path]}]):
        told = json.dumps(Cleaner(ANNA).value(value), ensure_ascii=False)
        assert "take.wav" in told
        assert "sécret" not in told and "anna" not in told.lower()

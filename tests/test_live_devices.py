"""`deshift live`: devices are remembered and never replaced, and every mistake is one line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from realtime.live import device_options
from realtime.live.device import DeviceError
from realtime.live.device_memory import RememberedDevices, load_remembered
from realtime.live.device_search import DeviceInfo, find_device
from tests import plugin_files as files
from tests.live_programs import CARD, DEADLINE, JACK, NOWHERE, Program, command, strict
from tests.signals import SAMPLE_RATE, noise
from tests.virtual_sound_card import FakeCard, JackServer

pytestmark = pytest.mark.real_time

needs_jack = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("jackd") is None, reason="jackd is not installed"
)


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer() as running:
        yield running


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return files.gain_plugin(tmp_path / "half.onnx", 0.5)


def memory_of(home: Path) -> Path:
    return home / ".config/deshift/devices.json"


# -- devices


@needs_jack
def test_the_devices_are_remembered_and_an_absent_one_is_not_replaced(
    server: JackServer, tmp_path: Path, half: Path
) -> None:
    words = ("live", "--allow-feedback", *DEADLINE, "-m", half, "--no-quality", "--seconds", 0.3)

    def run(*more: object) -> Program:
        with Program(*words, *more, home=tmp_path, environment=server.environment) as program:
            program.wait()
        return program

    with FakeCard(server, tmp_path / "kept.npz"):
        assert run("-i", "fake", "-o", "fakecard").process.returncode == 0
        label = f"fakecard, {JACK}"
        assert strict(memory_of(tmp_path).read_text()) == {"version": 1, "input": label, "output": label}
        assert run().errors[0].startswith(f"{label}: ")
    gone = run()
    assert gone.process.returncode == 1
    assert gone.errors == [
        f'Error: the input device "{label}" is absent; there are: 0 "system, {JACK}" (deshift devices lists them); it '
        "was used last: plug it in, choose another one with -i, or forget it with `deshift devices --forget`"
    ]
    assert run("-i", "system").errors[0].startswith(f'Error: the output device "{label}" is absent')
    assert run("-i", "system", "-o", "system").errors[0].startswith(f"system, {JACK}: ")
    assert strict(memory_of(tmp_path).read_text())["input"] == f"system, {JACK}"
    assert run("-i", "none", "-o", "none").process.returncode == 0
    assert strict(memory_of(tmp_path).read_text())["input"] == f"system, {JACK}"
    assert command("devices", "--forget", home=tmp_path).exit_code == 0
    assert not memory_of(tmp_path).exists()


def test_a_remembered_name_is_not_taken_for_a_part_of_another_device(tmp_path: Path) -> None:
    there = [
        DeviceInfo(0, "My USB Mic", "ALSA", 1, 1, 48_000, True, True),
        DeviceInfo(1, "x", "JACK", 1, 1, 48_000, False, False),
    ]
    device_options.remember_opened("USB Mic, ALSA", "x, JACK", tmp_path / "devices.json")
    chosen = device_options.chosen_devices(None, None, None, 0, "low", tmp_path / "devices.json")
    assert (chosen.choice.input, chosen.choice.output) == ("USB Mic, ALSA", "x, JACK")
    with pytest.raises(DeviceError, match=r'the input device "USB Mic, ALSA" is absent'):
        find_device(chosen.choice.input, "input", there)
    assert find_device(chosen.choice.output, "output", there).index == 1


def test_a_damaged_memory_stops_only_who_needs_it_and_is_written_anew(tmp_path: Path) -> None:
    memory = tmp_path / "devices.json"
    memory.write_text("{")
    with pytest.raises(DeviceError, match="the remembered devices cannot be read"):
        device_options.chosen_devices("a", None, None, 0, "low", memory)
    assert device_options.chosen_devices("a", "b", None, 0, "low", memory).choice.output == "b"
    device_options.remember_opened("a, ALSA", "b, ALSA", memory)
    assert load_remembered(memory) == RememberedDevices("a, ALSA", "b, ALSA")


@needs_jack
def test_a_lost_sound_server_is_told_and_its_return_too(tmp_path: Path, half: Path) -> None:
    server = JackServer()
    words = ("live", *CARD, "-m", half, "--no-quality")
    with server, Program(*words, home=tmp_path, environment=server.environment) as program:
        program.wait_for(lambda: program.said("running · "))
        server.kill()
        program.wait_for(lambda: program.said(f"waiting for system, {JACK} to come back"))
        assert program.said("no sound · ")
        with server:
            program.wait_for(lambda: program.said(f"system, {JACK} runs again after"))
            assert program.end() < 2.0
    assert program.process.returncode == 0
    assert program.said("the engine was started anew once") and not program.said("Traceback")


def test_a_settings_folder_that_cannot_be_written_is_told_and_the_sound_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DeviceError, match="the devices cannot be remembered"):
        device_options.remember_opened("a, ALSA", "b, ALSA", tmp_path / "file/devices.json")


# -- mistakes


@pytest.mark.parametrize(
    "words, code, complaint",
    [
        (["-i", "none"], 1, 'the device "none" stands for both sides'),
        (["--block", 100_000], 2, "100000 is not in the range 0<=x<=8192"),
        (["--mix", 2], 2, "2.0 is not in the range 0<=x<=1"),
        (["--rate", 3], 2, "3 is not in the range"),
        (["--channels", 3], 2, "3 is not in the range"),
        (["--latency", "medium"], 1, 'a latency of "medium": choose low, high or seconds'),
        (["--latency", "nan"], 1, "choose low, high or 0 to 5 seconds"),
        (["--seconds", 0], 2, "x>=0.1"),
        ([*NOWHERE, "-m", "nobody"], 1, "nobody: no such plugin file"),
        ([*NOWHERE, "-m", "{folder}"], 1, "this is a folder, not a plugin file"),
        ([*NOWHERE, "-m", "{text}"], 1, "text"),
        ([*NOWHERE, "--preset", "{text}"], 1, "text"),
        ([*NOWHERE, "--self-test", "{text}"], 1, "not an audio file"),
        ([*NOWHERE, "--reference", "{text}"], 1, "not an audio file"),
        ([*NOWHERE, "--reference", "{folder}/none.wav"], 1, "No such file"),
        ([*NOWHERE, "--record", "{text}"], 1, "nothing can be recorded there"),
        ([*NOWHERE, "--report", "{folder}"], 1, "it is a folder; name a file"),
        ([*NOWHERE, "--report", "{folder}/none/report.json"], 1, "the report cannot be written there"),
        ([*NOWHERE, "--self-test", "a.wav", "--reference", "{sound}"], 1, "leave out either self_test or reference"),
        (["surplus"], 2, "unexpected extra argument"),
    ],
)
def test_every_mistake_is_one_line_and_no_traceback(
    words: list[object], code: int, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no model, no preset, no sound")
    soundfile.write(tmp_path / "sound.wav", noise(30_000), SAMPLE_RATE)
    places = {"{folder}": str(tmp_path), "{text}": str(tmp_path / "text"), "{sound}": str(tmp_path / "sound.wav")}

    def placed(word: object) -> str:
        text = str(word)
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    result = command("live", "--seconds", 0.3, *map(placed, words), home=tmp_path)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and complaint in last
    assert code == 2 or len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@needs_jack
def test_a_device_that_is_not_there_or_has_not_the_rate_is_one_line(server: JackServer, tmp_path: Path) -> None:
    for words, complaint in (
        (("-i", "nobody"), 'Error: the input device "nobody" is absent; there are: 0 "system'),
        ((*CARD, "--rate", 44_100), f"Error: system, {JACK}: does not run at 44100 Hz; it takes 48000"),
        (("-i", 0, "-o", 0), "howl: use headphones and --allow-feedback"),
    ):
        with Program("live", *words, home=tmp_path, environment=server.environment) as program:
            assert program.wait() == 1
        assert len(program.errors) == 1 and complaint in program.errors[0]
    assert not memory_of(tmp_path).exists()


def test_a_machine_without_portaudio_is_told_what_to_install(tmp_path: Path) -> None:
    """What sounddevice does there: its import raises OSError."""
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    with Program("live", home=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as program:
        assert program.wait() == 1
    assert len(program.errors) == 1
    assert program.errors[0].startswith("Error: PortAudio, which reaches the sound devices, is missing: apt install")

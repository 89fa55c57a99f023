"""The app as a whole: it comes up, stays quick, remembers, asks once, and ends without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QTableView, QWidget

from gui.actions import PAGES
from gui.application import Application
from gui.memory import FILE_NAME, Memory
from realtime.plugins.preset_entries import ModelEntry
from tests.gui_watchdog import LIMIT_MS, Busy, Watchdog
from tests.live_session import is_alive, pid_of
from tests.plugin_files import gain_plugin
from tests.signals import SAMPLE_RATE, voice

pytestmark = pytest.mark.real_time
INTRODUCED = {"introduced": True, "theme": "dark"}


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    made = Memory(tmp_path / FILE_NAME)
    made.write("window", INTRODUCED)
    made.write("files", {"semitones": 12.0})  # for a default model that must be told
    return made


@pytest.fixture
def application(qtbot, qapp: QApplication, app_home: Path, memory: Memory, tmp_path: Path) -> Iterator[Application]:
    yield from running(qtbot, qapp, memory, tmp_path)


def running(qtbot, qapp: QApplication, memory: Memory, folder: Path) -> Iterator[Application]:
    over: list[bool] = []
    made = Application(qapp, memory, lambda: over.append(True))
    soundfile.write(folder / "clean.wav", voice(2 * SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    made.live.document.remove(0)
    made.live.document.add(ModelEntry(str(gain_plugin(folder / "half.onnx", 0.5, hop_samples=512))))
    made.live.devices.choose_silent()
    made.live.devices.choose_self_test(str(folder / "clean.wav"))
    made.show()
    qtbot.waitExposed(made.shell)
    yield made
    made.quit()
    qtbot.waitUntil(lambda: bool(over), timeout=30_000)


def button(application: Application, name: str) -> QPushButton:
    found = application.shell.findChild(QPushButton, name)
    assert found is not None
    return found


def start(qtbot, application: Application) -> None:
    qtbot.mouseClick(button(application, "start_button"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: application.live.session.state == "running", timeout=30_000)


def add(qtbot, application: Application, path: Path) -> None:
    """Put it into the queue, and wait until it is there."""
    application.add_files([path])
    table = application.queue_view.findChild(QTableView)
    assert table is not None
    qtbot.waitUntil(lambda: table.model().rowCount() > 0, timeout=10_000)


def answer(which: QMessageBox.StandardButton, asked: list[str]) -> None:
    """Press a button of the question that is open in a moment."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        asked.append(box.text())
        found = box.button(which)
        assert found is not None
        found.click()

    QTimer.singleShot(50, press)


def test_buttons_and_keys_start_bypass_switch_and_stop(qtbot, application: Application) -> None:
    session = application.live.session
    start(qtbot, application)
    host = session._host
    assert host is not None
    application.shell.setFocus()
    qtbot.keyClick(application.shell, Qt.Key.Key_B)
    qtbot.waitUntil(lambda: host.status().engine.controls.bypass)
    assert button(application, "bypass_button").isChecked()
    qtbot.mouseClick(button(application, "bypass_button"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not host.status().engine.controls.bypass)
    qtbot.keyClick(application.shell, Qt.Key.Key_1)
    qtbot.waitUntil(lambda: host.status().engine.controls.listen == "raw")
    assert button(application, "raw_button").isChecked()
    qtbot.keyClick(application.shell, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: session.state == "stopped", timeout=20_000)
    assert button(application, "start_button").text() == "Start" and not is_alive(pid_of(host))


def test_the_readouts_move_while_sound_runs(qtbot, application: Application) -> None:
    start(qtbot, application)
    seen: set[str] = set()

    def moved() -> bool:
        seen.add("|".join(label.text() for label in application.live_page.readouts.findChildren(QLabel)))
        return len(seen) >= 3

    qtbot.waitUntil(moved, timeout=30_000)
    qtbot.waitUntil(lambda: application.live_page.spectrogram.columns > 20, timeout=30_000)


def test_no_work_on_the_screens_thread_takes_over_16_ms(qtbot, application: Application, tmp_path: Path) -> None:
    start(qtbot, application)
    qtbot.wait(1500)  # the first pictures are laid out and drawn
    rounds, sound = list[Busy](), voice(SAMPLE_RATE)
    with Watchdog() as dog:
        while len(rounds) < 5:  # what takes long every time is the app's doing, else it is the machine's
            folder = tmp_path / f"files_{len(rounds)}"
            folder.mkdir()
            for name in ("a.wav", "b.wav", "c.wav"):
                soundfile.write(folder / name, sound, SAMPLE_RATE)
            qtbot.wait(50)
            dog.look()  # what the test itself did
            application.live.session.toggle_control("bypass")
            application.queue.add([folder])
            qtbot.wait(500)
            application.queue.start()
            application.live.session.set_control("mix", 0.1 * len(rounds))
            qtbot.waitUntil(lambda folder=folder: len(list(folder.glob("*_deshifted.wav"))) == 3, timeout=60_000)
            qtbot.wait(500)
            rounds.append(dog.look())
            if not rounds[-1].over_limit:
                return
    assert all(busy.held for busy in rounds), rounds


def test_another_page_is_in_front_within_three_frames(qtbot, application: Application) -> None:
    start(qtbot, application)
    qtbot.wait(1500)
    rounds: list[Busy] = []
    with Watchdog() as dog:
        while len(rounds) < 5:
            dog.look()
            for page in PAGES:
                application.shell.show_page(page)
                qtbot.wait(200)
            rounds.append(dog.look())
            if rounds[-1].longest_cpu_ms <= 3 * LIMIT_MS:
                return
    assert all(busy.held for busy in rounds), rounds


def test_closing_while_sound_runs_asks_once_and_stops_cleanly(qtbot, application: Application) -> None:
    start(qtbot, application)
    host, asked = application.live.session._host, []
    assert host is not None
    answer(QMessageBox.StandardButton.No, asked)
    application.shell.close()
    assert len(asked) == 1 and "Sound is running" in asked[0]
    assert application.shell.isVisible() and application.live.session.state == "running"
    answer(QMessageBox.StandardButton.Yes, asked)
    application.shell.close()
    qtbot.waitUntil(lambda: not application.shell.isVisible(), timeout=20_000)
    assert len(asked) == 2 and not is_alive(pid_of(host))


def test_closing_while_files_are_processed_asks_once_and_leaves_nothing_half_written(
    qtbot, application: Application, tmp_path: Path
) -> None:
    long, asked = tmp_path / "files" / "long.wav", []
    long.parent.mkdir()
    soundfile.write(long, np.tile(voice(SAMPLE_RATE), 600), SAMPLE_RATE)
    add(qtbot, application, long)
    application.queue.start()
    qtbot.waitUntil(lambda: application.queue.busy, timeout=20_000)
    answer(QMessageBox.StandardButton.Yes, asked)
    application.shell.close()
    qtbot.waitUntil(lambda: not application.shell.isVisible(), timeout=20_000)
    assert len(asked) == 1 and "Files are being processed" in asked[0]
    assert [path.name for path in long.parent.iterdir()] == ["long.wav"]


def test_closing_while_nothing_runs_does_not_ask(qtbot, application: Application) -> None:
    application.shell.close()
    qtbot.waitUntil(lambda: not application.shell.isVisible(), timeout=20_000)


def test_what_was_chosen_is_there_at_the_next_start(qtbot, qapp, app_home, memory: Memory, tmp_path: Path) -> None:
    first = running(qtbot, qapp, memory, tmp_path)
    made = next(first)
    made.live.session.set_control("mix", 0.5)
    made._choose_theme("light")
    made.shell.resize(800, 640)
    with pytest.raises(StopIteration):
        next(first)
    again: list[bool] = []
    made = Application(qapp, Memory(tmp_path / FILE_NAME), lambda: again.append(True))
    assert made.live.session.controls.mix == 0.5 and made.shell.height() == 640
    assert made.live.devices.self_test == str(tmp_path / "clean.wav")
    assert [entry.model for entry in made.live.document.preset.plugins] == [str(tmp_path / "half.onnx")]
    assert made.memory.read("window")["theme"] == "light"
    made.quit()
    qtbot.waitUntil(lambda: bool(again), timeout=20_000)


def test_diagnostics_are_copied_with_the_last_report_and_without_the_home_folder(
    qtbot, application: Application, app_home: Path
) -> None:
    start(qtbot, application)
    application.shell.show_error("Something went wrong.")
    qtbot.mouseClick(button(application, "copy_diagnostics_button"), Qt.MouseButton.LeftButton)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    text = clipboard.text()
    assert "Something went wrong." in text and "PyQt6" in text and '"hops"' in text
    assert str(app_home) not in text


def test_the_first_start_shows_three_steps_and_plays_the_example(qtbot, qapp, app_home, tmp_path: Path) -> None:
    memory = Memory(tmp_path / FILE_NAME)
    memory.write("devices", {"output": "none"})
    over: list[bool] = []
    made = Application(qapp, memory, lambda: over.append(True))
    made.show()
    qtbot.waitUntil(lambda: made.shell.findChild(QWidget, "first_steps") is not None)
    steps = made.shell.findChild(QWidget, "first_steps")
    play, shifted = (steps.findChild(QPushButton, name) for name in ("play_model_button", "play_shifted_button"))
    words = steps.findChild(QWidget, "example_words")
    qtbot.mouseClick(play, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Through" in words.text(), timeout=60_000)
    assert play.isChecked() and not shifted.isChecked()
    qtbot.mouseClick(shifted, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shifted.isChecked() and not play.isChecked())
    for _ in range(3):  # Return goes on, wherever the focus is
        assert steps.isVisible()
        qtbot.keyClick(shifted, Qt.Key.Key_Return)
    assert not steps.isVisible() and memory.read("window")["introduced"] is True
    made.quit()
    qtbot.waitUntil(lambda: bool(over), timeout=20_000)


LIVE_APP = """
import json, sys
from pathlib import Path
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication
from gui.actions import PAGES
from gui.application import Application
from gui.memory import Memory
app = QApplication([])
made = Application(app, Memory(Path(sys.argv[1])), app.quit)
made.show()
made.live.devices.choose_silent()
made.live.devices.choose_self_test(sys.argv[2])
QTimer.singleShot(0, made.live.session.start)
def told(state):
    if state == "running":
        print(json.dumps(made.live.session._host.facts["pid"]), flush=True)
made.live.session.state_changed.connect(told)
app.exec()
"""


@pytest.fixture
def live_app(app_home: Path, memory: Memory, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An app of its own that is live, and its engine's process."""
    soundfile.write(tmp_path / "clean.wav", voice(2 * SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    words = [sys.executable, "-c", LIVE_APP, str(memory.path), str(tmp_path / "clean.wav")]
    root = Path(__file__).parents[1]
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


def test_a_killed_window_leaves_no_engine_behind(live_app: tuple[subprocess.Popen[str], int]) -> None:
    process, engine = live_app
    assert is_alive(engine)
    process.kill()
    until = time.monotonic() + 10
    while is_alive(engine) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(engine)


def test_a_frozen_window_does_not_stop_the_sound(live_app: tuple[subprocess.Popen[str], int]) -> None:
    process, engine = live_app
    before = cpu_ticks(engine)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)
    worked = cpu_ticks(engine) - before
    os.kill(process.pid, signal.SIGCONT)
    assert worked > 5 and is_alive(engine)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_the_app_loads_neither_torch_nor_portaudio(app_home: Path) -> None:
    code = (
        "import sys\nfrom PyQt6.QtWidgets import QApplication\napp = QApplication([])\n"
        "import gui.application, gui.app\n"
        "print([name for name in ('torch', 'onnx', 'sounddevice', 'matplotlib') if name in sys.modules])"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

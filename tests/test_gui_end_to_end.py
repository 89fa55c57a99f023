"""The app as its users have it: a process, a real window, mouse and keyboard, and a sound card that is pulled out."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gui.memory import Memory
from tests.live_session import is_alive, wait_until
from tests.real_window import ROOT, Display, WindowApp, own_places
from tests.virtual_sound_card import CARD_NAME, FakeCard, JackServer, delay_frames

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the display and the sound card need Linux"),
]
EXAMPLE = ROOT / "examples/voice_shifted_up.flac"
STOP, START, WAITING = "Stop", "Start", "Stop (waiting)"


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with Display() as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer() as made:
        yield made


def state(app: WindowApp) -> str:
    text: str = app.ask("get", "start_button", "text")
    return text


def wait_for_state(app: WindowApp, wanted: str) -> None:
    app.until(lambda: state(app) == wanted, f"the start button to say {wanted}")


def descendants(pid: int) -> list[int]:
    """The processes that it started, and theirs."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, ask = [], [pid]
    while ask:
        children = parents.get(ask.pop(), [])
        found += children
        ask += children
    return found


def take_the_first_steps(app: WindowApp) -> None:
    for _ in range(3):
        app.click("next_button")
        time.sleep(0.1)
    app.until(lambda: not app.ask("modal"), "the first steps to close")
    app.take_focus()


def choose_the_card(app: WindowApp) -> None:
    app.key("F5")
    app.until(lambda: app.ask("get", "Input", "count") >= 3, "the card to be listed")
    for side in ("Input", "Output"):
        app.choose(side, CARD_NAME)


def refuse_to_howl(app: WindowApp) -> None:
    """Nothing starts before the user says that nothing of the loudspeaker reaches the microphone."""
    app.click("start_button")
    sentence = app.until(lambda: app.ask("get", "message_text", "text"), "the warning")
    assert "headphones" in sentence and "--" not in sentence
    assert state(app) == START
    app.click("close_message_button")
    app.click("I listen on headphones")


def see_moving_readouts(app: WindowApp) -> None:
    app.click("start_button")
    wait_for_state(app, STOP)
    first = app.until(lambda: [text for text in readouts(app) if "p50" in text], "figures of the speed")
    app.until(lambda: [text for text in readouts(app) if "p50" in text] != first, "other figures of the speed")
    assert sum(text.endswith("dBFS") and "→" not in text for text in readouts(app)) == 2
    assert any(text.lstrip("≥ ").endswith(" ms") for text in readouts(app))


def readouts(app: WindowApp) -> list[str]:
    texts: list[str] = app.ask("texts", "readouts_column")
    return texts


def bypass_by_key(app: WindowApp) -> None:
    app.key("1")
    app.until(lambda: app.ask("get", "raw_button", "checked"), "A to be heard")
    app.key("3")
    app.until(lambda: app.ask("get", "model_button", "checked"), "C to be heard")
    app.key("b")
    app.until(lambda: app.ask("get", "bypass_button", "checked"), "the bypass")
    time.sleep(1.5)  # of sound that is looked at below


def hear_the_bypass(card: FakeCard) -> None:
    """The last thing that the card heard was its own noise."""
    arrays = card.unplug()
    played, heard = arrays["played"], arrays["heard"]
    delay = delay_frames(played, heard, part=0.9)
    end = int(np.flatnonzero(heard)[-1]) - 9600
    alike = [
        np.corrcoef(heard[at : at + 4800], played[: len(heard)][at - delay : at - delay + 4800])[0, 1]
        for at in range(end - 48_000, end - 4800, 4800)
    ]  # tenths of a second: a machine that has too little time for the sound server loses some of them
    assert np.sum(np.array(alike) > 0.99) >= 3, alike


def unplug(app: WindowApp, server: JackServer) -> None:
    server.kill()
    wait_for_state(app, WAITING)
    assert not app.ask("get", "record_button", "enabled")


def plug_in_again(app: WindowApp, server: JackServer, kept: Path) -> FakeCard:
    server.start()
    card = FakeCard(server, kept, seconds=60)
    wait_for_state(app, STOP)
    return card


def process_a_dropped_folder(app: WindowApp, folder: Path) -> None:
    (folder / "below").mkdir(parents=True)
    shutil.copy(EXAMPLE, folder / "below" / "voice.flac")
    (folder / "notes.wav").write_text("this is no sound")
    app.click("tabs:Files")
    app.drop([folder], "queue_hint")
    app.until(lambda: len(app.ask("rows", "queue_table")) == 2, "both files in the queue")
    app.take_focus()  # the program that the files came from has it
    if app.ask("get", "files_semitones", "visible"):  # the default model must be told
        app.click("files_semitones")
        app.key("ctrl+a", "1", "2", "Return")
        app.click("queue_table")  # where Space is for the page
    app.key("space")
    app.until(lambda: sorted(row[0] for row in app.ask("rows", "queue_table")) == ["Done", "Failed"], "the queue's end")
    (result,) = (path for path in folder.rglob("*") if path.is_file() and path.stem not in ("voice", "notes"))
    assert result.parent.name == "below" and result.suffix == ".flac"


def compare(app: WindowApp) -> None:
    rows = app.ask("rows", "queue_table")
    x, y = app.ask("row_at", "queue_table", [row[0] for row in rows].index("Done"))
    app.display.xdotool("mousemove", x, y, "click", "--repeat", 2, "--delay", 60, 1)
    app.until(lambda: app.ask("get", "comparePage", "visible"), "the compare page")
    # The first figure is how many semitones each is shifted against the file before: an octave down undoes it.
    shift = app.until(lambda: app.ask("rows", "compareFigures")[0][2].strip("–"), "the figures")
    assert abs(float(shift.replace("\N{MINUS SIGN}", "-")) + 12) < 1


def quit_by_key(app: WindowApp) -> None:
    """While sound runs it is asked once; then no process of it is left."""
    app.key("ctrl+q")
    asked = app.until(lambda: app.ask("modal"), "the question")
    assert any("Stop and quit?" in text for text in asked)
    children = descendants(app.process.pid)
    assert len(children) >= 2, "the engine and its analyst run in processes of their own"
    app.take_focus()
    app.key("alt+y")
    assert app.process.wait(20) == 0
    wait_until(lambda: not any(is_alive(child) for child in children))


def test_start_bypass_unplug_resume_files_compare_and_quit(
    display: Display, server: JackServer, tmp_path: Path
) -> None:
    card = FakeCard(server, tmp_path / "kept.npz", seconds=60)
    with card, WindowApp(display, server.environment, tmp_path / "home") as app:
        try:
            take_the_first_steps(app)
            choose_the_card(app)
            refuse_to_howl(app)
            see_moving_readouts(app)
            bypass_by_key(app)
            hear_the_bypass(card)
            unplug(app, server)
            with plug_in_again(app, server, tmp_path / "again.npz"):
                process_a_dropped_folder(app, tmp_path / "recordings")
                compare(app)
                quit_by_key(app)
        except BaseException:
            if app.process.poll() is None:
                app.ask("shot", str(tmp_path / "failed.png"))
            raise
        assert "Traceback" not in app.log()


def test_a_killed_window_leaves_no_process_behind(display: Display, server: JackServer, tmp_path: Path) -> None:
    memory = Memory(Path(own_places(tmp_path)["XDG_CONFIG_HOME"]) / "deshift/gui.json")
    memory.write("window", {"introduced": True})
    memory.write("devices", {"headphones": True})
    with WindowApp(display, server.environment, tmp_path) as app:
        app.until(lambda: app.ask("get", "Input", "count"), "the devices")
        app.take_focus()
        app.key("space")
        wait_for_state(app, STOP)
        children = descendants(app.process.pid)
        app.process.kill()
        wait_until(lambda: not any(is_alive(child) for child in children))


def test_the_command_opens_a_window_and_ends_on_a_signal(display: Display, tmp_path: Path) -> None:
    places = {**own_places(tmp_path), "DISPLAY": display.name, "QT_QPA_PLATFORM": "xcb"}
    words = [sys.executable, str(ROOT / "deshift.py"), "gui"]
    with subprocess.Popen(words, env={**JackServer().environment, **places}, stderr=subprocess.PIPE, text=True) as app:
        display.xdotool("search", "--sync", "--onlyvisible", "--pid", app.pid, "--name", "^deshift")
        app.send_signal(signal.SIGTERM)
        _, errors = app.communicate(timeout=20)
    assert (app.returncode, errors) == (0, "")

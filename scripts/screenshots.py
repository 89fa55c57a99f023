"""Pictures of the app's pages for docs/img: live, files and compare, dark and light, at 100 % and 200 %.

Runs the app in displays of its own (Xvfb) with the virtual sound card of the tests, on the examples' recordings.

    python -m scripts.screenshots [--only live_dark_100] [--into docs/img]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from gui.memory import Memory
from realtime.bundled import default_name, find_model
from realtime.plugins.preset_entries import ModelEntry, to_json
from realtime.trust import read_plugin_file
from tests.real_window import ROOT, Display, WindowApp, own_places
from tests.virtual_sound_card import FakeCard, JackServer

SIZE = (1280, 800)
CARD = "Headset"
SHIFTED, ORIGINAL = (ROOT / "examples" / f"voice_{name}.flac" for name in ("shifted_up", "original"))
RECORDINGS = ("01 lead voice", "02 harmony", "04 interview", "05 radio play", "06 last words")
LONG = "04 interview"
SEMITONES = 12.0  # by which the example was raised
LISTEN_S = 10.0  # until the pictures of the sound are full and its quality is known
LARGEST_BYTES = 400_000
COLOURS = (256, 128, 64, 32)


def remember(home: Path, theme: str) -> None:
    """The settings of somebody who has been here before: a headset, the self-test on the example, an octave to undo."""
    recording = Path(shutil.copy(ORIGINAL, home))
    memory = Memory(Path(own_places(home)["XDG_CONFIG_HOME"]) / "deshift/gui.json")
    memory.write("window", {"introduced": True, "theme": theme})
    card = f"{CARD}, JACK Audio Connection Kit"
    devices = {"input": card, "output": card, "headphones": True, "self_test": True, "self_test_file": str(recording)}
    memory.write("devices", devices)
    memory.write("files", {"semitones": SEMITONES})
    name = default_name()
    takes = read_plugin_file(find_model(name)).facts.shift_control is not None
    chain = to_json(name, (ModelEntry(name, {"semitones": SEMITONES} if takes else {}),))
    memory.write("chain", {"preset": chain, "folder": str(home), "path": None, "saved": True})


def recordings(home: Path) -> Path:
    """A folder with short ones, a long one, and one that is none."""
    folder = home / "recordings"
    folder.mkdir()
    audio, rate = soundfile.read(SHIFTED, dtype="float32")
    for name in RECORDINGS:
        soundfile.write(folder / f"{name}.flac", np.tile(audio, 30) if name == LONG else audio, rate)
    (folder / "03 notes.wav").write_text("Tune the harmony a little lower.\n", encoding="utf-8")
    return folder


def show_live(app: WindowApp) -> None:
    """The self-test, running."""
    app.until(lambda: CARD in app.ask("get", "Input", "currentText"), "the card")
    app.click("start_button")
    app.until(lambda: app.ask("get", "start_button", "text") == "Stop", "the sound")
    time.sleep(LISTEN_S)


def show_files(app: WindowApp, folder: Path) -> None:
    """A queue in the middle of its work."""
    app.click("start_button")
    app.until(lambda: app.ask("get", "start_button", "text") == "Start", "silence")
    app.click("tabs:Files")
    app.drop([folder], "queue_hint")
    app.until(lambda: len(app.ask("rows", "queue_table")) == 1 + len(RECORDINGS), "the queue")
    app.click("queue_start")
    app.until(lambda: rows_say(app, LONG, "Running") and progress(app) > 0.3, "the long file to be half done", 120)


def rows_say(app: WindowApp, name: str, state: str) -> bool:
    """Whether a file of the queue is in a state."""
    return any(row[0] == state and row[1].startswith(name) for row in app.ask("rows", "queue_table"))


def progress(app: WindowApp) -> float:
    """Of all files, 0 … 1."""
    done, steps = (float(app.ask("get", "queue_total", what)) for what in ("value", "maximum"))
    return done / steps


def show_compare(app: WindowApp, folder: Path) -> None:
    """Before, the DSP inverse, after, and what it was before all that."""
    app.click("queue_cancel")
    app.click("tabs:Compare")
    before, after = (folder / f"{RECORDINGS[0]}{end}.flac" for end in ("", "_deshifted"))
    app.drop([before, after, ORIGINAL], "comparePage")
    app.until(lambda: figures(app, 7)[2], "the figures")
    app.until(lambda: app.ask("get", "Render B", "enabled"), "the inverse to be possible")
    app.click("Render B")
    app.until(lambda: all(figures(app, 7)), "all figures")
    time.sleep(1)


def figures(app: WindowApp, row: int) -> list[str]:
    """A row of the table, A, B and C; empty where nothing is known."""
    cells: list[str] = app.ask("rows", "compareFigures")[row]
    return [cell.strip("–") for cell in cells]


def keep(app: WindowApp, path: Path) -> None:
    """The picture in as many colours as its size allows, chosen in the way that keeps those that are rare.

    Raises: SystemExit where it stays too large.
    """
    app.ask("picture", str(path))
    with Image.open(path) as picture:
        whole = picture.convert("RGB")
    for colours in COLOURS:
        few = whole.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        size = path.stat().st_size
        if size <= LARGEST_BYTES:
            print(f"{path}  {few.width} × {few.height}, {colours} colours, {size / 1000:.0f} kB", flush=True)
            return
    raise SystemExit(f"{path}: {size} bytes; a picture of the documents has {LARGEST_BYTES} at most")


def look(theme: str, scale: int) -> str:
    """The end of a picture's name."""
    return f"{theme}_{100 * scale}"


def take(theme: str, scale: int, into: Path, server: JackServer, only: str) -> None:
    """All pages in one look."""
    suffix = look(theme, scale)
    size = scale * SIZE[0] + 160, scale * SIZE[1] + 120
    with tempfile.TemporaryDirectory() as temporary, Display(size) as display:
        home = Path(temporary)
        remember(home, theme)
        environment = {**server.environment, "QT_SCALE_FACTOR": str(scale)}
        card = FakeCard(server, home / "kept.npz", kind="zeros", seconds=1, name=CARD)
        with card, WindowApp(display, environment, home) as app:
            app.take_focus()
            show_live(app)
            keep(app, into / f"live_{suffix}.png")
            if only == f"live_{suffix}":
                return
            folder = recordings(home)
            show_files(app, folder)
            keep(app, into / f"files_{suffix}.png")
            show_compare(app, folder)
            keep(app, into / f"compare_{suffix}.png")


def main() -> None:
    """Take those that are wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="such as live_dark_100: no more than this look")
    parser.add_argument("--into", type=Path, default=ROOT / "docs/img")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    looks = [(theme, scale) for scale in (1, 2) for theme in ("dark", "light")]
    with JackServer() as server:
        for theme, scale in looks:
            if not options.only or options.only.partition("_")[2] == look(theme, scale):
                take(theme, scale, options.into, server, options.only)


if __name__ == "__main__":
    main()

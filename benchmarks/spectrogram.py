"""What the rolling spectrograms cost: frames a second, share of a core, and the longest tick.

    python -m benchmarks.spectrogram [--seconds 10] [--width 900] [--height 420] [--platform offscreen] [--cursor]
        [--steady]

Shows the view alone, fed by a live session on the silent device that plays a shifted recording through the bundled
model; `--platform xcb` needs a display (``xvfb-run``). A tick is the time of the controller's tick and of the painting
of the frame before. The processor's time of the screen's thread is what other work on the machine does not touch; that
of the process has the session's watcher in it. Prints what a picture costs that pyqtgraph sets anew each time, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyqtgraph
import soundfile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from gui import theme
from gui.live.spectrogram_controller import SpectrogramController
from gui.live.spectrogram_pace import Pace
from gui.widgets.spectrogram import SpectrogramView
from gui.widgets.spectrogram_image import HIGH_DB, LOW_DB, colour_map
from realtime.live.device import DeviceChoice
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from tests.signals import SAMPLE_RATE, voice

WARM_S = 1.5


class Timed(SpectrogramController):
    """Notes what each tick, with the painting before it, took: by the clock, and of the thread's processor time."""

    def __init__(self, view: SpectrogramView, host: Host) -> None:
        super().__init__(view, host.newest_audio)
        self.tick_ms: list[float] = []
        self.thread_ms: list[float] = []
        self.shown = view

    def tick(self) -> None:
        painted_s = self.shown._plots.spent_s  # the controller takes it
        self.thread_ms.append(1000 * time.thread_time())
        began_s = time.perf_counter()
        super().tick()
        self.tick_ms.append(1000 * (time.perf_counter() - began_s + painted_s))


class Steady(Pace):
    """Never slows down: for the cost at the full rate on a machine that others use, too."""

    def frame(self, now_s: float, spent_s: float) -> None:
        return


def session(folder: Path) -> Host:
    soundfile.write(folder / "voice.wav", voice(4 * SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    device = DeviceChoice("none", "none")
    return Host(LiveSettings(device, deadline_ms=100.0, self_test=str(folder / "voice.wav"), quality=False))


def watch(host: Host, options: argparse.Namespace) -> None:
    view = SpectrogramView()
    view.resize(options.width, options.height)
    view.show()
    controller = Timed(view, host)
    if options.steady:
        controller._pace = Steady(time.perf_counter())
    controller.start()
    QTest.qWait(int(1000 * WARM_S))
    if options.cursor:
        QTest.keyClick(view, Qt.Key.Key_Left)
    controller.tick_ms.clear()
    controller.thread_ms.clear()
    began, thread_s, process_s = time.perf_counter(), time.thread_time(), time.process_time()
    QTest.qWait(int(1000 * options.seconds))
    wall_s = time.perf_counter() - began
    shares = [100 * used / wall_s for used in (time.thread_time() - thread_s, time.process_time() - process_s)]
    controller.stop()
    print(f"{len(controller.tick_ms) / wall_s:.1f} frames/s of {controller.frames_per_second}, {view.columns} columns")
    print(f"screen's thread {shares[0]:.1f} % of a core, the whole process {shares[1]:.1f} %")
    for name, ticks in (("by the clock", controller.tick_ms), ("of the processor", np.diff(controller.thread_ms))):
        p50, p99, longest = np.percentile(ticks, [50, 99, 100])
        print(f"tick with painting, {name}: p50 {p50:.2f}, p99 {p99:.2f}, longest {longest:.2f} ms")
    if options.picture:
        view.grab().save(options.picture)


def set_anew(options: argparse.Namespace, frames: int = 60) -> None:
    """The same size as two `ImageItem`s that are set in each frame."""
    plots = pyqtgraph.GraphicsLayoutWidget()
    plots.resize(options.width, options.height)
    items = [pyqtgraph.ImageItem(axisOrder="row-major", colorMap=colour_map()) for _ in range(2)]
    for row, item in enumerate(items):
        plots.addPlot(row, 0).addItem(item)
    plots.show()
    levels = np.random.default_rng(0).uniform(LOW_DB, HIGH_DB, (192, options.width + 3 * frames)).astype(np.float32)
    QTest.qWait(100)
    began = time.thread_time()
    for frame in range(frames):
        for item in items:
            item.setImage(levels[:, 3 * frame : 3 * frame + options.width], levels=(LOW_DB, HIGH_DB))
        QApplication.processEvents()
    print(f"two pictures set anew instead: {1000 * (time.thread_time() - began) / frames:.2f} ms a frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--width", type=int, default=900)
    parser.add_argument("--height", type=int, default=420)
    parser.add_argument("--platform", default="offscreen", help="of Qt: offscreen, xcb, …")
    parser.add_argument("--cursor", action="store_true", help="with the cursor shown")
    parser.add_argument("--steady", action="store_true", help="do not thin out, however busy the machine is")
    parser.add_argument("--picture", metavar="PNG", help="save what was seen at the end")
    options = parser.parse_args()
    os.environ["QT_QPA_PLATFORM"] = options.platform
    app = QApplication([])
    theme.apply(app, "dark")
    print(f"{options.width} × {options.height}, {options.platform}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()}")
    with tempfile.TemporaryDirectory() as folder, session(Path(folder)) as host:
        watch(host, options)
    set_anew(options)


if __name__ == "__main__":
    main()

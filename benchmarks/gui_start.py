"""How long from typing `deshift gui` to a window that can be used?

Starts the app in a display of its own (Xvfb) with the virtual JACK card of the tests and an empty home, again and
again, and prints when the window was first painted and when the sound devices stood in their lists. The first run,
which may read from a cold disk, counts as the others.

    python -m benchmarks.gui_start [--runs 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from tests.real_window import Display, WindowApp
from tests.virtual_sound_card import JackServer

LIMIT_S = 2.5  # what is promised, until the window can be used


def one_run(display: Display, server: JackServer, home: Path) -> dict[str, float]:
    """Seconds since the process was started."""
    with WindowApp(display, server.environment, home) as app:
        painted_s = app.until(lambda: app.ask("painted_s"), "the first paint")
        app.until(lambda: app.ask("get", "Input", "count"), "the devices")
        return {"painted_s": painted_s - app.began_s, "devices_s": time.monotonic() - app.began_s}


def main() -> None:
    """Run it and print a line for each run and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    python = f"Python {platform.python_version()}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {python}")
    runs: list[dict[str, float]] = []
    with Display() as display, JackServer() as server, tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            runs.append(one_run(display, server, Path(folder) / str(number)))
            print("  ".join(f"{name.removesuffix('_s')} {value:.2f} s" for name, value in runs[-1].items()), flush=True)
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    print(
        f"first paint {medians['painted_s']:.2f} s, devices listed {medians['devices_s']:.2f} s"
        f" (medians of {len(runs)}), promised: a usable window in {LIMIT_S:g} s"
    )
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "medians": medians}, indent=2) + "\n")


if __name__ == "__main__":
    main()

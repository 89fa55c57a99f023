"""How long from typing `deshift live` to the first processed sound?

Starts the command on the virtual JACK card of the tests, again and again, with the bundled model and all readouts, and
prints when the engine's device began, when the first processed sound was at the loudspeaker (later by the reported
latency), and what the engine's process spent its time on. The first run, which may read from a cold disk, counts as
the others.

    python -m benchmarks.start_up [--runs 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.live_programs import Program, strict
from tests.virtual_sound_card import JackServer

CARD = ("-i", "system", "-o", "system", "--allow-feedback")
LIMIT_S = 2.0  # what is promised


def one_run(server: JackServer, folder: Path) -> dict[str, float]:
    """Seconds since the process was started."""
    words = ("live", *CARD, "--json", "--seconds", 1.5, "--report", folder / "report.json")
    with Program(*words, home=folder, environment=server.environment) as program:
        program.wait_for(lambda: program.output)
        arrived_s = program.news_s - program.began_s
        code = program.wait()
    if code:
        raise SystemExit("\n".join(program.errors))
    engine = strict(program.output[0])["engine"]
    report = strict((folder / "report.json").read_text(encoding="utf-8"))
    began_s = arrived_s - engine["elapsed_s"]  # too late by up to the age of a status, 50 ms
    return {
        "device_began_s": began_s,
        "first_sound_s": began_s + engine["latency"]["total_ms"] / 1000,
        "engine_process_s": report["start_s"],
    }


def main() -> None:
    """Run it and print a line for each run and the median."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    python = f"Python {platform.python_version()}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {python}")
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, JackServer() as server:
        for _ in range(options.runs):
            runs.append(one_run(server, Path(folder)))
            print("  ".join(f"{name.removesuffix('_s')} {value:.2f} s" for name, value in runs[-1].items()), flush=True)
    median_s = statistics.median(run["first_sound_s"] for run in runs)
    print(f"first processed sound: {median_s:.2f} s (median of {len(runs)}), promised: {LIMIT_S:g} s")
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "median_first_sound_s": median_s}, indent=2) + "\n")


if __name__ == "__main__":
    main()

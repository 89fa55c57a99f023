"""The live engine on a virtual sound card, as it is used: the host, its process, a real PortAudio stream.

    python -m benchmarks.live [--minutes 10] [--block 128] [--period 128] [--json FILE]

Runs the bundled model while one core is kept busy by another program, and while the interpreter of the host's own
process, a screen's, stands still for half a second every five. Prints the misses by cause, the sound server's own
count, the latency reported and measured, the model's time and the host's share of a hop, and the time from the start
of `deshift live` to its first processed hop. Needs jackd (Debian: jackd2).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.virtual_sound_card import JackServer

STALL_EVERY_S, STALL_S = 5.0, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--block", type=int, default=128, help="device block in frames")
    parser.add_argument("--deadline", type=float, default=8.0, help="time a hop may take, in ms")
    parser.add_argument("--period", type=int, default=128, help="of the virtual sound server")
    parser.add_argument("--busy", type=int, default=1, help="cores kept busy by another program")
    parser.add_argument("--no-stall", action="store_true", help="leave the host's interpreter alone")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(session(options)))
        return
    words = [sys.executable, "-m", "benchmarks.live", "--inside", *sys.argv[1:]]
    with JackServer(period_frames=options.period) as server:
        start_ms = [first_hop_ms(server) for _ in range(5)]
        with busy_cores(options.busy):
            done = subprocess.run(words, env=server.environment, check=True, stdout=subprocess.PIPE, text=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    facts |= {"start_ms": start_ms, "load": os.getloadavg(), "cores": os.cpu_count(), "busy_cores": options.busy}
    print("\n".join(lines(facts)))
    if options.json:
        Path(options.json).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def session(options: argparse.Namespace) -> dict[str, Any]:
    """In a process that sees the virtual card: one host for so many minutes."""
    from realtime.live.device import DeviceChoice
    from realtime.live.host import Host
    from realtime.live.settings import LiveSettings

    device = DeviceChoice("system", "system", None, options.block)
    stalls = 0
    with Host(LiveSettings(device=device, deadline_ms=options.deadline, allow_feedback=True)) as host:
        time.sleep(1.0)
        connect_loop_back()
        measured = [host.measure().total_ms for _ in range(3)]
        over = time.monotonic() + 60 * options.minutes
        while time.monotonic() < over:
            time.sleep(STALL_EVERY_S - STALL_S)
            if not options.no_stall:
                ctypes.PyDLL(None).usleep(int(STALL_S * 1e6))  # PyDLL keeps the interpreter locked meanwhile
                stalls += 1
        status = host.status()
    return {
        "status": status.engine.to_json_object(),
        "measured_ms": measured,
        "stalls": stalls,
        "restarts": status.restarts,
    }


def connect_loop_back() -> None:
    """The virtual card's output into its input, so that the round trip can be measured."""
    ports = subprocess.run(["jack_lsp"], check=True, capture_output=True, text=True).stdout.split()
    mine = [port for port in ports if port.startswith("PortAudio")]
    out = next(port for port in mine if ":out" in port)
    into = next(port for port in mine if ":in" in port)
    subprocess.run(["jack_connect", out, into], check=True)


def first_hop_ms(server: JackServer) -> float:
    """From starting the program to the first processed hop."""
    words = [sys.executable, "deshift.py", "live", "-i", "system", "-o", "system", "--allow-feedback", "--json"]
    began = time.monotonic()
    with subprocess.Popen(words, env=server.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            now = time.monotonic()
            engine = json.loads(line)["engine"]
            if engine["speed"]["hops"]:
                process.terminate()
                process.stdout.read()
                hop_ms = engine["latency"]["hop_ms"]
                return 1000 * (now - began) - (engine["speed"]["hops"] - 1) * hop_ms
    raise RuntimeError("deshift live ended without a hop")


@contextlib.contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Programs that only count, at ordinary priority."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def lines(facts: dict[str, Any]) -> list[str]:
    status = facts["status"]
    latency, speed, misses, device = (status[name] for name in ("latency", "speed", "misses", "device"))
    hop_ms = latency["hop_ms"]
    causes = ", ".join(f"{name} {value}" for name, value in misses.items() if value) or "none"
    when = " at " + ", ".join(f"{event['at_s']:.2f} s" for event in status["events"]) if status["events"] else ""
    load = " ".join(f"{value:.1f}" for value in facts["load"])
    return [
        f"{status['elapsed_s'] / 60:.1f} minutes, {speed['hops']} hops, {device['callbacks']} callbacks of "
        f"{device['block_frames']} frames; {facts['busy_cores']} of {facts['cores']} cores kept busy (load {load}); "
        f"{facts['stalls']} stalls of {STALL_S} s in the host's process",
        f"misses: {causes}{when}; the sound server reports {device['input_overflows']} input and "
        f"{device['output_underflows']} output xruns",
        f"latency: {latency['total_ms']:.2f} ms reported = {latency['in_app_ms']:.2f} app + devices; "
        f"measured {statistics.median(facts['measured_ms']):.2f} ms",
        f"model: p50 {speed['p50_ms']:.2f} ms, p99 {speed['p99_ms']:.2f}, max {speed['max_ms']:.2f}, "
        f"RTF {speed['rtf']:.3f}; engine's process {speed['cpu_percent']:.0f} % of a core",
        f"the host beside the model: p50 {speed['overhead_p50_ms']:.3f} ms, "
        f"{100 * speed['overhead_p50_ms'] / hop_ms:.1f} % of a hop; "
        f"p99 {100 * speed['overhead_p99_ms'] / hop_ms:.1f} %",
        f"from starting the program to the first hop: {statistics.median(facts['start_ms']):.0f} ms "
        f"({min(facts['start_ms']):.0f} … {max(facts['start_ms']):.0f})",
    ]


if __name__ == "__main__":
    main()

"""The process that trains on a box is asked to save in time, and ended where it does not listen."""

import signal
import subprocess
import sys
import time

import pytest

from scripts.gpu_bundle.trainee import Trainee

# Without print: where the signal comes while it still prints "ready", a second print is refused as reentrant.
OBEYS = """import os, pathlib, signal, sys, time
def stop(number, frame):
    os.write(1, b"saving\\n")
    pathlib.Path("saved").write_text("whole")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\\n")
time.sleep(60)
"""
STUBBORN = """import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])  # holds the pipe, too
"""
OUTER = """import pathlib, sys
from scripts.gpu_bundle.trainee import Trainee
with Trainee(30) as trainee:
    here = pathlib.Path(sys.argv[2])
    status = trainee.run([sys.executable, "-c", sys.argv[1]], here, {}, here / "log", 60)
print("ended", status, flush=True)
"""


def run(program: str, folder, seconds: float, reserve_s: float) -> tuple[int, bool]:
    with Trainee(reserve_s) as trainee:
        return trainee.run([sys.executable, "-c", program], folder, {}, folder / "log", seconds), trainee.asked


def test_before_the_limit_it_is_asked_to_save(tmp_path):
    started = time.monotonic()
    assert run(OBEYS, tmp_path, 22, 20) == (0, True)
    assert 2 <= time.monotonic() - started < 15
    assert (tmp_path / "saved").read_text() == "whole"
    assert (tmp_path / "log").read_text().splitlines() == ["ready", "saving"]


def test_one_that_does_not_listen_is_ended_with_all_it_started_before_the_limit(tmp_path):
    started = time.monotonic()
    assert run(STUBBORN, tmp_path, 6, 4) == (-signal.SIGKILL, True)
    assert 5 <= time.monotonic() - started < 20


def test_one_that_comes_to_its_end_is_not_disturbed(tmp_path):
    assert run("print('done'); raise SystemExit(3)", tmp_path, 600, 60) == (3, False)
    assert (tmp_path / "log").read_text() == "done\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_once_and_a_second_one_ends_it(number, tmp_path):
    for program, times, status in ((OBEYS, 1, 0), (STUBBORN, 2, -signal.SIGKILL)):
        outer = subprocess.Popen(
            [sys.executable, "-c", OUTER, program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        for _ in range(times):
            outer.send_signal(number)
            time.sleep(0.2)
        assert outer.communicate(timeout=20)[0].splitlines()[-1] == f"ended {status}"
        assert outer.returncode == 0

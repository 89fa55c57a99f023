"""`deshift live`: a readable status, clean ends, a report, and commands that are typed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests import plugin_files as files
from tests.live_programs import CARD, DEADLINE, JACK, NOWHERE, Program, command, strict
from tests.signals import SAMPLE_RATE
from tests.virtual_sound_card import FakeCard, JackServer

if sys.platform == "win32":
    pytest.skip("signals and terminals of POSIX", allow_module_level=True)

import pty

pytestmark = pytest.mark.real_time

needs_jack = pytest.mark.skipif(shutil.which("jackd") is None, reason="jackd is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer() as running:
        yield running


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return files.gain_plugin(tmp_path / "half.onnx", 0.5)


# -- what is shown


@needs_jack
def test_json_is_one_object_a_line_the_first_at_once_then_one_a_second(
    server: JackServer, tmp_path: Path, half: Path
) -> None:
    words = ("live", *CARD, "-m", half, "--json", "--no-quality", "--seconds", 2.5)
    with Program(*words, home=tmp_path, environment=server.environment) as program:
        program.wait_for(lambda: program.output)
        first_s = strict(program.output[0])["engine"]["elapsed_s"]
        assert program.wait() == 0
    seen = [strict(line)["engine"] for line in program.output]
    times = [status["elapsed_s"] for status in seen]
    assert first_s < 0.5
    assert len(times) == 3
    assert all(0.8 <= later - before <= 1.3 for before, later in itertools.pairwise(times)), times
    assert seen[-1]["state"] == "running" and seen[-1]["speed"]["hops"] > 1000
    assert seen[-1]["device"]["input_name"] == f"system, {JACK}"
    assert program.errors == []


@needs_jack
def test_the_log_says_devices_latency_parts_speed_and_misses_by_cause(
    server: JackServer, tmp_path: Path, half: Path
) -> None:
    words = ("live", *CARD, "-m", half, "--seconds", 1.5)
    with Program(*words, home=tmp_path, environment=server.environment) as program:
        assert program.wait() == 0
    assert program.output == []
    assert program.errors[0] == f"system, {JACK}: test plugin. Ctrl-C ends it"
    assert "running · " in program.errors[1] and " ms = hop 1.3 + buffering " in program.errors[1]
    assert " + devices 0.0 in 5.3 out" in program.errors[1]
    assert "misses" in program.errors[1]
    for word in ("RTF ", "p50 ", "p95 ", "p99 ", "max ", "CPU ", "rings ", "xruns "):
        assert word in program.errors[2]
    assert any("hops; the model took" in line for line in program.errors[3:])
    assert max(map(len, program.errors)) <= 120


# -- how it ends


@needs_jack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_within_two_seconds_with_summary_report_and_aligned_recordings(
    server: JackServer, tmp_path: Path, number: int
) -> None:
    later = files.delay_plugin(tmp_path / "later.onnx", 1000)
    report, folder = tmp_path / "report.json", tmp_path / "takes"
    report.write_text("the last one")
    words = ("live", "-i", "fakecard", "-o", "fakecard", "--allow-feedback", *DEADLINE, "-m", later, "--json")
    words += ("--report", report, "--record", folder)
    with (
        FakeCard(server, tmp_path / "kept.npz"),
        Program(*words, home=tmp_path, environment=server.environment) as program,
    ):
        program.wait_for(lambda: program.output and strict(program.output[-1])["engine"]["elapsed_s"] > 1)
        assert report.read_text() == "the last one"
        assert program.end(number) < 2.0
    assert program.process.returncode == 0
    facts = strict(report.read_text())
    assert facts["status"]["state"] == "stopped" and facts["chain"]["chain"] == ["test plugin"]
    heard, played = (soundfile.read(path, dtype="float32")[0] for path in sorted(map(Path, facts["recorded"])))
    assert sorted(folder.iterdir()) == sorted(map(Path, facts["recorded"]))
    assert len(heard) == len(played) > SAMPLE_RATE // 2
    quiet = max(SAMPLE_RATE // 4, int(np.flatnonzero(heard)[0]))  # the fade-in is over
    np.testing.assert_allclose(played[quiet:], heard[quiet:], atol=2e-5)  # the model's delay is taken off
    assert sorted(path.name for path in tmp_path.iterdir() if "report" in path.name) == ["report.json"]


def test_a_reader_who_leaves_ends_it_without_a_traceback_and_with_its_report(tmp_path: Path, half: Path) -> None:
    report = tmp_path / "report.json"
    words = ("live", *NOWHERE, "-m", half, "--json", "--no-quality", "--report", report)
    reading, writing = os.pipe()
    with Program(*words, home=tmp_path, stdout=writing) as program:
        os.close(writing)
        assert strict(os.read(reading, 1 << 16).decode())["engine"]["state"] == "running"
        os.close(reading)
        program.wait()
    assert program.errors == []
    assert strict(report.read_text())["status"]["state"] == "stopped"


@pytest.mark.parametrize("before", [0.0, 0.35, 0.6])
def test_a_signal_while_it_starts_ends_it_cleanly(before: float, tmp_path: Path, half: Path) -> None:
    with Program("live", *NOWHERE, "-m", half, "--auto", home=tmp_path) as program:
        program.wait_for(lambda: program.said("looking for the smallest"))
        time.sleep(before)
        assert program.end(signal.SIGTERM) < 3.0
    assert program.process.returncode == 0
    assert not program.said("Traceback")


def test_it_runs_without_a_standard_input(tmp_path: Path, half: Path) -> None:
    words = ("live", *NOWHERE, "-m", half, "--no-quality", "--seconds", 0.5)
    with Program(*words, home=tmp_path, stdin=None, preexec_fn=lambda: os.close(0)) as program:
        assert program.wait() == 0
    assert program.said("no misses") and not program.said("Traceback")


# -- what is typed


@needs_jack
def test_typed_commands_change_what_runs_and_a_replaced_model_file_counts_when_it_is_asked_for(
    server: JackServer, tmp_path: Path, half: Path
) -> None:
    ours, theirs = pty.openpty()
    words = ("live", "-i", "fakecard", "-o", "fakecard", "--allow-feedback", *DEADLINE, "-m", half, "--json")

    with (
        FakeCard(server, tmp_path / "kept.npz"),
        Program(*words, "--no-quality", home=tmp_path, environment=server.environment, stdin=theirs) as program,
    ):

        def lowered_db() -> float:
            engine = strict(program.output[-1])["engine"]
            return float(engine["input_level"]["rms_db"] - engine["output_level"]["rms_db"])

        program.wait_for(lambda: program.output and abs(lowered_db() - 6.02) < 0.5)
        files.gain_plugin(tmp_path / "new.onnx", 0.1).replace(half)
        seen = len(program.output)
        program.wait_for(lambda: len(program.output) >= seen + 2)
        assert lowered_db() == pytest.approx(6.02, abs=0.5)  # as loaded
        os.write(ours, f"model {half}\r".encode())
        program.wait_for(lambda: abs(lowered_db() - 20) < 0.5)
        os.write(ours, b"bypasss\x7f\r")
        program.wait_for(lambda: abs(lowered_db()) < 0.5)
        assert strict(program.output[-1])["engine"]["controls"]["bypass"]
        os.write(ours, b"model /nowhere.onnx\r")
        program.wait_for(lambda: program.said("/nowhere.onnx: no such plugin file"))
        os.write(ours, b"quit\r")
        assert program.wait() == 0
    os.close(ours)
    os.close(theirs)


def test_in_a_terminal_the_status_is_redrawn_with_what_is_typed_below_and_the_terminal_is_given_back(
    tmp_path: Path, half: Path
) -> None:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 70, 0, 0))
    before = termios.tcgetattr(theirs)
    words = ("live", *NOWHERE, "-m", half, "--no-quality")
    environment = {"TERM": "xterm", "COLUMNS": "70", "NO_COLOR": "1"}
    with Program(*words, home=tmp_path, stdin=theirs, stderr=theirs, env=environment) as program:
        shown = _read_until(ours, "> mut", "mut")
        assert "running" in shown and "\x1b[" in shown
        assert "muted" in _read_until(ours, "mute on", "e\r")
        assert "not understood; bypass · mute" in " ".join(_read_until(ours, "quit", "nonsense\r").split())
        os.write(ours, b"q\r")
        assert program.wait() == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def _read_until(terminal: int, words: str, typed: str = "", limit_s: float = 15.0) -> str:
    """Type, and read what is drawn until these words are there."""
    import select

    shown, over = "", time.monotonic() + limit_s
    waiting = typed
    while words not in shown:
        assert time.monotonic() < over, shown[-2000:]
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        shown += os.read(terminal, 1 << 16).decode(errors="replace")
        if waiting and "running" in shown:
            os.write(terminal, waiting.encode())
            waiting = ""
    return shown


def test_the_report_is_whole_json_with_no_number_that_json_has_not(tmp_path: Path, half: Path) -> None:
    report = tmp_path / "report.json"
    done = command("live", *NOWHERE, "-m", half, "--seconds", 1.2, "--report", report, "--json", home=tmp_path)
    assert done.exit_code == 0, done.output
    facts: dict[str, Any] = strict(report.read_text())
    assert facts["settings"]["device"]["input"] == "none" and facts["start_s"] > 0
    assert all(strict(line) for line in done.stdout.splitlines())
    assert json.dumps(facts, allow_nan=False)
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.json"]

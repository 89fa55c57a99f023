"""Processes that judge clips side by side: none outlives the one that asked."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests import plugin_files as files
from tests.processes import children_of, is_running, wait_until
from tests.signals import SAMPLE_RATE, voice


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_an_evaluation_that_is_ended_leaves_no_process_judging(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    for number in range(4):
        audio = voice(8 * SAMPLE_RATE, 120 + 20 * number)
        soundfile.write(tmp_path / f"speech/{number}.wav", audio, SAMPLE_RATE)
    model = files.gain_plugin(tmp_path / "same.onnx")
    command = [sys.executable, "-m", "deshift", "evaluate", model, "--data", tmp_path, "--workers", "2"]
    run = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(children_of(run.pid)) >= 3, seconds=120)  # two that judge, and what counts resources
        children = children_of(run.pid)
        run.send_signal(how)
        run.wait(20)
        wait_until(lambda: not any(is_running(child) for child in children))
    finally:
        run.kill()

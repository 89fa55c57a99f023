"""`deshift process` where memory, disk or patience run out: nothing partial is left, nothing that was there is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import deshift
from realtime.files import Job, process_file
from tests import plugin_files as files
from tests import signals

ROOT = Path(__file__).parents[1]


def heed_ctrl_c() -> None:
    """Python raises KeyboardInterrupt only where SIGINT was not ignored at its start, as it is behind ``&``."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write(path: Path, audio: np.ndarray, rate: int = files.RATE) -> Path:
    form, subtype = {".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}.get(path.suffix, (None, None))
    soundfile.write(path, audio, rate, subtype, format=form)
    return path


@pytest.fixture
def gain(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return files.gain_plugin(tmp_path / "model" / "gain.onnx", 0.5)


def run_limited(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    model = files.gain_plugin(tmp_path / "gain.onnx", 0.5, hop_samples=512)
    code = (
        "import pathlib, sys, deshift\n"
        "deshift.main(['process', *sys.argv[1:]], standalone_mode=False)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"  # ru_maxrss counts the parent as well
        "print(next(line.split()[1] for line in status.splitlines() if line.startswith('VmHWM')))"
    )
    peaks = []
    for seconds in (5, 240):
        source = write(
            tmp_path / f"{seconds}.wav", np.tile(signals.tone(440, 44_100, 44_100)[:, None], (seconds, 2)), 44_100
        )
        ran = run_limited(code, source, "-m", model)
        assert ran.returncode == 0, ran.stderr
        peaks.append(int(ran.stdout.splitlines()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 20  # MiB; 240 s of float32 stereo are 81
    assert peaks[1] < 500


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
@pytest.mark.parametrize("room", ["a little", "all but one byte"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, gain: Path, suffix: str, room: str) -> None:
    (tmp_path / "out").mkdir()
    source = write(tmp_path / f"a.{suffix}", signals.noise(100_000))
    assert CliRunner().invoke(deshift.main, ["process", str(source), "-m", str(gain)]).exit_code == 0
    limit = 5000 if room == "a little" else (tmp_path / f"a_deshifted.{suffix}").stat().st_size - 1
    code = (
        "import resource, sys, deshift\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
        "deshift.main(['process', *sys.argv[2:]])"
    )
    ran = run_limited(code, limit, source, "-m", gain, "-o", tmp_path / "out")
    assert ran.returncode == 1, ran.stdout
    told = ran.stderr.strip().splitlines()
    assert len(told) == 1 and "disk full?" in told[0] and "Traceback" not in ran.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_target_that_appears_meanwhile_is_not_overwritten(tmp_path: Path, gain: Path) -> None:
    source, target = write(tmp_path / "a.wav", signals.tone(440, 1000)), tmp_path / "b.wav"
    model = deshift.load(gain)
    result = process_file(Job(source, target), model, on_progress=lambda _: target.write_bytes(b"precious"))
    assert "exists already" in result.error and target.read_bytes() == b"precious"
    seen: list[float] = []
    result = process_file(Job(source, target), model, on_progress=seen.append)
    assert "exists already" in result.error and seen == []  # noticed before any work
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav", "model"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_ctrl_c_leaves_no_partial_file(tmp_path: Path, overwrite: bool) -> None:
    model = files.gain_plugin(tmp_path / "slow.onnx", 0.5, hop_samples=1)  # some minutes of work
    source, out = write(tmp_path / "a.wav", signals.noise(48_000 * 60)), tmp_path / "out"
    out.mkdir()
    if overwrite:
        (out / "a_deshifted.wav").write_bytes(b"precious")
    before = sorted(path.name for path in out.iterdir())
    line = [sys.executable, "-m", "deshift", "process", str(source), "-m", str(model), "-o", str(out), "--overwrite"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, cwd=ROOT, preexec_fn=heed_ctrl_c, **pipes) as running:
        deadline = time.monotonic() + 60
        while not list(out.glob(".*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(out.glob(".*.part"))
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.strip() == "interrupted: no partial file was left behind"
    assert sorted(path.name for path in out.iterdir()) == before
    assert not overwrite or (out / "a_deshifted.wav").read_bytes() == b"precious"

"""torchrun: two processes over gloo learn from the joint batch what one process does, and stop together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from training import checkpoint
from training.models import build
from training.recipes import find

ROOT = Path(__file__).parents[1]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "deshift")


def train_lines(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "train"]


def test_two_processes_learn_what_one_does_with_the_joint_batch(train, train_words, tmp_path):
    settings = ("--steps", 3, "--batch", 4, "--validate-every", 3, "--ema", 0.5, "--precision", "fp32")
    settings += ("--muon-rate", 1e-4, "--adamw-rate", 1e-5)  # Muon's bfloat16 makes much of the order of a sum
    train(tmp_path / "one", *settings)
    command = [*TORCHRUN, *train_words(tmp_path / "two", *settings)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("finished") == 1  # one voice

    one, two = train_lines(tmp_path / "one"), train_lines(tmp_path / "two")
    assert [row["step"] for row in two] == [1, 2, 3]
    for name in ("loss", "mel", "l1"):
        assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=1e-5)
    left, right = (checkpoint.load(tmp_path / run / "last.safetensors") for run in ("one", "two"))
    torch.manual_seed(0)
    for name, start in build(find("tiny")).state_dict().items():  # the same way from the same start
        one_way, other_way = (run.weights[name] - start for run in (left, right))
        assert one_way.norm() > 0
        assert (one_way - other_way).norm() < 0.02 * one_way.norm(), name
    assert left.facts["validation"]["mr_stft"] == pytest.approx(right.facts["validation"]["mr_stft"], rel=1e-3)


def test_ctrl_c_under_torchrun_saves_the_step_that_both_have_done(train_words, tmp_path):
    run = tmp_path / "run"
    command = [*TORCHRUN, *train_words(run, "--steps", 100_000)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    try:
        deadline = time.monotonic() + 100
        while not (run / "metrics.jsonl").exists() or len(train_lines(run)) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the launcher and to both processes
        process.communicate(timeout=90)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert checkpoint.load(run / "last.safetensors").facts["step"] == train_lines(run)[-1]["step"]

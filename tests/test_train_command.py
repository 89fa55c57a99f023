"""`deshift train` as a person uses it: start, stop by signal or time, go on, start from released weights, bad input."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
import torch
from click.testing import CliRunner

import deshift
from tests.signals import SAMPLE_RATE, voice
from training import checkpoint
from training.machine import Machine
from training.settings import TrainingError

ROOT = Path(__file__).parents[1]


def last(run: Path) -> checkpoint.Checkpoint:
    return checkpoint.load(run / "last.safetensors")


def steps_told(run: Path) -> list[int]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["step"] for row in rows if row["kind"] == "train"]


def error_line(result) -> str:
    """The one line that a failed command ends with."""
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.output.splitlines()[-1] == line
    assert "Traceback" not in result.output
    return line


def test_a_run_leaves_checkpoints_metrics_a_board_and_sound(trained_run):
    names = {path.name for path in trained_run.iterdir()}
    assert names == {"last.safetensors", "best.safetensors", "metrics.jsonl", "tensorboard", "probe.flac"}


def test_a_checkpoint_says_what_it_was_made_from_and_with(trained_run, recordings):
    facts = last(trained_run).facts
    assert facts["step"] == 6
    assert facts["recipe"]["name"] == "tiny"
    data = facts["data"]
    assert (data["folders"], data["licences"]) == (["train"], "CC0-1.0")
    assert data["hours"] == pytest.approx(4 * 1.5 / 3600)
    assert data["validation_hours"] == pytest.approx(2 / 3600)
    assert (data["pairs"]["shifters"], data["pairs"]["semitones"]) == (["vocoder"], [12.0])
    assert len(data["source_hashes"]) == len(list((recordings / "train").iterdir()))
    assert (facts["settings"]["batch"], facts["settings"]["crop"], facts["settings"]["ema"]) == (2, 4096, 0.5)


def test_a_time_limit_saves_and_resume_goes_on_to_the_end(train, tmp_path):
    stopped = train(tmp_path / "run", "--steps", 3, "--time-limit", 0)
    assert "stopped at step 1; go on with the same command and --resume" in stopped.output
    assert last(tmp_path / "run").facts["step"] == 1
    finished = train(tmp_path / "run", "--steps", 3, "--resume")
    assert "finished" in finished.output
    assert last(tmp_path / "run").facts["step"] == 3
    assert steps_told(tmp_path / "run") == [1, 2, 3]


def started(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deshift", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_steps(process: subprocess.Popen[str], run: Path, steps: int) -> None:
    deadline = time.monotonic() + 90
    while not (run / "metrics.jsonl").exists() or len(steps_told(run)) < steps:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(train_words, train, tmp_path):
    signals = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}
    words = {name: train_words(tmp_path / name, "--steps", 100_000) for name in signals}
    processes = {name: started(words[name]) for name in signals}
    try:
        for name, process in processes.items():
            wait_for_steps(process, tmp_path / name, 2)
            process.send_signal(signals[name])
        for name, process in processes.items():
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            step = last(tmp_path / name).facts["step"]
            assert steps_told(tmp_path / name)[-1] == step >= 2
            assert f"stopped at step {step}; go on with the same command and --resume" in out
            assert "Traceback" not in err
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    step = last(tmp_path / "interrupted").facts["step"]
    train(tmp_path / "interrupted", "--steps", 100_000, "--resume", "--time-limit", 0)
    assert last(tmp_path / "interrupted").facts["step"] == step + 1


def test_a_run_is_never_overwritten(train, trained_run):
    before = (trained_run / "last.safetensors").read_bytes()
    line = error_line(train(trained_run, "--steps", 6, exit_code=1))
    assert f"{trained_run} holds a run already: give --resume" in line
    assert (trained_run / "last.safetensors").read_bytes() == before


def test_there_must_be_a_run_to_resume(train, tmp_path):
    line = error_line(train(tmp_path / "none", "--resume", exit_code=1))
    assert f"{tmp_path / 'none'} holds no run to resume" in line
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "changes, told",
    [(("--batch", 3), "another settings (batch differ)"), (("--seed", 1), "another settings (seed differ)"),
     (("--data-licence", "CC-BY-4.0"), "another data (licences differ)"), (("--causal",), None)],
)  # fmt: skip
def test_a_resumed_run_must_have_the_same_settings(train, trained_run, tmp_path, changes, told):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "last.safetensors").write_bytes((trained_run / "last.safetensors").read_bytes())
    same = ("--steps", 6, "--validate-every", 3, "--data-licence", "CC0-1.0", "--ema", 0.5, "--resume")
    result = train(copy, *same, *changes, exit_code=1 if told else 0)  # `tiny` is causal already
    if told:
        assert told in error_line(result)


def test_another_recipe_cannot_resume_a_run(train, trained_run):
    words = ("--steps", 6, "--resume")
    assert "another recipe (name, channels" in error_line(train(trained_run, *words, recipe="light", exit_code=1))


def test_resume_and_init_exclude_each_other(train, trained_run):
    result = train(trained_run, "--resume", "--init", trained_run, exit_code=1)
    assert "--resume" in error_line(result) and "--init" in error_line(result)


@pytest.mark.parametrize("kind", ["run", "checkpoint", "plugin file"])
def test_a_run_starts_from_released_weights(train, trained_run, exported_file, tmp_path, kind):
    sources = {"run": trained_run, "checkpoint": trained_run / "last.safetensors", "plugin file": exported_file}
    still = ("--steps", 1, "--muon-rate", 1e-30, "--adamw-rate", 1e-30)  # so that the start can be seen in the end
    train(tmp_path / "run", *still, "--init", sources[kind])
    source = checkpoint.load(trained_run / ("last.safetensors" if kind == "checkpoint" else "best.safetensors"))
    wanted, found = source.best_weights(), last(tmp_path / "run").weights
    for name, value in wanted.items():
        tolerance = 2**-11 if kind == "plugin file" else 0
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance * 1e-3)


def test_weights_of_another_recipe_are_refused_by_the_parameters_name(train, trained_run, exported_file, tmp_path):
    for source in (trained_run, exported_file):
        line = error_line(train(tmp_path / "run", "--init", source, recipe="light", exit_code=1))
        assert "conv_in.weight has shape (8, 4, 5), this recipe needs (16, 4, 5)" in line


def test_a_damaged_checkpoint_ends_a_resume_with_one_line(train, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "last.safetensors").write_bytes(b"\x00" * 513)
    assert "cannot be read" in error_line(train(run, "--resume", exit_code=1))


def test_a_run_that_breaks_down_ends_with_one_line_and_code_1(train, tmp_path):
    result = train(tmp_path / "run", "--steps", 9, "--muon-rate", 1e30, "--adamw-rate", 1e30, exit_code=1)
    assert error_line(result).startswith("Error: step 2: the loss is ")
    assert "nothing was saved yet" in error_line(result)
    assert not (tmp_path / "run/last.safetensors").exists()


@pytest.mark.parametrize(
    "extra, told",
    [
        (("--crop", 4097), "--crop 4097 is no multiple of tiny's 32"),
        (("--crop", 0), "Invalid value for '--crop'"),
        (("--crop", 1024), "--crop 1024 is too short"),
        (("--validation-crop", 65), "--validation-crop 65 is no multiple of tiny's 32"),
        (("--semitones", "up"), "'up' is neither a list like 8,10,12 nor a range like -12..12"),
        (("--semitones", "3..x"), "'3..x' is neither a list"),
        (("--ema", 1), "ema is 1.0"),
        (("--clip", 0), "clip is 0.0"),
        (("--muon-rate", "nan"), "muon_lr is nan"),
        (("--shifter", "unknown"), "Invalid value for '--shifter'"),
        (("--init", "/nowhere"), "Invalid value for '--init'"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_made(train_words, tmp_path, extra, told):
    result = CliRunner().invoke(deshift.main, train_words(tmp_path / "run", *extra))
    assert result.exit_code in (1, 2)
    assert told in error_line(result)
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe_is_answered_with_the_known_ones(train, tmp_path):
    line = error_line(train(tmp_path / "run", recipe="output22", exit_code=1))
    assert "no recipe is called 'output22'" in line and "output19" in line


def test_a_folder_to_train_and_to_validate_on_at_once_is_refused(train, recordings, tmp_path):
    line = error_line(train(tmp_path / "run", "--validation", recordings / "train", exit_code=1))
    assert "4 recordings stand in --data and in --validation" in line


def test_an_output_folder_that_cannot_be_made_ends_with_one_line(train, tmp_path):
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in error_line(train(tmp_path / "file/run", exit_code=1))


def test_without_a_validation_folder_some_recordings_are_held_out_and_bad_files_are_listed(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, f0_hz in (("a", 110), ("b", 140)):
        soundfile.write(folder / f"{name}.wav", voice(SAMPLE_RATE, f0_hz), SAMPLE_RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    places = ["--data", folder, "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--workers", 1]
    small = ["--steps", 1, "--batch", 1, "--crop", 2048, "--validation-crop", 8192, "--shifter", "vocoder"]
    words = [str(word) for word in ("train", "tiny", *places, *small)]
    result = CliRunner().invoke(deshift.main, words)
    assert result.exit_code == 0, result.output
    assert f"skipped {folder / 'broken.wav'}: unreadable" in result.output
    data = last(tmp_path / "run").facts["data"]
    assert len(data["source_hashes"]) == 1
    assert data["hours"] == data["validation_hours"] == pytest.approx(1 / 3600)


def test_the_device_and_the_threads_are_those_asked_for(train, tmp_path):
    train(tmp_path / "run", "--steps", 1)
    assert torch.get_num_threads() == 1
    assert Machine.join("cpu", None).device.type == "cpu"


def test_cuda_where_there_is_none_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Machine.join("auto", None).device.type == "cpu"
    with pytest.raises(TrainingError, match=r"no CUDA device can be used: .*--device cpu"):
        Machine.join("cuda", None)


def test_the_help_names_every_option_and_shows_how_to_resume():
    shown = CliRunner().invoke(deshift.main, ["train", "--help"]).output
    for option in (
        "--data",
        "--out",
        "--causal",
        "--resume",
        "--init",
        "--device",
        "--threads",
        "--time-limit",
        "--ema",
    ):
        assert option in shown
    assert "deshift train output11 --causal --data voices --out runs/mine --resume" in shown

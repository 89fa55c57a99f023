"""Recipes compared: the table against the runs' own logs, the page against the files, interruptions and failures."""

import csv
import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

import deshift
from tests.compare_page import Page
from training import checkpoint
from training.compare import Task, run_task
from training.compare_files import Record, sound_path
from training.loop import LAST
from training.models import build
from training.recipes import Recipe, find
from training.validation import fixed_clips

ROOT = Path(__file__).parents[1]
ODD_NAME = 'e <b>&"c" | d.wav'
SMALL = ("--shifter", "vocoder", "--workers", "1", "--device", "cpu", "--threads", "1", "--batch", "1",
         "--crop", "4096", "--validation-crop", "16384")  # fmt: skip


@pytest.fixture(scope="module")
def places(recordings, tmp_path_factory):
    """The shared recordings, one of them under a name that is hard to show; the pairs are cached by content."""
    folder = tmp_path_factory.mktemp("odd") / "recordings"
    shutil.copytree(recordings / "train", folder / "train")
    shutil.copytree(recordings / "validation", folder / "validation")
    (folder / "validation" / "e.wav").rename(folder / "validation" / ODD_NAME)
    words = ("--data", folder / "train", "--validation", folder / "validation", "--cache", recordings / "cache")
    return [str(word) for word in words]


@pytest.fixture(scope="module")
def words(places):
    def make(*recipes, out, steps, more=()):
        return ["compare", *recipes, *places, *SMALL, "--out", str(out), "--steps", str(steps), *more]

    return make


@pytest.fixture(scope="module")
def compared(words, tmp_path_factory) -> Path:
    """`tiny` and `light`, two steps each, validated after each."""
    folder = tmp_path_factory.mktemp("compared") / "out"
    result = CliRunner().invoke(deshift.main, words("tiny", "light", out=folder, steps=2))
    assert result.exit_code == 0, result.output
    assert f"Listen: {folder / 'index.html'}" in result.output
    return folder


@pytest.fixture
def copy(compared, tmp_path) -> Path:
    return shutil.copytree(compared, tmp_path / "out")


def log(folder: Path, recipe: str) -> list[dict]:
    return [json.loads(line) for line in (folder / "runs" / recipe / "metrics.jsonl").read_text().splitlines()]


def last(folder: Path, recipe: str, kind: str) -> dict:
    return [entry for entry in log(folder, recipe) if entry["kind"] == kind][-1]


def csv_rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "comparison.csv").open(newline="") as file:
        return {row["recipe"]: row for row in csv.DictReader(file)}


def markdown_rows(folder: Path) -> dict[str, list[str]]:
    lines = [line for line in (folder / "comparison.md").read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return {row[0]: row[1:] for row in cells}


def unfinish(folder: Path, recipe: str) -> None:
    run = folder / "runs" / recipe
    dataclasses.replace(Record.read(run), finished=False).write(run)


def test_the_table_holds_the_figures_of_the_runs_own_logs(compared):
    rows = csv_rows(compared)
    assert list(rows) == ["tiny", "light", "doing nothing"]
    for name in ("tiny", "light"):
        told, row = last(compared, name, "validation"), rows[name]
        assert told["step"] == int(row["step"]) == 2
        assert [float(row[key]) for key in ("mr_stft", "mel", "si_sdr_db")] == [
            told[key] for key in ("mr_stft", "mel", "si_sdr_db")
        ]
        saved = checkpoint.load(compared / "runs" / name / LAST)
        assert float(row["minutes"]) == pytest.approx(saved.facts["seconds"] / 60)
        assert int(row["parameters"]) == sum(weight.numel() for weight in saved.weights.values())
        assert (row["state"], row["device"]) == ("finished", "cpu")
        shown = markdown_rows(compared)[f"{name}, causal"]
        assert shown[0] == f"{int(row['parameters']):,}"
        assert shown[3:5] == [f"{told['mr_stft']:.3f}", f"{told['mel']:.3f}"]
        assert shown[5] == f"{told['si_sdr_db']:.1f} dB"


def test_the_floor_row_is_what_the_runs_call_doing_nothing(compared):
    row = csv_rows(compared)["doing nothing"]
    for name in ("tiny", "light"):
        told = last(compared, name, "floor")
        assert [float(row[key]) for key in ("mr_stft", "mel", "si_sdr_db")] == pytest.approx(
            [told[key] for key in ("mr_stft", "mel", "si_sdr_db")], rel=1e-12
        )


def si_sdr_db(estimate, target) -> float:
    """Le Roux et al. 2019, arXiv:1811.02508, equation 3, both with their mean removed."""
    estimate, target = estimate - estimate.mean(), target - target.mean()
    wanted = target * (estimate @ target) / (target @ target)
    return 10 * np.log10((wanted @ wanted) / ((wanted - estimate) @ (wanted - estimate)))


def test_the_sounds_on_the_page_are_those_that_the_table_judges(compared):
    for title, row in (("input", "doing nothing"), ("tiny", "tiny"), ("light", "light")):
        heard = [
            [soundfile.read(sound_path(compared, place, name))[0] for name in (title, "original")] for place in (1, 2)
        ]
        assert all(len(sound) == 16_384 for pair in heard for sound in pair)
        measured = np.mean([si_sdr_db(*pair) for pair in heard])
        assert measured == pytest.approx(float(csv_rows(compared)[row]["si_sdr_db"]), abs=0.2)  # sounds have 16 bits


def test_recipes_are_trained_alike(compared):
    tiny, light = (checkpoint.load(compared / "runs" / name / LAST).facts for name in ("tiny", "light"))
    assert tiny["settings"] == light["settings"]
    assert tiny["data"] == light["data"]
    assert tiny["settings"] | {"steps": 2, "batch": 1, "crop": 4096, "validate_every": 1} == tiny["settings"]


def test_every_link_of_the_page_leads_to_a_file_beside_it(compared):
    shown = Page((compared / "index.html").read_text(encoding="utf-8"))
    links = [attributes.get("src") or attributes.get("href") for _, attributes in shown.found]
    links = [link for link in links if link]
    assert len(links) == 2 * 4 * 2 + 3  # two clips of four sounds with a picture each; the curves, the two tables
    for link in links:
        assert not Path(unquote(link)).is_absolute() and "//" not in link
        assert (compared / unquote(link)).stat().st_size > 0
        if link.endswith(".png"):
            assert (compared / link).read_bytes().startswith(b"\x89PNG")


def test_the_page_plays_input_outputs_and_original_with_a_name_on_each(compared):
    shown = Page((compared / "index.html").read_text(encoding="utf-8"))
    sounds = shown.all("audio")
    assert [Path(sound["src"]).stem for sound in sounds] == ["input", "tiny", "light", "original"] * 2
    assert all("controls" in sound for sound in sounds)
    labels = [sound["aria-label"] for sound in sounds]
    assert len(set(labels)) == len(labels)
    assert all(picture["alt"] for picture in shown.all("img"))
    assert shown.all("html") == [{"lang": "en"}]
    style = (compared / "index.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in style and "color-scheme: light dark" in style


def test_names_of_recordings_are_text_on_the_page_and_never_tags(compared):
    shown = Page((compared / "index.html").read_text(encoding="utf-8"))
    assert ODD_NAME in shown.text
    assert shown.all("b") == []
    assert any(ODD_NAME in sound["aria-label"] for sound in shown.all("audio"))


def test_a_finished_recipe_is_not_trained_again(copy, words):
    kept = {path: path.stat().st_mtime_ns for path in (copy / "runs").rglob("*") if path.is_file()}
    table = (copy / "comparison.csv").read_text()
    (copy / "comparison.csv").unlink()
    result = CliRunner().invoke(deshift.main, words("tiny", "light", out=copy, steps=2))
    assert result.exit_code == 0, result.output
    assert "recipe 1 of 2" not in result.output
    assert {path: path.stat().st_mtime_ns for path in (copy / "runs").rglob("*") if path.is_file()} == kept
    assert (copy / "comparison.csv").read_text() == table


def spoil(folder: Path, recipe: str) -> None:
    """As if the run had been stopped after step 1 with weights that are not numbers."""
    run = folder / "runs" / recipe
    saved = checkpoint.load(run / LAST)
    for weight in saved.weights.values():
        weight.fill_(float("nan"))
    checkpoint.save(run / LAST, dataclasses.replace(saved, facts=saved.facts | {"step": 1}))
    unfinish(folder, recipe)


def test_a_recipe_that_fails_is_a_row_with_its_reason_and_the_others_go_on(copy, words):
    spoil(copy, "light")
    shutil.rmtree(copy / "runs/tiny")
    result = CliRunner().invoke(deshift.main, words("light", "tiny", out=copy, steps=2))
    assert result.exit_code == 1
    assert "light failed: step 2: the loss is nan" in result.output
    rows = csv_rows(copy)
    assert rows["light"]["state"].startswith("failed: step 2: the loss is nan")
    assert rows["tiny"]["state"] == "finished"
    assert markdown_rows(copy)["light, causal"][6].startswith("failed: step 2")
    shown = Page((copy / "index.html").read_text(encoding="utf-8"))
    assert [Path(sound["src"]).stem for sound in shown.all("audio")] == ["input", "tiny", "original"] * 2
    assert "failed: step 2: the loss is nan" in shown.text


def test_a_run_whose_process_is_killed_is_a_row_that_says_so(copy, words):
    unfinish(copy, "light")

    def kill() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        children[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    result = CliRunner().invoke(deshift.main, words("light", "tiny", out=copy, steps=2))
    killer.join()
    assert result.exit_code == 1
    assert csv_rows(copy)["light"]["state"].startswith("failed: its process ended with exit code -9 (killed")


@pytest.fixture
def harmless_signals():
    """Should a SIGINT come when the comparison has ended, the test fails and pytest lives on."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    signal.signal(signal.SIGINT, before)


def begun(out: Path) -> bool:
    path = out / "runs/tiny/metrics.jsonl"
    return path.exists() and '"train"' in path.read_text()


def test_a_comparison_stopped_by_ctrl_c_goes_on_where_it_stopped(words, tmp_path, harmless_signals):
    steps, out = 60, tmp_path / "out"
    command = words("tiny", out=out, steps=steps, more=["--validate-every", str(steps)])

    def interrupt() -> None:
        wait_for(lambda: begun(out))
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=interrupt)
    finger.start()
    result = CliRunner().invoke(deshift.main, command)
    finger.join()
    assert result.exit_code == 130
    assert "the same command goes on" in result.output
    stopped = checkpoint.load(out / "runs/tiny" / LAST).facts["step"]
    assert 0 < stopped < steps
    assert csv_rows(out)["tiny"]["state"] == f"stopped: at step {stopped} of {steps}"
    result = CliRunner().invoke(deshift.main, command)
    assert result.exit_code == 0, result.output
    assert [entry["step"] for entry in log(out, "tiny") if entry["kind"] == "train"] == list(range(1, steps + 1))
    assert csv_rows(out)["tiny"]["state"] == "finished"


def test_a_run_whose_parent_is_killed_saves_and_stops(words, tmp_path):
    steps, out = 2000, tmp_path / "out"
    command = words("tiny", out=out, steps=steps)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "deshift", *command], cwd=ROOT, env=environment)
    wait_for(lambda: begun(out))
    process.kill()
    process.wait()
    wait_for(lambda: Record.read(out / "runs/tiny").device == "cpu")
    assert 0 < checkpoint.load(out / "runs/tiny" / LAST).facts["step"] < steps
    assert not Record.read(out / "runs/tiny").finished


def wait_for(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "recipes, more, told",
    [
        (["tiny", "lihgt"], {}, "no recipe is called 'lihgt'"),
        (["tiny", "light", "tiny"], {}, "tiny is named more than once"),
        (["tiny"], {"steps": 3}, "another settings (steps differ)"),
        (["tiny"], {"more": ["--seed", "1"]}, "another settings (seed differ)"),
        (["light"], {"more": ["--crop", "5000"]}, "--crop 5000 is no multiple of light's 512"),
        (["tiny"], {"more": ["--data-licence", "CC0-1.0"]}, "another data (licences differ)"),
        (["output1"], {"more": ["--causal"]}, "spectrogram models have no causal form"),
    ],
)
def test_what_is_not_one_comparison_is_refused_in_one_line_before_training(compared, words, recipes, more, told):
    result = CliRunner().invoke(deshift.main, words(*recipes, out=compared, **({"steps": 2} | more)))
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error:")]
    assert told in line


def test_a_folder_of_something_else_is_left_alone(words, trained_run, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("mine")
    result = CliRunner().invoke(deshift.main, words("tiny", out=tmp_path / "site", steps=2))
    assert result.exit_code == 1 and "holds files that are not of a comparison" in result.output
    assert (tmp_path / "site/index.html").read_text() == "mine"
    shutil.copytree(trained_run, tmp_path / "out/runs/tiny")
    result = CliRunner().invoke(deshift.main, words("tiny", out=tmp_path / "out", steps=2))
    assert result.exit_code == 1 and "a run that is not of a comparison" in result.output


def test_compare_refuses_to_run_under_torchrun(words, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(deshift.main, words("tiny", out=tmp_path / "out", steps=2))
    assert result.exit_code == 1 and "start it without torchrun" in result.output


def test_a_spectrogram_recipe_is_heard_as_its_validation_hears_it(make_trainer, tmp_path):
    recipe = Recipe("small", (4, 8), (1,), 1, (2,), "spectrogram", kernels=(3,), mid_kernel=3)
    trainer = make_trainer(tmp_path / "unused", steps=1, batch=1, crop=8192)
    pairs = trainer.crops.places(0)[0][0], trainer.crops.places(1)[0][0]
    task = Task(recipe, trainer.settings, trainer.facts, pairs, pairs, tmp_path / "out", "cpu", 1)
    ours, theirs = multiprocessing.Pipe()
    run_task(task, theirs)
    assert ours.recv() == ("finished", "")
    assert soundfile.info(sound_path(task.folder, 1, "small")).frames == 8192 - 256


def test_averaged_weights_are_heard_where_an_average_is_kept(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path / "unused", steps=3, ema=0.9)
    pairs = (trainer.crops.places(0)[0][0],)
    task = Task(find("tiny"), trainer.settings, trainer.facts, pairs, pairs, tmp_path / "out", "cpu", 1)
    ours, theirs = multiprocessing.Pipe()
    run_task(task, theirs)
    assert ours.recv() == ("finished", "")
    saved = checkpoint.load(task.run_folder / LAST)
    (clip,) = fixed_clips(pairs, trainer.settings)
    model, wanted = build(find("tiny")), {}
    for name, weights in (("averaged", saved.ema), ("last", saved.weights)):
        model.load_state_dict(weights)
        wanted[name] = np.clip(model(torch.from_numpy(clip.shifted)[None])[0, 0].detach().numpy(), -1, 1)
    heard, _ = soundfile.read(sound_path(task.folder, 1, "tiny"), dtype="float32")
    assert np.abs(heard - wanted["averaged"]).max() < 1e-4 < np.abs(heard - wanted["last"]).max()


def test_the_peak_of_memory_is_the_runs_own_and_not_its_parents():
    ballast = np.ones(100_000_000)  # 800 MB in this process
    code = (
        "import numpy, torch\n"
        "from training.compare import peak_memory_bytes\n"
        "before = peak_memory_bytes(torch.device('cpu'))\n"
        "numpy.ones(25_000_000)\n"
        "print(before, peak_memory_bytes(torch.device('cpu')))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    before, after = (int(word) for word in told.split())
    assert 50e6 < before < ballast.nbytes
    assert 180e6 < after - before < 250e6

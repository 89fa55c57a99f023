"""What several test files share: a few seconds of recordings, one tiny trained run, one exported plugin file.

torch is imported inside the fixtures, so that the tests of the running half start without it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from tests.signals import SAMPLE_RATE, voice

if TYPE_CHECKING:
    import onnx
    from click.testing import Result

    from training.loop import Trainer
    from training.recipes import Recipe
    from training.unet import UNet

# Threads only wait for each other on tensors as small as these; torch reads this when it is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Windows are drawn into memory, also on a desktop; Qt reads this when the application is made.
os.environ["QT_QPA_PLATFORM"] = "offscreen"

RUN_OPTIONS = (
    *("--shifter", "vocoder", "--semitones", "12", "--workers", "1", "--device", "cpu", "--threads", "1"),
    *("--batch", "2", "--crop", "4096", "--validation-crop", "8192", "--validation-clips", "2"),
)


def pytest_configure(config: pytest.Config) -> None:
    """`scripts/test.sh` runs the marked ones alone and in a row, the others side by side."""
    config.addinivalue_line("markers", "real_time: follows the clock or owns a sound server, so it wants the machine")


def pytest_collection_finish() -> None:
    """What every test module imported lives to the end. No test waits for the collector to look through it all again,
    which takes 20 ms, more than the app may hold up its screen."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test puts its recordings."""
    return tmp_path / "recordings"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where it keeps their pairs."""
    return tmp_path / "cache"


@pytest.fixture
def app_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for the app and its children: nothing of this user's is read, nothing is left behind."""
    home = tmp_path / "home"
    places = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_RUNTIME_DIR": home / ".run",
    }
    for name, folder in places.items():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        monkeypatch.setenv(name, str(folder))
    return home


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings to train on and, in a folder of their own, two to validate on."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, f0_hz in (("train/a", 110), ("train/b", 150), ("train/c", 210), ("train/d", 260)):
        path = folder / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, voice(72_000, f0_hz), SAMPLE_RATE, subtype="FLOAT")
    (folder / "validation").mkdir()
    for name, f0_hz in (("e", 130), ("f", 190)):
        soundfile.write(folder / f"validation/{name}.wav", voice(48_000, f0_hz), SAMPLE_RATE, subtype="FLOAT")
    return folder


@pytest.fixture(scope="session")
def train_words(recordings: Path) -> Callable[..., list[str]]:
    """The words of a small ``train`` command: ``train_words(out, "--steps", 4, recipe="tiny")``."""

    def words(out: Path, *extra: object, recipe: str = "tiny") -> list[str]:
        folders = ("--data", recordings / "train", "--validation", recordings / "validation")
        places = (*folders, "--cache", recordings / "cache", "--out", out)
        return ["train", recipe, *map(str, (*places, *RUN_OPTIONS, *extra))]

    return words


@pytest.fixture(scope="session")
def train(train_words: Callable[..., list[str]]) -> Callable[..., Result]:
    """``train(out, "--steps", 4)`` runs the command in this process; ``exit_code`` is what it must end with."""
    from click.testing import CliRunner

    import deshift

    def run(out: Path, *extra: object, recipe: str = "tiny", exit_code: int = 0) -> Result:
        result = CliRunner().invoke(deshift.main, train_words(out, *extra, recipe=recipe))
        assert result.exit_code == exit_code, result.output
        return result

    return run


@pytest.fixture(scope="session")
def trained_run(train: Callable[..., Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: `tiny`, six steps, validated after every third."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(folder, "--steps", 6, "--validate-every", 3, "--data-licence", "CC0-1.0", "--ema", 0.5)
    return folder


@pytest.fixture(scope="session")
def make_trainer(recordings: Path) -> Callable[..., Trainer]:
    """``make_trainer(folder, recipe, steps=6, ...)``: a trainer in this process, on the same small pairs."""
    import torch

    from training.crops import Crops
    from training.loop import Trainer
    from training.machine import Machine
    from training.pairs import PairSettings, make_pairs
    from training.recipes import find
    from training.settings import DataFacts, TrainSettings
    from training.validation import fixed_clips

    pair_settings = PairSettings(shifters=("vocoder",))
    made, held = (
        make_pairs([recordings / part], pair_settings, recordings / "cache", 1, lambda done, total: None)
        for part in ("train", "validation")
    )
    facts = DataFacts(("train",), "CC0-1.0", pair_settings, made.hours, held.hours, made.source_hashes)

    def build(folder: Path, recipe: Recipe | None = None, **changes: Any) -> Trainer:
        small = {"batch": 2, "crop": 4096, "validation_crop": 8192, "validation_clips": 1, "precision": "fp32"}
        settings = TrainSettings(**(small | changes))
        folder.mkdir(parents=True, exist_ok=True)
        crops = Crops(made.pairs, settings.crop, settings.batch, settings.seed, settings.gain_db)
        clips = fixed_clips(held.pairs, settings)
        machine = Machine(torch.device("cpu"))
        return Trainer(recipe or find("tiny"), settings, facts, crops, clips, folder, machine)

    return build


@pytest.fixture(scope="session")
def probe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds to measure a certificate on: longer than the clips of `trained_run`."""
    path = tmp_path_factory.mktemp("probe") / "probe.wav"
    soundfile.write(path, voice(3 * SAMPLE_RATE, 170), SAMPLE_RATE, subtype="FLOAT")
    return path


@pytest.fixture(scope="session")
def loud_run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``loud_run(recipe)``: a checkpoint of any recipe whose random weights all matter, with a real run's facts.

    A fresh model would prove little: its blocks are scaled by 1e-6.
    """
    import torch

    from training import checkpoint
    from training.models import build

    folder = tmp_path_factory.mktemp("loud")

    def make(recipe: Recipe, gain: float = 1.0) -> Path:
        facts = checkpoint.load(trained_run / "last.safetensors").facts
        torch.manual_seed(5)
        model = build(recipe)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(("scale", "alpha")) or ".norm." in name:
                    parameter.uniform_(0.1, 1)
                if name.startswith("conv_out"):
                    parameter.mul_(gain)
        path = folder / f"{recipe.name}-{gain:g}.safetensors"
        saved = checkpoint.as_json({**facts, "recipe": recipe.to_json()})
        checkpoint.save(path, checkpoint.Checkpoint(model.state_dict(), {}, {}, saved))
        return path

    return make


@pytest.fixture(scope="session")
def graphs(loud_run: Callable[..., Path]) -> Callable[[Recipe, int], tuple[UNet, onnx.ModelProto]]:
    """``graphs(recipe, hop_samples)``: a model whose weights all matter, and its streaming graph; each made once."""
    from export.fast_graph import fast_stream_graph
    from tests.exports import model_of

    made: dict[tuple[str, int], tuple[UNet, onnx.ModelProto]] = {}

    def make(recipe: Recipe, hop_samples: int) -> tuple[UNet, onnx.ModelProto]:
        key = (recipe.name, hop_samples)
        if key not in made:
            model = model_of(loud_run(recipe), half=False)
            made[key] = model, fast_stream_graph(model, hop_samples).model
        return made[key]

    return make


@pytest.fixture(scope="session")
def exported_file(trained_run: Path, probe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`trained_run` as a streaming plugin file with the command's defaults: hop 512, weights as float16."""
    from click.testing import CliRunner

    import deshift

    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    words = ["export", "--no-tensorrt", trained_run, "-o", path, "--audio", probe_file, "--licence", "CC0-1.0"]
    result = CliRunner().invoke(deshift.main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return path

"""Checkpoints: what goes in comes out, a kill leaves the old or the new one, and nothing foreign is taken for one."""

import json
import pickletools
import signal
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training import checkpoint
from training.checkpoint import Checkpoint, CheckpointError
from training.models import build
from training.recipes import find

ROOT = Path(__file__).parents[1]


def example(value: float = 0.0) -> Checkpoint:
    weights = {"a.weight": torch.full((3, 4), value), "b": torch.randn(65).bfloat16()}
    facts = {"step": 7, "nested": {"text": "ü", "list": [1, 2.5, None]}}
    return Checkpoint(weights, {"a.weight": torch.ones(3, 4)}, {"adamw/b/step": torch.tensor(7.0)}, facts)


def test_what_goes_in_comes_out(tmp_path):
    saved = example(0.5)
    checkpoint.save(tmp_path / "deep/er/one.safetensors", saved)
    found = checkpoint.load(tmp_path / "deep/er/one.safetensors")
    assert found.facts == saved.facts
    for part in ("weights", "ema", "optimizer"):
        one, other = getattr(saved, part), getattr(found, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["one.safetensors"]


def test_the_average_is_preferred_where_there_is_one():
    assert torch.equal(example().best_weights()["a.weight"], torch.ones(3, 4))
    plain = Checkpoint({"a": torch.zeros(2)}, {}, {}, {})
    assert plain.best_weights() is plain.weights


def test_a_checkpoint_holds_json_and_numbers_and_no_pickle(trained_run):
    content = (trained_run / "last.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header.pop("__metadata__")["facts"])
    assert {"recipe", "settings", "data", "step", "versions", "validation"} <= facts.keys()
    assert facts["versions"]["torch"] == torch.__version__
    assert 8 + length + max(entry["data_offsets"][1] for entry in header.values()) == len(content)
    for start in (0, 8, 8 + length):
        with warnings.catch_warnings(), pytest.raises(ValueError, match=r".+"):
            warnings.simplefilter("ignore")  # weights read as pickle may hold an escape that Python deprecates
            list(pickletools.genops(content[start:]))


KILLED = """
import sys, torch
from pathlib import Path
from training.checkpoint import Checkpoint, save
path, value = Path(sys.argv[1]), 1
while True:
    save(path, Checkpoint({"w": torch.full((4_000_000,), float(value))}, {}, {}, {"value": value}))
    value += 1
"""


def test_a_kill_in_the_middle_of_a_save_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "last.safetensors"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.with_name("last.safetensors.part").exists()):
            assert process.poll() is None and time.monotonic() < deadline
    finally:
        process.kill()
        process.wait()
    found = checkpoint.load(path)
    assert torch.equal(found.weights["w"], torch.full((4_000_000,), float(found.facts["value"])))
    assert process.returncode == -signal.SIGKILL
    checkpoint.save(path, example())  # what the kill left behind is in nobody's way
    assert [left.name for left in tmp_path.iterdir()] == ["last.safetensors"]


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from training.checkpoint import Checkpoint, save
path = Path(sys.argv[1])
save(path, Checkpoint({"w": torch.ones(10)}, {}, {}, {"value": 1}))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
save(path, Checkpoint({"w": torch.ones(1_000_000)}, {}, {}, {"value": 2}))
"""


def test_a_full_disk_is_told_and_leaves_the_checkpoint_before_and_no_half_one(tmp_path):
    path = tmp_path / "last.safetensors"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"training.checkpoint.CheckpointError: {path} cannot be written")
    assert checkpoint.load(path).facts == {"value": 1}
    assert [left.name for left in tmp_path.iterdir()] == ["last.safetensors"]


def one_line(error: pytest.ExceptionInfo[Exception], *told: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    for part in told:
        assert part in text


def test_a_missing_checkpoint_is_told_in_one_line(tmp_path):
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(tmp_path / "none")
    one_line(error, str(tmp_path / "none"), "is not there", "deshift train")


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 65, 511, 513, -1])
def test_a_damaged_checkpoint_is_told_in_one_line(tmp_path, kept):
    whole, path = tmp_path / "whole.safetensors", tmp_path / "damaged.safetensors"
    checkpoint.save(whole, example())
    path.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(path)
    one_line(error, str(path), "cannot be read", "earlier checkpoint")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "deshift checkpoint 2", "facts": "{}"}])
def test_a_foreign_file_of_weights_is_told_in_one_line(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.ones(3)}, path, metadata=metadata)
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(path)
    one_line(error, str(path), "not a deshift checkpoint")


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"w": torch.ones(3)}, path)
    with pytest.raises(CheckpointError) as error:
        checkpoint.read_weights(path)
    one_line(error, "cannot be read")


def test_a_run_stands_for_its_best_checkpoint_and_else_for_its_last(tmp_path, trained_run):
    assert checkpoint.of_run(trained_run) == trained_run / "best.safetensors"
    assert checkpoint.of_run(trained_run / "last.safetensors") == trained_run / "last.safetensors"
    assert checkpoint.of_run(tmp_path) == tmp_path / "last.safetensors"


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_weights_are_put_in_by_name(tmp_path):
    torch.manual_seed(1)
    source, target = build(find("tiny")), build(find("tiny"))
    checkpoint.put_weights(target, weights_of(source), tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(source.parameters(), target.parameters(), strict=True))


def test_plain_weights_go_into_weight_norm_and_mean_the_same(tmp_path):
    recipe = find("output14")
    small = type(recipe)(**{**recipe.to_json(), "channels": (4, 8, 16, 32, 128)})
    plain = type(recipe)(**{**small.to_json(), "norm": "none"})
    torch.manual_seed(1)
    source, target = build(plain), build(small)
    checkpoint.put_weights(target, weights_of(source), tmp_path)
    audio = torch.randn(1, 1, 1024)
    torch.testing.assert_close(target(audio), source(audio), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", ["missing", "shape"])
def test_weights_of_another_recipe_are_refused_with_the_parameter_and_change_nothing(tmp_path, change):
    weights = weights_of(build(find("tiny")))
    name = "decoders.1.merge.weight"
    if change == "missing":
        del weights[name]
    else:
        weights[name] = torch.zeros(8, 17, 1)
    target = build(find("tiny"))
    before = weights_of(target)
    with pytest.raises(CheckpointError) as error:
        checkpoint.put_weights(target, weights, tmp_path / "other")
    one_line(error, str(tmp_path / "other"), name, "give weights of the same recipe")
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"not a protobuf \xff\xff\xff\xff", b"\x08\x08"])
def test_a_file_that_is_no_plugin_file_gives_no_weights(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        checkpoint.put_weights(build(find("tiny")), checkpoint.read_weights(path), path)
    one_line(error, str(path))


def test_facts_come_back_as_a_file_would_give_them():
    assert checkpoint.as_json({"a": (1, 2), "b": {"c": (0.1,)}}) == {"a": [1, 2], "b": {"c": [0.1]}}

"""The commands in docs/training.md are ones that exist: verbs, options and recipes."""

import re
import shlex
from pathlib import Path

import click
import pytest

import deshift
from training.recipes import find

GUIDE = (Path(__file__).parents[1] / "docs/training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def test_the_guide_shows_how_to_train_resume_spread_compare_and_export():
    shown = "\n".join(COMMANDS)
    for part in (
        "deshift train ",
        "--resume",
        "--init",
        "--adversarial",
        "torchrun ",
        "deshift compare ",
        "deshift export ",
    ):
        assert part in shown


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_guide_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("voices", "singing", "held_out", "my_voice", "runs/first", "runs/restore", "runs/sharper"):
        Path(name).mkdir(parents=True)
    for name in ("released.onnx", "runs/sharper/last.safetensors"):
        Path(name).touch()
    Path("first.onnx").touch()
    words = shlex.split(line[line.index("deshift") :])
    verb = deshift.main.get_command(click.Context(deshift.main), words[1])
    context = verb.make_context(words[1], words[2:])  # raises what a wrong option, value or path would print
    recipes = context.params.get("recipes") or context.params.get("recipe") or ()
    for recipe in [recipes] if isinstance(recipes, str) else recipes:
        find(recipe)

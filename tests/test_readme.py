"""What the README and the guides show really runs, and what they link to is there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deshift

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDED = dict(re.findall(r'<!-- the tests add to "(.+?)": (.+?) -->', README))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FOREIGN = re.compile(r"/work/\w|(?:pkg\.dev|pypi\.org|pythonhosted\.org|download\.pytorch\.org|registry\.npmjs\.org)")


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(README) if name == language]


def commands() -> list[list[str]]:
    """The README's shell blocks: each a list of its lines, without the comments behind them."""
    return [[line.split("  #")[0].strip() for line in block.splitlines() if line.strip()] for block in blocks("sh")]


DESHIFT_BLOCKS = [block for block in commands() if block[0].startswith("deshift ")]


def repository_files() -> list[Path]:
    """What git holds or would take; ``safe.directory`` because a container's clone may belong to another user."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for path in (ROOT / name for name in listed.split("\0") if name) if path.is_file()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the README's reader has it: the examples, and recordings to train on."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(ROOT / "examples", tmp_path / "recordings", ignore=shutil.ignore_patterns("*.py", "*.md"))
    return tmp_path


def run(arguments: list[str], folder: Path) -> str:
    caches = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}  # training pairs must not land in ~/.cache
    environment = {**os.environ, **caches, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, f"{shlex.join(arguments)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_of_the_readme_runs(code: str, folder: Path) -> None:
    (folder / "shown.py").write_text(code, encoding="utf-8")
    run(["shown.py"], folder)


@pytest.mark.parametrize("lines", DESHIFT_BLOCKS, ids=lambda lines: lines[0])
def test_the_commands_of_the_readme_run(lines: list[str], folder: Path) -> None:
    for line in lines:
        words = shlex.split(line) + [
            word for start, more in ADDED.items() if line.startswith(start) for word in more.split()
        ]
        assert words[0] == "deshift", f"not a command of ours: {line}"
        run(["-m", *words], folder)
        if "-o" in words:
            assert (folder / words[words.index("-o") + 1]).exists(), line


@pytest.mark.parametrize("verb", deshift.VERBS)
def test_every_verb_explains_itself(verb: str, folder: Path) -> None:
    shown = run(["-m", "deshift", verb, "--help"], folder)
    assert shown.startswith(f"Usage: deshift {verb} ")
    assert len(shown.split("Options:")[0].splitlines()) > 2, "usage alone, without a sentence"


def test_the_first_screen_shows_the_two_commands_that_do_everything() -> None:
    shown = [line for line in README.splitlines()[:25] if line.startswith("sh ")]
    assert [line.split("  #")[0].strip() for line in shown] == ["sh scripts/demo.sh", "sh scripts/test.sh"]
    assert commands()[0] == ["sh scripts/demo.sh", "sh scripts/test.sh"]
    assert "\nsh scripts/test.sh\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_no_block_of_the_readme_goes_unchecked() -> None:
    assert {name for name, _ in BLOCK.findall(README)} == {"sh", "python"}
    assert len(commands()) == 1 + len(DESHIFT_BLOCKS)
    assert README.count("```") == 2 * len(BLOCK.findall(README))


def test_every_relative_link_leads_somewhere() -> None:
    for page in [path for path in repository_files() if path.suffix == ".md"]:
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith(("#", "mailto:")):
                assert (page.parent / link.split("#")[0]).exists(), f"{page.relative_to(ROOT)} links to {link}"


def test_no_file_names_a_private_path_or_a_package_registry() -> None:
    for path in repository_files():
        if path.suffix not in (".flac", ".onnx", ".png"):
            found = FOREIGN.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found}"

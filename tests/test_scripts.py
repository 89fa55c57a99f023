"""The set-up scripts: they parse, they refuse with one clear line, and their pins cover what the project declares."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "scripts/constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
)


def run_script(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / name)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_plain_sh(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.parametrize("name", ["demo.sh", "test.sh"])
def test_a_missing_python_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    result = run_script(name, PYTHON=str(tmp_path / "python9"), VENV=str(tmp_path / "venv"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(r".*no Python 3\.11 or newer found \(tried .*python9\): .*\n", result.stderr)


@pytest.mark.parametrize("name", ["demo.sh", "test.sh"])
def test_a_folder_with_other_things_is_never_cleared_for_an_environment(name: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    result = run_script(name, VENV=str(tmp_path))
    assert result.returncode == 1
    assert "name a new folder as VENV" in result.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("group", ["dependencies", "train", "evaluate", "dev"])
def test_every_declared_requirement_is_pinned_within_its_range(group: str) -> None:
    declared = PROJECT["dependencies"] if group == "dependencies" else PROJECT["optional-dependencies"][group]
    requirements = [Requirement(text) for text in declared]
    pins = {**PINS, "torch": torch_pin()}
    needed = [
        requirement for requirement in requirements if requirement.marker is None or requirement.marker.evaluate()
    ]
    assert needed
    for requirement in needed:
        assert pins.get(canonicalize_name(requirement.name), "nothing") in requirement.specifier, requirement


def torch_pin() -> str:
    """test.sh installs torch before all else, so that pip takes a CPU build where there is one."""
    script = (ROOT / "scripts/test.sh").read_text(encoding="utf-8")
    pinned = re.search(r"pip_install torch==(\S+)\n +pip_install --editable", script)
    assert pinned is not None
    return pinned[1]

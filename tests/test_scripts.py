"""The set-up scripts: they parse, they refuse with one clear line, and their pins cover what the project declares."""

import os
import re
import subprocess
import sys
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


@pytest.mark.parametrize("name", ["demo.sh", "lv2_demo.sh", "test.sh"])
def test_a_missing_python_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    result = run_script(name, PYTHON=str(tmp_path / "python9"), VENV=str(tmp_path / "venv"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(r".*no Python 3\.11 or newer found \(tried .*python9\): .*\n", result.stderr)


@pytest.mark.parametrize("name", ["demo.sh", "lv2_demo.sh", "test.sh"])
def test_a_folder_with_other_things_is_never_cleared_for_an_environment(name: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    result = run_script(name, VENV=str(tmp_path))
    assert result.returncode == 1
    assert "name a new folder as VENV" in result.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_every_test_runs_either_side_by_side_or_alone() -> None:
    script = (ROOT / "scripts/test.sh").read_text(encoding="utf-8")
    assert re.findall(r" -m pytest (.*)", script) == [
        "-rs -m real_time && return",
        "-rs -m real_time --last-failed --last-failed-no-failures none && return",
        '-rs "$@"',
        "-rs -m 'not real_time' -n 2 --dist loadfile",
    ]


@pytest.mark.parametrize(("fails", "code", "runs"), [(0, 0, 1), (1, 0, 2), (4, 0, 5), (5, 1, 5)])
def test_what_fails_in_real_time_is_tried_again_four_times_and_alone(
    tmp_path: Path, fails: int, code: int, runs: int
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["real_time: alone"]\n')
    (tmp_path / "test_it.py").write_text(
        "import pathlib, pytest\npytestmark = pytest.mark.real_time\n"
        "def note(name):\n"
        "    with open(name, 'a') as file: file.write('x')\n"
        "    return len(pathlib.Path(name).read_text())\n"
        f"def test_late():\n    assert note('late') > {fails}\n"
        "def test_good():\n    note('good')\n"
    )
    script = (ROOT / "scripts/test.sh").read_text(encoding="utf-8")
    function = re.search(r"^in_real_time\(\) \{.*?^\}", script, re.DOTALL | re.MULTILINE)
    assert function is not None
    done = subprocess.run(
        ["/bin/sh", "-euc", f"{function[0]}\nif in_real_time; then exit 0; else exit 1; fi"],
        env={"VENV": sys.prefix, "PATH": "/usr/bin:/bin", "PAUSE": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert len((tmp_path / "late").read_text()) == runs and (tmp_path / "good").read_text() == "x"


def run_words(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Shell words after environment.sh, on a system whose programs are those of `folder`."""
    return subprocess.run(
        ["/bin/sh", "-euc", f". scripts/environment.sh; {words}"],
        env={"PATH": str(folder), "VENV": sys.prefix},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_all_that_the_system_lacks_is_named_in_one_line(tmp_path: Path) -> None:
    words = "need_library libnowhere.so.9 libnowhere9 hearing; need_program nowhere seeing sight; install_wanted"
    result = run_words(words, tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert "missing: libnowhere.so.9 (for hearing), the program nowhere (for sight). Install" in line
    assert "(Debian calls it libnowhere9 seeing)" in line


def test_what_only_some_checks_need_is_named_with_them_and_stops_nothing(tmp_path: Path) -> None:
    words = "wish_program nowhere nowhere-package seeing; wish_header nowhere.h nowhere-dev hearing; install_wished"
    result = run_words(f"{words}; echo and on", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "the program nowhere cannot be installed here, so these are skipped: seeing (Debian calls it nowhere-package)",
        "the header nowhere.h cannot be installed here, so these are skipped: hearing (Debian calls it nowhere-dev)",
        "and on",
    ]


@pytest.mark.parametrize("name", ["environment.sh", "lv2_demo.sh"])
def test_the_scripts_look_for_the_headers_that_the_lv2_plugin_includes(name: str) -> None:
    from export.lv2.compile import HEADERS

    script = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    looked_for = re.findall(r"(?:need|wish)_header (\S+/\S+|\S+\.h) (\S+) 'the LV2 plugin'", script)
    assert dict(looked_for) == HEADERS


@pytest.mark.parametrize("ends_with, code", [(0, 0), (3, 0), (1, 1)])
def test_an_onnxruntime_package_that_cannot_be_had_is_said_and_stops_nothing(
    tmp_path: Path, ends_with: int, code: int
) -> None:
    (tmp_path / "sh").write_text(f"#!/bin/sh\nexit {ends_with}\n")
    (tmp_path / "sh").chmod(0o755)
    result = run_words("make_onnxruntime_package", tmp_path)
    assert (result.returncode, result.stderr) == (code, "")
    assert ("are skipped: the C host, the LV2 plugin" in result.stdout) == (ends_with == 3)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyQt6 brings all it needs")
def test_nothing_is_installed_where_the_window_finds_all_it_needs(tmp_path: Path) -> None:
    result = run_words("need_window_libraries; install_wanted", tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("group", ["dependencies", "train", "evaluate", "gui", "dev"])
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

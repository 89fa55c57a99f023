"""The running half stays light: no torch, no ONNX package, no PortAudio; and the arrows between the folders hold."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARROWS = {
    "realtime": (),
    "gui": ("realtime",),
    "training": ("realtime.quality",),
    "export": ("training", "realtime.contract"),
}
HEAVY = (
    "torch",
    "onnx",
    "onnxscript",
    "scipy",
    "librosa",
    "pedalboard",
    "python_stretch",
    "tensorboard",
    "sounddevice",
    "_sounddevice",
    "rtmixer",
)


def run_python(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in the repository root, away from what pytest has already imported."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)


def module_names(package: str) -> list[str]:
    paths = sorted((ROOT / package).rglob("*.py"))
    dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in dotted]


def imported_names(path: Path) -> set[str]:
    """The dotted names that a source file imports, anywhere in it: ``from a import b`` gives ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_inside(name: str, packages: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def loaded_heavy_modules(statements: str) -> str:
    result = run_python("-c", f"import sys\n{statements}\nprint(sorted(set({HEAVY}) & set(sys.modules)))")
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_the_running_half_imports_without_torch_onnx_or_portaudio() -> None:
    names = [name for package in ("realtime", "gui") for name in module_names(package)]
    assert {"realtime", "gui", "realtime.contract"} <= set(names)
    meant = modules_importing_sounddevice()
    names = [name for name in names if name not in meant]
    statements = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in names)
    assert loaded_heavy_modules(statements) == "[]"


def modules_importing_sounddevice() -> list[str]:
    names = module_names("realtime") + module_names("gui")
    libraries = ["sounddevice", "rtmixer"]
    return [name for name in names if any(is_inside(used, libraries) for used in imported_names(source_of(name)))]


def source_of(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_at_most_one_file_imports_sounddevice() -> None:
    assert len(modules_importing_sounddevice()) <= 1


def test_importing_deshift_loads_neither_torch_nor_the_runtime() -> None:
    assert loaded_heavy_modules("import deshift\nassert 'onnxruntime' not in sys.modules") == "[]"


def test_help_lists_every_verb_without_torch() -> None:
    statements = (
        "import contextlib, io, deshift\n"
        "text = io.StringIO()\n"
        "sys.argv = ['deshift', '--help']\n"
        "with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):\n"
        "    deshift.main()\n"
        "verbs = ('process', 'info', 'models', 'train', 'recipes', 'compare', 'export')\n"
        "assert all(f'  {verb} ' in text.getvalue() for verb in verbs), text.getvalue()"
    )
    assert loaded_heavy_modules(statements) == "[]"


@pytest.mark.parametrize("package", ARROWS)
def test_package_files_are_empty(package: str) -> None:
    filled = [str(path) for path in (ROOT / package).rglob("__init__.py") if path.read_bytes()]
    assert filled == []


@pytest.mark.parametrize("package", ARROWS)
def test_a_folder_imports_only_along_its_arrows(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        across = {name for name in imported_names(path) if is_inside(name, ARROWS) and not is_inside(name, [package])}
        assert {name for name in across if not is_inside(name, ARROWS[package])} == set(), path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return run_python(
        "-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])", folder=folder
    )


def test_the_import_contracts_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


FORBIDDEN = [
    ("realtime", "training.recipes"),
    ("gui", "training.recipes"),
    ("training", "realtime.contract"),
    ("export", "gui"),
]


@pytest.mark.parametrize("package, imported", FORBIDDEN)
def test_the_import_contracts_catch_an_arrow_that_runs_up(package: str, imported: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ARROWS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "models"))
    (tmp_path / package / "upward.py").write_text(f"import {imported}\n", encoding="utf-8")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert f"{package}.upward -> {imported}" in result.stdout

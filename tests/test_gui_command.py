"""The verb `gui`: what it says where there is no screen or no Qt, and that it ends on a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gui.memory import FILE_NAME, Memory

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def words(*arguments: str) -> list[str]:
    return [sys.executable, "deshift.py", "gui", *arguments]


def test_without_a_screen_one_line_says_so(app_home: Path) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(words(), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: there is no screen") and done.stderr.count("\n") == 1


def test_without_qt_the_extra_to_install_is_named(app_home: Path, tmp_path: Path) -> None:
    (tmp_path / "PyQt6").mkdir()  # stands before the real one, and is as good as absent
    (tmp_path / "PyQt6" / "__init__.py").write_text("raise ModuleNotFoundError(name='PyQt6')")
    environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words("--help"), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == 'Error: "gui" needs PyQt6: pip install "deshift[gui]"'


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_without_a_question_and_keeps_the_settings(app_home: Path, number: signal.Signals) -> None:
    memory = Memory(app_home / ".config" / "deshift" / FILE_NAME)
    memory.write("window", {"introduced": True})
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's & ignores it
        "from PyQt6.QtCore import QTimer\nimport gui.app\n"
        "class Told(gui.app.Application):\n"
        "    def show(self):\n        super().show()\n        QTimer.singleShot(500, self._tell)\n"
        "    def _tell(self):\n        print('shown', flush=True)\n"
        "gui.app.Application = Told\nraise SystemExit(gui.app.run_app())"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "shown\n"
        process.send_signal(number)
        assert process.wait(20) == 0
    assert "geometry" in Memory(memory.path).read("window")

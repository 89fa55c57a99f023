"""Two thousand lives of the LV2 plugin, plain and under the address sanitizer: nothing of ours is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lv2_bundles import SANITIZERS, compiled, cycles_program
from tests.plugin_files import one_pole_plugin

CYCLES = 2000
GROWTH_KIB = 4096  # the allocator settles within 2.5 MiB, whatever the cycles; five kilobytes a cycle would be more


def _run(program: Path, bundle: Path, index: int, cycles: int, rate: int) -> list[int]:
    """Resident KiB after a tenth of the cycles, and after all."""
    suppressions = bundle.parent / "suppressions"
    suppressions.write_text("leak:libonnxruntime\n")
    environment = os.environ | {"LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0"}
    words = [str(program), str(bundle), str(index), str(cycles), str(rate)]
    result = subprocess.run(words, text=True, capture_output=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    return [int(line) for line in result.stdout.split()]


@pytest.mark.parametrize("index, rate, cycles", [(0, 48_000, CYCLES), (1, 44_100, CYCLES // 2)])
def test_two_thousand_instances_come_and_go_without_a_trace(tmp_path: Path, index: int, rate: int, cycles: int) -> None:
    bundle = compiled(tmp_path / "plain.lv2")
    one_pole_plugin(bundle / "model.onnx")
    early, late = _run(cycles_program(tmp_path), bundle, index, cycles, rate)
    assert late - early < GROWTH_KIB


@pytest.mark.parametrize("index, rate, cycles", [(1, 48_000, CYCLES), (0, 44_100, CYCLES // 20)])
def test_the_sanitizers_find_no_leak_and_no_stray_access(tmp_path: Path, index: int, rate: int, cycles: int) -> None:
    flags = ("-fsanitize=address,undefined", "-g")
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], text=True, capture_output=True).stdout.strip()
    if not shutil.which("cc") or not Path(library).is_absolute():
        pytest.skip("needs gcc's address sanitizer (Debian: libasan, which gcc brings)")
    bundle = compiled(tmp_path / "sanitized.lv2", SANITIZERS)
    one_pole_plugin(bundle / "model.onnx")
    _run(cycles_program(tmp_path, flags), bundle, index, cycles, rate)

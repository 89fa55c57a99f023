"""Large pages for large models: asked for on opening one, and nothing in the memory changes."""

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.plugins.huge_pages import LEAST_BYTES, PAGE_BYTES, prefer_huge_pages

ROOT = Path(__file__).parents[1]
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
pytestmark = pytest.mark.skipif(
    not SETTING.is_file() or "[never]" in SETTING.read_text(), reason="this system gives no large pages"
)
MEASURED = """
import re, sys
from pathlib import Path
from realtime.plugins.session import open_session
from realtime.trust import read_plugin_file
def large_kib():
    return int(re.search(r"AnonHugePages: +(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1])
file = read_plugin_file(Path(sys.argv[1]))
before = large_kib()
session = open_session(file, 1, 1)
print(large_kib() - before)
"""


def test_memory_keeps_what_it_held_and_is_asked_for_in_whole_pages() -> None:
    size = LEAST_BYTES + 2 * PAGE_BYTES
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        pattern = bytes(range(251)) * (size // 251)
        memory[: len(pattern)] = pattern
        asked = prefer_huge_pages()
        assert asked >= LEAST_BYTES and asked % PAGE_BYTES == 0
        assert memory[: len(pattern)] == pattern


def test_a_large_model_lies_in_large_pages_once_it_is_open() -> None:
    words = [sys.executable, "-c", MEASURED, str(ROOT / "realtime/models/voice_octave.onnx")]
    result = subprocess.run(words, cwd=ROOT, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= LEAST_BYTES // 1024

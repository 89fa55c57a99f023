"""Whether this processor adds products of 8 bit without overflow."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

VNNI = {"avx512_vnni", "avx_vnni"}  # Linux' names for the instructions that sum in 32 bit
X86 = {"x86_64", "amd64"}


def needs_precision() -> bool:
    """Whether ONNX Runtime's `session.x64quantprecision` is wanted: on x86-64 without VNNI, or where nobody says.

    Without it such a processor sums unsigned times signed products in 16 bit, which saturate. Elsewhere the option
    would cost a third of an 8-bit graph's speed for nothing.
    """
    if platform.machine().lower() not in X86:
        return False
    return sys.platform != "linux" or lacks_vnni(Path("/proc/cpuinfo").read_text())


def lacks_vnni(cpuinfo: str) -> bool:
    """Args: cpuinfo: the text of /proc/cpuinfo, see proc(5)."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return flags is None or VNNI.isdisjoint(flags[1].split())

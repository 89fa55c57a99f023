"""Large pages for a model's weights, on Linux.

A large model's weights are read from memory once a hop, and with pages of 4 KiB a good part of that time goes to
finding the pages (docs/performance.md has the figures). Most systems give large pages only to those who ask, which ONNX
Runtime does not.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

PAGE_BYTES = 2 << 20
LEAST_BYTES = 4 << 20  # of a mapping, and of a model that gains by it
# linux/mman.h: advice for madvise(2). COLLAPSE, from Linux 6.1, moves what lies there already.
HUGEPAGE, COLLAPSE = 14, 25


def prefer_huge_pages() -> int:
    """Ask for large pages in every large private mapping of this process; the bytes that were asked for.

    To be called once a model is loaded. Where the system has none to give, or is not Linux, nothing changes.
    """
    if sys.platform != "linux":
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    asked = 0
    for start, length in _large_mappings():
        if advise(start, length, HUGEPAGE) == 0:
            advise(start, length, COLLAPSE)  # refused by older kernels, which then move the pages in their own time
            asked += length
    return asked


def _large_mappings() -> Iterator[tuple[int, int]]:
    """Start and length of the whole large pages in the heap and each private, writable mapping without a name.

    See proc(5), maps. What a library has freed and taken again lies in the heap, most of a model's weights among it.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights != "rw-p" or name not in ([], ["[heap]"]):
            continue
        start, end = (int(address, 16) for address in span.split("-"))
        first, last = -(-start // PAGE_BYTES) * PAGE_BYTES, end // PAGE_BYTES * PAGE_BYTES
        if last - first >= LEAST_BYTES:
            yield first, last - first

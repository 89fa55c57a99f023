"""What every part of the bundle needs of files: checksums, names that stay inside, sizes as people read them.

The standard library alone: this runs on the box before anything is installed there.
"""

import hashlib
from pathlib import Path, PurePosixPath

MIB = 1 << 20


class BundleError(ValueError):
    """Something cannot be packed, trained or joined: one line with what, where and what to do."""


def sha256_of(path: Path) -> str:
    """The checksum of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place_below(folder: Path, name: str) -> Path:
    """Where a name out of an archive belongs.

    Raises: BundleError for a name that is empty, absolute, or leads out of the folder on any system.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name:
        raise BundleError(f"{name!r} would be written outside {folder}: do not use this archive")
    return folder.joinpath(*parts)


def mib(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / MIB:.1f} MiB"

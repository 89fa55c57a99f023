"""The wheels that the box lacks: fetched here by pip for its Python and system, or taken from a folder."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.gpu_bundle.files import BundleError

# What training imports and an image with PyTorch for CUDA usually lacks: libsndfile's binding with what it needs,
# resampling, and the shifters.
DEFAULT = ("cffi", "pycparser", "soundfile", "soxr", "python-stretch", "pedalboard")
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
_OLDEST_GLIBC = 5  # of manylinux, for pip: it takes a tag by its exact name alone
_MACHINES = ("x86_64", "aarch64")


def names_of(text: str) -> tuple[str, ...]:
    """`default,click,rich` -> names, with `default` spelled out; `none` for none."""
    if text == "none":
        return ()
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys(part for name in names for part in (DEFAULT if name == "default" else (name,))))


def fetch(names: Sequence[str], python: str, platform: str) -> dict[str, bytes]:
    """Download one wheel for each name, in the versions that the tests use, without what they depend on.

    Args: names: of packages, or `name==version`; python: as 3.12; platform: as glibc2.28-x86_64.
    Returns: file name to content.
    Raises: BundleError with pip's words where there is none.
    """
    if not names:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        target = ("--python-version", python, "--implementation", "cp", *_platform_words(platform))
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:")
        command = [sys.executable, "-m", "pip", "download", *quiet, *target, "--dest", folder]
        done = subprocess.run(
            [*command, "--constraint", str(CONSTRAINTS), *names], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
            told = lines[-1].removeprefix("ERROR: ") if lines else done.stderr.strip()[-200:]
            raise BundleError(f"no wheel for Python {python} on {platform}: {told}")
        return read_folder(Path(folder))


def read_folder(folder: Path) -> dict[str, bytes]:
    """The wheels that lie in a folder. Raises: BundleError where there is none; OSError."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.whl"))}
    if not found:
        raise BundleError(f"{folder} holds no wheel (*.whl): give another --wheel-folder")
    return found


def _platform_words(platform: str) -> list[str]:
    """`glibc2.28-x86_64` -> every tag of manylinux that such a system takes, as options of pip."""
    version, _, machine = platform.removeprefix("glibc2.").partition("-")
    if not platform.startswith("glibc2.") or not version.isdigit() or machine not in _MACHINES:
        raise BundleError(f"--platform {platform!r} is unknown: give one like glibc2.28-x86_64 (ldd --version says it)")
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(int(version), _OLDEST_GLIBC - 1, -1)]
    if int(version) >= 17:
        tags.append(f"manylinux2014_{machine}")
    return [word for tag in tags for word in ("--platform", tag)]

"""What of a run goes home, the most important first: log and figures, the weights to use, then all to go on from."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.gpu_bundle.files import BundleError

LAST, BEST, LEAN = "last.safetensors", "best.safetensors", "weights.safetensors"
_ALWAYS = ("metrics.jsonl", "probe.flac", BEST)
_TAR_ENTRY = 2048  # header, padding and its share of the end


def collect(
    run: Path, notes: Mapping[str, Path], limit: int, paths: Sequence[str]
) -> tuple[dict[str, Path], list[str]]:
    """Choose the files that go home.

    Notes, figures and the best weights always go. Then the last state, whole where there is room, so that training can
    go on; else its weights alone as `weights.safetensors`; then the curves.

    Args:
        run: folder of the run; notes: by name, what tells of the run; limit: bytes of all.
        paths: where the training code lies.
    Returns: name to file, and the names of what found no room.
    Raises: BundleError where the last weights cannot be read.
    """
    files = {name: path for name, path in notes.items() if path.exists()}
    files |= {name: run / name for name in _ALWAYS if (run / name).exists()}
    left_out: list[str] = []

    def add(name: str, path: Path) -> bool:
        taken = sum(file.stat().st_size + _TAR_ENTRY for file in files.values())
        if taken + path.stat().st_size + _TAR_ENTRY > limit:
            left_out.append(name)
            return False
        files[name] = path
        return True

    last = run / LAST
    if last.exists() and not add(LAST, last) and _write_lean(last, run, paths):
        add(LEAN, run / LEAN)
    for path in sorted((run / "tensorboard").rglob("*")):
        if path.is_file():
            add(path.relative_to(run).as_posix(), path)
    return files, left_out


def _write_lean(last: Path, run: Path, paths: Sequence[str]) -> bool:
    """The last weights without what only training needs. Returns: False where they are the best ones anyway."""
    sys.path[:0] = paths  # the bundle's own code and wheels, which are not there when this file is loaded
    from training import checkpoint

    try:
        saved = checkpoint.load(last)
        best = run / BEST
        if best.exists() and checkpoint.load(best).facts["step"] == saved.facts["step"]:
            return False
        checkpoint.save(run / LEAN, checkpoint.Checkpoint(saved.best_weights(), {}, {}, saved.facts))
    except checkpoint.CheckpointError as error:
        raise BundleError(str(error)) from error
    return True

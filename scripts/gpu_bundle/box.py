"""On the box: unpack, install the wheels from the bundle, train under a time limit, write the run in parts.

The standard library alone, until the training code of the bundle is loaded for its checkpoints.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from scripts.gpu_bundle.archive import Manifest, read_manifest, unpack
from scripts.gpu_bundle.files import MIB, BundleError, mib
from scripts.gpu_bundle.parts import clear, part_bytes, write_parts
from scripts.gpu_bundle.results import collect
from scripts.gpu_bundle.trainee import Trainee

APP, SITE, WHEELS, RUN, CACHE = "app", "site", "wheels", "run", "cache"
LOG, NOTE = "train.log", "bundle.json"  # come home with the run: what training said, and what the bundle was
_UNPACKED = "manifest.json"
# What `deshift train` imports in any case; a shifter's library is named by the shifter itself.
NEEDED = ("numpy", "torch", "click", "rich", "safetensors", "soundfile", "soxr", "matplotlib", "tensorboard")
PART_MIB, RESERVE_S = 15.0, 60.0


def main(bundle: Path, words: Sequence[str]) -> None:
    """What Python runs out of the bundle."""
    if words[:1] != ["train"]:
        sys.exit(f"usage: python {bundle.name} train [--help]")
    try:
        train(bundle, words[1:])
    except (BundleError, OSError) as error:
        sys.exit(f"Error: {error}")


def train(bundle: Path, words: Sequence[str]) -> None:
    """`python bundle.pyz train`: to the end of the run, the limit, or a signal.

    Raises: BundleError, one line, for what cannot be, also where training failed; OSError.
    """
    began = time.monotonic()
    options = _options(words)
    room = part_bytes(options.part_mib)
    manifest = read_manifest(bundle)
    work, out = options.work.absolute(), options.out.absolute()
    clear(out)
    prepare(bundle, manifest, work)
    paths = [str(work / APP), str(work / SITE)]
    _see_what_is_there(paths)
    seconds = 60 * (manifest.minutes if options.minutes is None else options.minutes) - (time.monotonic() - began)
    limit = int(MIB * (manifest.out_mib if options.out_mib is None else options.out_mib))
    with Trainee(options.reserve_s) as trainee:
        status = trainee.run(_command(manifest, work), work, _environment(paths, work), work / LOG, seconds)
        files, left_out = collect(work / RUN, {LOG: work / LOG, NOTE: work / _UNPACKED}, limit, paths)
        parts = write_parts(files, out, room, left_out)
    for name in left_out:
        print(f"left out: {name} (--out-mib is {limit / MIB:g}); it is in {work / RUN}", flush=True)
    print(f"{out}: {len(parts)} parts, {mib(sum(part.size for part in parts))}", flush=True)
    if not (work / RUN / "last.safetensors").exists():
        raise BundleError(
            f"training saved nothing (exit code {status}{', time was up' if trainee.asked else ''}): "
            f"{LOG} is in the parts; pairs that were made stay in {work / CACHE}"
        )
    if status:
        raise BundleError(f"training ended with exit code {status}; what it saved before is in {out}")


def prepare(bundle: Path, manifest: Manifest, work: Path) -> None:
    """Unpack and install, or find it done by an earlier call, whose run then goes on.

    Raises: BundleError where `work` holds anything else, or the wheels do not suit this Python; OSError.
    """
    if work.exists():
        noted = work / _UNPACKED
        if not noted.is_file() or noted.read_bytes() != manifest.to_json():
            raise BundleError(f"{work} was not made by this bundle: give another --work, or delete it")
    else:
        partial = work.with_name(f"{work.name}.{os.getpid()}.partial")
        try:
            unpack(bundle, manifest, partial)
            _install(partial)
            (partial / _UNPACKED).write_bytes(manifest.to_json())
            partial.replace(work)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    _name_by_origin(manifest, work)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description="Train what is in the bundle.")
    parser.add_argument("--work", type=Path, default=Path("deshift_box"), help="unpacked here; kept to go on from")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the parts [out]")
    parser.add_argument("--minutes", type=float, help="for everything, from now on [as packed]")
    parser.add_argument("--part-mib", type=float, default=PART_MIB, help="the most that a part takes [15]")
    parser.add_argument("--out-mib", type=float, help="what all parts may take; weights always go [as packed]")
    parser.add_argument("--reserve-s", type=float, default=RESERVE_S, help="seconds of it for saving [60]")
    return parser.parse_args(words)


def _install(folder: Path) -> None:
    """The wheels of the bundle, into a folder of their own, without a network."""
    wheels = sorted(str(path) for path in (folder / WHEELS).glob("*.whl"))
    if not wheels:
        return
    if PathFinder.find_spec("pip") is None:
        raise BundleError("this Python has no pip to install the bundle's wheels with: use another Python")
    quiet = ("--quiet", "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--no-warn-script-location")
    alone = ("--no-index", "--no-deps", "--find-links", str(folder / WHEELS), "--target", str(folder / SITE))
    command = [sys.executable, "-m", "pip", "install", *quiet, *alone, *wheels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["pip said nothing"])[0]
        raise BundleError(f"the wheels cannot be installed here: {told}; pack with this Python's --python")


def _see_what_is_there(paths: Sequence[str]) -> None:
    places = [*paths, *sys.path]
    if missing := [name for name in NEEDED if PathFinder.find_spec(name, places) is None]:
        raise BundleError(f"this Python lacks {', '.join(missing)}: pack with them in --wheels, or use another Python")


def _name_by_origin(manifest: Manifest, work: Path) -> None:
    """Tell the trainer's index of recordings what each one was made from.

    The run then remembers the hashes of the recordings as they were, so that `evaluate` refuses those, and a run goes
    on with the same recordings packed anew.
    """
    index = {}
    for name, content_hash in manifest.origins.items():
        path = (work / name).resolve()
        status = path.stat()
        index[str(path)] = [status.st_size, status.st_mtime_ns, content_hash]
    (work / CACHE).mkdir(exist_ok=True)
    (work / CACHE / "sources.json").write_text(json.dumps(index), encoding="utf-8")


def _command(manifest: Manifest, work: Path) -> list[str]:
    words = [sys.executable, "-m", "deshift", "train", *manifest.arguments]
    words += [word for folder in manifest.data for word in ("--data", folder)]
    words += [word for folder in manifest.validation for word in ("--validation", folder)]
    words += ["--cache", CACHE, "--out", RUN]
    if (work / RUN / "last.safetensors").exists():
        return [*words, "--resume"]
    return [*words, "--init", manifest.init] if manifest.init else words


def _environment(paths: Sequence[str], work: Path) -> dict[str, str]:
    given = os.environ.get("PYTHONPATH")
    search = os.pathsep.join([*paths, *([given] if given else [])])
    # A bare box may have no home to write to, which matplotlib would complain about.
    return {**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", "MPLCONFIGDIR": str(work / "matplotlib")}

"""A bundle put together: code, wheels, recordings and what a run starts from, within a limit of size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.gpu_bundle import arguments, wheels
from scripts.gpu_bundle.archive import PROGRAM, Manifest, archive_size, listed, write_archive
from scripts.gpu_bundle.box import APP, NOTE, RUN, WHEELS
from scripts.gpu_bundle.files import MIB, BundleError, mib, sha256_of
from scripts.gpu_bundle.fill import Filling, fill
from training.checkpoint import of_run

ROOT = Path(__file__).parents[2]
BUNDLE, LISTING = "bundle.pyz", "contents.json"
PACKAGES, SINGLE_FILES = ("training", "realtime", "export"), ("deshift.py", "pyproject.toml", "LICENSE")
CODE = (".py", ".json")
PROGRAM_FILES = ("__init__", "archive", "box", "files", "parts", "results", "trainee")
_MANIFEST_BYTES = 4096  # what the manifest says besides its files
_MAIN = b"""import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("Error: Python %d.%d is too old for deshift: use 3.11 or newer" % sys.version_info[:2])
from scripts.gpu_bundle.box import main

main(Path(__file__).parent, sys.argv[1:])
"""


@dataclass(frozen=True)
class PackSettings:
    """What to pack. `run` is a run to go on with, `init` what a new one starts from; `words` go to `deshift train`.

    `wheel_folder` gives ready wheels in place of those that `wheel_names` fetches for `python` on `platform`.
    """

    data: tuple[Path, ...]
    validation: tuple[Path, ...]
    words: tuple[str, ...]
    max_mib: float
    minutes: float
    out_mib: float
    longest_s: float
    wheel_names: tuple[str, ...]
    wheel_folder: Path | None
    python: str
    platform: str
    init: Path | None
    run: Path | None


def pack(settings: PackSettings, out: Path) -> Path:
    """Write `bundle.pyz` and, for people, `contents.json` into a folder. Returns: the bundle.

    Raises: BundleError, one line, for what is wrong or does not fit; OSError.
    """
    earlier = _earlier(settings.run) if settings.run else None
    words = earlier.arguments if earlier else settings.words
    longest_s = earlier.longest_s if earlier else settings.longest_s
    arguments.check(words, settings.data, settings.out_mib)
    start = _start(settings)
    fixed = _code() | _wheels(settings) | start
    filling = fill(
        settings.data,
        settings.validation,
        _room(settings, fixed),
        longest_s,
        set(earlier.origins.values()) if earlier else None,
    )
    data, validation = filling.folders("data"), filling.folders("validation")
    if earlier and (earlier.data, earlier.validation) != (data, validation):
        raise BundleError(f"{settings.run} was packed from other folders ({_named(earlier)}): give the same, in order")
    content = {**fixed, **filling.content}
    manifest = Manifest(
        arguments=words,
        data=data,
        validation=validation,
        init=next((name for name in start if name.startswith("init/")), ""),
        minutes=settings.minutes,
        out_mib=settings.out_mib,
        longest_s=longest_s,
        origins={name: source.content_hash for name, source in filling.sources.items()},
        files=listed(content),
    )
    out.mkdir(parents=True, exist_ok=True)
    size = write_archive(out / BUNDLE, content, _program(), manifest)
    assert size <= settings.max_mib * MIB, "the room was reckoned too large"
    listing = _for_people(filling, out / BUNDLE, sorted(fixed))
    (out / LISTING).write_text(json.dumps(listing, indent=1), encoding="utf-8")
    return out / BUNDLE


def _earlier(run: Path) -> Manifest:
    """What a run that came home was packed as."""
    note = run / NOTE
    if not note.is_file() or not (run / "last.safetensors").is_file():
        raise BundleError(
            f"{run} cannot be gone on with (it needs {NOTE} and last.safetensors, as `join` leaves them): "
            "start a new run from its weights with --init"
        )
    return Manifest.from_json(note.read_bytes(), note)


def _named(manifest: Manifest) -> str:
    return ", ".join(Path(place).name for place in (*manifest.data, *manifest.validation))


def _code() -> dict[str, bytes]:
    """What training and export import, and the licence, which travels with the code."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*")) if path.suffix in CODE]
    kept = [path for path in found if "__pycache__" not in path.parts and "models" not in path.parts]
    files = [*kept, *(ROOT / name for name in SINGLE_FILES)]
    return {f"{APP}/{path.relative_to(ROOT).as_posix()}": path.read_bytes() for path in files}


def _program() -> dict[str, bytes]:
    """What Python runs out of the zip itself."""
    own = {f"scripts/gpu_bundle/{name}.py": (ROOT / f"scripts/gpu_bundle/{name}.py") for name in PROGRAM_FILES}
    # A real package, or another one called "scripts" on the box would stand before it.
    return {PROGRAM: _MAIN, "scripts/__init__.py": b"", **{name: path.read_bytes() for name, path in own.items()}}


def _wheels(settings: PackSettings) -> dict[str, bytes]:
    if settings.wheel_folder is not None:
        found = wheels.read_folder(settings.wheel_folder)
    else:
        found = wheels.fetch(settings.wheel_names, settings.python, settings.platform)
    return {f"{WHEELS}/{name}": data for name, data in found.items()}


def _start(settings: PackSettings) -> dict[str, bytes]:
    """The weights that a new run starts from, or all of a run that goes on."""
    if settings.run is not None:
        names = ("last.safetensors", "best.safetensors", "metrics.jsonl")
        return {f"{RUN}/{name}": (settings.run / name).read_bytes() for name in names if (settings.run / name).exists()}
    if settings.init is None:
        return {}
    path = settings.init if settings.init.suffix == ".onnx" else of_run(settings.init)
    if not path.is_file():
        raise BundleError(f"{settings.init} holds no weights: give a run, a checkpoint or a plugin file as --init")
    return {f"init/{path.name}": path.read_bytes()}


def _room(settings: PackSettings, fixed: Mapping[str, bytes]) -> int:
    """Bytes that are left for recordings."""
    taken = archive_size({**fixed, **_program()}) + _MANIFEST_BYTES
    room = int(settings.max_mib * MIB) - taken
    if room <= 0:
        shares = {"wheels": WHEELS, "code": APP, "a run to go on with": RUN, "weights to start from": "init"}
        sizes = {
            told: sum(len(fixed[name]) for name in fixed if name.startswith(f"{place}/"))
            for told, place in shares.items()
        }
        parts = ", ".join(f"{told} {mib(size)}" for told, size in sizes.items() if size)
        raise BundleError(f"{parts} leave no room for recordings in {settings.max_mib:g} MiB: give a larger --max-mib")
    return room


def _for_people(filling: Filling, bundle: Path, fixed: list[str]) -> dict[str, Any]:
    """What `contents.json` says."""
    return {
        "file": bundle.name,
        "bytes": bundle.stat().st_size,
        "sha256": sha256_of(bundle),
        "kbit_per_second": filling.kbps,
        "minutes_to_train_on": round(filling.seconds("data") / 60, 2),
        "minutes_to_validate_on": round(filling.seconds("validation") / 60, 2),
        "wheels": [Path(name).name for name in fixed if name.startswith(f"{WHEELS}/")],
        "recordings": {name: str(source.path) for name, source in filling.sources.items()},
        "skipped": list(filling.skipped),
    }

"""The bundle as one file: a zip that Python runs, with a manifest of every file's size and checksum inside.

The standard library alone: this runs on the box before anything is installed there.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scripts.gpu_bundle.files import BundleError, place_below

FORMAT = "deshift bundle 1"
MANIFEST = "manifest.json"
PROGRAM = "__main__.py"  # with scripts/: what Python runs out of the zip itself; it is not unpacked
_PROGRAM_FOLDER = "scripts/"
_OLDEST_DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes
_DEFLATED = (".py", ".json", ".jsonl", ".toml", "LICENSE")  # the rest is compressed already


@dataclass(frozen=True)
class Manifest:
    """What is in a bundle and what is to be done with it.

    `arguments` go to `deshift train` as they are; `data`, `validation` and `init` are places inside the bundle.
    `origins` names the content hash of the recording that each packed one was made from. `minutes` is the time for the
    whole of `train` on the box, `out_mib` how much may come back; `longest_s` is where recordings were cut off.
    `files`: path to (bytes, SHA-256).
    """

    arguments: tuple[str, ...]
    data: tuple[str, ...]
    validation: tuple[str, ...]
    init: str
    minutes: float
    out_mib: float
    longest_s: float
    origins: Mapping[str, str]
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> bytes:
        """The same for the same content, to the byte."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes, where: Path) -> "Manifest":
        """Raises: BundleError where it is not one of this version."""
        try:
            facts: dict[str, Any] = json.loads(text)
            format_ = facts["format"]
            manifest = cls(
                arguments=tuple(str(word) for word in facts["arguments"]),
                data=tuple(str(place) for place in facts["data"]),
                validation=tuple(str(place) for place in facts["validation"]),
                init=str(facts["init"]),
                minutes=float(facts["minutes"]),
                out_mib=float(facts["out_mib"]),
                longest_s=float(facts["longest_s"]),
                origins={str(name): str(digest) for name, digest in facts["origins"].items()},
                files={str(name): (int(size), str(digest)) for name, (size, digest) in facts["files"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: no JSON, or no number
            raise BundleError(f"{where}: its manifest is damaged ({error}): copy the bundle again") from error
        if format_ != FORMAT:
            raise BundleError(f"{where} is a {format_!r}, not a {FORMAT!r}: pack it again")
        return manifest


def listed(content: Mapping[str, bytes]) -> dict[str, tuple[int, str]]:
    """Size and checksum of every file, for the manifest."""
    return {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items()}


def write_archive(target: Path, content: Mapping[str, bytes], program: Mapping[str, bytes], manifest: Manifest) -> int:
    """Write the zip beside its place, then rename it. Returns: its size in bytes."""
    partial = target.with_name(target.name + ".part")
    with partial.open("wb") as file:
        _write(file, {**program, MANIFEST: manifest.to_json(), **content})
    partial.replace(target)
    return target.stat().st_size


def archive_size(content: Mapping[str, bytes]) -> int:
    """How many bytes of an archive some files take, their lines in its manifest included."""
    whole = io.BytesIO()
    _write(whole, {**content, MANIFEST: json.dumps(listed(content)).encode()})
    return len(whole.getvalue())


def _write(file: IO[bytes], content: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name, _OLDEST_DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_DEFLATED) else zipfile.ZIP_STORED
            archive.writestr(entry, data)


def read_manifest(bundle: Path) -> Manifest:
    """Raises: BundleError where the file is no bundle, or a damaged one."""
    try:
        with zipfile.ZipFile(bundle) as archive:
            return Manifest.from_json(archive.read(MANIFEST), bundle)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise BundleError(f"{bundle} is no whole bundle ({error}): copy it again") from error


def unpack(bundle: Path, manifest: Manifest, folder: Path) -> None:
    """Write everything but the program below a folder, each file checked against the manifest.

    Raises: BundleError for a file that is damaged, missing, not listed, or would lie outside; OSError.
    """
    with zipfile.ZipFile(bundle) as archive:
        held = {name for name in archive.namelist() if name not in (MANIFEST, PROGRAM)}
        held = {name for name in held if not name.startswith(_PROGRAM_FOLDER)}
        if odd := sorted(held ^ manifest.files.keys()):
            told = "is not in its manifest" if odd[0] in held else "is missing"
            raise BundleError(f"{bundle}: {odd[0]} {told}: copy the bundle again")
        for name, facts in manifest.files.items():
            target = place_below(folder, name)
            try:
                data = archive.read(name)
            except (zipfile.BadZipFile, zlib.error) as error:
                raise BundleError(f"{bundle}: {name} is damaged ({error}): copy the bundle again") from error
            if (len(data), hashlib.sha256(data).hexdigest()) != facts:
                raise BundleError(f"{bundle}: {name} is damaged (its checksum is another): copy the bundle again")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

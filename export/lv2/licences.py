"""Who made what in a bundle, and on which terms: a text and the licences that this machine has."""

from __future__ import annotations

import shutil
from pathlib import Path

from realtime.contract import Facts

FOLDER = "licences"
REPOSITORY = Path(__file__).resolve().parents[2]
TEXTS = {  # in the bundle: where the text may lie
    "deshift.txt": (REPOSITORY / "LICENSE", Path("/usr/share/common-licenses/GPL-3")),
    "libsamplerate.txt": (
        Path("/usr/share/doc/libsamplerate0/copyright"),
        Path("/usr/share/licenses/libsamplerate/COPYING"),
    ),
}
RUNTIME_NOTES = ("LICENSE", "ThirdPartyNotices.txt")
WORDS = """\
What this folder holds

{name}
    model.onnx: the weights of the model, {licence}.
deshift.so
    The plugin, GPL-3.0-or-later. Its sources: export/lv2/src of deshift.
libonnxruntime.so.1
    ONNX Runtime, MIT, Copyright (c) Microsoft Corporation. github.com/microsoft/onnxruntime
libsamplerate.so.0
    libsamplerate, BSD-2-Clause, Copyright (c) Erik de Castro Lopo. github.com/libsndfile/libsamplerate

The texts of these licences, as far as the machine had them that wrote this bundle, stand beside this file.
"""


def write_licences(folder: Path, facts: Facts, package: Path) -> None:
    """Write the folder of licences into a bundle; `package` is the ONNX Runtime C package it was made with."""
    licences = folder / FOLDER
    licences.mkdir()
    words = WORDS.format(name=facts.name, licence=facts.licence)
    (licences / "README.txt").write_text(words, encoding="utf-8")
    for name, places in TEXTS.items():
        found = next((place for place in places if place.is_file()), None)
        if found is not None:
            shutil.copyfile(found, licences / name)
    for name in RUNTIME_NOTES:
        if (package / name).is_file():
            shutil.copyfile(package / name, licences / f"onnxruntime-{name.removesuffix('.txt')}.txt")

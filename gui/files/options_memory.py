"""The options of the files page as words on the screen and as plain values in the app's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.audio_formats import Encoding
from realtime.batch_items import EXISTING, BatchOptions, Existing
from realtime.contract import MAX_SHIFT_SEMITONES

ENCODINGS: tuple[tuple[str, Encoding], ...] = (
    ("Like the input", Encoding()),
    ("WAV, 16 bit", Encoding(".wav", "PCM_16")),
    ("WAV, 24 bit", Encoding(".wav", "PCM_24")),
    ("WAV, 32 bit float", Encoding(".wav", "FLOAT")),
    ("FLAC, 16 bit", Encoding(".flac", "PCM_16")),
    ("FLAC, 24 bit", Encoding(".flac", "PCM_24")),
    ("AIFF, 24 bit", Encoding(".aiff", "PCM_24")),
    ("Ogg Vorbis", Encoding(".ogg", "VORBIS")),
    ("Opus", Encoding(".opus", "OPUS")),
    ("MP3", Encoding(".mp3", "MPEG_LAYER_III")),
)
EXISTING_WORDS: dict[Existing, str] = {
    "skip": "Leave them, skip the file",
    "number": "Number the new ones",
    "overwrite": "Overwrite them",
}


@dataclass(frozen=True)
class FilesSettings:
    """The options, and the folder that was chosen last, kept while results go beside their inputs."""

    options: BatchOptions = field(default_factory=BatchOptions)
    last_folder: Path | None = None


def to_memory(settings: FilesSettings) -> dict[str, Any]:
    """Plain values for `gui.memory.Memory`."""
    options = settings.options
    return {
        "in_folder": options.folder is not None,
        "folder": "" if settings.last_folder is None else str(settings.last_folder),
        "suffix": options.encoding.suffix,
        "subtype": options.encoding.subtype,
        "mix": options.mix,
        "model": options.model,
        "as_live": options.as_live,
        "semitones": options.semitones,
        "existing": options.existing,
    }


def from_memory(values: Mapping[str, Any]) -> FilesSettings:
    """What was remembered; a value that makes no sense is the default."""
    folder, model = values.get("folder"), values.get("model")
    mix, semitones = (values.get(name) for name in ("mix", "semitones"))
    last_folder = Path(folder) if isinstance(folder, str) and folder and Path(folder).is_absolute() else None
    encoding = Encoding(str(values.get("suffix", "")), str(values.get("subtype", "")))
    return FilesSettings(
        BatchOptions(
            folder=last_folder if values.get("in_folder") is True else None,
            encoding=encoding if any(encoding == known for _, known in ENCODINGS) else Encoding(),
            mix=_number(mix, 0.0, 1.0, 1.0),
            semitones=_number(semitones, -MAX_SHIFT_SEMITONES, MAX_SHIFT_SEMITONES, 0.0),
            model=model if isinstance(model, str) else "",
            as_live=values.get("as_live") is True,
            existing=next((known for known in EXISTING if known == values.get("existing")), "skip"),
        ),
        last_folder,
    )


def _number(value: object, low: float, high: float, default: float) -> float:
    sensible = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    return float(value) if sensible and isinstance(value, int | float) else default

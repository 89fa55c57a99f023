"""What a comparison keeps on disk: a record of each run beside the trainer's own files, and the sounds of the page."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from training.logbook import spectrograms
from training.recordings import write_whole
from training.settings import TrainingError
from training.validation import Audio, Scores

_RECORD = "compare.json"


@dataclass(frozen=True)
class Record:
    """``compare.json`` in a run's folder: what was asked of it and what it took.

    `seconds` and `peak_memory_bytes` count all parts of a run that was interrupted. `finished` means trained to the
    last step, judged, and its outputs written.
    """

    asked: dict[str, dict[str, Any]]
    finished: bool = False
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    device: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """None if there is none. Raises: TrainingError for a damaged one."""
        path = folder / _RECORD
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise TrainingError(f"{path} is damaged ({error}): delete {folder} to train it anew") from error

    def write(self, folder: Path) -> None:
        write_whole(folder / _RECORD, json.dumps(asdict(self), indent=1).encode())


@dataclass(frozen=True)
class Run:
    """What a run's folder tells so far: losses and validation scores by step, oldest first."""

    losses: tuple[tuple[int, float], ...]
    validations: tuple[tuple[int, Scores], ...]
    record: Record | None

    @property
    def scores(self) -> Scores | None:
        """Of the last validation."""
        return self.validations[-1][1] if self.validations else None


def read_run(folder: Path) -> Run:
    """Raises: TrainingError for a damaged record or log."""
    path = folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    losses, validations = [], []
    for line in text[: text.rfind("\n") + 1].splitlines():  # a killed run can leave half a line
        try:
            entry = json.loads(line)
            if entry["kind"] == "train":
                losses.append((int(entry["step"]), float(entry["loss"])))
            elif entry["kind"] == "validation":
                validations.append((int(entry["step"]), Scores(entry["mr_stft"], entry["mel"], entry["si_sdr_db"])))
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is damaged ({error!r}): delete {folder} to train it anew") from error
    return Run(tuple(losses), tuple(validations), Record.read(folder))


def sound_path(folder: Path, place: int, title: str) -> Path:
    """The sound called `title` of the listened clip number `place`, from 1; its picture ends in .png."""
    return folder / "clips" / f"{place:02d}" / f"{title}.flac"


def write_sound(folder: Path, place: int, title: str, audio: Audio, sample_rate: int) -> None:
    """A sound ``(1, T)`` to play, clipped at full scale, and its spectrogram to look at."""
    path = sound_path(folder, place, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".flac.part")
    soundfile.write(partial, np.clip(audio[0], -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    partial.replace(path)
    figure = spectrograms({title: audio}, sample_rate)
    partial = path.with_suffix(".png.part")
    figure.savefig(partial, format="png", dpi=80)
    plt.close(figure)
    partial.replace(path.with_suffix(".png"))

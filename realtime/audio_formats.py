"""Which audio formats can be written, and what of the input's format is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

FORMATS = {
    ".wav": ("WAV", "WAVEX", "RF64"),  # the first is what is written where the input is something else
    ".flac": ("FLAC",),
    ".ogg": ("OGG",),
    ".opus": ("OGG",),
    ".mp3": ("MP3",),
    ".aiff": ("AIFF",),
    ".aif": ("AIFF",),
}
NAMES = "wav, flac, ogg, opus, mp3, aiff"
INTEGER_SUBTYPES = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "ULAW", "ALAW"}
FLOAT_SUBTYPES = {"FLOAT", "DOUBLE"}
LOSSY_SUBTYPES = {".ogg": "VORBIS", ".opus": "OPUS", ".mp3": "MPEG_LAYER_III"}
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MAX_FLAC_RATE = 655_350
MAX_WAV_BYTES = 0xFFFF_0000  # the chunk length of WAV and AIFF has 32 bits


@dataclass(frozen=True)
class Advice:
    """What to do about a problem: with an option of the command line, or on the screen of the app."""

    terminal: str
    screen: str


class AudioFileError(ValueError):
    """An audio file cannot be read or written; `on_screen` is the same sentence without options of the command line."""

    def __init__(self, problem: str, advice: Advice | None = None) -> None:
        super().__init__(f"{problem}; {advice.terminal}" if advice and advice.terminal else problem)
        self.on_screen = f"{problem}; {advice.screen}" if advice else problem


@dataclass(frozen=True)
class Encoding:
    """How results are to be written: a name's ending (".flac") and libsndfile's subtype; empty: like the input."""

    suffix: str = ""
    subtype: str = ""


@dataclass(frozen=True)
class OutputFormat:
    """Format and subtype as libsndfile names them; `note` tells what could not be kept of the input's."""

    format: str
    subtype: str
    note: str = ""


def is_audio(path: Path) -> bool:
    """Whether the name ends like one of an audio file that can be read and written."""
    return path.suffix.lower() in FORMATS


def choose_format(target: Path, source_format: str, source_subtype: str) -> OutputFormat:
    """The format for a target by its name, keeping the input's sample type where the format has it.

    Raises: AudioFileError where the name ends in nothing known.
    """
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise AudioFileError(
            f"{target}: cannot write {suffix or 'a file without suffix'}; it must be one of {NAMES}",
            Advice("", "choose one of them as the format"),
        )
    form = source_format if source_format in FORMATS[suffix] else FORMATS[suffix][0]
    if suffix in LOSSY_SUBTYPES:
        keep_opus = suffix == ".ogg" and source_subtype == "OPUS"
        return OutputFormat(form, "OPUS" if keep_opus else LOSSY_SUBTYPES[suffix])
    known = INTEGER_SUBTYPES | FLOAT_SUBTYPES
    if source_subtype in known and soundfile.check_format(form, source_subtype):
        return OutputFormat(form, source_subtype)
    fallback = "PCM_16" if source_subtype in ("PCM_U8", "PCM_S8", "ULAW", "ALAW") else "PCM_24"
    compressed = source_subtype in LOSSY_SUBTYPES.values()
    note = "" if compressed else f"{source_subtype} samples are written as {fallback}, since {form} output has no such"
    return OutputFormat(form, fallback, note)


def check_writable(target: Path, form: OutputFormat, sample_rate: int, channels: int) -> None:
    """See that a format takes this rate and this many channels.

    Raises: AudioFileError naming what it takes.
    """
    problem = ""
    if form.subtype == "OPUS" and sample_rate not in OPUS_RATES:
        problem = f"Opus takes {_rates(OPUS_RATES)}, not {sample_rate} Hz"
    elif form.format == "MP3" and sample_rate not in MP3_RATES:
        problem = f"MP3 takes {_rates(MP3_RATES)}, not {sample_rate} Hz"
    elif form.format == "MP3" and channels > 2:
        problem = f"MP3 takes 1 or 2 channels, not {channels}"
    elif form.format == "FLAC" and sample_rate > MAX_FLAC_RATE:
        problem = f"FLAC takes up to {MAX_FLAC_RATE} Hz, not {sample_rate} Hz"
    if problem:
        raise AudioFileError(
            f"{target}: {problem}",
            Advice(f"name another format, for example -o {target.stem}.wav", "choose another format, for example wav"),
        )


def widen(form: OutputFormat, frames: int, channels: int) -> OutputFormat:
    """RF64 in place of WAV where the audio is longer than WAV can say."""
    bytes_per_sample = {"PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(form.subtype, 4)
    if form.format not in ("WAV", "WAVEX") or frames * channels * bytes_per_sample < MAX_WAV_BYTES:
        return form
    return OutputFormat("RF64", form.subtype, "longer than WAV can say: written as RF64")


def _rates(rates: tuple[int, ...]) -> str:
    return ", ".join(f"{rate / 1000:g}" for rate in rates) + " kHz"

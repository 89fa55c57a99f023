"""Lossy codecs that give a sound back in its place to the sample: libsndfile's encoders and decoders, in memory."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.recordings import PairsError

Audio = NDArray[np.float32]

SAMPLE_RATE = 48_000  # where the codecs were measured; Opus knows few others
_PIECE_FRAMES = 4096  # the Vorbis encoder keeps its first write on the stack, so a whole segment could overflow it


@dataclass(frozen=True)
class Codec:
    """One encoder of libsndfile and the compression levels it is used at: 0 is its best quality, 1 its worst."""

    name: str
    file_format: str
    subtype: str
    levels: tuple[float, float]
    bitrate_mode: str | None = None


# Measured in docs/training-data.md. Above 0.8 Opus turns to SILK, whose band is 2 samples early; MP3 at a low constant
# rate has no room for the header that tells its delay; above 0.84, MP3 keeps less than 12 kHz.
CODECS: tuple[Codec, ...] = (
    Codec("vorbis", "OGG", "VORBIS", (0.6, 1.0)),
    Codec("opus", "OGG", "OPUS", (0.7, 0.78)),
    Codec("mp3", "MP3", "MPEG_LAYER_III", (0.5, 0.84), "VARIABLE"),
)


def check_codecs(codecs: Sequence[Codec] = CODECS) -> None:
    """Raises: PairsError if this machine's libsndfile lacks one of the codecs."""
    missing = [codec.name for codec in codecs if not soundfile.check_format(codec.file_format, codec.subtype)]
    if missing:
        version = soundfile.__libsndfile_version__
        raise PairsError(f"libsndfile {version} has no {', '.join(missing)}: install 1.2.2, or train without --augment")


def encode(audio: Audio, codec: Codec, level: float) -> bytes:
    """The file that a codec makes of ``(N,)`` at 48 kHz; `level` is libsndfile's, 0 (best quality) to 1.

    Raises: PairsError if libsndfile cannot encode it.
    """
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(
            file,
            "w",
            SAMPLE_RATE,
            1,
            codec.subtype,
            format=codec.file_format,
            compression_level=level,
            bitrate_mode=codec.bitrate_mode,
        ) as writer:
            for start in range(0, len(audio), _PIECE_FRAMES):
                writer.write(audio[start : start + _PIECE_FRAMES])
    except soundfile.LibsndfileError as error:
        raise PairsError(
            f"libsndfile {soundfile.__libsndfile_version__} cannot write {codec.name} at level {level:.2f} "
            f"({error.error_string}): install 1.2.2, or train without --augment"
        ) from error
    return file.getvalue()


def through(audio: Audio, codec: Codec, level: float) -> Audio:
    """A sound after a codec: ``(N,)`` -> ``(N,)`` float32 at 48 kHz, in its place; the peak may pass full scale.

    Raises: PairsError if libsndfile cannot encode it, or gives another length or rate back, so out of its place.
    """
    heard, rate = soundfile.read(io.BytesIO(encode(audio, codec, level)), dtype="float32")
    if (len(heard), rate) != (len(audio), SAMPLE_RATE):
        raise PairsError(
            f"{codec.name} gave {len(heard)} samples at {rate} Hz for {len(audio)} at {SAMPLE_RATE} Hz, so it is out "
            "of its place: install libsndfile 1.2.2, or train without --augment"
        )
    result: Audio = heard
    return result

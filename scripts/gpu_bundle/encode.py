"""Recordings made small: Opus in Ogg, mono, 48 kHz."""

import io

import soundfile

from scripts.gpu_bundle.choose import SAMPLE_RATE, Source
from training.recordings import segments

_KBPS_LOWEST, _KBPS_SPAN = 6, 250  # libsndfile: compression level 1 is 6 kbit/s a channel, 0 is 256
_BLOCK_FRAMES = 1 << 16


def encode(source: Source, kbps: int) -> bytes:
    """The first `source.seconds` of a recording at a bit rate, or the file itself where that is small enough.

    Raises: training.recordings.RecordingError where the recording cannot be used.
    """
    if source.is_copied(kbps):
        return source.path.read_bytes()
    left = round(source.seconds * SAMPLE_RATE)
    level = 1 - (kbps - _KBPS_LOWEST) / _KBPS_SPAN
    ogg = io.BytesIO()
    with soundfile.SoundFile(ogg, "w", SAMPLE_RATE, 1, format="OGG", subtype="OPUS", compression_level=level) as file:
        for segment in segments(source.path, SAMPLE_RATE):
            taken = segment[:left]
            for start in range(0, len(taken), _BLOCK_FRAMES):
                file.write(taken[start : start + _BLOCK_FRAMES])
            left -= len(taken)
            if left <= 0:
                break
    return ogg.getvalue()

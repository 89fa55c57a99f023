"""B of the compare page: the file before, shifted back by the vocoder alone, as a baseline to hear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from realtime.audio_files import AudioReader, AudioWriter
from realtime.audio_formats import OutputFormat, widen
from realtime.plugins.vocoder import Vocoder
from realtime.render import AlignedStream


def render_inverse(
    source: Path,
    target: Path,
    semitones: float,
    stop: Event,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> bool:
    """Shift a file by `semitones` into a WAV file of 32-bit floats at the same rate, each sample at its own time.

    Returns: False, and no file, where `stop` was set on the way.
    Raises: AudioFileError or ValueError, one line, where it cannot be read, shifted or written.
    """
    with AudioReader(source) as reader:
        form = widen(OutputFormat("WAV", "FLOAT"), reader.claimed_frames, reader.channels)
        shifted = AlignedStream(Vocoder(reader.sample_rate, reader.channels, semitones))
        with AudioWriter(target, reader.sample_rate, reader.channels, form) as writer:
            for block in reader.blocks():
                if stop.is_set():
                    return False
                writer.write(shifted.process(block))
                on_progress(min(1.0, reader.read_frames / max(reader.claimed_frames, 1)))
            writer.write(shifted.finish())
            writer.commit(overwrite=True)
    return True

"""What is measured on the compare page: figures of a stretch, and where the reference lies."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event

from gui.files.compare_files import Sound, read_stretch
from gui.files.compare_levels import BLOCK_S
from realtime.quality.align import align
from realtime.quality.file_figures import STRETCH_S, FileFigures, file_figures, loudest_blocks

BEFORE, INVERSE, AFTER, REFERENCE = range(4)


def stretch_of(before: Sound) -> tuple[float, float]:
    """Which seconds are analysed: the loudest 20 s, or all of a shorter file."""
    if before.duration_s <= STRETCH_S:
        return 0.0, before.duration_s
    from_s = loudest_blocks(before.powers, round(STRETCH_S / BLOCK_S)) * BLOCK_S
    return from_s, min(from_s + STRETCH_S, before.duration_s)


def measure(
    sounds: Mapping[int, Sound], index: int, trained_shift: tuple[float, float] | None, stop: Event
) -> FileFigures | None:
    """The figures of one of the files against the one before, and the reference if there is one.

    Returns: None where `stop` was set on the way.
    Raises: ValueError, one line, where a file cannot be read any more or there is nothing to compare.
    """
    rate = sounds[BEFORE].sample_rate
    span = stretch_of(sounds[BEFORE])
    heard = {}
    for one in {BEFORE, index, REFERENCE} & set(sounds):
        found = read_stretch(sounds[one].path, *span, rate, stop)
        if found is None:
            return None
        heard[one] = found
    return file_figures(heard[BEFORE], heard[index], rate, trained_shift, heard.get(REFERENCE), starts_at_s=span[0])


def reference_offset(sounds: Mapping[int, Sound], stop: Event) -> int | None:
    """How many samples, at its own rate, the reference is later than the file after (or before, without one).

    Returns: None where nothing shows it, or `stop` was set on the way.
    Raises: ValueError, one line, where a file cannot be read any more.
    """
    anchor = sounds.get(AFTER, sounds[BEFORE])
    span = stretch_of(sounds[BEFORE])
    rate = anchor.sample_rate
    heard = [read_stretch(sound.path, *span, rate, stop) for sound in (sounds[REFERENCE], anchor)]
    if heard[0] is None or heard[1] is None:
        return None
    found = align(heard[0], heard[1], rate)
    return None if found is None else round(found.offset_samples * sounds[REFERENCE].sample_rate / rate)

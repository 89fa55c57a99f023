"""Recordings on disk and the pairs made of them, for the tests of both."""

from pathlib import Path

import soundfile

from tests.signals import SAMPLE_RATE
from training.pairs import PairIndex, PairSettings, make_pairs

QUICK = PairSettings(shifters=("vocoder",), semitones=(12.0,))


def pairs_from(folder, cache, settings=QUICK, workers=1) -> PairIndex:
    return make_pairs([folder], settings, cache, workers, lambda done, total: None)


def record(path: Path, audio, rate=SAMPLE_RATE, **form) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **form)
    return path


def cached(cache: Path) -> dict[str, bytes]:
    """Every pair in a cache, by its place there."""
    return {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*.flac")}

"""WORLD: a voice taken apart into pitch, envelope and noisiness, and put together again at another pitch.

It shifts pitch unlike every shifter that training can ask for, so it serves as damage that no model has ever heard.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from realtime.evaluate.errors import EvaluateError
from realtime.quality.shifters import band_limit

Audio = NDArray[np.float32]
Array = NDArray[np.float64]

_FRAME_MS = 5.0
_LOWEST_HZ, _HIGHEST_HZ = 71.0, 1600.0  # WORLD's own lowest pitch; a soprano an octave up


def world_shift(audio: Audio, sample_rate: int, semitones: float) -> Audio:
    """Shift the pitch and, as other shifters do, the envelope with it; events and the level stay as they were.

    Args:
        audio: ``(N,)``, not empty, one voice, full scale ±1; sample_rate: Hz; semitones: positive is up.
    Returns: ``(N,)`` float32, the same on each call.
    Raises: EvaluateError where pyworld is not installed.
    Source: Morise et al., WORLD: a vocoder-based high-quality speech synthesis system, 2016.
    """
    world, ratio = load_pyworld(), 2 ** (semitones / 12)
    samples = np.ascontiguousarray(audio, np.float64)
    limits = {"f0_floor": _LOWEST_HZ, "f0_ceil": _HIGHEST_HZ}
    rough, times = world.dio(samples, sample_rate, **limits, frame_period=_FRAME_MS)
    f0 = world.stonemask(samples, rough, times, sample_rate)
    envelope = world.cheaptrick(samples, f0, times, sample_rate)
    noisiness = world.d4c(samples, f0, times, sample_rate)
    parts = (_stretched(spectra, ratio) for spectra in (envelope, noisiness))
    shifted = world.synthesize(f0 * ratio, *parts, sample_rate, _FRAME_MS)
    fitted = np.zeros(len(audio), np.float32)
    part = shifted[: len(audio)]
    fitted[: len(part)] = part
    # A shift down leaves the top of the band empty; a cliff in the envelope itself would ring.
    limited: Audio = band_limit(fitted[None], sample_rate, max(0.0, -semitones))[0]
    # WORLD gives back about 1 dB more than it was given, and a wider envelope holds more: neither is part of the pitch.
    before, after = (float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) for sound in (audio, limited))
    levelled: Audio = limited * np.float32(before / after if after else 1.0)
    return levelled


@lru_cache(maxsize=1)
def load_pyworld() -> ModuleType:
    """The compiled half of pyworld. Its Python half only asks for its own version, of a package that is no more.

    Raises: EvaluateError where it is not installed.
    """
    package = importlib.util.find_spec("pyworld")
    folders = package.submodule_search_locations if package else None
    found = importlib.machinery.PathFinder.find_spec("pyworld.pyworld", folders) if folders else None
    if found is None or found.loader is None:
        raise EvaluateError('WORLD needs pyworld, which is not installed: pip install "deshift[evaluate]"')
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _stretched(spectra: Array, ratio: float) -> Array:
    """Each row ``(K, bins)`` read at 1 / ratio of its place; what would lie above the last bin is that bin."""
    places = np.arange(spectra.shape[1]) / ratio
    low = np.minimum(places.astype(int), spectra.shape[1] - 2)
    share = np.minimum(places - low, 1)
    moved = spectra[:, low] * (1 - share) + spectra[:, low + 1] * share
    return np.ascontiguousarray(moved)

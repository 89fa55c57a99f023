"""What real recordings have and clean ones lack: another level, a noise floor, a narrow band, a codec on the way."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.quality.shifters import low_pass
from training.lossy import CODECS, Codec, through

Audio = NDArray[np.float32]

AUGMENT_VERSION = 1  # raised when other samples come out: cached pairs of the older kind are then made anew
FULL_SCALE = 1 - 2.0**-23  # the largest value of 24-bit PCM
NO_GAIN_DB = (0.0, 0.0)
_NOISE_DBFS = (-80.0, -45.0)
_NOISE_EXPONENTS = (0.0, 2.0)  # of 1 / f ** exponent: white to brown
_NOISE_LOWEST_HZ = 20.0
_EDGES_HZ = (3_000.0, 16_000.0)
_GAIN_STREAM = 1  # keeps the gains apart from the places of the crops, which are drawn from (seed, step)


@dataclass(frozen=True)
class NoiseFloor:
    """Noise of a level (RMS) whose power falls with the frequency as ``1 / f ** exponent``."""

    level_dbfs: float
    exponent: float
    seed: int


@dataclass(frozen=True)
class Augmentation:
    """What one segment is given; None where it is left alone.

    `noise` and then a low-pass at `edge_hz` belong to the original; `codec` at its compression `level` is between the
    shifter and whoever hears it.
    """

    noise: NoiseFloor | None = None
    edge_hz: float | None = None
    codec: Codec | None = None
    level: float = 0.0


def draw(share: float, words: str) -> Augmentation:
    """Draw what a segment is given, each of the three with probability `share`, 0 to 1.

    Args: words: what the draw depends on. Whatever a smaller share gives, a larger one gives too.
    """
    random = np.random.default_rng(list(hashlib.sha256(f"augment {words}".encode()).digest()))
    noisy, narrow, coded = (bool(chance < share) for chance in random.random(3))
    noise = NoiseFloor(
        float(random.uniform(*_NOISE_DBFS)), float(random.uniform(*_NOISE_EXPONENTS)), int(random.integers(2**63))
    )
    edge_hz = float(np.exp(random.uniform(*np.log(_EDGES_HZ))))  # even by octaves, as bands are heard
    codec = CODECS[random.integers(len(CODECS))]
    level = float(random.uniform(*codec.levels))
    return Augmentation(
        noise if noisy else None, edge_hz if narrow else None, codec if coded else None, level if coded else 0.0
    )


def before_shift(original: Audio, augmentation: Augmentation, sample_rate: int) -> Audio:
    """The original ``(C, N)`` with its noise floor and its band, as it goes to the shifter and stays as the target."""
    if augmentation.noise is not None:
        original = original + noise_floor(original.shape, augmentation.noise, sample_rate)
    if augmentation.edge_hz is not None:
        original = low_pass(original, sample_rate, augmentation.edge_hz)
    return original


def after_shift(shifted: Audio, augmentation: Augmentation) -> Audio:
    """The shifted sound ``(C, N)`` at 48 kHz after its codec, each channel on its own; the peak may pass full scale.

    Raises: PairsError if libsndfile does not do what it did where the codecs were measured.
    """
    if augmentation.codec is None:
        return shifted
    return np.stack([through(channel, augmentation.codec, augmentation.level) for channel in shifted])


def noise_floor(shape: tuple[int, ...], noise: NoiseFloor, sample_rate: int) -> Audio:
    """Noise ``(C, N)`` of exactly that RMS, without what is below 20 Hz; N is 1 or more.

    Source: a Gaussian spectrum shaped by a power law, Timmer & König, On generating power law noise, 1995.
    """
    channels, frames = shape
    size = max(2, 1 << (frames - 1).bit_length(), 1 << int(sample_rate / _NOISE_LOWEST_HZ).bit_length())
    random = np.random.default_rng(noise.seed)
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    heard = frequency >= _NOISE_LOWEST_HZ
    shape_of_bins = np.where(heard, np.maximum(frequency, _NOISE_LOWEST_HZ) ** (-noise.exponent / 2), 0)
    real, imaginary = random.standard_normal((2, channels, len(frequency)))
    made = np.fft.irfft((real + 1j * imaginary) * shape_of_bins, size)[:, :frames]
    rms = np.sqrt(np.mean(made**2, axis=1, keepdims=True))
    result: Audio = (made * (10 ** (noise.level_dbfs / 20) / rms)).astype(np.float32)
    return result


def gains(gain_db: tuple[float, float], seed: int, step: int, rows: int) -> NDArray[np.float64]:
    """The factors ``(rows,)`` of the joint batch of a step, even in dB between the two ends."""
    random = np.random.default_rng((seed, step, _GAIN_STREAM))
    result: NDArray[np.float64] = 10 ** (random.uniform(*gain_db, size=rows) / 20)
    return result


def amplified(crops: Audio, factors: NDArray[np.float64]) -> Audio:
    """Both sides of each crop ``(B, 2, …)`` by its own factor ``(B,)``, or by as much as full scale allows."""
    flat = crops.reshape(len(crops), -1)
    peaks = np.abs(flat).max(axis=1, initial=0).astype(np.float64)
    largest = np.divide(FULL_SCALE, peaks, out=np.full(len(peaks), np.inf), where=peaks > 0)
    return (flat * np.minimum(factors, largest)[:, None]).astype(np.float32).reshape(crops.shape)

"""Small signals made on the spot. Every helper returns float32 `(frames,)`, full scale ±1, the same on each call."""

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
SAMPLE_RATE = 48_000


def tone(frequency_hz: float, frames: int, sample_rate: int = SAMPLE_RATE, level: float = 0.3) -> Audio:
    """A sine that starts at phase zero."""
    return (level * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / sample_rate)).astype(np.float32)


def chirp(start_hz: float, stop_hz: float, frames: int, sample_rate: int = SAMPLE_RATE, level: float = 0.3) -> Audio:
    """A sine whose frequency moves in a straight line from `start_hz` to `stop_hz`."""
    frequency_hz = np.linspace(start_hz, stop_hz, frames)
    return (level * np.sin(2 * np.pi * np.cumsum(frequency_hz) / sample_rate)).astype(np.float32)


def click(at: int, frames: int, level: float = 0.5) -> Audio:
    """Silence with one sample of `level` at index `at`."""
    audio = np.zeros(frames, np.float32)
    audio[at] = level
    return audio


def noise(frames: int, seed: int = 0, level: float = 0.1) -> Audio:
    """White Gaussian noise whose standard deviation is `level`."""
    return (level * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


def noise_bursts(frames: int, seed: int = 3, sample_rate: int = SAMPLE_RATE) -> Audio:
    """Two bursts of noise a second, 0.1 s each under a Hann envelope: sharp in time at any pitch."""
    length, every = sample_rate // 10, sample_rate // 2
    envelope = np.zeros(frames + every)
    for start in range(every // 2, frames, every):
        envelope[start : start + length] = np.hanning(length)
    return noise(frames, seed) * envelope[:frames].astype(np.float32)


def harmonic(f0_hz: float, frames: int, sample_rate: int = SAMPLE_RATE, level: float = 0.3) -> Audio:
    """A steady note: partials at multiples of `f0_hz`, 1/k in level, up to 8 kHz (or 0.45 of the rate)."""
    count = max(1, int(min(8000, 0.45 * sample_rate) / f0_hz))
    time_s = np.arange(frames) / sample_rate
    partials = sum(np.sin(2 * np.pi * k * f0_hz * time_s) / k for k in range(1, count + 1))
    return (level * partials / 2).astype(np.float32)


def voice(frames: int, f0_hz: float = 150, sample_rate: int = SAMPLE_RATE, level: float = 0.3) -> Audio:
    """Syllables: a gliding note of 1/k partials under an uneven envelope, with a burst of breath before each one."""
    time_s = np.arange(frames) / sample_rate
    f0_track_hz = f0_hz * 2 ** (0.2 * np.sin(2 * np.pi * 0.7 * time_s))
    phase = 2 * np.pi * np.cumsum(f0_track_hz) / sample_rate
    count = max(1, int(min(8000, 0.4 * sample_rate) / (1.15 * f0_hz)))
    note = sum(np.sin(k * phase) / k for k in range(1, count + 1)) / 2
    beat = np.sin(2 * np.pi * (2.3 * time_s + 0.3 * np.sin(2 * np.pi * 0.31 * time_s)))
    breath = np.random.default_rng(1).standard_normal(frames) * np.clip(-beat, 0, 1) ** 8 * 0.1
    return (level * (note * np.clip(beat, 0, 1) ** 0.7 + breath)).astype(np.float32)


def frequency_of(audio: Audio, sample_rate: int = SAMPLE_RATE) -> float:
    """The strongest frequency in Hz, to a fraction of a cent on a steady tone (parabola through the log peak)."""
    size = 1 << int(np.ceil(np.log2(4 * len(audio))))
    spectrum = np.log(np.abs(np.fft.rfft(audio * np.hanning(len(audio)), size)) + 1e-12)
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return float((peak + 0.5 * (left - right) / (left - 2 * middle + right)) * sample_rate / size)


def envelope_delay_ms(late: Audio, early: Audio, sample_rate: int = SAMPLE_RATE, most_ms: float = 100) -> float:
    """How much later the loudness of `late` moves than that of `early`: the peak of their envelopes' correlation."""
    smoothing = np.hanning(sample_rate // 100)  # 10 ms
    envelopes = [
        np.sqrt(np.maximum(0, np.convolve(audio.astype(float) ** 2, smoothing, "same"))) for audio in (late, early)
    ]
    size = 1 << int(np.ceil(np.log2(2 * len(late))))
    late_spectrum, early_spectrum = (np.fft.rfft(envelope - envelope.mean(), size) for envelope in envelopes)
    most = int(most_ms * sample_rate / 1000)
    correlation = np.roll(np.fft.irfft(late_spectrum * np.conj(early_spectrum), size), most)[: 2 * most + 1]
    return float(np.argmax(correlation) - most) * 1000 / sample_rate


def low_band_delay(late: Audio, early: Audio, highest_hz: float = 3000, sample_rate: int = SAMPLE_RATE) -> float:
    """Samples, and parts of one, that the band below `highest_hz` of a sound comes late in a copy of it.

    From the slope of the phase of their cross-spectrum; for a few samples at most, or the phase turns round.
    """
    size = 4096
    whole = len(early) // size * size
    spectra = [np.fft.rfft(part[:whole].reshape(-1, size) * np.hanning(size)) for part in (late, early)]
    cross = (spectra[0] * spectra[1].conj()).sum(axis=0)
    bins = np.arange(10, int(highest_hz * size / sample_rate))
    slope = np.polyfit(2 * np.pi * bins / size, np.unwrap(np.angle(cross[bins])), 1, w=np.sqrt(np.abs(cross[bins])))[0]
    return float(-slope)


def decibels_below(signal: Audio, difference: Audio) -> float:
    """How far below a signal the power of a difference lies."""
    power, of_difference = (np.sum(part.astype(np.float64) ** 2) for part in (signal, difference))
    return float(10 * np.log10(power / max(of_difference, 1e-30)))

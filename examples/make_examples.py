"""Make the two example recordings from one utterance: the original, and the same raised by an octave.

Run as ``python examples/make_examples.py RECORDING``; Rubber Band comes with ``pip install "deshift[train]"``.
``README.md`` beside this file names the recording, its licence and its makers.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from pedalboard import time_stretch

SAMPLE_RATE = 48_000
SEMITONES = 12.0
START_SECONDS, END_SECONDS = 0.05, 5.02  # both lie in a pause of the utterance named in README.md
FADE_SECONDS = 0.02
PEAK = 0.7  # room for the overshoot of the shifter


def read_utterance(path: Path) -> NDArray[np.float32]:
    """Read seconds 0.05 to 5.02 of a mono 48 kHz file: ``(N,)``, peak 0.7, ends faded.

    Raises: ValueError if the file is not mono, not at 48 kHz, or too short.
    """
    audio: NDArray[np.float32]
    audio, sample_rate = soundfile.read(path, dtype="float32")
    if audio.ndim != 1 or sample_rate != SAMPLE_RATE or len(audio) < END_SECONDS * SAMPLE_RATE:
        raise ValueError(f"{path}: needs {END_SECONDS} s of mono audio at {SAMPLE_RATE} Hz, convert it first")
    audio = audio[int(START_SECONDS * SAMPLE_RATE) : int(END_SECONDS * SAMPLE_RATE)]
    ramp = np.linspace(0.0, 1.0, int(FADE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    audio[: len(ramp)] *= ramp
    audio[-len(ramp) :] *= ramp[::-1]
    return audio * np.float32(PEAK / np.abs(audio).max())


def limit_band(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove what an octave up would push past the band: down to 24 kHz and back, ``(N,)`` -> ``(N,)``."""
    halved = soxr.resample(audio, SAMPLE_RATE, SAMPLE_RATE / 2, quality="VHQ")
    restored = soxr.resample(halved, SAMPLE_RATE / 2, SAMPLE_RATE, quality="VHQ")
    return np.pad(restored, (0, 2))[: len(audio)]  # an odd length comes back a sample longer or shorter


def raise_pitch(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise ``(N,)`` by an octave with Rubber Band, formants and all, as a plain pitch effect does."""
    stretched = time_stretch(audio[None], SAMPLE_RATE, pitch_shift_in_semitones=SEMITONES, preserve_formants=False)
    shifted: NDArray[np.float32] = stretched[0]
    if len(shifted) != len(audio):
        raise ValueError(f"the shifter returned {len(shifted)} samples for {len(audio)}")
    return shifted


def main(recording: str) -> None:
    """Write ``voice_original.flac`` and ``voice_shifted_up.flac`` beside this file."""
    folder = Path(__file__).parent
    original = limit_band(read_utterance(Path(recording)))
    for name, audio in (("voice_original", original), ("voice_shifted_up", raise_pitch(original))):
        soundfile.write(folder / f"{name}.flac", audio, SAMPLE_RATE, subtype="PCM_16")
        print(f"{name}.flac: {len(audio) / SAMPLE_RATE:.2f} s, peak {np.abs(audio).max():.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_examples.py RECORDING")
    main(sys.argv[1])

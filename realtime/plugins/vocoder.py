"""A pitch shifter with 21 ms of latency: the peak vocoder as a plugin, with its shift as a control."""

from __future__ import annotations

from realtime.contract import Control
from realtime.quality.peak_vocoder import LARGEST_SHIFT_SEMITONES, WINDOWS, PeakVocoder
from realtime.quality.vocoder_windows import HOPS_PER_WINDOW

__all__ = ["HOPS_PER_WINDOW", "LARGEST_SHIFT_SEMITONES", "MAX_CHANNELS", "WINDOWS", "Vocoder"]

MAX_CHANNELS = 8


class Vocoder(PeakVocoder):
    """`PeakVocoder` as a plugin: shift pitch by a number of semitones, at once adjustable.

    Raises: ValueError on building, where an argument is out of its range.
    """

    def __init__(
        self, sample_rate: int, channels: int = 1, semitones: float = -12.0, window_samples: int = 1024
    ) -> None:
        if sample_rate < 1:
            raise ValueError(f"vocoder: a sample rate of {sample_rate} Hz is not positive; give the audio's rate")
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"vocoder: it runs 1 to {MAX_CHANNELS} channels, not {channels}")
        super().__init__(channels, semitones, window_samples)
        self._sample_rate = sample_rate
        limit = LARGEST_SHIFT_SEMITONES
        self._control = Control("semitones", "semitones", -limit, limit, -limit)
        self.set_control("semitones", semitones)
        self._control = Control("semitones", "semitones", -limit, limit, self.semitones)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio it works on."""
        return self._sample_rate

    @property
    def controls(self) -> tuple[Control, ...]:
        """What `set_control` takes."""
        return (self._control,)

    def set_control(self, name: str, value: float) -> None:
        """Set the shift, from the next hop on; the windows fade from one shift into the other.

        Raises: ValueError where there is no such control, or the value is out of its range.
        """
        control = self._control
        if name != control.name or not control.minimum <= value <= control.maximum:
            takes = f"{control.name} {control.minimum:g} … {control.maximum:g} {control.unit}"
            raise ValueError(f"vocoder has no control {name!r} that takes {value:g}; it has: {takes}")
        self.semitones = float(value)

"""From the three aligned signals to what is heard: gains without clicks, level matching, the output limiter."""

from __future__ import annotations

import numpy as np

from realtime.live.controls import Controls
from realtime.plugins.base import Samples

RAMP_SECONDS = 0.010
LEVEL_SECONDS = 3.0
LARGEST_MATCH = 4.0  # 12 dB
AUDIBLE_POWER = 1e-6  # -60 dBFS


def from_db(level_db: float) -> float:
    """A factor for amplitudes."""
    return float(10 ** (level_db / 20))


class Glide:
    """A gain that goes to its target in a straight line, in 10 ms or a hop, whichever is longer."""

    def __init__(self, value: float, hop_samples: int, sample_rate: int, seconds: float = RAMP_SECONDS) -> None:
        self.value = value
        self._steps = np.arange(1, hop_samples + 1, dtype=np.float32) / hop_samples
        self._full = hop_samples / max(1.0, seconds * sample_rate)
        self._start, self._goal = value, value

    def begin(self, value: float) -> None:
        """Be there at once, before the first block."""
        self.value = self._start = self._goal = value

    def apply(self, block: Samples, target: float) -> None:
        """Multiply ``(C, hop)`` in place."""
        if target != self._goal:
            self._start, self._goal = self.value, target
        if self.value == target:
            if target != 1.0:
                block *= np.float32(target)
            return
        step = abs(self._goal - self._start) * min(1.0, self._full)
        following = min(target, self.value + step) if target > self.value else max(target, self.value - step)
        if abs(following - target) < 1e-6:
            following = target
        block *= (np.float32(self.value) + np.float32(following - self.value) * self._steps).astype(np.float32)
        self.value = following


class Delay:
    """``(C, hop)`` blocks, later by a fixed number of samples."""

    def __init__(self, samples: int, hop_samples: int, channels: int) -> None:
        self._samples, self._hop = samples, hop_samples
        self._line = np.zeros((channels, samples + hop_samples), dtype=np.float32)

    def process(self, block: Samples) -> Samples:
        """The delayed block: a view that the next call overwrites."""
        self._line[:, : self._samples] = self._line[:, self._hop :].copy()
        self._line[:, self._samples :] = block
        return self._line[:, : self._hop]


class Limiter:
    """Hold the peak of each hop below a ceiling: down at once, up again within about 0.2 s, untouched below it.

    The whole hop is in hand before it is played, so the gain is down before the peak comes, without added latency.
    pedalboard's Limiter is not used here: it raises every level by 4.75 dB and compresses from -10 dB on
    (benchmarks/limiter.py), which would spoil every comparison.
    """

    CEILING_DB = -1.0
    RELEASE_SECONDS = 0.2

    def __init__(self, hop_samples: int, sample_rate: int) -> None:
        self.limited_hops = 0  # whose peak was above the ceiling
        self._gain = 1.0
        self._release = 1 - np.exp(-hop_samples / (self.RELEASE_SECONDS * sample_rate))
        self._steps = np.arange(1, hop_samples + 1, dtype=np.float32)
        self._ceiling = from_db(self.CEILING_DB)

    def process(self, block: Samples, active: bool = True) -> None:
        """Limit ``(C, hop)`` in place; no longer `active`, it lets go as gently as after a peak."""
        if not active and self._gain == 1.0:
            return
        peak = float(np.abs(block).max())
        wanted = min(1.0, self._ceiling / peak) if peak > 0 and active else 1.0
        if wanted >= self._gain:
            wanted = min(wanted, self._gain + (1 - self._gain) * float(self._release))
            if wanted > 0.9999:
                wanted = 1.0
        if wanted == self._gain == 1.0:
            return
        self.limited_hops += active and peak > self._ceiling
        rising = wanted > self._gain  # over the whole hop; down when the highest peak comes
        at = len(self._steps) if rising else int(np.abs(block).max(axis=0).argmax()) + 1
        steps = np.minimum(self._steps / at, 1.0)
        block *= (np.float32(self._gain) + np.float32(wanted - self._gain) * steps).astype(np.float32)
        if active:
            np.clip(block, -self._ceiling, self._ceiling, out=block)
        self._gain = wanted


class Mixer:
    """Weights for the raw input (A), the DSP inverse (B) and the model (C), each gliding to where it was set."""

    def __init__(self, hop_samples: int, sample_rate: int, channels: int, fade_in: bool = True) -> None:
        self._raw, self._inverse, self._model = (Glide(0.0, hop_samples, sample_rate) for _ in range(3))
        self._output = Glide(1.0, hop_samples, sample_rate)
        self._begun = False
        self._fade = Glide(0.0 if fade_in else 1.0, hop_samples, sample_rate, 0.05)
        self.limiter = Limiter(hop_samples, sample_rate)
        self._powers = np.zeros(3)
        self._share = min(1.0, hop_samples / (LEVEL_SECONDS * sample_rate))
        self._mixed = np.zeros((channels, hop_samples), dtype=np.float32)
        self._part = np.zeros_like(self._mixed)

    def process(self, raw: Samples, inverse: Samples | None, model: Samples, controls: Controls) -> Samples:
        """What is heard, ``(C, hop)``: a buffer that the next call overwrites."""
        self._measure(raw, inverse, model)
        listen = "raw" if controls.bypass else controls.listen
        weights = {
            "raw": 1.0 if listen == "raw" else 1 - controls.mix if listen == "model" else 0.0,
            "inverse": 1.0 if listen == "inverse" else 0.0,
            "model": controls.mix if listen == "model" else 0.0,
        }
        if controls.level_match and not controls.bypass:
            if listen == "raw":
                weights["raw"] *= self.match(0)
            weights["inverse"] *= self.match(1)
        self._mixed[:] = 0
        for name, signal, glide in (
            ("raw", raw, self._raw),
            ("inverse", inverse, self._inverse),
            ("model", model, self._model),
        ):
            if signal is not None and (weights[name] or glide.value):
                np.copyto(self._part, signal)
                glide.apply(self._part, weights[name])
                self._mixed += self._part
        output = 0.0 if controls.muted else from_db(controls.output_gain_db)
        if not self._begun:  # what is muted from the start, or while the model is changed, is silent from the start
            self._output.begin(output)
            self._begun = True
        self._output.apply(self._mixed, output)
        self._fade.apply(self._mixed, 1.0)
        self.limiter.process(self._mixed, controls.limiter)
        return self._mixed

    @property
    def faded_out(self) -> bool:
        """Whether `muted` has come to silence."""
        return self._output.value == 0

    def match(self, source: int) -> float:
        """The factor that brings the raw input (0) or the inverse (1) to the model's level, at most ±12 dB."""
        other, model = self._powers[source], self._powers[2]
        if min(other, model) < AUDIBLE_POWER:
            return 1.0
        return float(np.clip(np.sqrt(model / other), 1 / LARGEST_MATCH, LARGEST_MATCH))

    def _measure(self, raw: Samples, inverse: Samples | None, model: Samples) -> None:
        powers = [float(np.vdot(signal, signal)) / signal.size for signal in (raw, model)]
        if max(powers) < AUDIBLE_POWER:
            return  # a pause must not unlearn the level
        inverse_power = float(np.vdot(inverse, inverse)) / inverse.size if inverse is not None else 0.0
        now = np.array([powers[0], inverse_power, powers[1]])
        self._powers += (now - self._powers) * (self._share if self._powers.any() else 1.0)

"""Effects of pedalboard as plugins: gate, filters, dynamics, room. An optional extra: ``deshift[effects]``."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from realtime.contract import Control
from realtime.plugins.base import Samples
from realtime.plugins.session import INAUDIBLE

DEFAULT_HOP_SAMPLES = 128
MAX_LATENCY_S = 4
SLICE_SAMPLES = 16  # a control that moves does so in slices of the hop, this long or a little longer
SLEW_S = 0.03
NYQUIST_SHARE = 0.45  # above half the sample rate a filter of pedalboard explodes


class EffectError(ValueError):
    """There is no such effect or parameter, or it cannot be run."""


@dataclass(frozen=True)
class EffectKind:
    """A class of pedalboard: `controls` can be turned while it runs, `fixed` only when it is made."""

    class_name: str
    description: str
    controls: tuple[Control, ...] = ()
    fixed: tuple[Control, ...] = ()


def _hertz(default: float, name: str = "cutoff_frequency_hz") -> Control:
    return Control(name, "Hz", 20.0, 20_000.0, default)


def _share(name: str, default: float, maximum: float = 1.0) -> Control:
    return Control(name, "", 0.0, maximum, default)


def _threshold(default: float, minimum: float = -60.0) -> Control:
    return Control("threshold_db", "dB", minimum, 0.0, default)


def _milliseconds(name: str, minimum: float, maximum: float, default: float) -> Control:
    return Control(name, "ms", minimum, maximum, default)


_ATTACK = _milliseconds("attack_ms", 0.1, 500.0, 1.0)
_RELEASE = _milliseconds("release_ms", 1.0, 2_000.0, 100.0)
_RATIO = Control("ratio", "", 1.0, 100.0, 4.0)
_BAND = (Control("gain_db", "dB", -24.0, 24.0, 0.0), Control("q", "", 0.1, 10.0, 0.707))
_SWEEP = (Control("rate_hz", "Hz", 0.01, 20.0, 1.0), _share("depth", 0.25))
_WET = (_share("feedback", 0.0, 0.95), _share("mix", 0.5))

# Measured (docs/chains.md): each gives the same samples in blocks of any size. PitchShift, Resample and the codecs of
# the library do not: they give back fewer samples than they take, or none at all.
KINDS: Mapping[str, EffectKind] = {
    "gate": EffectKind(
        "NoiseGate", "Turns down what is below the threshold.", (_threshold(-50.0, -100.0), _RATIO, _ATTACK, _RELEASE)
    ),
    "highpass": EffectKind("HighpassFilter", "Takes out what is below, 6 dB an octave.", (_hertz(80.0),)),
    "lowpass": EffectKind("LowpassFilter", "Takes out what is above, 6 dB an octave.", (_hertz(16_000.0),)),
    "low_shelf": EffectKind("LowShelfFilter", "Lifts or lowers what is below.", (_hertz(200.0), *_BAND)),
    "high_shelf": EffectKind("HighShelfFilter", "Lifts or lowers what is above.", (_hertz(4_000.0), *_BAND)),
    "peak": EffectKind("PeakFilter", "Lifts or lowers a band.", (_hertz(1_000.0), *_BAND)),
    "compressor": EffectKind(
        "Compressor", "Turns down what is above the threshold.", (_threshold(-20.0), _RATIO, _ATTACK, _RELEASE)
    ),
    "limiter": EffectKind(
        "Limiter",
        "Dense and loud: adds 4.75 dB at the default threshold and compresses from -10 dB on; "
        "to keep peaks below a ceiling and nothing else, use brickwall.",
        (_threshold(-10.0), _RELEASE),
    ),
    "brickwall": EffectKind(
        "BrickwallLimiter",
        "Keeps every sample below the ceiling and changes nothing else; its lookahead adds to the latency.",
        (Control("ceiling_db", "dB", -30.0, 0.0, -1.0), _RELEASE),
        (_milliseconds("lookahead_ms", 0.1, 20.0, 2.0),),
    ),
    "gain": EffectKind("Gain", "Louder or quieter.", (Control("gain_db", "dB", -60.0, 24.0, 0.0),)),
    "invert": EffectKind("Invert", "Turns the polarity over."),
    "clipping": EffectKind("Clipping", "Cuts off what is above the threshold.", (_threshold(-6.0),)),
    "distortion": EffectKind(
        "Distortion", "Soft saturation (tanh).", (Control("drive_db", "dB", 0.0, 60.0, 25.0),)
    ),
    "bitcrush": EffectKind("Bitcrush", "Fewer bits.", (Control("bit_depth", "bit", 1.0, 24.0, 8.0),)),
    "chorus": EffectKind(
        "Chorus", "A detuned double.", (*_SWEEP, _milliseconds("centre_delay_ms", 1.0, 50.0, 7.0), *_WET)
    ),
    "phaser": EffectKind(
        "Phaser", "Moving notches.", (*_SWEEP, _hertz(1_300.0, "centre_frequency_hz"), *_WET)
    ),
    "delay": EffectKind(
        "Delay", "Echoes.", (Control("delay_seconds", "s", 0.0, 2.0, 0.5), *_WET)
    ),
    "reverb": EffectKind(
        "Reverb", "A room.",
        (_share("room_size", 0.5), _share("damping", 0.5), _share("wet_level", 0.33), _share("dry_level", 0.4),
         _share("width", 1.0)),
    ),
}  # fmt: skip


def pedalboard_library() -> Any:
    """The pedalboard module.

    Raises: EffectError where it is not installed.
    """
    try:
        return importlib.import_module("pedalboard")
    except ImportError as error:
        raise EffectError(f'effects need pedalboard ({error}): pip install "deshift[effects]"') from error


def check_value(owner: str, control: Control, value: object) -> float:
    """The value as a number within the control's range.

    Raises: EffectError, one line, where it is not.
    """
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not control.minimum <= number <= control.maximum:
        unit = f" {control.unit}" if control.unit else ""
        raise EffectError(
            f"{owner}: {control.name} takes {control.minimum:g} … {control.maximum:g}{unit}, not {value!r}"
        )
    return number


class Streamed:
    """One object of pedalboard, block after block: as many samples out as in, `delay_samples` later.

    The library leaves out the first samples of an effect that has a delay, and gives shorter blocks until they are
    over; here silence takes their place.
    Raises: EffectError where the effect does not take these channels, or gives nothing for MAX_LATENCY_S.
    """

    def __init__(self, effect: Any, name: str, sample_rate: int, channels: int, hop_samples: int) -> None:
        if not hop_samples > channels >= 1:
            # pedalboard tells channels from samples by which there are fewer of
            raise EffectError(f"{name}: the hop must be longer than the {channels} channels, not {hop_samples} samples")
        self._effect, self._name, self._rate, self._hop = effect, name, sample_rate, hop_samples
        self._owed = MAX_LATENCY_S * sample_rate
        self.delay_samples = self._measure(np.zeros((channels, hop_samples), dtype=np.float32))
        self.reset()

    def _measure(self, silence: Samples) -> int:
        self._effect.reset()  # a fresh VST3 does not leave out its first samples, one after a reset does
        most, missing = self._owed, self._hop
        while missing:
            before = self._owed
            try:
                self.process(silence)
            except (RuntimeError, ValueError) as error:
                raise EffectError(f"{self._name}: it cannot be run: {' '.join(str(error).split())[:200]}") from error
            missing = before - self._owed
        return most - self._owed

    def reset(self) -> None:
        """Back to silence."""
        self._effect.reset()
        self._owed = self.delay_samples

    def process(self, block: Samples) -> Samples:
        """``(C, N)`` -> ``(C, N)``, N up to the hop and above C.

        Raises: RuntimeError where the effect leaves out more than it did at first.
        """
        if np.abs(block).max() < INAUDIBLE:
            block = np.full_like(block, INAUDIBLE)  # a tail that fades into denormal numbers costs six times as much
        heard: Samples = self._effect.process(block, self._rate, buffer_size=self._hop, reset=False)
        missing = block.shape[1] - heard.shape[1]
        if missing == 0:
            return heard
        self._owed -= missing
        if self._owed < 0:
            raise RuntimeError(f"{self._name} left out {-self._owed} samples more than its latency")
        return np.pad(heard, ((0, 0), (missing, 0)))


class Effect:
    """One of KINDS as a plugin, whose controls move without a click.

    Args:
        kind: a name of KINDS.
        parameters: values of its controls and fixed parameters; the rest keeps its default.
        hop_samples: any, longer than the channels; a chain costs least where it is that of its other members.
    Raises: EffectError, one line, where there is no such kind or parameter, a value is out of range, or pedalboard is
        not installed.
    """

    def __init__(
        self,
        kind: str,
        parameters: Mapping[str, float],
        sample_rate: int,
        channels: int,
        hop_samples: int = DEFAULT_HOP_SAMPLES,
    ) -> None:
        if kind not in KINDS:
            raise EffectError(f"there is no effect {kind!r}; the effects are: {', '.join(KINDS)}")
        self.name, self.kind = kind, KINDS[kind]
        self.sample_rate, self.channels, self.hop_samples = sample_rate, channels, hop_samples
        self.controls = tuple(_within(control, sample_rate) for control in self.kind.controls)
        known = {control.name: control for control in (*self.controls, *self.kind.fixed)}
        unknown = [name for name in parameters if name not in known]
        if unknown:
            raise EffectError(f"{kind} has no parameter {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
        self._goals = {
            name: check_value(kind, control, parameters.get(name, control.default)) for name, control in known.items()
        }
        self.controls = tuple(replace(control, default=self._goals[control.name]) for control in self.controls)
        self._values = {control.name: self._goals[control.name] for control in self.controls}
        made = getattr(pedalboard_library(), self.kind.class_name, None)
        if made is None:
            raise EffectError(f'{kind}: this pedalboard is too old for it: pip install --upgrade "deshift[effects]"')
        self._effect = made(**self._goals)
        self._streamed = Streamed(self._effect, kind, sample_rate, channels, hop_samples)
        self._steps: dict[str, list[float]] = {}  # values on the way to a goal, the next one last
        count = max(1, hop_samples // SLICE_SAMPLES)
        self._slices = [hop_samples * index // count for index in range(count + 1)]
        self._slew_steps = max(1, round(SLEW_S * sample_rate * count / hop_samples))

    @property
    def latency_samples(self) -> int:
        """One hop, and the lookahead of those that have one."""
        return self.hop_samples + self._streamed.delay_samples

    @property
    def parameters(self) -> dict[str, float]:
        """All values, as they were given or as `set_control` left them."""
        return dict(self._goals)

    def set_control(self, name: str, value: float) -> None:
        """Turn a knob: it moves there within 30 ms, from the next hop on.

        Raises: EffectError where there is no such control, or the value is out of its range.
        """
        control = next((control for control in self.controls if control.name == name), None)
        if control is None:
            listed = ", ".join(control.name for control in self.controls) or "none"
            raise EffectError(f"{self.name} has no control {name!r} to turn while it runs; it has: {listed}")
        self._goals[name] = check_value(self.name, control, value)

    def reset(self) -> None:
        """Back to silence; the controls are where they were set."""
        for name in self._values:
            self._move(name, self._goals[name])
        self._steps.clear()
        self._streamed.reset()

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``."""
        if all(self._goals[name] == value for name, value in self._values.items()):
            return self._streamed.process(block)
        heard = []
        for start, stop in zip(self._slices, self._slices[1:], strict=False):
            for control in self.controls:
                self._slew(control)
            heard.append(self._streamed.process(np.ascontiguousarray(block[:, start:stop])))
        return np.concatenate(heard, axis=1)

    def _slew(self, control: Control) -> None:
        """One step towards the goal: in equal ratios for frequencies, in equal steps for all else."""
        name, goal = control.name, self._goals[control.name]
        value, steps = self._values[name], self._steps.get(name, [])
        if value == goal:
            return
        if not steps or steps[0] != goal:  # a new goal, also where one was on the way to another
            spaced = np.geomspace if control.unit == "Hz" else np.linspace
            steps = [float(step) for step in spaced(value, goal, self._slew_steps + 1)[:0:-1]]
            steps[0] = goal
            self._steps[name] = steps
        self._move(name, steps.pop())

    def _move(self, name: str, value: float) -> None:
        setattr(self._effect, name, value)
        self._values[name] = value


def _within(control: Control, sample_rate: int) -> Control:
    """The control for this rate: no frequency comes near half of it."""
    most = NYQUIST_SHARE * sample_rate
    if control.unit != "Hz" or control.maximum <= most:
        return control
    return replace(control, maximum=most, default=min(control.default, most))

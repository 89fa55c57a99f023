"""What is shown of each member of a chain, as values: title, latency, parameters, and what to know of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gui.live.chain_changes import WINDOW
from realtime.contract import Control, Facts
from realtime.plugins.chain import EMPTY_HOP_SAMPLES
from realtime.plugins.effects import KINDS, NYQUIST_SHARE
from realtime.plugins.preset_entries import EffectEntry, Entry, ModelEntry, VocoderEntry, Vst3Entry
from realtime.plugins.presets import DEFAULT_RATE
from realtime.plugins.vocoder import HOPS_PER_WINDOW, WINDOWS

TITLES = {"high_shelf": "High shelf", "low_shelf": "Low shelf", "highpass": "High-pass", "lowpass": "Low-pass"}
READING = "Reading the model file…"
VST3_NOTE = "Its parameters and its latency are known once it runs: start the sound."


@dataclass(frozen=True)
class Knob:
    """A parameter as it is shown; `live` says that a running engine turns it without building the chain anew."""

    control: Control
    value: float
    live: bool = True


@dataclass(frozen=True)
class Choice:
    """A parameter with a few possible values, each with its text."""

    name: str
    label: str
    options: tuple[tuple[str, int], ...]
    value: int


@dataclass(frozen=True)
class ShownMember:
    """One member: `latency_ms` is what it adds to the chain's, None where that is not known."""

    title: str
    help: str
    bypass: bool
    latency_ms: float | None
    knobs: tuple[Knob, ...] = ()
    choices: tuple[Choice, ...] = ()
    note: str = ""
    failed: bool = False  # the note says why it cannot run

    @property
    def form(self) -> object:
        """What does not change while it is only turned: the widgets that it takes."""
        knobs = tuple(replace(knob, value=0.0) for knob in self.knobs)
        choices = tuple(replace(choice, value=0) for choice in self.choices)
        return self.title, self.help, knobs, choices


@dataclass(frozen=True)
class Times:
    """Hop and latency of a plugin in samples."""

    hop_samples: int
    latency_samples: int


def effect_title(name: str) -> str:
    """What a person calls an effect."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def rate_of(facts: Mapping[int, Facts]) -> int:
    """Samples per second of a chain, as `Preset.build` has it: `facts` are those of its models, by their places."""
    return facts[min(facts)].sample_rate if facts else DEFAULT_RATE


def chain_latency_ms(entries: tuple[Entry, ...], facts: Mapping[int, Facts]) -> float | None:
    """Algorithmic latency of the chain (docs/chains.md); None where a member's is not known."""
    times = [_times(entry, facts.get(index), rate_of(facts)) for index, entry in enumerate(entries)]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    hops = [time.hop_samples for time in known if time.hop_samples]
    hop = math.lcm(*hops) if hops else EMPTY_HOP_SAMPLES
    return 1000 * (hop + sum(time.latency_samples - time.hop_samples for time in known)) / rate_of(facts)


def shown(
    entry: Entry, folder: Path, facts: Facts | None, controls: tuple[Control, ...] | None, rate: int, reason: str = ""
) -> ShownMember:
    """A member as it is shown; `reason` says why a model cannot be read."""
    time = _times(entry, facts, rate)
    latency_ms = None if time is None else 1000 * time.latency_samples / rate
    if isinstance(entry, VocoderEntry):
        windows = tuple((f"{size} samples, {1000 * size / rate:.1f} ms", size) for size in WINDOWS)
        choice = Choice(WINDOW, "Window", windows, entry.window_samples)
        knobs = tuple(Knob(control, entry.semitones) for control in controls or ())
        text = "Shifts pitch without a model: the phase vocoder. A longer window is cleaner and later."
        return ShownMember("Phase vocoder", text, entry.bypass, latency_ms, knobs, (choice,))
    if isinstance(entry, EffectEntry):
        return ShownMember(
            effect_title(entry.effect), KINDS[entry.effect].description, entry.bypass, latency_ms, _effect(entry, rate)
        )
    if isinstance(entry, Vst3Entry):
        values = {name: value for name, value in entry.parameters.items() if isinstance(value, int | float)}
        knobs = tuple(Knob(control, float(values.get(control.name, control.default))) for control in controls or ())
        note = VST3_NOTE if controls is None else "" if knobs else "It has no parameters that are numbers."
        return ShownMember(Path(entry.path).stem, f"VST3: {folder / entry.path}", entry.bypass, None, knobs, (), note)
    return _model(entry, facts, controls, latency_ms, reason)


def _model(
    entry: ModelEntry,
    facts: Facts | None,
    controls: tuple[Control, ...] | None,
    latency_ms: float | None,
    reason: str,
) -> ShownMember:
    if facts is None:
        title, note = Path(entry.model).stem, reason or READING
        return ShownMember(title, entry.model, entry.bypass, None, (), (), note, bool(reason))
    knobs = tuple(Knob(control, entry.controls.get(control.name, control.default)) for control in controls or ())
    return ShownMember(facts.name, facts.description, entry.bypass, latency_ms, knobs)


def _effect(entry: EffectEntry, rate: int) -> tuple[Knob, ...]:
    kind, most_hz = KINDS[entry.effect], NYQUIST_SHARE * rate
    knobs = []
    for control, live in [*((c, True) for c in kind.controls), *((c, False) for c in kind.fixed)]:
        if control.unit == "Hz" and control.maximum > most_hz:
            control = replace(control, maximum=most_hz, default=min(control.default, most_hz))
        knobs.append(Knob(control, entry.parameters.get(control.name, control.default), live))
    return tuple(knobs)


def _times(entry: Entry, facts: Facts | None, rate: int) -> Times | None:
    """None where they cannot be known without running it."""
    if isinstance(entry, ModelEntry):
        return None if facts is None else Times(facts.hop_samples, facts.latency_samples)
    if isinstance(entry, VocoderEntry):
        return Times(entry.window_samples // HOPS_PER_WINDOW, entry.window_samples)
    if isinstance(entry, EffectEntry):
        fixed = {
            control.name: entry.parameters.get(control.name, control.default) for control in KINDS[entry.effect].fixed
        }
        return Times(0, round(fixed.get("lookahead_ms", 0.0) * rate / 1000))
    return None

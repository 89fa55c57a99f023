"""What changes between two chains: knobs that a running engine can turn, or a structure that it must build anew."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime.bundled import bundled_models
from realtime.contract import Control
from realtime.plugins.chain import BYPASS
from realtime.plugins.effects import KINDS, check_value
from realtime.plugins.preset_entries import EffectEntry, Entry, ModelEntry, PresetError, Value, VocoderEntry, Vst3Entry
from realtime.plugins.presets import Preset
from realtime.plugins.vocoder import LARGEST_SHIFT_SEMITONES, WINDOWS

CONTROL_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # what a plugin may call a knob: `realtime.contract.Control`
SEMITONES = Control("semitones", "semitones", -LARGEST_SHIFT_SEMITONES, LARGEST_SHIFT_SEMITONES, VocoderEntry.semitones)
WINDOW = "window_samples"


@dataclass(frozen=True)
class Known:
    """What is known of plugins beyond a preset: which models are bundled, and the knobs that were learnt."""

    bundled: Mapping[str, Path] = field(default_factory=bundled_models)
    learnt: dict[str, tuple[Control, ...]] = field(default_factory=dict)

    def identity(self, entry: Entry, folder: Path) -> str:
        """What an entry is, whatever its parameters: the same text for the same plugin."""
        if isinstance(entry, ModelEntry):
            path = self.bundled.get(entry.model, folder / entry.model)
            return f"model {os.path.normpath(path.absolute())}"
        if isinstance(entry, VocoderEntry):
            return "vocoder"
        if isinstance(entry, EffectEntry):
            return f"effect {entry.effect}"
        return f"vst3 {os.path.normpath((folder / entry.path).absolute())}"

    def controls(self, entry: Entry, folder: Path) -> tuple[Control, ...] | None:
        """What can be turned while it runs; None where that has not been learnt."""
        if isinstance(entry, VocoderEntry):
            return (SEMITONES,)
        if isinstance(entry, EffectEntry):
            return KINDS[entry.effect].controls
        return self.learnt.get(self.identity(entry, folder))


def live_values(preset: Preset) -> dict[str, float]:
    """All knobs that a running engine can turn, and what they are set to: ``<index>.<name>`` -> value."""
    values = {}
    for index, entry in enumerate(preset.plugins):
        values[f"{index}.{BYPASS}"] = float(entry.bypass)
        values.update({f"{index}.{name}": value for name, value in _turned(entry).items()})
    return values


def live_changes(before: Preset, after: Preset, known: Known) -> dict[str, float] | None:
    """The knobs to turn to come from one chain to the other; None where the engine must build it anew."""
    if len(before.plugins) != len(after.plugins):
        return None
    changes: dict[str, float] = {}
    for index, (old, new) in enumerate(zip(before.plugins, after.plugins, strict=True)):
        if known.identity(old, before.folder) != known.identity(new, after.folder) or _fixed(old) != _fixed(new):
            return None
        if old.bypass != new.bypass:
            changes[f"{index}.{BYPASS}"] = float(new.bypass)
        defaults = {control.name: control.default for control in known.controls(new, after.folder) or ()}
        was, now = defaults | _turned(old), defaults | _turned(new)
        if was.keys() != now.keys():
            return None  # back to a default that is not known
        changes.update({f"{index}.{name}": value for name, value in now.items() if value != was[name]})
    return changes


def meaning(preset: Preset, known: Known) -> list[object]:
    """What two presets must share to be the same chain, wherever their files lie."""
    parts: list[object] = []
    for entry in preset.plugins:
        defaults = {control.name: control.default for control in known.controls(entry, preset.folder) or ()}
        parts.append((known.identity(entry, preset.folder), entry.bypass, _fixed(entry), defaults | _turned(entry)))
    return parts


def with_parameter(entry: Entry, name: str, value: Value, controls: tuple[Control, ...] | None) -> Entry:
    """The entry with one parameter set; `controls` are its knobs, where they are known.

    Raises: PresetError, one line, where there is no such parameter, or it does not take the value.
    """
    if isinstance(entry, VocoderEntry) and name == WINDOW:
        if value not in WINDOWS:
            raise PresetError(f"vocoder: no window of {value} samples; choose {', '.join(map(str, WINDOWS))}")
        return replace(entry, window_samples=int(value))
    fixed = KINDS[entry.effect].fixed if isinstance(entry, EffectEntry) else ()
    listed = {control.name: control for control in (*(controls or ()), *fixed)}
    if name in listed:
        try:
            value = check_value("this plugin", listed[name], value)
        except ValueError as error:
            raise PresetError(str(error)) from error
    elif controls is not None and not isinstance(entry, Vst3Entry):
        raise PresetError(f"there is no parameter {name!r}; there are: {', '.join(listed) or 'none'}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise PresetError(f"{name} must be a number, not {value}")
    if isinstance(entry, VocoderEntry):
        return replace(entry, semitones=float(value))
    if isinstance(entry, ModelEntry):
        return replace(entry, controls={**entry.controls, name: float(value)})
    if isinstance(entry, EffectEntry):
        return replace(entry, parameters={**entry.parameters, name: float(value)})
    return replace(entry, parameters={**entry.parameters, name: value})


def _turned(entry: Entry) -> dict[str, float]:
    """The parameters that are turned while it runs, as far as they are given."""
    if isinstance(entry, ModelEntry):
        return dict(entry.controls)
    if isinstance(entry, VocoderEntry):
        return {SEMITONES.name: entry.semitones}
    if isinstance(entry, EffectEntry):
        fixed = {control.name for control in KINDS[entry.effect].fixed}
        return {name: value for name, value in entry.parameters.items() if name not in fixed}
    return {name: float(value) for name, value in entry.parameters.items() if _is_knob(name, value)}


def _fixed(entry: Entry) -> dict[str, Value]:
    """The parameters that it is built with."""
    if isinstance(entry, VocoderEntry):
        return {WINDOW: entry.window_samples}
    if isinstance(entry, EffectEntry):
        kinds = KINDS[entry.effect].fixed
        return {control.name: entry.parameters.get(control.name, control.default) for control in kinds}
    if isinstance(entry, Vst3Entry):
        return {name: value for name, value in entry.parameters.items() if not _is_knob(name, value)}
    return {}


def _is_knob(name: str, value: Value) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and CONTROL_NAME.fullmatch(name) is not None

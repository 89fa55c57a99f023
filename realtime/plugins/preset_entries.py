"""The members of a preset as data, and their JSON: every key checked, and named where something is wrong with it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from realtime.plugins.effects import KINDS, check_value

FORMAT = 1
MAX_PLUGINS = 64
Value = float | str | bool


class PresetError(ValueError):
    """A preset cannot be read, saved or built; the message names the file and the key."""


@dataclass(frozen=True)
class ModelEntry:
    """A plugin file: a bundled model by its name, or a path; a relative one starts at the preset's folder."""

    model: str
    controls: Mapping[str, float] = field(default_factory=dict, hash=False)
    bypass: bool = False


@dataclass(frozen=True)
class VocoderEntry:
    """The phase vocoder: a shift in semitones and a window in samples."""

    semitones: float = -12.0
    window_samples: int = 1024
    bypass: bool = False


@dataclass(frozen=True)
class EffectEntry:
    """One of `realtime.plugins.effects.KINDS`."""

    effect: str
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    bypass: bool = False


@dataclass(frozen=True)
class Vst3Entry:
    """A VST3 effect; a relative path starts at the preset's folder."""

    path: str
    parameters: Mapping[str, Value] = field(default_factory=dict, hash=False)
    bypass: bool = False


Entry = ModelEntry | VocoderEntry | EffectEntry | Vst3Entry
ENTRIES: Mapping[str, type[Entry]] = {
    "model": ModelEntry,
    "vocoder": VocoderEntry,
    "effect": EffectEntry,
    "vst3": Vst3Entry,
}


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Put the place in front of what a PresetError, or any other ValueError, says.

    Raises: PresetError in place of the ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise PresetError(f"{place}: {error}") from error


def from_json(text: str | bytes) -> tuple[str, tuple[Entry, ...]]:
    """Name and members of a preset.

    Raises: PresetError naming the key.
    """
    try:
        content: object = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicate)
    except (ValueError, RecursionError) as error:  # RecursionError: a thousand brackets
        raise PresetError(str(error) if isinstance(error, PresetError) else f"is not JSON: {error}") from error
    whole = _object(content, "a preset")
    version = whole.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise PresetError(f"format: made by a newer deshift ({version}, this one reads {FORMAT}): update deshift")
    if isinstance(version, bool) or version != FORMAT:
        raise PresetError(f"format: must be {FORMAT}, not {_shown(version)}")
    _known(whole, ("format", "name", "plugins"))
    plugins = whole.get("plugins")
    if not isinstance(plugins, list) or len(plugins) > MAX_PLUGINS:
        raise PresetError(f"plugins: must be a list of up to {MAX_PLUGINS} plugins")
    entries = []
    for index, plugin in enumerate(plugins):
        with at(f"plugins[{index}]"):
            entries.append(_entry(_object(plugin, "a plugin")))
    return _text("name", whole.get("name")), tuple(entries)


def to_json(name: str, plugins: tuple[Entry, ...]) -> dict[str, Any]:
    """What `from_json` reads, as one JSON-ready dict."""
    kinds = {made: kind for kind, made in ENTRIES.items()}
    listed = [{"kind": kinds[type(entry)], **asdict(entry)} for entry in plugins]
    return {"format": FORMAT, "name": name, "plugins": listed}


def _entry(given: dict[str, Any]) -> Entry:
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in ENTRIES:
        raise PresetError(f"kind: must be one of {', '.join(ENTRIES)}, not {_shown(kind)}")
    _known(given, ("kind", *ENTRIES[kind].__dataclass_fields__))
    bypass = given.get("bypass", False)
    if not isinstance(bypass, bool):
        raise PresetError(f"bypass: must be true or false, not {_shown(bypass)}")
    if kind == "model":
        return ModelEntry(_text("model", given.get("model")), _values("controls", given, _number), bypass)
    if kind == "vocoder":
        window = given.get("window_samples", VocoderEntry.window_samples)
        if isinstance(window, bool) or not isinstance(window, int):
            raise PresetError(f"window_samples: must be a whole number, not {_shown(window)}")
        return VocoderEntry(_number("semitones", given.get("semitones", VocoderEntry.semitones)), window, bypass)
    if kind == "vst3":
        return Vst3Entry(_text("path", given.get("path")), _values("parameters", given, _value), bypass)
    effect = _text("effect", given.get("effect"))
    if effect not in KINDS:
        raise PresetError(f"effect: there is no effect {effect!r}; the effects are: {', '.join(KINDS)}")
    parameters = _values("parameters", given, _number)
    with at("parameters"):
        controls = (*KINDS[effect].controls, *KINDS[effect].fixed)
        _known(parameters, [control.name for control in controls])
        for control in controls:
            check_value(effect, control, parameters.get(control.name, control.default))
    return EffectEntry(effect, parameters, bypass)


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PresetError(f"{what} must be a JSON object, not {_shown(value)}")
    return value


def _known(given: Mapping[str, object], known: tuple[str, ...] | list[str]) -> None:
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise PresetError(f"unknown key {_shown(unknown)}; known are: {', '.join(known) or 'none'}")


def _text(key: str, value: object) -> str:
    """A name or a path as it stands: neither ~ nor variables nor patterns are looked at."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise PresetError(f"{key}: must be a text on one line, not {_shown(value)}")
    return value


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise PresetError(f"{key}: must be a number, not {_shown(value)}")
    return float(value)


def _value(key: str, value: object) -> Value:
    if isinstance(value, bool):
        return value
    return _text(key, value) if isinstance(value, str) else _number(key, value)


def _values(key: str, given: dict[str, Any], check: Callable[[str, object], Any]) -> dict[str, Any]:
    with at(key):
        return {name: check(name, value) for name, value in _object(given.get(key, {}), "it").items()}


def _shown(value: object) -> str:
    """A value on one short line, as JSON has it."""
    return "nothing" if value is None else json.dumps(value)[:80]


def _no_constant(word: str) -> float:
    raise PresetError(f"{word} is not JSON")


def _no_duplicate(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in [name for name, _ in pairs[:index]])
        raise PresetError(f"the key {_shown(twice)} stands twice in one object")
    return found

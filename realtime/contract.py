"""The facts a plugin file states about itself: metadata of an ONNX file, format version 1 (docs/plugin-format.md)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from realtime.onnx_reader import read_onnx

FORMAT_VERSION = 1
KINDS = ("stream", "offline")
MAX_SAMPLES = 1 << 31
MAX_SHIFT_SEMITONES = 60.0
JSON_KEYS = ("shift_semitones", "controls", "recipe", "training", "certificate")
TEXT_KEYS = ("name", "kind", "description", "licence", "weights_sha256")
COUNT_KEYS = {  # key: the smallest and the largest value that makes sense
    "sample_rate": (1_000, 768_000),
    "hop_samples": (1, 1 << 20),
    "lookahead_samples": (0, MAX_SAMPLES),
    "latency_samples": (0, MAX_SAMPLES),
    "receptive_field_samples": (1, MAX_SAMPLES),
    "parameters": (0, 1 << 50),
}
SHIFT_CONTROL = "semitones"  # the control that is told which shift there is to undo
KEYS = ("format_version", *TEXT_KEYS, *COUNT_KEYS, *JSON_KEYS)


class ContractError(ValueError):
    """A plugin file does not say what it must, or says what cannot be."""


def weights_sha256(model_bytes: bytes) -> str:
    """SHA-256, in hexadecimal, over the serialized TensorProto of every initializer, in the order of the file.

    Raises: OnnxFormatError (a ValueError) where the bytes are not an ONNX model.
    """
    digest = hashlib.sha256()
    for tensor in read_onnx(model_bytes).initializers:
        digest.update(tensor)
    return digest.hexdigest()


@dataclass(frozen=True)
class Control:
    """A knob of the model: graph input ``control_<name>``, float32 [1]."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name):
            raise ContractError(f"controls: {self.name!r} is no name; use a-z, 0-9 and _")
        _check_line("controls", self.unit, empty_allowed=True)
        if not all(map(math.isfinite, (self.minimum, self.maximum, self.default))):
            raise ContractError(f"controls: {self.name} has a value that is not finite")
        if not self.minimum <= self.default <= self.maximum:
            raise ContractError(f"controls: {self.name} must have minimum ≤ default ≤ maximum")


@dataclass(frozen=True)
class Facts:
    """Everything a host must know of a plugin file. Times are in samples at `sample_rate`, shifts in semitones.

    Raises: ContractError, naming the key, on building one whose values cannot be.
    """

    name: str
    kind: str
    description: str
    licence: str
    sample_rate: int
    hop_samples: int
    lookahead_samples: int
    latency_samples: int
    receptive_field_samples: int
    shift_semitones: tuple[float, float]
    parameters: int
    weights_sha256: str
    controls: tuple[Control, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict, hash=False)
    training: Mapping[str, Any] = field(default_factory=dict, hash=False)
    certificate: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for key in ("name", "licence"):
            _check_line(key, getattr(self, key))
        _check_line("description", self.description.replace("\n", " "), empty_allowed=True)
        if self.kind not in KINDS:
            raise ContractError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        for key, (low, high) in COUNT_KEYS.items():
            if not low <= getattr(self, key) <= high:
                raise ContractError(f"{key} must lie within {low} … {high}, not {getattr(self, key)}")
        _check_times(self)
        _check_shift(self.shift_semitones)
        if len({control.name for control in self.controls}) != len(self.controls):
            raise ContractError("controls: two of them have the same name")
        if not re.fullmatch(r"[0-9a-f]{64}", self.weights_sha256):
            raise ContractError("weights_sha256 must be 64 hexadecimal digits")
        if self.recipe.get("prestage") not in (None, "") and self.shift_control is None:
            raise ContractError(
                "recipe: made by an earlier deshift, whose vocoder was not in the file: export it again from its run"
            )

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency in milliseconds."""
        return 1000.0 * self.latency_samples / self.sample_rate

    @property
    def past_samples(self) -> int:
        """How far back the model looks from the sample it is making."""
        return self.receptive_field_samples - 1 - self.lookahead_samples

    @property
    def shift_control(self) -> Control | None:
        """The control that is told which shift there is to undo; None where the model undoes one and the same."""
        return next((control for control in self.controls if control.name == SHIFT_CONTROL), None)

    @classmethod
    def parse(cls, metadata: Mapping[str, str]) -> Facts:
        """Read the `metadata_props` of a plugin file.

        Raises: ContractError naming the missing or ill-formed key, or the newer format version.
        """
        _check_version(metadata)
        missing = [key for key in KEYS if key not in metadata]
        if missing:
            raise ContractError(f"metadata missing: {', '.join(missing)}")
        values: dict[str, Any] = {key: metadata[key] for key in TEXT_KEYS}
        values |= {key: _count(key, metadata[key]) for key in COUNT_KEYS}
        values |= {key: _json_object(key, metadata[key]) for key in ("recipe", "training", "certificate")}
        values["shift_semitones"] = _pair("shift_semitones", metadata["shift_semitones"])
        values["controls"] = _controls(metadata["controls"])
        return cls(**values)

    def to_metadata(self) -> dict[str, str]:
        """The same facts as `metadata_props`: strings alone, numbers in decimal, structures in JSON."""
        metadata = {"format_version": str(FORMAT_VERSION)}
        metadata |= {key: getattr(self, key) for key in TEXT_KEYS}
        metadata |= {key: str(getattr(self, key)) for key in COUNT_KEYS}
        metadata["controls"] = _to_json([asdict(control) for control in self.controls])
        for key in ("shift_semitones", "recipe", "training", "certificate"):
            metadata[key] = _to_json(getattr(self, key))
        return metadata

    def to_json_object(self) -> dict[str, Any]:
        """The facts as one JSON-ready dict, for `deshift info --json`."""
        metadata = self.to_metadata()
        numbers = {key: int(metadata[key]) for key in ("format_version", *COUNT_KEYS)}
        return {**metadata, **numbers, **{key: json.loads(metadata[key]) for key in JSON_KEYS}}


def _check_version(metadata: Mapping[str, str]) -> None:
    if "format_version" not in metadata:
        missing = [key for key in KEYS if key not in metadata]
        raise ContractError(f"an ONNX file, but not a deshift plugin file: metadata missing: {', '.join(missing)}")
    version = _count("format_version", metadata["format_version"])
    if version > FORMAT_VERSION:
        raise ContractError(
            f"made by a newer deshift (format {version}, this one reads {FORMAT_VERSION}): update deshift"
        )
    if version != FORMAT_VERSION:
        raise ContractError(f"format_version must be {FORMAT_VERSION}, not {version}")


def _check_times(facts: Facts) -> None:
    if facts.lookahead_samples >= facts.receptive_field_samples:
        raise ContractError("lookahead_samples must be smaller than receptive_field_samples")
    streams = facts.kind == "stream"
    expected = facts.hop_samples + facts.lookahead_samples if streams else 0
    if facts.latency_samples != expected:
        rule = "hop_samples + lookahead_samples" if streams else "0 for an offline model"
        raise ContractError(f"latency_samples must be {rule} = {expected}, not {facts.latency_samples}")


def _check_shift(shift_semitones: tuple[float, float]) -> None:
    low, high = shift_semitones
    if not (-MAX_SHIFT_SEMITONES <= low <= high <= MAX_SHIFT_SEMITONES):
        raise ContractError(f"shift_semitones must be [low, high] within ±{MAX_SHIFT_SEMITONES:g}, not [{low}, {high}]")


def _check_line(key: str, text: str, empty_allowed: bool = False) -> None:
    """A text that a terminal can print on one line: no control characters, which could rewrite the screen."""
    if not text.isprintable() or (not text.strip() and not empty_allowed):
        raise ContractError(f"{key} must be {'' if empty_allowed else 'non-empty '}printable text, not {text[:80]!r}")


def _count(key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ContractError(f"{key} must be a whole number in decimal, not {text[:80]!r}")
    return int(text)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _from_json(key: str, text: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # RecursionError: a thousand brackets
        raise ContractError(f"{key} is not JSON: {error}") from error
    return value


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)


def _json_object(key: str, text: str) -> dict[str, Any]:
    value = _from_json(key, text)
    if not isinstance(value, dict):
        raise ContractError(f"{key} must be a JSON object")
    return value


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise ContractError(f"{key}: {str(value)[:80]} is not a number that can be used")
    return float(value)


def _pair(key: str, text: str) -> tuple[float, float]:
    value = _from_json(key, text)
    if not isinstance(value, list) or len(value) != 2:
        raise ContractError(f"{key} must be a JSON list of two numbers, [low, high]")
    return _number(key, value[0]), _number(key, value[1])


def _controls(text: str) -> tuple[Control, ...]:
    value = _from_json("controls", text)
    if not isinstance(value, list):
        raise ContractError("controls must be a JSON list")
    return tuple(_control(entry) for entry in value)


def _control(entry: object) -> Control:
    names = ("name", "unit", "minimum", "maximum", "default")
    if not isinstance(entry, dict) or not all(name in entry for name in names):
        raise ContractError(f"controls: each must be a JSON object with {', '.join(names)}")
    if not isinstance(entry["name"], str) or not isinstance(entry["unit"], str):
        raise ContractError("controls: name and unit must be texts")
    return Control(entry["name"], entry["unit"], *(_number("controls", entry[name]) for name in names[2:]))

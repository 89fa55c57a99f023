"""A plugin file's facts in words, for a list, a line, and its card. No Qt."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime.contract import Facts

LONGEST_LIST = 12
HASH_DIGITS = 12
LONGEST_TEXT = 300
OCTAVES = {12.0: "an octave up", -12.0: "an octave down", 24.0: "two octaves up", -24.0: "two octaves down"}
TRAINING = {  # fact: what it is called on the card
    "steps": "Steps",
    "hours_of_training": "Time of training, h",
    "hours": "Recordings, h",
    "source_hashes": "Recordings",
    "folders": "Data",
    "data": "Data",
    "licences": "Data licences",
    "shifters": "Shifted by",
    "semitones": "Shifts, semitones",
    "validation": "Validation",
    "residual": "Share of what the network adds",
}
CERTIFICATE = {
    "stream_vs_offline": "Stream against whole file",
    "torch_vs_onnx": "File against training framework",
    "weight_rounding": "Rounding of the weights",
    "causality_samples": "Looks ahead at most, samples",
    "blocks": "Blocks compared",
    "seconds": "Seconds compared",
    "onnxruntime": "ONNX Runtime",
    "torch": "torch",
}


@dataclass(frozen=True)
class Section:
    """Rows ``(what, value)`` under a title."""

    title: str
    rows: tuple[tuple[str, str], ...]


def undone_shift(facts: Facts) -> str:
    """ "+12 semitones (an octave up)", "−5 … +5 semitones"."""
    low, high = (f"{value:+g}".replace("-", "−") for value in facts.shift_semitones)
    if facts.shift_semitones[0] != facts.shift_semitones[1]:
        return f"{low} … {high} semitones"
    octave = OCTAVES.get(facts.shift_semitones[0])
    return f"{low} semitones" + (f" ({octave})" if octave else "")


def summary(facts: Facts) -> str:
    """One line below the list: what it undoes, its latency, its rate."""
    latency = f"{facts.latency_ms:.2f} ms" if facts.kind == "stream" else "whole files only"
    low, high = (f"{value:+g}".replace("-", "−") for value in facts.shift_semitones)
    shift = f"{low} semitones" if low == high else f"{low} … {high} st"  # on one line
    return f"Undoes {shift} · {latency} · {facts.sample_rate / 1000:g} kHz"


def card(facts: Facts, file_name: str) -> tuple[Section, ...]:
    """Everything a listener may want to know, the most important first.

    Args:
        file_name: shown as it is.
    """
    digits = facts.weights_sha256[:HASH_DIGITS]
    return (
        Section("Sound", _sound(facts)),
        Section("Training", _known(facts.training, TRAINING)),
        Section("Certificate, measured at export", _known(facts.certificate, CERTIFICATE)),
        Section("File", (("Name", file_name), ("Licence", facts.licence), ("Weights, SHA-256", f"{digits}…"))),
    )


def card_text(facts: Facts, file_name: str) -> str:
    """The card as plain text, to be copied."""
    lines = [facts.name, *([facts.description] if facts.description else [])]
    for section in card(facts, file_name):
        lines += ["", section.title, *(f"  {what}: {value}" for what, value in section.rows)]
    return "\n".join(lines) + "\n"


def _sound(facts: Facts) -> tuple[tuple[str, str], ...]:
    def time(samples: int) -> str:
        return f"{samples} samples ({1000 * samples / facts.sample_rate:.2f} ms)"

    streams = facts.kind == "stream"
    rows = [
        ("Undoes a shift of", undone_shift(facts)),
        ("Latency", time(facts.latency_samples) if streams else "does not stream: works on whole files"),
        ("Hop", time(facts.hop_samples)),
        ("Lookahead", time(facts.lookahead_samples)),
        ("Sample rate", f"{facts.sample_rate} Hz; other rates are converted"),
        ("Receptive field", time(facts.receptive_field_samples)),
        ("Parameters", f"{facts.parameters:,}"),
    ]
    for control in facts.controls:
        span = f"{control.minimum:g} … {control.maximum:g} {control.unit}, at first {control.default:g}"
        rows.append((f"Control {control.name}", span))
    return tuple(rows)


def _known(facts: Mapping[str, Any], names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The facts that have a name here, in its order; what else a file says stands in `deshift info`."""
    rows = tuple((what, shown(facts[key])) for key, what in names.items() if key in facts)
    return rows or (("Facts", "the file tells none"),)


def shown(value: object) -> str:
    """Any JSON value on one line that cannot rewrite the screen, and is not endless."""
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return str(len(value))
    if isinstance(value, list):
        return _joined(value, shown)
    if isinstance(value, dict):
        return _joined(value.items(), lambda item: f"{shown(item[0])} {shown(item[1])}")
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _joined(values: Any, words: Callable[[Any], str]) -> str:
    text = ", ".join(map(words, values))
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"

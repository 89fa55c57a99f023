"""The status of a live session in words: a few lines while it runs, a summary at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime.live.exchange import Misses
from realtime.live.host import LiveStatus
from realtime.live.status import Latency, Status
from realtime.quality.readouts import TRUSTED, Readouts
from realtime.shift import EXAMPLE

SEPARATOR = " · "
WIDTH = 120
CAUSES = {
    "late_model": "late model",
    "input_overflow": "input overflow",
    "device_gap": "device gap",
    "interpreter_stall": "interpreter stall",
}
STATES = {"prepared": "starting", "running": "running", "lost": "no sound", "stopped": "stopped", "failed": "failed"}
LISTENING = {"raw": "A raw", "inverse": "B inverse", "model": ""}


def words(status: LiveStatus, width: int = WIDTH) -> str:
    """Lines of at most `width` columns: state, latency and misses; speed and levels; quality; what is wrong."""
    engine = status.engine
    rows = [
        [_state(engine), *_latency(engine.latency), misses_in_words(engine.misses)],
        [*_speed(engine), _levels(engine), engine.recording],
        [] if status.quality is None else _quality(status.quality),
        *([sentence] for sentence in _sentences(status)),
    ]
    return "\n".join(line for row in rows for line in _wrapped([_printable(part) for part in row if part], width))


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    """Join the parts, and begin a new line, indented, where the next one does not fit; a part is cut only if alone."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(SEPARATOR) + len(part) <= width:
            lines[-1] += SEPARATOR + part
        else:
            start = "  " if lines else ""
            while len(start + part) > width:  # a sentence: cut between words where there are any
                room = width - len(start)
                cut = part.rfind(" ", 1, room + 1)
                cut = room if cut < 1 else cut
                lines.append(start + part[:cut])
                start, part = "  ", part[cut:].lstrip()
            lines.append(start + part)
    return lines


def _printable(text: str) -> str:
    """Device names and error texts come from drivers: nothing in them may steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _state(engine: Status) -> str:
    controls = engine.controls
    listening = "bypass" if controls.bypass else LISTENING[controls.listen]
    return ", ".join(filter(None, (STATES[engine.state], listening, "muted" if controls.muted else "")))


def _latency(latency: Latency | None) -> list[str]:
    if latency is None:
        return []
    named = ("hop", "lookahead", "window", "buffering")
    parts = [f"{name} {value:.1f}" for name in named if (value := getattr(latency, f"{name}_ms")) >= 0.05]
    total = latency.total_ms
    if total is None:
        said = [f"{latency.in_app_ms:.1f} ms in the app = {' + '.join(parts)}, the devices do not say theirs"]
    else:
        parts.append(f"devices {latency.device_input_ms:.1f} in {latency.device_output_ms:.1f} out")
        said = [f"{total:.1f} ms = {' + '.join(parts)}"]
    return said if latency.measured_ms is None else [*said, f"measured {latency.measured_ms:.1f} ms"]


def _speed(engine: Status) -> list[str]:
    speed, device = engine.speed, engine.device
    if not speed.hops:
        return ["no hop yet"]
    xruns = device.input_overflows + device.output_underflows
    return [
        f"RTF {speed.rtf:.2f}, p50 {speed.p50_ms:.1f} p95 {speed.p95_ms:.1f} p99 {speed.p99_ms:.1f} "
        f"max {speed.max_ms:.1f} ms",
        f"CPU {speed.cpu_percent:.0f} %",
        f"rings {engine.input_fill_ms:.0f} + {engine.output_fill_ms:.0f} ms",
        f"xruns {xruns}",
        "" if device.one_clock else f"drift {device.drift_ppm:+.0f} ppm",
    ]


def _levels(engine: Status) -> str:
    return f"in {_decibels(engine.input_level.peak_db)}, out {_decibels(engine.output_level.peak_db)}"


def _decibels(level_db: float) -> str:
    return f"{level_db:.0f} dB" if level_db > -120 else "silent"


def misses_in_words(misses: Misses) -> str:
    """ "no misses", or how many of which cause."""
    told = [f"{count} {cause}" for name, cause in CAUSES.items() if (count := getattr(misses, name))]
    return f"misses: {', '.join(told)}" if told else "no misses"


def _quality(quality: Readouts) -> list[str]:
    parts = []
    pitch, consistency, reference = quality.pitch, quality.consistency, quality.reference
    if pitch.input_f0_hz is not None and pitch.output_f0_hz is not None:
        parts.append(f"f0 {pitch.input_f0_hz:.0f} → {pitch.output_f0_hz:.0f} Hz")
    if pitch.applied_semitones is not None and pitch.applied_confidence is not None:
        sure = f"{100 * pitch.applied_confidence:.0f} % sure"
        trusted = pitch.applied_confidence >= TRUSTED
        parts.append(
            f"shift {pitch.applied_semitones:+.1f} semitones, {sure}" if trusted else f"shift unclear ({sure})"
        )
    if consistency.mel_distance is not None:
        cents = "" if consistency.f0_cents is None else f", f0 {consistency.f0_cents:.0f} cents"
        parts.append(f"re-shifted against the input: mel {consistency.mel_distance:.2f}{cents}")
    if reference.mel_distance is not None and reference.mr_stft is not None:
        sdr = f", SI-SDR {reference.si_sdr_db:.1f} dB" if reference.exact and reference.si_sdr_db is not None else ""
        parts.append(f"against the original: mel {reference.mel_distance:.2f}, MR-STFT {reference.mr_stft:.2f}{sdr}")
    highest = [band.highest_hz for band in (quality.levels.input_bandwidth, quality.levels.output_bandwidth)]
    if None not in highest:
        parts.append("bandwidth " + " → ".join(f"{hertz / 1000:.1f}" for hertz in highest if hertz) + " kHz")
    return parts or list(quality.notes)


def _sentences(status: LiveStatus) -> list[str]:
    engine = status.engine
    sentences = [status.note, engine.message, *engine.warnings, *engine.faults]
    if status.quality is not None and status.quality.pitch.warning:
        sentences.append(status.quality.pitch.warning)
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def opening(facts: Mapping[str, Any]) -> str:
    """What runs where, in a line: devices and the members of the chain."""
    names = dict.fromkeys((facts["input_name"], facts["output_name"]))
    return _printable(f"{' → '.join(names)}: {', '.join(facts['chain'])}. Ctrl-C ends it")


def nothing_undone(facts: Mapping[str, Any]) -> str:
    """How to tell the shift to undo, where the chain takes one and stands at 0; else empty."""
    control = facts["shift_control"]
    if control is None or facts["undone_semitones"][0]:
        return ""
    return f"nothing is undone yet: start with --semitones N, or type `set {control} N`; N is {EXAMPLE}"


def summary(report: Mapping[str, Any]) -> str:
    """The end of a session: how long, how fast, what was missed, what is in which file."""
    status = Status.from_json_object(report["status"])
    speed = status.speed
    lines = [
        f"{status.elapsed_s:.1f} s, {speed.hops} hops; the model took {speed.p50_ms:.2f} ms a hop "
        f"(p99 {speed.p99_ms:.2f}, at most {speed.max_ms:.2f}), RTF {speed.rtf:.2f}"
        if speed.hops
        else f"{status.elapsed_s:.1f} s, and not one hop",
        misses_in_words(status.misses),
        *(f"  at {event.at_s:.1f} s: {event.cause}" for event in status.events[-5:]),
    ]
    if report["restarts"]:
        times = "once" if report["restarts"] == 1 else f"{report['restarts']} times"
        lines.append(f"the engine was started anew {times}; {report['lost_s']:.1f} s without sound")
    lines += [f"recorded: {path}" for path in report["recorded"]]
    lines += [status.recording] if status.recording else []
    return "\n".join(map(_printable, lines))

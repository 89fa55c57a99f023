"""Numbers of a live session in the app's words: functions of values alone, without a widget."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gui.widgets.latency_bar import LatencyPicture, Part
from realtime.live.host_status import LiveStatus
from realtime.live.live_line import CAUSES, LISTENING, STATES
from realtime.live.status import DeviceStatus, Latency, Speed, Status
from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.readouts import TRUSTED, LevelReadouts, PitchReadouts, Readouts, ReferenceReadouts

SEPARATOR = " · "
ROUNDING_MS = 0.05  # what a shown tenth may hide
PART_TIPS = (
    ("hop", "One step of the model: sound is collected for so long before it is worked on"),
    ("lookahead", "Future sound that the model waits for"),
    ("window", "Analysis windows of the other plugins in the chain"),
    ("buffering", "Device blocks against hops, rate conversion, and the time the model is given"),
    ("device in", "From the microphone to the app, as the sound system tells"),
    ("device out", "From the app to the loudspeaker, as the sound system tells"),
)


def minus(text: str) -> str:
    """With a minus sign in place of the hyphen before a number."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def milliseconds(value_ms: float) -> str:
    """ "24.0 ms"; from ten seconds on in seconds, so that it stays short."""
    return minus(f"{value_ms:.1f} ms" if abs(value_ms) < 10_000 else f"{value_ms / 1000:.4g} s")


def kilohertz(hertz: float) -> str:
    """ "48 kHz", "44.1 kHz"."""
    return f"{hertz / 1000:.4g} kHz"


def duration(seconds: float) -> str:
    """ "3 s", "2 min 5 s", "1 h 2 min"; below zero is now."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(seconds: float) -> str:
    """ "now", "3 s ago"."""
    return "now" if seconds < 0.5 else f"{duration(seconds)} ago"


def age(ages_s: Mapping[str, float], part: str) -> str:
    """How old a part of the quality figures is; empty where it was never measured."""
    return ago(ages_s[part]) if part in ages_s else ""


def youngest(ages_s: Mapping[str, float], parts: tuple[str, ...]) -> str:
    """The same for a figure that several parts measure: the age of the last one."""
    known = [ages_s[part] for part in parts if part in ages_s]
    return ago(min(known)) if known else ""


# -- the engine


def state(engine: Status) -> str:
    """ "running, A raw, muted"."""
    controls = engine.controls
    listening = "bypass" if controls.bypass else LISTENING[controls.listen]
    return ", ".join(filter(None, (STATES[engine.state], listening, "muted" if controls.muted else "")))


def latency_picture(latency: Latency | None, block_ms: float) -> LatencyPicture:
    """The latency for the bar; a measured time that is off by more than a block of so many ms is a warning."""
    if latency is None:
        return LatencyPicture(sentence="Known once the sound runs.")
    lengths = (latency.hop_ms, latency.lookahead_ms, latency.window_ms, latency.buffering_ms)
    devices = (latency.device_input_ms, latency.device_output_ms)
    parts = tuple(Part(name, ms, tip) for (name, tip), ms in zip(PART_TIPS, (*lengths, *devices), strict=True))
    total, measured = latency.total_ms, latency.measured_ms
    sentence, warning = "", False
    if total is None:
        sentence = "Device: not told by the sound system. The sum is that of the app alone; measure to know more."
    elif measured is not None and abs(measured - total) > block_ms + ROUNDING_MS:
        sentence, warning = _disagreement(measured - total), True
    return LatencyPicture(
        parts=parts,
        total=milliseconds(total) if total is not None else f"≥ {milliseconds(latency.in_app_ms)}",
        measured_ms=measured,
        measured="" if measured is None else f"measured {milliseconds(measured)}",
        sentence=sentence,
        warning=warning,
    )


def _disagreement(more_ms: float) -> str:
    """What a measured time that is off says."""
    compared = "more" if more_ms > 0 else "less"
    longer = "longer" if more_ms > 0 else "shorter"
    return (
        f"Measured {milliseconds(abs(more_ms))} {compared} than the sum: the devices take {longer} than the sound "
        "system tells. Trust the measured value."
    )


def block_ms(device: DeviceStatus) -> float:
    """One block of the device."""
    return 1000 * device.block_frames / device.output_rate if device.output_rate > 0 else 0.0


def model_time(speed: Speed, hop_ms: float | None) -> str:
    """The chain's time for a hop, against the hop."""
    if not speed.hops:
        return "no hop yet"
    of = "" if hop_ms is None else f" of {milliseconds(hop_ms)}"
    return f"p50 {speed.p50_ms:.2f}, p99 {speed.p99_ms:.2f}{of}"


def load(speed: Speed) -> str:
    """Real-time factor and processor."""
    return f"RTF {speed.rtf:.2f}{SEPARATOR}CPU {speed.cpu_percent:.0f} %" if speed.hops else "—"


def overhead(speed: Speed) -> str:
    """What the host adds to a hop."""
    return f"p50 {speed.overhead_p50_ms:.2f}, p99 {speed.overhead_p99_ms:.2f} ms" if speed.hops else "—"


def load_percent(speed: Speed, hop_ms: float | None) -> float | None:
    """p99 of the chain's time in percent of a hop: at 100 it does not keep up. None before the first hop."""
    return 100 * speed.p99_ms / hop_ms if speed.hops and hop_ms else None


def misses(status: LiveStatus) -> str:
    """How many by cause, and what was replaced."""
    counts = {words: getattr(status.engine.misses, name) for name, words in CAUSES.items()}
    told = [f"{count} {words}" for words, count in counts.items() if count]
    if status.restarts:
        told.append(f"{status.restarts} × started anew")
    if status.lost_s >= 0.05:
        told.append(f"{status.lost_s:.1f} s without sound")
    return SEPARATOR.join(told) if told else "none"


def fill_scale_ms(engine: Status) -> float:
    """What a full bar of the rings means: twice what is planned to lie in them, in steps, so that it stands still."""
    planned = 0.0 if engine.latency is None else engine.latency.hop_ms + engine.latency.buffering_ms
    most = max(2 * planned, engine.input_fill_ms, engine.output_fill_ms)
    scale = 20.0
    while scale < most and scale < 1e6:
        scale *= 2
    return scale


def rings(engine: Status) -> tuple[str, str]:
    """Sound that waits for the model, and sound that waits for the device."""
    return f"in {engine.input_fill_ms:.0f} ms", f"out {engine.output_fill_ms:.0f} ms"


def device(status: DeviceStatus) -> str:
    """Names, rates, block."""
    if not status.input_rate and not status.output_rate:
        return "not open"
    names = SEPARATOR.join(dict.fromkeys(filter(None, (status.input_name, status.output_name))))
    return printable(names.replace(SEPARATOR, " → ")) or "unnamed"


def format_of(status: DeviceStatus) -> str:
    """Rates and block."""
    if not status.input_rate and not status.output_rate:
        return "—"
    rates = " → ".join(dict.fromkeys(kilohertz(rate) for rate in (status.input_rate, status.output_rate)))
    return f"{rates}{SEPARATOR}block {status.block_frames} ({block_ms(status):.1f} ms)"


def clock(status: DeviceStatus) -> str:
    """How the two sides keep step, what the device complained of, how urgent its thread is."""
    if not status.input_rate and not status.output_rate:
        return "—"
    xruns = status.input_overflows + status.output_underflows
    parts = [
        "one clock" if status.one_clock else minus(f"drift {status.drift_ppm:+.0f} ppm"),
        f"{xruns} xrun{'' if xruns == 1 else 's'}",
        "normal priority" if status.priority == "normal" else minus(status.priority),
    ]
    return printable(SEPARATOR.join(filter(None, parts)))


def sentences(status: LiveStatus) -> tuple[str, ...]:
    """What the session says in words, each once: the host's note, the engine's message, warnings, plugins that fail."""
    engine = status.engine
    every = (status.note, engine.message, *engine.warnings, *engine.faults)
    return tuple(dict.fromkeys(printable(sentence) for sentence in every if sentence))


def printable(text: str) -> str:
    """Names and error texts come from drivers: no line break and no control character reaches a label."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


# -- the quality


def pitches(pitch: PitchReadouts) -> str:
    """ "220 Hz → 110 Hz"; "—" for a side without a pitch."""
    sides = (pitch.input_f0_hz, pitch.output_f0_hz)
    return "—" if sides == (None, None) else " → ".join("—" if f0 is None else f"{f0:.0f} Hz" for f0 in sides)


def shift(pitch: PitchReadouts) -> str:
    """ "−12.0 st (certain 0.93)"; "unclear" below the confidence from which it is trusted."""
    if pitch.applied_semitones is None or pitch.applied_confidence is None:
        return "—"
    certain = f"certain {pitch.applied_confidence:.2f}"
    if pitch.applied_confidence < TRUSTED:
        return f"unclear ({certain})"
    return f"{minus(f'{round(pitch.applied_semitones, 1) + 0.0:+.1f} st')} ({certain})"  # + 0.0 turns -0.0 into 0.0


def consistency(figures: ConsistencyReadouts) -> str:
    """ "mel 1.23 · f0 5 cents"."""
    mel = None if figures.mel_distance is None else f"mel {figures.mel_distance:.2f}"
    cents = None if figures.f0_cents is None else f"f0 {figures.f0_cents:.0f} cents"
    return SEPARATOR.join(filter(None, (mel, cents))) or "—"


def bandwidth(levels: LevelReadouts) -> str:
    """ "9.0 kHz → 15.2 kHz"."""
    sides = (levels.input_bandwidth.highest_hz, levels.output_bandwidth.highest_hz)
    if sides == (None, None):
        return "—"
    return " → ".join("—" if hertz is None else f"{hertz / 1000:.1f} kHz" for hertz in sides)


def mean_levels(levels: LevelReadouts) -> str:
    """ "−22.2 → −28.2 dBFS", of the last second."""
    sides = (levels.input.rms_dbfs, levels.output.rms_dbfs)
    return minus(" → ".join("silent" if level is None else f"{level:.1f}" for level in sides) + " dBFS")


def reference(figures: ReferenceReadouts) -> str:
    """ "mel 1.20 · MR-STFT 0.91"; empty where there is no reference."""
    mel = None if figures.mel_distance is None else f"mel {figures.mel_distance:.2f}"
    stft = None if figures.mr_stft is None else f"MR-STFT {figures.mr_stft:.2f}"
    return SEPARATOR.join(filter(None, (mel, stft)))


def si_sdr(figures: ReferenceReadouts) -> str:
    """ "−3.2 dB"; empty where the output could not be aligned to the sample, which makes it say nothing."""
    known = figures.si_sdr_db is not None and figures.exact
    return minus(f"{figures.si_sdr_db:.1f} dB") if known else ""


def notes(quality: Readouts) -> str:
    """Why figures are missing, as one paragraph."""
    return printable(" ".join(quality.notes))

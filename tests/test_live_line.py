"""The status of a live session in words: everything that matters, in lines that fit, and names are only shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.exchange import Event, Misses
from realtime.live.host import LiveStatus
from realtime.live.live_line import misses_in_words, opening, summary, words
from realtime.live.meters import Level
from realtime.live.status import DeviceStatus, Latency, Speed, Status
from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.levels import Bandwidth, Levels
from realtime.quality.readouts import LevelReadouts, PitchReadouts, Readouts, ReferenceReadouts

LEVELS = Levels(-6.0, -20.0, 0, False)
QUALITY = Readouts(
    LevelReadouts(LEVELS, LEVELS, Bandwidth(9000.0, 15_250.0), Bandwidth(8000.0, 12_000.0)),
    PitchReadouts(220.0, 110.5, 0.9, 0.9, -11.92, 0.1, 0.95, 11.92),
    ConsistencyReadouts(12.0, "vocoder", 0.831, 12.4),
    ReferenceReadouts(7.26, 1.234, 0.561, 480, True),
)
ENGINE = Status(
    "running",
    elapsed_s=12.34,
    device=DeviceStatus("a", "b", 48_000, 48_000, 256, False, "", 100, 1, 2, 0, 12.4),
    latency=Latency(10.667, 1.5, 18.667, 5.333, 2.0, 5.333, 49.9),
    speed=Speed(1000, 2.6, 3.0, 3.3, 6.0, 0.244, 0.2, 0.4, 33.0),
    misses=Misses(late_model=3, late_frames=900, device_gap=1, gap_frames=20),
    events=tuple(Event(float(at), "late model") for at in range(9)),
    input_fill_ms=5.2,
    output_fill_ms=10.6,
    input_level=Level(-20.2, -31.0, 0),
    output_level=Level(-200.0, -200.0, 0),
)


def test_the_lines_say_state_latency_parts_speed_misses_and_quality() -> None:
    assert words(LiveStatus(ENGINE, QUALITY)).splitlines() == [
        "running · 43.5 ms = hop 10.7 + lookahead 1.5 + window 18.7 + buffering 5.3 + devices 2.0 in 5.3 out · "
        "measured 49.9 ms",
        "  misses: 3 late model, 1 device gap",
        "RTF 0.24, p50 2.6 p95 3.0 p99 3.3 max 6.0 ms · CPU 33 % · rings 5 + 11 ms · xruns 3 · drift +12 ppm",
        "  in -20 dB, out silent",
        "f0 220 → 110 Hz · shift -11.9 semitones, 95 % sure · re-shifted against the input: mel 0.83, f0 12 cents",
        "  against the original: mel 0.56, MR-STFT 1.23, SI-SDR 7.3 dB · bandwidth 15.2 → 12.0 kHz",
    ]


@pytest.mark.parametrize(
    "controls, said",
    [
        (Controls(), "running · "),
        (Controls(bypass=True), "running, bypass · "),
        (Controls(listen="raw"), "running, A raw · "),
        (Controls(listen="inverse", muted=True), "running, B inverse, muted · "),
    ],
)
def test_what_is_listened_to_is_said(controls: Controls, said: str) -> None:
    assert words(LiveStatus(replace(ENGINE, controls=controls))).startswith(said)


def test_devices_that_do_not_say_their_latency_are_said_not_to() -> None:
    latency = Latency(10.667, 0.0, 0.0, 5.333, None, 5.0)
    text = words(LiveStatus(replace(ENGINE, latency=latency)))
    assert "16.0 ms in the app = hop 10.7 + buffering 5.3, the devices do not say theirs" in text


def test_every_cause_of_a_miss_is_named() -> None:
    assert misses_in_words(Misses()) == "no misses"
    told = misses_in_words(Misses(late_model=1, input_overflow=2, device_gap=3, interpreter_stall=4))
    assert told == "misses: 1 late model, 2 input overflow, 3 device gap, 4 interpreter stall"


def test_what_is_wrong_follows_in_sentences_each_once() -> None:
    lost = replace(ENGINE, state="lost", message="it went", warnings=("only zeros",), faults=("late: 3 hops failed",))
    quality = replace(QUALITY, pitch=replace(QUALITY.pitch, warning="outside the trained range"))
    lines = words(LiveStatus(lost, quality, note="it went")).splitlines()
    assert lines[0].startswith("no sound · ")
    assert lines[-4:] == ["it went", "only zeros", "late: 3 hops failed", "outside the trained range"]


def test_missing_figures_are_explained() -> None:
    unknown = Readouts(QUALITY.levels, notes=("No clear pitch.",))
    quiet = replace(unknown, levels=replace(QUALITY.levels, input_bandwidth=Bandwidth(None, None)))
    assert "No clear pitch." in words(LiveStatus(ENGINE, quiet))


@given(width=st.integers(20, 200), note=st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_lost(width: int, note: str) -> None:
    text = words(LiveStatus(ENGINE, QUALITY, note=note), width)
    assert max(map(len, text.splitlines())) <= width
    assert all(letter.isprintable() for line in text.split("\n") for letter in line)
    joined = " ".join(text.split())
    for figure in ("43.5", "18.7", "p99", "3.3", "0.83", "12.0", "33"):
        assert figure in joined


def test_nothing_in_a_device_name_can_steer_the_terminal() -> None:
    name = "mic\x1b]0;owned\x07\r\n"
    assert opening({"input_name": name, "output_name": "b", "chain": ["x"]}) == (
        "mic�]0;owned��� → b: x. Ctrl-C ends it"
    )
    assert "\x1b" not in words(LiveStatus(ENGINE, note=f"waiting for {name}"))


def test_the_summary_tells_the_last_misses_restarts_and_files() -> None:
    report = {"status": ENGINE.to_json_object(), "restarts": 2, "lost_s": 3.21, "recorded": ["takes/a.flac"]}
    lines = summary(report).splitlines()
    assert lines[0] == "12.3 s, 1000 hops; the model took 2.60 ms a hop (p99 3.30, at most 6.00), RTF 0.24"
    assert lines[1] == "misses: 3 late model, 1 device gap"
    assert lines[2:7] == [f"  at {at}.0 s: late model" for at in range(4, 9)]
    assert lines[7:] == ["the engine was started anew 2 times; 3.2 s without sound", "recorded: takes/a.flac"]


def test_a_session_without_a_hop_has_a_summary_too() -> None:
    report = {"status": Status("stopped", recording="the disk is full").to_json_object()}
    text = summary({**report, "restarts": 0, "lost_s": 0.0, "recorded": []})
    assert text.splitlines() == ["0.0 s, and not one hop", "no misses", "the disk is full"]

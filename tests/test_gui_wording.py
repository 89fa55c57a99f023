"""What the app's readouts say, from values alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from gui.live import wording
from gui.widgets.latency_bar import LatencyPicture
from realtime.live.exchange import Misses
from realtime.live.host_status import LiveStatus
from realtime.live.status import DeviceStatus, Latency, Speed, Status
from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.levels import Bandwidth, Levels
from realtime.quality.readouts import LevelReadouts, PitchReadouts, Readouts, ReferenceReadouts
from tests.statuses import live_statuses

LATENCY = Latency(10.667, 0.0, 21.333, 8.0, 3.0, 5.0)
USB = DeviceStatus("Mic", "Ears", 48_000, 44_100, 256, False, "real-time 4", 100, 1, 2, 0, -12.4)
CAUSES = ("late model", "input overflow", "device gap", "interpreter stall")


def bands(low_hz: float | None, high_hz: float | None) -> LevelReadouts:
    levels = Levels(-4.0, -22.24, 0, False)
    return LevelReadouts(levels, replace(levels, rms_dbfs=None), Bandwidth(None, low_hz), Bandwidth(None, high_hz))


# -- latency


def test_the_total_is_the_sum_of_the_parts() -> None:
    picture = wording.latency_picture(LATENCY, 5.0)
    assert [part.name for part in picture.parts] == [
        *("hop", "lookahead", "window", "buffering", "device in", "device out")
    ]
    assert sum(part.ms or 0 for part in picture.parts) == pytest.approx(48.0)
    assert (picture.total, picture.measured, picture.sentence) == ("48.0 ms", "", "")


@pytest.mark.parametrize(
    "measured_ms, warned", [(48.0, False), (52.9, False), (43.1, False), (53.2, True), (42.0, True)]
)
def test_a_measured_time_that_is_off_by_more_than_a_block_is_a_warning(measured_ms: float, warned: bool) -> None:
    picture = wording.latency_picture(replace(LATENCY, measured_ms=measured_ms), block_ms=5.0)
    assert picture.warning == warned == bool(picture.sentence)
    assert picture.measured == f"measured {measured_ms:.1f} ms"
    if warned:
        assert f"{abs(measured_ms - 48):.1f} ms {'more' if measured_ms > 48 else 'less'}" in picture.sentence


@pytest.mark.parametrize("missing", ["device_input_ms", "device_output_ms"])
def test_a_device_that_does_not_tell_its_latency_is_said_and_never_invented(missing: str) -> None:
    picture = wording.latency_picture(replace(LATENCY, measured_ms=90.0, **{missing: None}), 5.0)
    assert picture.total == "≥ 40.0 ms"
    assert picture.sentence.startswith("Device: not told by the sound system.")
    assert [part.ms is None for part in picture.parts[4:]] == [
        missing == "device_input_ms",
        missing != "device_input_ms",
    ]
    assert not picture.warning, "there is no sum to compare with"


def test_before_the_start_there_is_no_latency() -> None:
    assert wording.latency_picture(None, 0.0) == LatencyPicture(sentence="Known once the sound runs.")


def test_a_block_lasts_its_frames_at_the_output_rate_as_in_the_latency_test() -> None:
    assert wording.block_ms(USB) == pytest.approx(256 / 44.1)
    assert wording.block_ms(DeviceStatus()) == 0.0


# -- engine


def test_speed_is_told_against_the_hop() -> None:
    speed = Speed(1000, 2.114, 3.0, 3.446, 9.1, 0.2, 0.09, 0.52, 12.4)
    assert wording.model_time(speed, 10.667) == "p50 2.11, p99 3.45 of 10.7 ms"
    assert wording.load(speed) == "RTF 0.20 · CPU 12 %"
    assert wording.overhead(speed) == "p50 0.09, p99 0.52 ms"
    assert wording.load_percent(speed, 10.0) == pytest.approx(34.46)


def test_without_a_hop_no_speed_is_claimed() -> None:
    assert (wording.model_time(Speed(), 10.0), wording.load(Speed()), wording.overhead(Speed())) == (
        "no hop yet",
        "—",
        "—",
    )
    assert wording.load_percent(Speed(), 10.0) is None
    assert wording.load_percent(Speed(hops=3), None) is None


def test_misses_are_told_by_cause_and_none_is_calm() -> None:
    assert wording.misses(LiveStatus(Status("running"))) == "none"
    engine = Status("running", misses=Misses(late_model=3, input_overflow=1, device_gap=2, interpreter_stall=4))
    told = wording.misses(LiveStatus(engine, restarts=1, lost_s=2.34))
    assert told.split(" · ")[:4] == [f"{count} {cause}" for count, cause in zip((3, 1, 2, 4), CAUSES, strict=True)]
    assert told.endswith("1 × started anew · 2.3 s without sound")


def test_the_device_is_told_with_rates_block_drift_and_xruns() -> None:
    assert wording.device(USB) == "Mic → Ears"
    assert wording.device(replace(USB, output_name="Mic")) == "Mic"
    assert wording.format_of(USB) == "48 kHz → 44.1 kHz · block 256 (5.8 ms)"
    assert wording.clock(USB) == "drift −12 ppm · 3 xruns · real-time 4"
    one = replace(USB, one_clock=True, input_overflows=0, output_underflows=1, priority="normal")
    assert wording.clock(one) == "one clock · 1 xrun · normal priority"
    assert [of(DeviceStatus()) for of in (wording.device, wording.format_of, wording.clock)] == ["not open", "—", "—"]


def test_a_driver_cannot_break_a_line() -> None:
    assert (
        wording.device(replace(USB, input_name="Mic\n\x1b[2J"))
        == "Mic\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J → Ears"
    )
    engine = Status("lost", message="gone\r", warnings=("quiet",), faults=("gone\r",))
    assert wording.sentences(LiveStatus(engine, note="gone\r")) == ("gone\N{REPLACEMENT CHARACTER}", "quiet")


@pytest.mark.parametrize(
    "fill_ms, planned_ms, scale_ms", [(0, 0, 20), (9, 10, 20), (9, 10.1, 40), (41, 10, 80), (1e9, 0, None)]
)
def test_a_full_ring_bar_is_twice_the_plan_and_stands_still(
    fill_ms: float, planned_ms: float, scale_ms: float | None
) -> None:
    engine = Status("running", latency=Latency(planned_ms, 0, 0, 0), output_fill_ms=fill_ms)
    assert wording.fill_scale_ms(engine) == scale_ms or (scale_ms is None and wording.fill_scale_ms(engine) < 3e6)
    assert wording.rings(engine) == ("in 0 ms", f"out {fill_ms:.0f} ms")


def test_the_state_names_what_is_heard() -> None:
    status = Status("running")
    assert wording.state(status) == "running"
    assert (
        wording.state(replace(status, controls=replace(status.controls, listen="raw", muted=True)))
        == "running, A raw, muted"
    )
    assert (
        wording.state(replace(status, state="lost", controls=replace(status.controls, bypass=True)))
        == "no sound, bypass"
    )


# -- quality


def test_the_shift_is_told_in_hertz_and_semitones_with_its_certainty() -> None:
    pitch = PitchReadouts(220.2, 109.9, applied_semitones=-12.03, applied_confidence=0.93)
    assert (wording.pitches(pitch), wording.shift(pitch)) == ("220 Hz → 110 Hz", "−12.0 st (certain 0.93)")
    assert wording.shift(replace(pitch, applied_semitones=-0.01)) == "+0.0 st (certain 0.93)"
    assert wording.shift(replace(pitch, applied_confidence=0.39)) == "unclear (certain 0.39)", "see docs/readouts.md"
    assert wording.pitches(replace(pitch, output_f0_hz=None)) == "220 Hz → —"
    assert (wording.pitches(PitchReadouts()), wording.shift(PitchReadouts())) == ("—", "—")


def test_consistency_bandwidth_and_levels_are_told() -> None:
    assert wording.consistency(ConsistencyReadouts(12, "vocoder", 1.128, 5.2)) == "mel 1.13 · f0 5 cents"
    assert wording.consistency(ConsistencyReadouts(mel_distance=1.0)) == "mel 1.00"
    assert wording.consistency(ConsistencyReadouts()) == "—"
    assert wording.bandwidth(bands(9000.0, 15_240.0)) == "9.0 kHz → 15.2 kHz"
    assert (wording.bandwidth(bands(None, 9000.0)), wording.bandwidth(bands(None, None))) == ("— → 9.0 kHz", "—")
    assert wording.mean_levels(bands(None, None)) == "−22.2 → silent dBFS"


def test_figures_against_a_reference_are_told_only_where_there_are_any() -> None:
    figures = ReferenceReadouts(-3.21, 0.914, 1.2, 10, exact=True)
    assert (wording.reference(figures), wording.si_sdr(figures)) == ("mel 1.20 · MR-STFT 0.91", "−3.2 dB")
    assert wording.si_sdr(replace(figures, exact=False)) == ""
    assert (wording.reference(ReferenceReadouts()), wording.si_sdr(ReferenceReadouts())) == ("", "")


def test_notes_become_one_paragraph() -> None:
    assert wording.notes(Readouts(bands(1.0, 1.0), notes=("Too short.", "No pitch."))) == "Too short. No pitch."


# -- time


@pytest.mark.parametrize(
    "seconds, said",
    [
        (-1, "now"),
        (0.4, "now"),
        (0.6, "1 s ago"),
        (59.4, "59 s ago"),
        (60, "1 min ago"),
        (125, "2 min 5 s ago"),
        (3725, "1 h 2 min ago"),
    ],
)
def test_ages_are_words(seconds: float, said: str) -> None:
    assert wording.ago(seconds) == said


def test_a_part_that_was_never_measured_has_no_age() -> None:
    ages_s = {"pitch": 5.0, "consistency": 3.0}
    assert (wording.age(ages_s, "pitch"), wording.age(ages_s, "reference")) == ("5 s ago", "")
    assert (wording.youngest(ages_s, ("pitch", "consistency")), wording.youngest({}, ("pitch",))) == ("3 s ago", "")


@given(live_statuses())
@settings(max_examples=60, deadline=None)
def test_no_status_makes_a_text_long_or_technical(status: LiveStatus) -> None:
    engine = status.engine
    picture = wording.latency_picture(engine.latency, wording.block_ms(engine.device))
    hop_ms = None if engine.latency is None else engine.latency.hop_ms
    texts = [picture.total, picture.measured, wording.model_time(engine.speed, hop_ms), wording.load(engine.speed)]
    texts += [wording.misses(status), *wording.rings(engine), wording.format_of(engine.device)]
    if status.quality is not None:
        quality = status.quality
        texts += [
            wording.pitches(quality.pitch),
            wording.shift(quality.pitch),
            wording.consistency(quality.consistency),
        ]
        texts += [wording.bandwidth(quality.levels), wording.reference(quality.reference)]
        assert not quality.notes or wording.notes(quality).isprintable()
    for text in texts:
        assert not re.search(r"nan|inf\b|None|--|-\d", text), text
        assert text.isprintable()
    assert len(picture.total) <= 16

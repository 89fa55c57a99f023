"""What the engine says of itself: levels and times against numpy, sums that add up, and what the system granted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.exchange import Event, Misses
from realtime.live.meters import KEPT_HOPS, Level, Meter, Times
from realtime.live.status import DeviceStatus, Latency, Speed, Status
from realtime.live.threads import raise_priority
from tests.signals import noise, tone

RATE, HOP = 48_000, 480

FULL = Status(
    state="lost",
    message="the device went away",
    elapsed_s=12.5,
    chain=("octave", "gate"),
    channels=2,
    device=DeviceStatus("in", "out", 44_100, 48_000, 128, False, "real-time 3", 99, 1, 2, 3, -12.5),
    latency=Latency(10.5, 1.25, 20.0, 8.0, 3.0, 4.0, 46.0),
    speed=Speed(7, 1.0, 2.0, 3.0, 4.0, 0.1, 0.2, 0.3, 12.0),
    misses=Misses(1, 2, 3, 4, 5, 6, 7, 8),
    events=(Event(1.5, "late model"), Event(2.5, "device gap")),
    input_fill_ms=1.5,
    output_fill_ms=2.5,
    input_level=Level(-3.0, -12.0, 4),
    output_level=Level(-6.0, -20.0, 0),
    controls=Controls("raw", True, True, 0.5, 1.0, -2.0, False, False),
    concealment="silence",
    limited_hops=5,
    muted_blocks=6,
    faults=("0 gate: broken",),
    swaps=2,
    warnings=("silent input",),
    recording="take",
)


@pytest.mark.parametrize("status", [FULL, Status("prepared"), Status("running", latency=Latency(10.0, 0.0, 0.0, 5.0))])
def test_a_status_comes_back_from_json_as_it_was(status: Status) -> None:
    assert Status.from_json_object(json.loads(json.dumps(status.to_json_object()))) == status


def test_the_json_spells_out_the_sums() -> None:
    values = FULL.to_json_object()
    assert values["latency"]["algorithmic_ms"] == 10.5 + 1.25 + 20
    assert values["latency"]["in_app_ms"] == 10.5 + 1.25 + 20 + 8
    assert values["latency"]["total_ms"] == 10.5 + 1.25 + 20 + 8 + 3 + 4
    assert values["misses"]["total"] == FULL.misses.total == 1 + 3 + 5 + 7


@pytest.mark.parametrize("known", [(None, 4.0), (3.0, None), (None, None)])
def test_no_total_is_said_where_a_device_says_nothing_that_makes_sense(known: tuple[float | None, ...]) -> None:
    assert Latency(1, 2, 3, 4, *known).total_ms is None and Latency(1, 2, 3, 4, *known).in_app_ms == 10


def test_a_status_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.state = "running"  # type: ignore[misc]


# -- levels


def metered(audio: np.ndarray, hop: int = HOP) -> Meter:
    meter, rows = Meter(hop, RATE), np.atleast_2d(audio)
    for at in range(0, rows.shape[1], hop):
        meter.update(rows[:, at : at + hop])
    return meter


@pytest.mark.parametrize("level", [0.001, 0.1, 1.0])
def test_a_steady_tone_has_the_levels_that_numpy_finds(level: float) -> None:
    audio = np.stack([tone(1000, 3 * RATE, level=level)] * 2)
    read = metered(audio).read()
    assert read.peak_db == pytest.approx(20 * np.log10(np.abs(audio).max()), abs=0.01)
    assert read.rms_db == pytest.approx(10 * np.log10(np.mean(np.square(audio, dtype=float))), abs=0.01)


def test_a_peak_falls_by_20_db_a_second_and_the_mean_level_follows_in_300_ms() -> None:
    meter = metered(np.concatenate([np.ones(RATE, np.float32) * 0.5, np.zeros(RATE // 2, np.float32)]))
    read = meter.read()
    assert read.peak_db == pytest.approx(20 * np.log10(0.5) - 10, abs=0.01)
    kept = 1 - 0.010 / 0.3  # of the power, from each hop of 10 ms to the next
    assert read.rms_db == pytest.approx(10 * np.log10(0.25 * (1 - kept**100) * kept**50), abs=0.01)


def test_silence_reads_minus_200_db_and_is_counted_until_a_sound_comes() -> None:
    meter = metered(np.zeros((2, 4800), np.float32))
    assert meter.read() == Level(-200.0, -200.0, 0) and meter.zero_samples == 4800
    block = np.zeros((2, HOP), np.float32)
    block[1, 7] = 1e-9
    meter.update(block)
    assert meter.zero_samples == 0


def test_samples_at_or_beyond_full_scale_are_counted() -> None:
    audio = np.zeros((2, HOP), np.float32)
    audio[0, :3], audio[1, 5], audio[1, 6] = 1.0, -1.5, 0.99999
    meter = metered(audio)
    assert meter.read().clipped == 4
    meter.update(0.5 * noise(2 * HOP).reshape(2, -1))
    assert meter.read().clipped == 4
    meter.update(np.where(audio == 1, audio, 0))
    assert meter.read().clipped == 7


# -- times


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.sampled_from([1, 50, 100]))
def test_percentiles_are_those_of_the_last_2048_hops(seconds: list[float], times_over: int) -> None:
    times, everything = Times(), seconds * times_over
    for value in everything:
        times.add(value)
    expected = 1000 * np.percentile(everything[-KEPT_HOPS:], [50, 95, 99, 100])
    np.testing.assert_allclose(times.percentiles_ms(), expected, atol=1e-9)
    assert times.last_seconds == everything[-1] and times.count == len(everything) and KEPT_HOPS == 2048


def test_before_the_first_hop_times_are_zero() -> None:
    assert Times().percentiles_ms() == (0.0, 0.0, 0.0, 0.0) and Times().last_seconds == 0.0


# -- threads


def test_the_priority_that_was_granted_is_said_in_words_and_is_the_one_of_this_thread_alone() -> None:
    words, policies = [], []

    def ask() -> None:
        words.append(raise_priority(3))
        if hasattr(os, "sched_getscheduler"):
            policies.append((os.sched_getscheduler(0), os.sched_getparam(0).sched_priority))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    if words[0].startswith("real-time"):
        assert words == ["real-time 3"] and policies == [(os.SCHED_FIFO, 3)]
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
    else:
        assert words[0].startswith("normal") and policies in ([], [(0, 0)])


def test_a_refused_priority_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    monkeypatch.setattr(os, "setpriority", refuse, raising=False)
    monkeypatch.setattr(os, "SCHED_FIFO", 1, raising=False)
    monkeypatch.setattr(os, "sched_param", int, raising=False)
    assert raise_priority(3) == "normal"
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "setpriority", lambda *words: asked.append(words), raising=False)
    assert raise_priority(3) == f"nice {asked[0][2]}" and asked[0][1:] == (threading.get_native_id(), -11)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_setscheduler")
    assert raise_priority(3) == "normal"


CALM = """
import gc, sys, threading
import numpy as np
from realtime.live.threads import calm_interpreter
from realtime.plugins.session import flush_denormals
small = np.full(8, 1e-30, np.float32)
def product(): said.append(bool((small * np.float32(1e-10)).any()))
said = []
product()
flush_denormals()
product()
thread = threading.Thread(target=product)
thread.start()
thread.join()
calm_interpreter()
print(said, gc.isenabled(), gc.get_freeze_count() > 0, sys.getswitchinterval() < 0.001)
"""


def test_the_engine_process_takes_denormals_as_zero_in_every_thread_and_makes_no_pauses() -> None:
    folder = Path(__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", CALM], cwd=folder, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[True, False, False] False True True"

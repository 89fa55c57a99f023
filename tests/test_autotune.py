"""`deshift live --auto`: the smallest block and deadline that hold, found within its time."""

from __future__ import annotations

import shlex
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.live.autotune import BLOCKS_FRAMES, DEADLINES_MS, Candidate, Pace, candidates, clean, smallest, tune
from realtime.live.controls import Controls
from realtime.live.exchange import Misses
from realtime.live.plan import Plan
from realtime.live.settings import LiveSettings
from realtime.live.status import DeviceStatus, Speed, Status
from tests import plugin_files as files
from tests.live_session import NOWHERE

pytestmark = pytest.mark.real_time

QUICK = Pace(0.1, 0.2, 0.3)


def latency_frames(candidate: Candidate, hop_frames: int, rate: int) -> int:
    plan = Plan(rate, rate, rate, candidate.block_frames, hop_frames, hop_frames, 0.0, candidate.deadline_ms)
    return candidate.block_frames + plan.prefill_frames


@given(
    hop_frames=st.sampled_from([64, 65, 511, 512, 513, 557, 4096, 8192]), rate=st.sampled_from([16_000, 44_100, 96_000])
)
@settings(max_examples=24, deadline=None)
def test_candidates_rise_in_latency_and_no_pair_gives_less_time_for_as_much(hop_frames: int, rate: int) -> None:
    ladder = candidates(hop_frames, rate)
    latencies = [latency_frames(candidate, hop_frames, rate) for candidate in ladder]
    assert latencies == sorted(set(latencies))
    for block in BLOCKS_FRAMES:
        for deadline_ms in DEADLINES_MS:
            rung = ladder[latencies.index(latency_frames(Candidate(block, deadline_ms), hop_frames, rate))]
            assert rung.deadline_ms >= deadline_ms


@given(size=st.integers(0, 25), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_smallest_that_holds_is_found_in_few_trials(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size))
    ladder = [Candidate(index, 1.0) for index in range(size)]
    tried: list[Candidate] = []

    def holds(candidate: Candidate) -> bool:
        tried.append(candidate)
        return candidate.block_frames >= first

    found = smallest(ladder, holds)
    assert found == (ladder[first] if first < size else None)
    assert len(tried) == len(set(tried)) <= size.bit_length()


def test_a_trial_is_clean_only_if_sound_ran_and_nothing_was_missed_in_it() -> None:
    before = Status("running", misses=Misses(late_model=2), speed=Speed(hops=10))
    after = replace(before, speed=Speed(hops=90))
    assert clean(before, after)
    assert not clean(before, before)
    assert not clean(before, replace(after, state="lost"))
    assert not clean(before, replace(after, misses=Misses(late_model=2, device_gap=1)))
    assert not clean(before, replace(after, device=DeviceStatus(output_underflows=1)))
    assert not clean(before, replace(after, device=DeviceStatus(input_overflows=1)))


@pytest.fixture
def half(tmp_path: Path) -> LiveSettings:
    model = str(files.gain_plugin(tmp_path / "half.onnx"))
    return LiveSettings(NOWHERE, model, quality=False, controls=Controls(mix=0.5), record=str(tmp_path / "takes"))


def test_the_search_keeps_all_other_settings_and_says_what_to_pass_next_time(
    half: LiveSettings, tmp_path: Path
) -> None:
    found = tune(half, threading.Event(), QUICK)
    assert found is not None
    device, deadline_ms = found.settings.device, found.settings.deadline_ms
    assert replace(found.settings, device=half.device, deadline_ms=half.deadline_ms) == half
    assert device.block_frames in BLOCKS_FRAMES and deadline_ms in DEADLINES_MS
    assert f"block {device.block_frames} frames, deadline {deadline_ms:g} ms: " in found.words
    assert not (tmp_path / "takes").exists()
    assert half.model is not None
    words = ["live", "-i", "none", "-o", "none", "-m", half.model, "--no-quality", "--seconds", "0.2"]
    passed = shlex.split(found.words.partition("To skip the search: ")[2])
    assert len(passed) == 4
    done = CliRunner().invoke(deshift.main, [*words, *passed])
    assert done.exit_code == 0, done.output


def test_a_search_that_is_told_to_end_does_so_at_once(half: LiveSettings) -> None:
    ended = threading.Event()
    threading.Timer(1.0, ended.set).start()
    began = time.monotonic()
    assert tune(half, ended, Pace(5, 5, 5)) is None
    assert time.monotonic() - began < 5


def test_the_usual_search_takes_about_twenty_seconds() -> None:
    """The trials of a search whose first find holds: the safest, halving the ladder, the longer look."""
    pace = Pace()
    trials = 1 + len(candidates(512, 48_000)).bit_length()
    opening_s = 1.0
    whole_s = (trials + 1) * (opening_s + pace.settle_s) + trials * pace.trial_s + pace.confirm_s
    assert 15 < whole_s < 23

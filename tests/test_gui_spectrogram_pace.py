"""How often the spectrograms are drawn, by a scripted clock: less under load, and slowly more again."""

from __future__ import annotations

import pytest

from gui.live.spectrogram_pace import CALM_PERIODS, MOST_CALM_PERIODS, Load, Pace
from tests.spectrogram_parts import Clock


def run(pace: Pace, clock: Clock, seconds: float, spent_s: float = 0.002, late: float = 1.0) -> None:
    """Frames at the pace's own rate, `late` times as far apart."""
    over_s = clock.now_s + seconds
    while clock.now_s < over_s:
        clock.now_s += late / pace.frames_per_second
        pace.frame(clock.now_s, spent_s)


def seconds_at(rate: int, pace: Pace, clock: Clock, spent_s: float = 0.002, late: float = 1.0) -> float:
    """How long it stays at a rate."""
    began_s = clock.now_s
    while pace.frames_per_second == rate:
        run(pace, clock, 0.2, spent_s, late)
        assert clock.now_s < began_s + 200, f"it stays at {rate} frames/s"
    return clock.now_s - began_s


@pytest.mark.parametrize(
    ("spent_s", "late"), [(0.010, 1.0), (0.002, 1.6)], ids=["frames cost too much", "frames come late"]
)
def test_the_rate_halves_when_the_machine_is_busy(spent_s: float, late: float) -> None:
    clock = Clock()
    pace = Pace(clock())
    run(pace, clock, 10)
    assert (pace.frames_per_second, pace.text) == (30, "30 fps")
    assert seconds_at(30, pace, clock, spent_s, late) < 2.5
    assert (pace.frames_per_second, pace.text) == (15, "15 fps: sound comes first")
    run(pace, clock, 20, 0.1, 2.0)
    assert pace.frames_per_second == 4


def test_a_display_at_30_hertz_is_not_taken_for_a_busy_machine() -> None:
    clock, frame_s = Clock(), 1 / 30
    pace = Pace(clock())
    for number in range(1, 1801):  # a minute of ticks, each moved to the display's next frame, some of them missed
        shown_s = (number * 33 / 1000) // frame_s * frame_s + frame_s
        clock.now_s = max(clock.now_s, shown_s if number % 10 else shown_s + frame_s)
        pace.frame(clock.now_s, 0.003)
        assert pace.frames_per_second == 30


@pytest.mark.parametrize("load", [Load(0.9, 0), Load(0.2, 1)], ids=["the engine is near its limit", "hops were missed"])
def test_the_rate_halves_when_the_sound_is_in_need(load: Load) -> None:
    clock = Clock()
    pace = Pace(clock())
    pace.load(Load(0.2, 0))
    pace.load(load)
    run(pace, clock, 1.2)
    assert pace.frames_per_second == 15
    pace.load(Load(0.2, load.misses))
    run(pace, clock, 2)
    assert pace.frames_per_second == 15


def test_misses_from_before_the_first_look_are_not_held_against_it() -> None:
    clock = Clock()
    pace = Pace(clock())
    for misses in (7, 7, 7):
        pace.load(Load(0.2, misses))
        run(pace, clock, 1.2)
    assert pace.frames_per_second == 30
    pace.new_session()
    pace.load(Load(0.2, 12))
    run(pace, clock, 1.2)
    assert pace.frames_per_second == 30


def test_the_rate_recovers_one_step_at_a_time_after_calm_seconds() -> None:
    clock = Clock()
    pace = Pace(clock())
    run(pace, clock, 8, 0.2, 2.0)
    assert pace.frames_per_second == 4
    rates = []
    for _ in range(3):
        run(pace, clock, CALM_PERIODS - 1.5)
        rates.append(pace.frames_per_second)
        run(pace, clock, 3.5)
        rates.append(pace.frames_per_second)
        clock.now_s = round(clock.now_s)
    assert rates[0] == 4 and rates[1] == 8 and rates[-1] in (15, 30)
    run(pace, clock, 10)
    assert pace.frames_per_second == 30


def test_a_rate_that_does_not_last_is_tried_more_and_more_rarely() -> None:
    clock = Clock()
    pace = Pace(clock())
    waits = []
    seconds_at(30, pace, clock, 0.010)
    for _ in range(6):
        waits.append(seconds_at(15, pace, clock))
        seconds_at(30, pace, clock, 0.010)
    assert waits[0] < 7 < waits[1] < waits[2] < waits[3] <= MOST_CALM_PERIODS + 8
    assert waits[-1] < 1.1 * MOST_CALM_PERIODS + 8
    run(pace, clock, 200)
    seconds_at(30, pace, clock, 0.010)
    assert seconds_at(15, pace, clock) < 7, "once it lasted, all is forgotten"

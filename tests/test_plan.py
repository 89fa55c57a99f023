"""The arithmetic of latency against a search: the smallest delay with which no block of the device waits in vain."""

from __future__ import annotations

from math import ceil

import pytest

from realtime.live.plan import DEFAULT_DEADLINE_MS, GUARD_MS, Plan


def plan(block: int, hop: int, deadline_ms: float = 0.0, rate: int = 1000, later: int = 0) -> Plan:
    return Plan(rate, rate, rate, block, hop, hop + later, 0.0, deadline_ms)


def shortest_time_frames(block: int, hop: int, prefill: int) -> int:
    """The least time a hop has, in frames: from the callback that completes it to the callback that needs its first."""
    times = []
    for number in range(3 * block + 1):  # the pattern repeats after lcm(block, hop)
        completed = ceil((number + 1) * hop / block)  # callback k captures up to k * block, and plays as many
        needed = (prefill + number * hop) // block + 1
        times.append((needed - completed) * block)
    return min(times)


def smallest_prefill(block: int, hop: int, wanted_frames: int) -> int:
    prefill = 0
    while shortest_time_frames(block, hop, prefill) < max(1, wanted_frames):
        prefill += 1
    return prefill


@pytest.mark.parametrize("deadline_ms", [0, 7, 31])
def test_the_formula_is_the_smallest_delay_that_leaves_every_hop_its_time(deadline_ms: int) -> None:
    wanted = deadline_ms + round(GUARD_MS)  # at 1000 Hz a frame lasts a millisecond
    for block in range(1, 26):
        for hop in range(1, 26):
            planned = plan(block, hop, deadline_ms).prefill_frames
            assert planned == smallest_prefill(block, hop, wanted), (block, hop)


@pytest.mark.parametrize(
    "block, hop", [(1, 512), (65, 512), (511, 512), (512, 512), (513, 512), (8192, 512), (480, 128)]
)
def test_a_frame_less_would_be_too_late_at_awkward_sizes(block: int, hop: int) -> None:
    prefill = Plan(48_000, 48_000, 48_000, block, hop, hop, 0.0, 0.0).prefill_frames
    assert shortest_time_frames(block, hop, prefill) >= 48 * GUARD_MS
    assert shortest_time_frames(block, hop, prefill - 1) < max(1, 48 * GUARD_MS)


def test_blocks_that_vary_need_no_luck() -> None:
    for block in range(1, 13):
        for hop in range(1, 13):
            over = {0}  # frames beyond the last whole hop, before a callback of the largest size
            for _ in range(hop):
                over |= {(frames + size) % hop for frames in over for size in range(1, block + 1)}
            planned = Plan(1000, 1000, 1000, block, hop, hop, 0.0, 0.0, blocks_vary=True).prefill_frames
            assert planned == block + max(over), (block, hop)


@pytest.mark.parametrize("deadline_ms", [0.0, 1.0, 8.0, 100.0])
def test_a_device_that_does_not_say_its_block_gets_the_deadline_alone(deadline_ms: float) -> None:
    assert plan(0, 512, deadline_ms).prefill_frames == ceil(deadline_ms + GUARD_MS)


@pytest.mark.parametrize("rates", [(44_100, 44_100, 48_000), (16_000, 16_000, 48_000), (96_000, 48_000, 48_000)])
def test_other_rates_cost_whole_frames_of_the_device_and_what_the_resamplers_hold(rates: tuple[int, int, int]) -> None:
    rate_in, rate_out, rate = rates
    planned = Plan(*rates, 128, 512, 512 + 1024, 97.5, 0.0)
    hop, held = ceil(512 * rate_out / rate), ceil(97.5 * rate_out / rate)
    assert planned.prefill_frames == 128 + hop + held
    assert planned.hop_frames == ceil(512 * rate_in / rate)
    assert planned.content_delay_frames == round(1024 * rate_out / rate)
    assert planned.in_app_frames == planned.prefill_frames + planned.content_delay_frames


def test_two_clocks_cost_a_block_more() -> None:
    one, two = (Plan(48_000, 48_000, 48_000, 256, 512, 512, 0.0, 8.0, clocks) for clocks in (False, True))
    assert two.prefill_frames - one.prefill_frames == 256


def test_buffering_is_what_the_host_adds_to_the_chain() -> None:
    planned = plan(128, 512, 8.0, 48_000, later=1000)
    in_app_ms = planned.in_app_frames / 48
    assert planned.buffering_ms == pytest.approx(in_app_ms - 1512 / 48)
    assert planned.in_app_frames == planned.prefill_frames + 1000


def test_128_frames_at_48_khz_stay_below_25_ms_with_the_default_deadline() -> None:
    planned = plan(128, 512, DEFAULT_DEADLINE_MS, 48_000)
    assert 1000 * planned.in_app_frames / 48_000 < 25
    assert plan(512, 512, 0.0, 48_000).in_app_frames == 512  # the best case: 10.67 ms, the hop alone

"""Statuses of any kind for the tests of the screen: extremes, and what is missing."""

from __future__ import annotations

from hypothesis import strategies as st

from realtime.live.controls import Controls
from realtime.live.exchange import Event, Misses
from realtime.live.host_status import LiveStatus
from realtime.live.meters import Level
from realtime.live.status import DeviceStatus, Latency, Speed, Status
from realtime.quality.consistency import ConsistencyReadouts
from realtime.quality.levels import Bandwidth, Levels
from realtime.quality.readouts import LevelReadouts, PitchReadouts, Readouts, ReferenceReadouts

ms = st.floats(0, 1e7)
signed = st.floats(-200, 200)
count = st.integers(0, 2**40)
maybe_ms = st.none() | ms
maybe_signed = st.none() | signed
share = st.none() | st.floats(0, 1)
text = st.text(max_size=60)
hertz = st.none() | st.floats(0, 96_000)
level = st.builds(Level, st.floats(-200, 40), st.floats(-200, 40), count)
side_levels = st.builds(Levels, maybe_signed, maybe_signed, st.none() | count, st.none() | st.booleans())
bandwidths = st.builds(Bandwidth, hertz, hertz)


def live_statuses() -> st.SearchStrategy[LiveStatus]:
    """Of any state, with and without everything that may be missing."""
    quality = st.builds(
        Readouts,
        st.builds(LevelReadouts, side_levels, side_levels, bandwidths, bandwidths),
        st.builds(
            PitchReadouts,
            *(hertz, hertz, share, share, maybe_signed, maybe_signed, share, maybe_signed, st.none() | text),
        ),
        st.builds(ConsistencyReadouts, maybe_signed, st.none() | text, maybe_ms, maybe_ms),
        st.builds(ReferenceReadouts, maybe_signed, maybe_ms, maybe_ms, st.none() | count, st.none() | st.booleans()),
        st.lists(text, max_size=3).map(tuple),
    )
    ages_s = st.dictionaries(st.sampled_from(("pitch", "consistency", "reference")), ms)
    return st.builds(
        LiveStatus, _statuses(), st.none() | quality, ages_s, st.integers(0, 1000), ms, text, st.booleans()
    )


def _statuses() -> st.SearchStrategy[Status]:
    rate = st.sampled_from((0, 8000, 44_100, 48_000, 192_000))
    device = st.builds(
        DeviceStatus,
        text,
        text,
        rate,
        rate,
        st.integers(0, 8193),
        st.booleans(),
        text,
        count,
        count,
        count,
        count,
        signed,
    )
    return st.builds(
        Status,
        st.sampled_from(("prepared", "running", "lost", "stopped", "failed")),
        message=text,
        elapsed_s=ms,
        chain=st.lists(text, max_size=3).map(tuple),
        device=device,
        latency=st.none() | st.builds(Latency, ms, ms, ms, ms, maybe_ms, maybe_ms, maybe_ms),
        speed=st.builds(Speed, count, *[ms] * 8),
        misses=st.builds(Misses, *[count] * 8),
        events=st.lists(st.builds(Event, ms, text), max_size=4).map(tuple),
        input_fill_ms=ms,
        output_fill_ms=ms,
        input_level=level,
        output_level=level,
        controls=st.builds(Controls, st.sampled_from(("raw", "inverse", "model")), st.booleans(), st.booleans()),
        swaps=count,
        warnings=st.lists(text, max_size=2).map(tuple),
        faults=st.lists(text, max_size=2).map(tuple),
    )

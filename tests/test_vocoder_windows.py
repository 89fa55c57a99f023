"""The windows of the vocoder: whatever their length, they add up, and never pass what the vocoder has heard."""

import numpy as np
import pytest

from realtime.quality.vocoder_windows import SPANS, windows


@pytest.mark.parametrize("latency", SPANS)
@pytest.mark.parametrize("rising", [False, True])
def test_windows_a_hop_apart_add_up_to_one(latency: int, rising: bool) -> None:
    using = windows(latency, rising)
    assert (using.heard, using.kept) == SPANS[latency][rising]
    product = using.analysis * using.synthesis
    assert not product[: -using.kept].any()
    np.testing.assert_allclose(product[-using.kept :].reshape(-1, using.hop).sum(axis=0), 1, atol=1e-12)


@pytest.mark.parametrize("latency", SPANS)
@pytest.mark.parametrize("rising", [False, True])
def test_a_block_s_windows_lie_inside_what_is_heard_and_what_is_still_to_come(latency: int, rising: bool) -> None:
    using = windows(latency, rising)
    assert len(using.ends) * using.hop == using.block == latency // 8
    assert min(using.ends) >= 0 and max(using.ends) + using.kept <= latency
    assert using.reach == max(using.ends) + using.heard
    middle = latency // 2  # of the last window of both directions: there one fades into the other
    assert using.ends[-1] + using.kept // 2 == middle

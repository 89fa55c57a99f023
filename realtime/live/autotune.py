"""Find the smallest block and deadline that hold on this machine, by trying them in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from realtime.live.host import Host
from realtime.live.plan import Plan
from realtime.live.settings import LiveSettings
from realtime.live.status import Status

BLOCKS_FRAMES = (64, 128, 256, 512, 1024)
DEADLINES_MS = (2.0, 4.0, 8.0, 16.0, 32.0)
HOPELESS = (
    f"no block up to {BLOCKS_FRAMES[-1]} frames holds with this model on this machine: close other programs, or take a "
    "smaller model (`deshift bench` shows how fast each is)"
)


class TuneError(ValueError):
    """Nothing that was tried holds. One line."""


@dataclass(frozen=True)
class Candidate:
    """A block and a deadline to try."""

    block_frames: int
    deadline_ms: float


@dataclass(frozen=True)
class Pace:
    """How long each step takes, in seconds: until the sound has settled, a trial, the longer look at what won."""

    settle_s: float = 0.3
    trial_s: float = 1.5
    confirm_s: float = 4.0


@dataclass(frozen=True)
class Tuned:
    """The settings that held, and a sentence about them."""

    settings: LiveSettings
    words: str


def tune(settings: LiveSettings, ended: threading.Event, pace: Pace | None = None) -> Tuned | None:
    """Try blocks and deadlines on the real device, about 20 s long; nothing is heard meanwhile.

    Returns: None where `ended` was set meanwhile.
    Raises: TuneError where not even the largest holds; DeviceError and ContractError as `Host.start`.
    """
    silent = replace(
        settings, controls=replace(settings.controls, muted=True), quality=False, record=None, allow_feedback=True
    )
    return _Search(silent, ended, pace or Pace()).run(settings)


class _Search:
    def __init__(self, silent: LiveSettings, ended: threading.Event, pace: Pace) -> None:
        self._silent, self._ended, self._pace = silent, ended, pace
        self._seen: dict[Candidate, Status] = {}
        self._verdicts: dict[Candidate, bool] = {}

    def run(self, settings: LiveSettings) -> Tuned | None:
        """The safest first: it tells the model's hop and the device's rate, and whether there is any hope."""
        safest = Candidate(BLOCKS_FRAMES[-1], DEADLINES_MS[-1])
        if not self._try(safest):
            raise TuneError(HOPELESS)
        if self._ended.is_set():
            return None
        latency, device = self._seen[safest].latency, self._seen[safest].device
        assert latency is not None  # the engine ran
        rate = device.output_rate
        ladder = candidates(round(latency.hop_ms * rate / 1000), rate)
        found = smallest(ladder, self._try)
        at, step = ladder.index(found) if found else len(ladder) - 1, 1
        while at < len(ladder) and not self._holds(ladder[at], self._pace.confirm_s):
            at, step = at + step, 2 * step
        if self._ended.is_set():
            return None
        if at >= len(ladder):
            raise TuneError(HOPELESS)
        return self._told(settings, ladder[at])

    def _try(self, candidate: Candidate) -> bool:
        if candidate not in self._verdicts:
            self._verdicts[candidate] = self._holds(candidate, self._pace.trial_s)
        return self._verdicts[candidate]

    def _holds(self, candidate: Candidate, seconds: float) -> bool:
        """Run it; once the end is asked for, everything holds, so that the search is over at once."""
        if self._ended.is_set():
            return True
        device = replace(self._silent.device, block_frames=candidate.block_frames)
        host = Host(replace(self._silent, device=device, deadline_ms=candidate.deadline_ms))
        host.start(host.settings.start_limit_s)
        try:
            self._ended.wait(self._pace.settle_s)
            before = host.status().engine
            self._ended.wait(seconds)
            self._seen[candidate] = after = host.status().engine
        finally:
            host.stop()
        return self._ended.is_set() or clean(before, after)

    def _told(self, settings: LiveSettings, found: Candidate) -> Tuned:
        latency, speed = self._seen[found].latency, self._seen[found].speed
        assert latency is not None
        total = f"{latency.in_app_ms if latency.total_ms is None else latency.total_ms:.1f} ms in all"
        words = (
            f"block {found.block_frames} frames, deadline {found.deadline_ms:g} ms: {total} (the model's p99 is "
            f"{speed.p99_ms:.1f} ms). To skip the search: --block {found.block_frames} --deadline {found.deadline_ms:g}"
        )
        device = replace(settings.device, block_frames=found.block_frames)
        return Tuned(replace(settings, device=device, deadline_ms=found.deadline_ms), words)


def candidates(hop_frames: int, rate: int) -> list[Candidate]:
    """Pairs from the lowest latency to the highest: of equal latency only the one with the longest deadline.

    Args:
        hop_frames: of the chain, at the device's rate.
        rate: of the device, in Hz.
    """
    best: dict[int, Candidate] = {}
    for block in BLOCKS_FRAMES:
        for deadline_ms in DEADLINES_MS:
            plan = Plan(rate, rate, rate, block, hop_frames, hop_frames, 0.0, deadline_ms)
            latency_frames = block + plan.prefill_frames
            if latency_frames not in best or deadline_ms > best[latency_frames].deadline_ms:
                best[latency_frames] = Candidate(block, deadline_ms)
    return [best[latency_frames] for latency_frames in sorted(best)]


def smallest(ladder: Sequence[Candidate], holds: Callable[[Candidate], bool]) -> Candidate | None:
    """The first that holds, by halving: more latency is taken to hold no worse. None where the last does not."""
    low, high = 0, len(ladder)
    while low < high:
        middle = (low + high) // 2
        if holds(ladder[middle]):
            high = middle
        else:
            low = middle + 1
    return ladder[low] if low < len(ladder) else None


def clean(before: Status, after: Status) -> bool:
    """Whether sound ran and nothing was missed between the two."""
    lost = after.device.input_overflows - before.device.input_overflows
    dry = after.device.output_underflows - before.device.output_underflows
    ran = after.state == "running" and after.speed.hops > before.speed.hops
    return ran and after.misses.total == before.misses.total and lost <= 0 and dry <= 0

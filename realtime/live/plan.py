"""The arithmetic of latency: how long sound must be held so that every device block is met."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, gcd

LARGEST_BLOCK_FRAMES = 8192
DEFAULT_DEADLINE_MS = 8.0
GUARD_MS = 1.0  # the feeder conceals so long before the device wants its block


@dataclass(frozen=True)
class Plan:
    """Rates in Hz; block and prefill in device frames, hop in samples at the plugin's rate.

    `deadline_ms` is the time that every hop has, from its last frame captured until it must be there.
    `prefill_frames` is the delay between a frame captured and its processed form played, without what the chain adds
    beyond its hop (`content_delay_frames`).
    """

    input_rate: int
    output_rate: int
    plugin_rate: int
    block_frames: int
    hop_samples: int
    chain_latency_samples: int
    resampling_samples: float
    deadline_ms: float
    two_clocks: bool = False
    blocks_vary: bool = False

    @property
    def prefill_frames(self) -> int:
        """Output frames that are played before the first processed one.

        A block is played when its frames are captured; of these, whole hops alone were processed, and a hop that is
        just complete has one block's time. With equal rates and a fixed block B the worst case is
        B + hop - gcd(B, hop), and B + hop - 1 where blocks vary up to B. Source: Letz, Callback adaptation techniques,
        2001, hal-02158912. Every block more gives a hop one block's time more; a part of a block would give nothing,
        as the device takes whole ones.
        """
        hop = ceil(self.hop_samples * self.output_rate / self.plugin_rate)
        same = self.input_rate == self.output_rate == self.plugin_rate
        saved = (1 if self.blocks_vary else gcd(self.block_frames, hop)) if same else 0
        apart = self.block_frames if self.two_clocks else 0  # neither callback waits for the other
        return self.block_frames + hop - saved + apart + ceil(self._resampling_frames) + self._margin_frames

    @property
    def _margin_frames(self) -> int:
        wanted = (self.deadline_ms + GUARD_MS) * self.output_rate / 1000
        if not self.block_frames:
            return ceil(wanted)
        return (ceil(wanted / self.block_frames) - 1) * self.block_frames

    @property
    def content_delay_frames(self) -> int:
        """Output frames by which the chain is later than its hop: lookahead and windows."""
        return round((self.chain_latency_samples - self.hop_samples) * self.output_rate / self.plugin_rate)

    @property
    def hop_frames(self) -> int:
        """Captured frames that make a hop."""
        return ceil(self.hop_samples * self.input_rate / self.plugin_rate)

    @property
    def in_app_frames(self) -> int:
        """Output frames from captured to played, all in all, without the devices."""
        return self.prefill_frames + self.content_delay_frames

    @property
    def buffering_ms(self) -> float:
        """What the host adds to the chain's own latency: block against hop, resampling, margin."""
        chain_ms = 1000 * self.chain_latency_samples / self.plugin_rate
        return 1000 * self.in_app_frames / self.output_rate - chain_ms

    @property
    def _resampling_frames(self) -> float:
        return self.resampling_samples * self.output_rate / self.plugin_rate

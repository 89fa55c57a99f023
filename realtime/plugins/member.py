"""One plugin of a chain: its bypass, and what happens when it fails."""

from __future__ import annotations

import numpy as np

from realtime.contract import Control
from realtime.plugins.base import Plugin, Samples

FADE_S = 0.005  # a crossfade lasts one hop of the chain, or as many as make up this time
MAX_FAULTS_IN_A_ROW = 10


def name_of(plugin: Plugin) -> str:
    """What to call a plugin: its own name, that of its plugin file, or that of its class."""
    named = getattr(plugin, "name", None) or getattr(getattr(plugin, "facts", None), "name", None)
    return str(named or type(plugin).__name__.lower())


def controls_of(plugin: Plugin) -> tuple[Control, ...]:
    """The knobs of a plugin, or of its plugin file; none where it has none."""
    own: tuple[Control, ...] | None = getattr(plugin, "controls", None)
    return own if own is not None else getattr(getattr(plugin, "facts", None), "controls", ())


class Member:
    """One plugin, with a delay beside it that stands in for it: when bypassed, and where it fails."""

    def __init__(self, plugin: Plugin, name: str, hop: int) -> None:
        self.plugin, self.name = plugin, name
        self.values = {control.name: control.default for control in controls_of(plugin)}
        self.bypassed = False
        self.fault_count, self.message, self._in_a_row = 0, "", 0
        self._hop, self._delay = hop, plugin.latency_samples - plugin.hop_samples
        channels = plugin.channels
        self._feed = np.zeros((channels, plugin.hop_samples), dtype=np.float32)
        self._finite = np.zeros((channels, plugin.hop_samples), dtype=np.bool_)
        self._wet = np.zeros((channels, hop), dtype=np.float32)
        self._line = np.zeros((channels, self._delay + hop), dtype=np.float32)
        self._last = np.zeros((channels, 1), dtype=np.float32)  # the last sample that went out
        self._held = np.zeros((channels, 1), dtype=np.float32)  # that sample at a fault: fades into the dry signal
        fade_hops = max(1, round(FADE_S * plugin.sample_rate / hop))
        self._ramp = np.arange(1, hop + 1, dtype=np.float32) / np.float32(fade_hops * hop)
        self._wet_gain, self._held_gain, self._warming_hops = 1.0, 0.0, 0

    @property
    def stopped(self) -> bool:
        """Failed too often in a row to be tried again."""
        return self._in_a_row >= MAX_FAULTS_IN_A_ROW

    def set_bypass(self, bypassed: bool) -> None:
        """Take the member out or in. Taking in one that was stopped tries it again, from silence."""
        self.bypassed = bypassed
        if not bypassed and self.stopped:
            self._in_a_row = 0

    def reset(self) -> None:
        """Back to silence; faults stay counted, and what was stopped stays so."""
        message = self._restart()
        if message:
            self.fault_count, self.message = self.fault_count + 1, message
        for buffer in (self._line, self._last, self._held):
            buffer[:] = 0
        self._held_gain, self._warming_hops = 0.0, 0
        self._wet_gain = 0.0 if self.bypassed or self.stopped else 1.0

    def process(self, block: Samples) -> Samples:
        """One hop of the chain, ``(C, hop)`` -> ``(C, hop)``: finite for a finite block, whatever the plugin does.

        A bypassed plugin runs all the same: it comes back with its past intact, and the load does not jump.
        """
        self._line[:, self._delay :] = block
        dry = self._line[:, : self._hop]
        heard = self._fade_held(dry.copy(), 0) if self.stopped else self._mix(dry, self._run(block))
        self._last[:] = heard[:, -1:]
        self._line[:, : self._delay] = self._line[:, self._hop :]
        return heard

    def _run(self, block: Samples) -> int:
        """Fill `_wet`; the number of samples that came before a failure, the whole hop where there was none."""
        step = self._feed.shape[1]
        for start in range(0, self._hop, step):
            self._feed[:] = block[:, start : start + step]
            message = self._step(self._wet[:, start : start + step])
            if message:
                reset_message = self._restart()
                self.message = f"{message}; {reset_message}" if reset_message else message
                self.fault_count, self._in_a_row = self.fault_count + 1, self._in_a_row + 1
                self._wet[:, start:] = 0  # infinite samples times a gain of 0 would be a warning
                return start
        self._in_a_row = 0
        return self._hop

    def _step(self, heard: Samples) -> str:
        """One hop of the plugin into `heard`; what went wrong, or nothing."""
        try:
            result = np.asarray(self.plugin.process(self._feed))
            if result.shape != heard.shape:
                return f"gave {result.shape} for {heard.shape}"
            heard[:] = result
        except Exception as error:  # noqa: BLE001  a plugin may be anybody's code, and the audio goes on
            return _one_line(error)
        return "" if np.isfinite(heard, out=self._finite).all() else "gave NaN or infinite samples"

    def _restart(self) -> str:
        """Reset the plugin; what went wrong, or nothing."""
        try:
            self.plugin.reset()
        except Exception as error:  # noqa: BLE001  as above
            return f"reset: {_one_line(error)}"
        return ""

    def _mix(self, dry: Samples, good: int) -> Samples:
        """Wet, dry, or on the way from one to the other; dry alone from sample `good` on, where the plugin failed."""
        target = 0.0 if self.bypassed or self._warming_hops else 1.0
        audible = self._wet_gain > 0 or (target > 0 and good > 0)  # something of the plugin went out just before
        if self._wet_gain == target:
            heard = (self._wet if target else dry).copy()
        else:
            ramp = self._ramp if target > self._wet_gain else -self._ramp
            gains = np.clip(np.float32(self._wet_gain) + ramp, 0, 1)
            heard = self._wet * gains + dry * (1 - gains)
            self._wet_gain = float(gains[-1])
        if good == self._hop:
            self._warming_hops = max(0, self._warming_hops - 1)
            return self._fade_held(heard, 0)
        heard[:, good:] = dry[:, good:]
        self._wet_gain, self._warming_hops = 0.0, -(-self._delay // self._hop)
        if not audible:
            return self._fade_held(heard, 0)
        self._held[:] = heard[:, good - 1 : good] if good else self._last
        self._held_gain = 1.0
        return self._fade_held(heard, good)

    def _fade_held(self, heard: Samples, start: int) -> Samples:
        """From the last sample before a failure into what follows it, without a step."""
        if self._held_gain > 0:
            gains = np.maximum(0, np.float32(self._held_gain) - self._ramp[: self._hop - start])
            heard[:, start:] = self._held * gains + heard[:, start:] * (1 - gains)
            self._held_gain = float(gains[-1])
        return heard


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

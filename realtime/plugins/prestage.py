"""Models that restore what a vocoder has shifted back: the two always run together."""

from __future__ import annotations

import numpy as np

from realtime.contract import ContractError, Facts
from realtime.plugins.base import Plugin, Samples
from realtime.plugins.chain import Chain
from realtime.plugins.offline_file import AlignedOffline, OfflineFile
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.vocoder import Vocoder
from realtime.render import Aligned, AlignedStream


def vocoder_before(facts: Facts, channels: int, semitones: float | None = None) -> Vocoder | None:
    """The pre-stage that a model was trained behind; None where it takes the shifted sound itself.

    Args: semitones: what to shift by, -12 to 12; None shifts back by the middle of the trained range.
    Raises: ContractError where this vocoder has no such window or does not reach so far.
    """
    if not facts.prestage_window_samples:
        return None
    shift = facts.prestage_semitones if semitones is None else semitones
    try:
        return Vocoder(facts.sample_rate, channels, shift, facts.prestage_window_samples)
    except ValueError as error:
        raise ContractError(f"{facts.name}: the vocoder before it cannot be made: {error}") from error


def with_prestage(plugin: PluginFile) -> tuple[Plugin, ...]:
    """What has to run in a row for a plugin file to get what it was trained on: the vocoder, if it needs one, and it.

    Raises: ContractError where the vocoder cannot be made.
    """
    vocoder = vocoder_before(plugin.facts, plugin.channels)
    return (plugin,) if vocoder is None else (vocoder, plugin)


def aligned(plugin: PluginFile | OfflineFile, semitones: float | None = None) -> Aligned:
    """A plugin file over one recording without delay, its vocoder, if it needs one, before it.

    Args: semitones: what the vocoder shifts by, as in `vocoder_before`.
    Raises: ContractError where the vocoder cannot be made.
    """
    vocoder = vocoder_before(plugin.facts, plugin.channels, semitones)
    if isinstance(plugin, OfflineFile):
        offline = AlignedOffline(plugin)
        return offline if vocoder is None else _InARow(AlignedStream(vocoder), offline)
    return AlignedStream(plugin) if vocoder is None else _AlignedChain(Chain([vocoder, plugin]))


class _AlignedChain(AlignedStream):
    """A chain over a recording, as it runs live; but a member that fails is an error, not a stretch of raw sound."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        self._chain = chain

    def process(self, block: Samples) -> Samples:
        """See `AlignedStream.process`. Raises: ContractError where a member fails."""
        heard = super().process(block)
        if self._chain.faults:
            fault = self._chain.faults[0]
            raise ContractError(f"{fault.name} failed: {fault.message}")
        return heard


class _InARow:
    """One after the other; each is aligned, so both together are."""

    def __init__(self, first: Aligned, second: Aligned) -> None:
        self._first, self._second = first, second

    def process(self, block: Samples) -> Samples:
        """The samples that are ready after this block: ``(C, N)`` -> ``(C, M)``."""
        return self._second.process(self._first.process(block))

    def finish(self) -> Samples:
        """The rest, after the last block: ``(C, M)``."""
        last = self._second.process(self._first.finish())
        return np.concatenate([last, self._second.finish()], axis=1)

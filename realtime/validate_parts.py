"""What the checks of a plugin file share: one check's outcome, the test sound, levels, and the bare graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime.contract import ContractError
from realtime.plugins.base import Samples
from realtime.plugins.session import RUNTIME_ERRORS, open_session, runtime_line
from realtime.trust import TrustedFile

SOUND_LEVEL = 0.1
CHANGE = 0.5  # added to one sample, to see which samples of the output hear of it
LOUDEST_SILENCE_DB = -40.0  # a plugin that hums louder than this is not usable
LOUDEST_PEAK = 100.0  # +40 dB: beyond, a model has run away
States = dict[str, Samples]


@dataclass(frozen=True)
class Check:
    """One promise of the format, and what was measured of it."""

    name: str
    passed: bool
    measured: str

    @property
    def line(self) -> str:
        """For a terminal, which a name out of the file must not write to."""
        measured = "".join(letter if letter.isprintable() else "?" for letter in self.measured)
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name:<16} {measured}"


def sound(channels: int, samples: int, seed: int = 1) -> Samples:
    """White noise ``(C, N)``, the same for the same seed; no sample is zero, each channel has its own."""
    return SOUND_LEVEL * np.random.default_rng(seed).standard_normal((channels, samples)).astype(np.float32)


def level_db(audio: Samples) -> float:
    """Level (RMS) in dB of full scale; -200 where there is nothing."""
    return 20 * float(np.log10(max(1e-10, float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))))))


def difference(one: Samples, other: Samples) -> float:
    """The largest absolute difference; NaN where one of them is not finite."""
    return float(np.abs(one.astype(np.float64) - other).max()) if one.size else 0.0


def changed_places(before: Samples, after: Samples) -> Any:
    """The places ``(N,)`` where one channel of the two differs in any bit that counts."""
    return np.flatnonzero((before != after).any(axis=0))


class BareGraph:
    """The graph alone, without a host's care: what goes in reaches it as it is.

    Args: controls: at which of their values, "default", "minimum" or "maximum".
    Raises: ContractError on building and on running, where the runtime refuses it.
    """

    def __init__(self, file: TrustedFile, channels: int, controls: str = "default") -> None:
        self._file, self._channels = file, channels
        self._session = open_session(file, channels, threads=1)
        self._outputs = [output.name for output in self._session.get_outputs()]
        values = {control.name: getattr(control, controls) for control in file.facts.controls}
        self._controls = {f"control_{name}": np.full(1, value, dtype=np.float32) for name, value in values.items()}

    def silence(self) -> States:
        """All states at zero."""
        return {
            state.input_name: np.zeros((self._channels, *state.shape), dtype=np.float32) for state in self._file.states
        }

    def call(self, audio: Samples, states: Mapping[str, Samples]) -> tuple[Samples, States]:
        """One call of the graph: ``(C, N)`` and states in, ``(C, N)`` and the next states out."""
        inputs = {"audio": audio[:, None], **states, **self._controls}
        try:
            results = dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
        except RUNTIME_ERRORS as error:
            raise ContractError(runtime_line(self._file, error)) from error
        expected: dict[str, tuple[int, ...]] = {"audio_out": (self._channels, 1, audio.shape[1])}
        expected |= {state.output_name: (self._channels, *state.shape) for state in self._file.states}
        for name, shape in expected.items():
            if results[name].shape != shape:
                raise ContractError(f"{name} came out as {list(results[name].shape)}, not {list(shape)}")
        following = {state.input_name: results[state.output_name] for state in self._file.states}
        return results["audio_out"][:, 0], following

    def stream(self, audio: Samples, states: Mapping[str, Samples] | None = None) -> tuple[Samples, States]:
        """Whole hops ``(C, K * hop)`` one after the other, from silence unless `states` are given."""
        now: States = dict(self.silence() if states is None else states)
        heard = []
        for start in range(0, audio.shape[1], self._file.facts.hop_samples):
            block, now = self.call(audio[:, start : start + self._file.facts.hop_samples], now)
            heard.append(block)
        return np.concatenate(heard, axis=1), now

"""What tries to undo a shift: nothing, DSP inverses, and plugin files as a host runs them, in blocks of 512 samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.contract import SHIFT_CONTROL, ContractError
from realtime.evaluate.cells import WORLD, damage, missing_package
from realtime.evaluate.clips import SAMPLE_RATE
from realtime.evaluate.errors import EvaluateError
from realtime.model import Model, load_model
from realtime.plugins.offline_file import OfflineFile, aligned
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.vocoder import LARGEST_SHIFT_SEMITONES, Vocoder
from realtime.render import Aligned, AlignedStream, Renderer
from realtime.trust import read_plugin_file

Audio = NDArray[np.float32]

BLOCK_SAMPLES = 512
NOTHING = "nothing"
VOCODER_WINDOWS = (1024, 2048)
_R3_WINDOW = 4096  # Rubber Band R3's longest window


class System(Protocol):
    """One way to undo a shift.

    Attributes:
        name: of the column; latency_ms: algorithmic, None where it needs the whole sound; about: one line on it.
    """

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def latency_ms(self) -> float | None:
        """Algorithmic latency; None where it needs the whole sound."""

    @property
    def about(self) -> str:
        """One line: what it is and where the latency comes from."""

    def restore(self, shifted: Audio, semitones: float) -> Audio | None:
        """Undo a shift of `semitones`: ``(N,)`` at 48 kHz -> the same length; None where that is out of its range."""


@dataclass(frozen=True)
class Nothing:
    """The floor: the shifted sound itself."""

    name: str = NOTHING
    latency_ms: float | None = 0.0
    about: str = "the shifted sound itself"

    def restore(self, shifted: Audio, semitones: float) -> Audio | None:
        """The same samples."""
        return shifted


@dataclass(frozen=True)
class Inverse:
    """A shifter shifting back, the whole sound in one call."""

    name: str
    shifter: str
    latency_ms: float | None
    about: str

    def restore(self, shifted: Audio, semitones: float) -> Audio | None:
        """Shifted by `-semitones`."""
        return damage(shifted, -semitones, self.shifter)


@dataclass(frozen=True)
class HostVocoder:
    """The vocoder that comes with the host, as a stream."""

    window_samples: int

    @property
    def name(self) -> str:
        """With its window."""
        return f"vocoder-{self.window_samples}"

    @property
    def latency_ms(self) -> float | None:
        """One window."""
        return 1000.0 * self.window_samples / SAMPLE_RATE

    @property
    def about(self) -> str:
        """What it is."""
        return f"the host's own vocoder, as a stream in blocks of {BLOCK_SAMPLES}: one window of latency"

    def restore(self, shifted: Audio, semitones: float) -> Audio | None:
        """Shifted back by up to an octave."""
        if abs(semitones) > LARGEST_SHIFT_SEMITONES:
            return None
        plugin = Vocoder(SAMPLE_RATE, 1, -semitones, self.window_samples)
        return _rendered(AlignedStream(plugin), SAMPLE_RATE, shifted)


class PluginSystem:
    """A plugin file, as the host runs it. A control called ``semitones`` is told the shift that there is to undo."""

    def __init__(self, path: Path, name: str) -> None:
        self._file = read_plugin_file(path)
        self._name, self.facts = name, self._file.facts
        streams = self.facts.kind == "stream"
        self._plugin = PluginFile(self._file, 1) if streams else OfflineFile(self._file, 1)
        self._shift = self.facts.shift_control

    @property
    def name(self) -> str:
        """As it was named on the command line, without folder and ending."""
        return self._name

    @property
    def latency_ms(self) -> float | None:
        """As the file states it."""
        return self.facts.latency_ms if self.facts.kind == "stream" else None

    @property
    def about(self) -> str:
        """What the file says of itself."""
        way = f"in blocks of {BLOCK_SAMPLES}, hop {self.facts.hop_samples}" if self.latency_ms else "on whole files"
        told = ", told the interval" if self._shift is not None else ""
        return f"plugin file{told}, {way}, {self.facts.parameters:,} parameters: {self.facts.description}"

    def restore(self, shifted: Audio, semitones: float) -> Audio | None:
        """The stream's output, its stated latency taken off; None where the control does not reach so far.

        Raises: EvaluateError where it gives NaN or infinite samples.
        """
        if self._shift is not None:
            if not self._shift.minimum <= semitones <= self._shift.maximum:
                return None
            self._plugin.set_control(SHIFT_CONTROL, semitones)
        muted = self._plugin.muted_blocks
        restored = _rendered(aligned(self._plugin), self.facts.sample_rate, shifted)
        if self._plugin.muted_blocks > muted:
            raise EvaluateError(f"{self._file.path}: it gave NaN or infinite samples: a model like that is not judged")
        return restored


def _rendered(sound: Aligned, plugin_rate: int, audio: Audio) -> Audio:
    renderer = Renderer(sound, plugin_rate, 1, SAMPLE_RATE)
    blocks = (audio[None, start : start + BLOCK_SAMPLES] for start in range(0, len(audio), BLOCK_SAMPLES))
    parts = [renderer.process(block) for block in blocks]
    heard: Audio = np.concatenate([*parts, renderer.finish()], axis=1)[0]
    return heard


def open_models(names: Sequence[str]) -> list[Model]:
    """The plugin files, by path or by the name of a bundled one.

    Raises: EvaluateError, one line, where there is none, it cannot be trusted, or two have the same name.
    """
    try:
        models = [load_model(name) for name in names]
    except ContractError as error:
        raise EvaluateError(str(error)) from error
    for place, model in enumerate(models):
        if model.path.stem in [other.path.stem for other in models[:place]]:
            raise EvaluateError(f"{model.path}: a second model called {model.path.stem}; rename the file")
    return models


def build_systems(model_paths: Sequence[Path]) -> tuple[list[System], list[str]]:
    """Every system that can run here, the baselines first, and a note for each that cannot.

    Raises: EvaluateError where a plugin file cannot be used.
    """
    inverses = [
        Inverse("Signalsmith", "signalsmith", 120.0, "Signalsmith Stretch back: half a block in, half a block out"),
        Inverse("Rubber Band R3", "rubberband", 1000.0 * _R3_WINDOW / SAMPLE_RATE, _RUBBER_BAND),
        Inverse("WORLD", WORLD, None, "WORLD back (pitch and envelope); it looks at the whole sound"),
    ]
    systems: list[System] = [Nothing()]
    notes = []
    for inverse in inverses:
        if package := missing_package(inverse.shifter):
            notes.append(f"no inverse by {inverse.name}: {package} is not installed")
        else:
            systems.append(inverse)
    systems += [HostVocoder(window) for window in VOCODER_WINDOWS]
    try:
        systems += [PluginSystem(path, path.stem) for path in model_paths]
    except ContractError as error:
        raise EvaluateError(str(error)) from error
    return systems, notes


_RUBBER_BAND = "Rubber Band R3 back, offline; a stream of it would wait for its longest window, 4096 samples, at least"

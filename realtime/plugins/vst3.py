"""A VST3 effect as a plugin, through pedalboard. It is somebody else's machine code: only as safe as who made it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from realtime.contract import Control
from realtime.plugins.base import Samples
from realtime.plugins.effects import DEFAULT_HOP_SAMPLES, EffectError, Streamed, check_value, pedalboard_library


class Vst3:
    """A VST3 bundle as a plugin of any number of channels.

    One that takes these channels runs once; one for mono runs once for each; one for stereo hears a mono signal on both
    sides, and its left side is taken.

    Args:
        path: of the ``.vst3`` file or folder.
        parameters: values by the names that pedalboard gives them; numbers, texts or truth values.
        hop_samples: any, longer than the channels.
    Raises: EffectError, one line, where it cannot be loaded or run, or has no such parameter or value.
    """

    def __init__(
        self,
        path: str | Path,
        parameters: Mapping[str, float | str | bool],
        sample_rate: int,
        channels: int,
        hop_samples: int = DEFAULT_HOP_SAMPLES,
    ) -> None:
        self.path, self.name = Path(path), Path(path).stem
        self.sample_rate, self.channels, self.hop_samples = sample_rate, channels, hop_samples
        self._library, self._parameters = pedalboard_library(), dict(parameters)
        self._effects = [self._load()]
        self.name = str(self._effects[0].name) or self.name
        self._rows, self._streams = self._arrange()
        self.controls = _controls(self._effects[0])

    def _load(self) -> Any:
        if not self.path.exists():
            raise EffectError(f"{self.path}: there is no such VST3")
        try:
            effect = self._library.load_plugin(str(self.path))
        except (ImportError, ValueError, RuntimeError) as error:
            raise EffectError(f"{self.path}: cannot be loaded as a VST3: {_last_line(error)}") from error
        if not effect.is_effect:
            raise EffectError(f"{self.path}: an instrument, which takes no sound; use an effect")
        for name, value in self._parameters.items():
            if name not in effect.parameters:
                raise EffectError(f"{self.path}: has no parameter {name!r}; it has: {', '.join(effect.parameters)}")
            try:
                setattr(effect, name, value)
            except (ValueError, TypeError) as error:
                raise EffectError(f"{self.path}: {name}: {_last_line(error)}") from error
        return effect

    def _arrange(self) -> tuple[int, list[Streamed]]:
        """Rows of a block that one instance takes, and the instances."""
        refusal = ""
        for rows in dict.fromkeys((self.channels, 1, 2 if self.channels == 1 else 1)):
            count = self.channels if rows == 1 else 1
            try:
                streams = [self._streamed(index, rows) for index in range(count)]
            except EffectError as error:
                refusal = refusal or str(error)
                continue
            return rows, streams
        raise EffectError(f"{self.path}: {refusal}")

    def _streamed(self, index: int, rows: int) -> Streamed:
        if index == len(self._effects):
            self._effects.append(self._load())
        return Streamed(self._effects[index], self.name, self.sample_rate, rows, self.hop_samples)

    @property
    def latency_samples(self) -> int:
        """One hop, and the latency that the effect was measured to have."""
        return self.hop_samples + self._streams[0].delay_samples

    @property
    def parameters(self) -> dict[str, float | str | bool]:
        """The values that were given or set; all others are the effect's own defaults."""
        return dict(self._parameters)

    def set_control(self, name: str, value: float) -> None:
        """Turn a knob. Whether that clicks is up to the effect.

        Raises: EffectError where there is no such control, or the value is out of its range.
        """
        control = next((control for control in self.controls if control.name == name), None)
        if control is None:
            listed = ", ".join(control.name for control in self.controls) or "none"
            raise EffectError(f"{self.name} has no control {name!r}; it has: {listed}")
        number = check_value(self.name, control, value)
        for effect in self._effects:
            setattr(effect, name, number)
        self._parameters[name] = number

    def reset(self) -> None:
        """Back to silence; the parameters stay."""
        for stream in self._streams:
            stream.reset()

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``."""
        if len(self._streams) > 1:
            rows = [stream.process(block[row : row + 1]) for row, stream in enumerate(self._streams)]
            return np.concatenate(rows)
        if self._rows == self.channels:
            return self._streams[0].process(block)
        return self._streams[0].process(np.concatenate([block, block]))[:1]


def _controls(effect: Any) -> tuple[Control, ...]:
    """Its parameters that are numbers; lists of names and switches are set by `parameters` alone."""
    controls = []
    for name, parameter in effect.parameters.items():
        low, high = parameter.range[:2]
        numbers = parameter.type is float and all(isinstance(end, int | float) for end in (low, high))
        if not numbers or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or not math.isfinite(low + high):
            continue
        unit = (parameter.label or "").strip()
        default = min(max(float(getattr(effect, name)), low), high)
        controls.append(Control(name, unit if unit.isprintable() else "", float(low), float(high), default))
    return tuple(controls)


def _last_line(error: Exception) -> str:
    """The library puts a heading above the reason."""
    return str(error).strip().splitlines()[-1].strip()[:300] if str(error).strip() else type(error).__name__

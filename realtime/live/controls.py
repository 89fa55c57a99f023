"""What a listener may change while sound runs: plain values, replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, get_args

Listen = Literal["model", "inverse", "raw"]
GAIN_RANGE_DB = (-60.0, 24.0)


@dataclass(frozen=True)
class Controls:
    """The knobs of the host.

    Args:
        listen: C, the model; B, the DSP inverse; or A, the raw input. All are aligned in time and, with `level_match`,
            in level.
        bypass: the raw input as it came, latency-aligned, whatever `listen` says.
        mix: 0 raw … 1 de-shifted, for `listen` = model.
        limiter: hold the output below -1 dBFS.

    Raises: ValueError naming the knob and its range.
    """

    listen: Listen = "model"
    bypass: bool = False
    muted: bool = False
    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    level_match: bool = True
    limiter: bool = True

    def __post_init__(self) -> None:
        if self.listen not in get_args(Listen):
            raise ValueError(f"listen must be one of {', '.join(get_args(Listen))}, not {self.listen!r}")
        for name in ("bypass", "muted", "level_match", "limiter"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")
        _check("mix", self.mix, 0.0, 1.0, "")
        _check("input_gain_db", self.input_gain_db, *GAIN_RANGE_DB, " dB")
        _check("output_gain_db", self.output_gain_db, *GAIN_RANGE_DB, " dB")

    def change(self, name: str, value: Any) -> Controls:
        """The same with one knob turned.

        Raises: ValueError where there is no such knob, or it does not take the value.
        """
        known = [field.name for field in fields(self)]
        if name not in known:
            raise ValueError(f"there is no control {name!r}; there are: {', '.join(known)}")
        return replace(self, **{name: value})


def _check(name: str, value: Any, low: float, high: float, unit: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} must lie within {low:g} … {high:g}{unit}, not {value!r}")

"""The shift that there is to undo: which control takes it, what it is set to, and what is said where that cannot be."""

from __future__ import annotations

from realtime.contract import SHIFT_CONTROL, Control, Facts
from realtime.plugins.chain import Chain, MemberControl

Span = tuple[float, float]
EXAMPLE = "12 for a sound that was raised by an octave"


class ShiftError(ValueError):
    """A model cannot undo this shift, or was not told which. One line."""


def check_shift(name: str, control: Control | MemberControl | None, trained: Span | None, semitones: float) -> None:
    """See whether a model can be told to undo a shift.

    Args: name: of the model; control: what takes the shift, None where nothing does; trained: what it undoes then.
    Raises: ShiftError where it cannot.
    """
    if control is None:
        undone = "it undoes none" if trained is None else f"it undoes what it was trained for, {_told(trained)}"
        raise ShiftError(f"{name} takes no shift to undo: {undone}")
    if not control.minimum <= semitones <= control.maximum:
        raise ShiftError(f"{name} undoes shifts of {_told((control.minimum, control.maximum))}, not {semitones:+g}")


def untold(name: str, control: Control | MemberControl) -> str:
    """What to say before the shift was told; the caller adds how to tell it."""
    return f"{name} must be told the shift to undo, {_told((control.minimum, control.maximum))}"


def shift_control(chain: Chain) -> MemberControl | None:
    """The knob of a chain that takes the shift to undo: that of the first model that has one."""
    for index, facts in _models(chain):
        if facts.shift_control is not None:
            return next(control for control in chain.controls if control.name == f"{index}.{SHIFT_CONTROL}")
    return None


def undone_shift(chain: Chain) -> Span | None:
    """The lowest and the highest shift of its input, in semitones, that a chain undoes as its knobs stand.

    Without a knob for it, it is what its first model was trained for; None where it has no model.
    """
    control = shift_control(chain)
    if control is not None:
        now = chain.control_values(control.name.partition(".")[0])[SHIFT_CONTROL]
        return now, now
    return next((facts.shift_semitones for _, facts in _models(chain)), None)


def set_shift(chain: Chain, semitones: float) -> None:
    """Tell a chain which shift there is to undo. Raises: ShiftError where it cannot undo it."""
    control = shift_control(chain)
    name = control.member if control is not None else next((facts.name for _, facts in _models(chain)), "this chain")
    check_shift(name, control, undone_shift(chain), semitones)
    assert control is not None
    chain.set_control(control.name, semitones)


def _models(chain: Chain) -> list[tuple[int, Facts]]:
    found = ((index, getattr(plugin, "facts", None)) for index, plugin in enumerate(chain.plugins))
    return [(index, facts) for index, facts in found if facts is not None]


def _told(span: Span) -> str:
    low, high = span
    return f"{low:+g} semitones" if low == high else f"{low:+g} … {high:+g} semitones"

"""Readouts of a stream: the last few seconds are kept, and each update works on as much as there is time for."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from realtime.quality.consistency import DEFAULT_SHIFTER, consistency_readouts
from realtime.quality.readouts import (
    ReadoutError,
    Readouts,
    ReferenceReadouts,
    check,
    level_readouts,
    pitch_readouts,
    reference_readouts,
)
from realtime.quality.shifters import SHIFTER_NAMES

Samples = NDArray[np.floating]
Audio = NDArray[np.float32]

PARTS = ("pitch", "consistency", "reference")  # the expensive ones, in turn

_LEVEL_S = 1.0  # a peak is shown this long


class RollingReadouts:
    """Feed blocks, ask for the newest figures. For one thread.

    Every update measures the levels of the last second. One expensive part (pitch; pitch with re-shift consistency;
    comparison with the reference) follows in turn if the time allows: together they take at most `share` of the time,
    so a part that took long, because it is dear or because the machine is busy, is followed by a pause. Figures of a
    part that was not measured this time are those of its last turn, and `ages_s` tells how old they are.

    Args:
        sample_rate: Hz.
        trained_shift_semitones: as for `analyse`.
        keep_s: how much sound the expensive parts see.
        share: of one processor's time for the expensive parts, above 0, at most 1.
        shifter: which of `shifters.SHIFTER_NAMES` shifts the output again.
        clock: seconds that only go up.
    Raises: ReadoutError for settings that make no sense.
    """

    def __init__(
        self,
        sample_rate: int,
        trained_shift_semitones: tuple[float, float] | None = None,
        *,
        keep_s: float = 4.0,
        share: float = 0.25,
        shifter: str = DEFAULT_SHIFTER,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        check(np.zeros(0), np.zeros(0), sample_rate, trained_shift_semitones)
        if not (keep_s > 0 and 0 < share <= 1):
            raise ReadoutError(f"{keep_s} s at a share of {share}: keep more than 0 s, with a share above 0 up to 1")
        if shifter not in SHIFTER_NAMES:
            raise ReadoutError(f"unknown shifter '{shifter}': choose one of {', '.join(SHIFTER_NAMES)}")
        self._sample_rate, self._trained, self._shifter = sample_rate, trained_shift_semitones, shifter
        self._share, self._clock = share, clock
        self._most = max(1, round(keep_s * sample_rate))
        self.reset()

    def reset(self) -> None:
        """Forget all sound and all figures, as after a change of model or device."""
        self._input, self._output, self._reference = (_Tail(self._most) for _ in range(3))
        nothing = np.zeros(0, np.float32)
        self._readouts = Readouts(level_readouts(nothing, nothing, self._sample_rate))
        self._notes: dict[str, tuple[str, ...]] = {}
        self._measured_at: dict[str, float] = {}
        self._turn = 0
        self._rest_until = -np.inf

    def feed(self, input: Samples, output: Samples, reference: Samples | None = None) -> None:
        """Append a copy of a block of each, ``(N,)`` and of one length, the output moved to where it belongs in time.

        A block without a reference ends the comparison: what was kept of the reference is dropped.

        Raises: ReadoutError for unlike shapes.
        """
        check(input, output, self._sample_rate, None)
        if reference is not None and reference.shape != input.shape:
            raise ReadoutError(f"a reference of shape {reference.shape} beside {input.shape}: give one length")
        self._input.append(input)
        self._output.append(output)
        if reference is not None:
            self._reference.append(reference)
        elif len(self._reference):
            self._reference = _Tail(self._most)
            self._forget_reference()

    def update(self) -> Readouts:
        """The newest figures: levels always, at most one expensive part."""
        recent = max(1, round(_LEVEL_S * self._sample_rate))
        both = level_readouts(self._input.sound()[-recent:], self._output.sound()[-recent:], self._sample_rate)
        self._readouts = replace(self._readouts, levels=both)
        begun = self._clock()
        if len(self._input) and begun >= self._rest_until:
            self._measure_next()
            self._rest_until = begun + (self._clock() - begun) / self._share
        notes = (note for part in PARTS for note in self._notes.get(part, ()))
        self._readouts = replace(self._readouts, notes=tuple(dict.fromkeys(notes)))
        return self._readouts

    @property
    def ages_s(self) -> dict[str, float]:
        """How long ago each expensive part was measured, by name; one that never was is absent."""
        now = self._clock()
        return {part: now - at for part, at in self._measured_at.items()}

    def _measure_next(self) -> None:
        parts = PARTS if len(self._reference) else PARTS[:-1]
        part = parts[self._turn % len(parts)]
        self._turn = (self._turn + 1) % len(parts)
        if part == "reference":
            self._measure_reference()
        else:
            self._measure_pitch(and_consistency=part == "consistency")

    def _measure_pitch(self, and_consistency: bool) -> None:
        input, output = self._input.sound(), self._output.sound()
        pitch, tracks, notes = pitch_readouts(input, output, self._sample_rate, self._trained)
        self._readouts = replace(self._readouts, pitch=pitch)
        self._done("pitch", notes)
        if and_consistency:
            track = tracks[0] if tracks else None
            consistency, notes = consistency_readouts(
                input, output, self._sample_rate, pitch.input_semitones, track, self._trained, self._shifter
            )
            self._readouts = replace(self._readouts, consistency=consistency)
            self._done("consistency", notes)

    def _measure_reference(self) -> None:
        reference = self._reference.sound()
        output = self._output.sound()[-len(reference) :]  # the reference may have begun later
        figures, notes = reference_readouts(output, reference, self._sample_rate)
        self._readouts = replace(self._readouts, reference=figures)
        self._done("reference", notes)

    def _done(self, part: str, notes: tuple[str, ...]) -> None:
        self._notes[part] = notes
        self._measured_at[part] = self._clock()

    def _forget_reference(self) -> None:
        self._readouts = replace(self._readouts, reference=ReferenceReadouts())
        self._notes.pop("reference", None)
        self._measured_at.pop("reference", None)


class _Tail:
    """The last samples of a stream. Blocks are joined when they are asked for, so small ones cost little."""

    def __init__(self, most: int) -> None:
        self._most, self._length = most, 0
        self._blocks: deque[Audio] = deque()

    def __len__(self) -> int:
        return min(self._length, self._most)

    def append(self, block: Samples) -> None:
        self._blocks.append(np.array(block[-self._most :], np.float32))
        self._length += len(self._blocks[-1])
        while self._length - len(self._blocks[0]) >= self._most:
            self._length -= len(self._blocks.popleft())

    def sound(self) -> Audio:
        joined = np.concatenate(self._blocks)[-self._most :] if self._blocks else np.zeros(0, np.float32)
        self._blocks = deque([joined])
        self._length = len(joined)
        return joined

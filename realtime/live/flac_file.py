"""A FLAC file that can be read at any moment, also when the program or the disk ends in the middle of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from realtime.plugins.base import Samples

# RFC 9639, section 8.2: "fLaC", four bytes of block header, then the stream's facts: sizes of blocks and frames, and in
# the last 36 bits of eight bytes the number of samples.
BLOCK_SIZE_AT, FACTS_AT = 10, 18
TOTAL_BITS = 36


class FlacFile:
    """24 bit FLAC under its final name from the first sample on, so that a crash leaves a file where one looks for it.

    The encoder states the number of samples only when it is closed properly; without it, readers refuse the file. Here
    it is written into the head after every piece: what a crash leaves behind is a whole file, short of its last piece.

    Raises: OSError, also where there is such a file already; RuntimeError of soundfile.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        self.path = path
        path.open("xb").close()  # never over another file
        try:
            self._file = soundfile.SoundFile(str(path), "w", sample_rate, channels, subtype="PCM_24", format="FLAC")
        except RuntimeError:
            path.unlink(missing_ok=True)
            raise
        self._given = 0
        self.whole_frames, self._whole_bytes = 0, 0  # that a failure leaves

    def write(self, frames: Samples) -> None:
        """Append ``(N, C)``; NaN becomes silence, and what is beyond full scale is clipped.

        Raises: OSError or RuntimeError where the disk does not take it. What was written before can still be read.
        """
        tidy = np.nan_to_num(frames, nan=0.0, posinf=1.0, neginf=-1.0)
        self._file.write(np.clip(tidy, -1, 1, out=tidy))
        self._given += len(frames)
        if self._given:
            self._state_total()

    def _state_total(self) -> None:
        """Write into the head how many samples are surely there: the encoder holds back a block and one at most."""
        with self.path.open("r+b") as head:
            head.seek(BLOCK_SIZE_AT)
            block = int.from_bytes(head.read(2), "big")
            size = os.fstat(head.fileno()).st_size
            self.whole_frames, self._whole_bytes = (self._given - 1) // block * block, size
            _write_total(head, self.whole_frames)

    def close(self) -> int:
        """Finish the file; the number of samples in it. One without samples is removed: it would be no FLAC file.

        Raises: OSError or RuntimeError where the disk does not take the end of it.
        """
        self._file.close()
        if not self._given:
            self.path.unlink(missing_ok=True)
        return self._given

    def abandon(self, most: int) -> None:
        """Finish the file after a failure: back to the last whole piece, and to `most` samples."""
        with contextlib.suppress(OSError, RuntimeError):  # the disk fails: that was said already
            self._file.close()
        with contextlib.suppress(OSError):
            if not min(self.whole_frames, most):
                self.path.unlink()
                return
            os.truncate(self.path, self._whole_bytes)
            with self.path.open("r+b") as head:
                _write_total(head, min(self.whole_frames, most))


def _write_total(head: BinaryIO, frames: int) -> None:
    head.seek(FACTS_AT)
    facts = int.from_bytes(head.read(8), "big")
    head.seek(FACTS_AT)
    head.write(((facts >> TOTAL_BITS << TOTAL_BITS) | frames).to_bytes(8, "big"))

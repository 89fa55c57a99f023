"""What goes in and what comes out while live, as two FLAC files that match sample for sample."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.live.flac_file import FlacFile
from realtime.live.ring import Ring
from realtime.plugins.base import Samples

RING_S = 6.0
PIECE_S = 0.25  # goes to the disk at once; a crash loses little more than this
POLL_S = 0.05
STOP_LIMIT_S = 10.0
MAX_CHANNELS = 8  # of FLAC
MIN_FREE_BYTES = 4 << 20  # stop while there is still room to end the files properly
SIDES = ("input", "output")


@dataclass(frozen=True)
class RecordingReport:
    """A recording as it stands: `files` are input and output, none where nothing was recorded.

    `dropped_frames` found no room while the disk was too slow; they are missing from both files. `error` is None, or
    one line on why the recording ended; the sound goes on all the same.
    """

    files: tuple[Path, ...]
    seconds: float
    dropped_frames: int
    error: str | None


class Recorder:
    """Records both ends of a live chain; `feed` only copies, a thread of its own does what the disk takes time for.

    Args:
        folder: where the files go; made where it is absent.
        channels: of both ends, up to 8.
        stem: how the file names begin; without it, ``deshift-`` and date and time. ``-input.flac`` and
            ``-output.flac`` are added, and a number before them where such a file is there already.
    Raises: ValueError where the channels or the rate cannot be. Trouble with the disk is told in `state` instead.
    """

    def __init__(self, folder: str | Path, sample_rate: int, channels: int, stem: str | None = None) -> None:
        if not 1 <= channels <= MAX_CHANNELS or not 1 <= sample_rate <= 655_350:
            raise ValueError(
                f"FLAC holds 1 to {MAX_CHANNELS} channels at up to 655350 Hz, not {channels}, {sample_rate}"
            )
        self._folder, self._rate, self._channels = Path(folder), sample_rate, channels
        self._stem = stem or time.strftime("deshift-%Y%m%d-%H%M%S")
        self._rings = [Ring(max(1, int(RING_S * sample_rate)), channels) for _ in SIDES]
        self._piece = np.zeros((max(1, int(PIECE_S * sample_rate)), channels), dtype=np.float32)
        self._files: list[FlacFile] = []
        self._paths: tuple[Path, ...] = ()
        self._frames = self._dropped = 0
        self._error: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)  # a dead disk holds no exit up
        self._thread.start()

    @property
    def state(self) -> RecordingReport:
        """The recording as it stands; never waits."""
        return RecordingReport(self._paths, self._frames / self._rate, self._dropped, self._error)

    def feed(self, input_block: Samples, output_block: Samples) -> None:
        """One block of either end, both ``(C, N)``: copied and done. Never waits, and never raises.

        A block for which there is no room is dropped on both sides and counted.
        """
        if self._stopping.is_set() or self._error is not None:
            return
        if input_block.shape != output_block.shape or input_block.shape[:1] != (self._channels,):
            shapes = f"{input_block.shape} and {output_block.shape}"
            self._error = f"recording ended: it takes blocks of {self._channels} channels on both sides, not {shapes}"
            return
        count = input_block.shape[1]
        if min(ring.writable for ring in self._rings) < count:
            self._dropped += count
            return
        for ring, block in zip(self._rings, (input_block, output_block), strict=True):
            ring.write(block.T)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> RecordingReport:
        """Write what is left and close the files; how it went. A disk that hangs is given up after `limit_s`."""
        self._stopping.set()
        self._thread.join(limit_s)
        if self._thread.is_alive() and self._error is None:
            self._error = f"recording: {self._folder}: the disk did not take the rest within {limit_s:g} s"
        return self.state

    def _run(self) -> None:
        try:
            self._open()
            while not self._stopping.wait(POLL_S) and self._error is None:
                self._write(len(self._piece))
            self._write(1)
            frames = min([file.close() for file in self._files])
        except (OSError, RuntimeError) as error:
            frames = min([file.whole_frames for file in self._files], default=0)
            for file in self._files:
                file.abandon(frames)
            self._error = self._error or self._line(error, kept=frames > 0)
        self._paths = tuple(path for path in self._paths if path.is_file())
        self._frames = frames if self._paths else 0

    def _line(self, error: OSError | RuntimeError, kept: bool) -> str:
        reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
        if isinstance(error, FileNotFoundError):
            reason, kept = "the folder, or the recording in it, is gone", False
        elif isinstance(error, RuntimeError):  # soundfile knows no more
            reason = f"the disk does not take it, it may be full ({reason})"
        return (
            f"recording ended after {self._frames / self._rate:.1f} s: {self._folder}: {reason}; "
            f"{'what was recorded is kept; ' if kept else ''}free the disk or choose another folder"
        )

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._check_disk()
        self._paths = self._free_names()
        for path in self._paths:
            self._files.append(FlacFile(path, self._rate, self._channels))

    def _free_names(self) -> tuple[Path, ...]:
        number = 1
        while True:
            stem = self._stem if number == 1 else f"{self._stem}-{number}"
            paths = tuple(self._folder / f"{stem}-{side}.flac" for side in SIDES)
            if not any(path.exists() for path in paths):
                return paths
            number += 1

    def _check_disk(self) -> None:
        """Raises: OSError where the files are gone, which writing alone would not show, or the disk is nearly full."""
        for file in self._files:
            if not file.path.exists():
                raise FileNotFoundError(file.path)
        free = shutil.disk_usage(self._folder).free
        if free < MIN_FREE_BYTES:
            raise OSError(f"the disk is full: {free / (1 << 20):.1f} MB are left")

    def _write(self, least: int) -> None:
        """Move what waits to the disk, piece by piece, as long as it is `least` frames or more."""
        while (count := min(len(self._piece), *(ring.readable for ring in self._rings))) >= least:
            self._check_disk()
            for ring, file in zip(self._rings, self._files, strict=True):
                ring.read_into(self._piece[:count])
                file.write(self._piece[:count])
            self._frames += count

"""Read and write audio files block by block, and say what was wrong with them. libsndfile does the work."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from realtime.audio_formats import INTEGER_SUBTYPES, Advice, AudioFileError, OutputFormat
from realtime.plugins.base import Samples

MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 1_000, 768_000
BLOCK_FRAMES = 1 << 15
TAIL_FRAMES = 1 << 13
NO_LENGTH = 0x7FFFF000  # at and above this a header does not claim a length: it was written to a pipe
TEMPORARY_SUFFIX = ".part"
EXISTS = Advice("--overwrite replaces it", "choose what becomes of existing files, and try again")
ELSEWHERE = Advice("", "choose another output folder")
MORE_ROOM = Advice("", "make room on the disk or choose another output folder")


class AudioReader:
    """An audio file, opened. Use as a context manager; `warnings` is complete when `blocks` has ended.

    Raises: AudioFileError, one line, where it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self.read_frames = 0
        self._replaced = 0
        try:
            if path.exists() and not path.is_file():
                raise AudioFileError(f"{path}: not a regular file")  # a pipe would be waited for without end
            if path.is_file() and path.stat().st_size == 0:
                raise AudioFileError(f"{path}: the file is empty (0 bytes)")
            with path.open("rb"):  # its errors say why, libsndfile's do not
                self._file = soundfile.SoundFile(path)
        except OSError as error:
            raise AudioFileError(f"{path}: cannot be read: {error.strerror or error}") from error
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{path}: not an audio file that can be read: {error.error_string}") from error
        self.sample_rate, self.channels = self._file.samplerate, self._file.channels
        self.claimed_frames: int = self._file.frames
        self.format: str = self._file.format
        self.subtype: str = self._file.subtype
        self._check_facts()

    def _check_facts(self) -> None:
        problem = ""
        if not 1 <= self.channels <= MAX_CHANNELS:
            problem = f"it has {self.channels} channels; 1 to {MAX_CHANNELS} can be processed"
        elif not MIN_RATE <= self.sample_rate <= MAX_RATE:
            problem = f"its sample rate of {self.sample_rate} Hz is out of range ({MIN_RATE} … {MAX_RATE} Hz)"
        if problem:
            self._file.close()
            raise AudioFileError(f"{self.path}: {problem}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self) -> Iterator[Samples]:
        """Yield ``(C, N)`` from the start to the end, or as far as the file can be read. NaN and infinities become 0.

        Raises: AudioFileError where not one sample can be read.
        """
        while True:
            frames, failed = self._read()
            if frames.shape[0]:
                self.read_frames += frames.shape[0]
                yield self._finite(frames.T)
            if failed or not frames.shape[0]:
                break
        if not self.read_frames:
            raise AudioFileError(f"{self.path}: there is no audio in it, or none that can be read")
        self._note_length(failed)

    def _read(self) -> tuple[Samples, str]:
        """The next frames ``(N, C)``, and what went wrong. A decoder that fails leaves what it had in the buffer."""
        buffer = np.full((BLOCK_FRAMES, self.channels), np.nan, dtype=np.float32)
        try:
            return self._file.read(out=buffer), ""
        except soundfile.LibsndfileError as error:
            decoded = np.flatnonzero(~np.isnan(buffer[:, 0]))
            return buffer[: decoded[-1] + 1 if decoded.size else 0], error.error_string
        except RuntimeError as error:
            return buffer[:0], str(error)

    def _finite(self, block: Samples) -> Samples:
        finite = np.isfinite(block)
        if finite.all():
            return block
        self._replaced += int(np.count_nonzero(~finite))
        return np.where(finite, block, np.float32(0))

    def _note_length(self, failed: str) -> None:
        seconds = self.read_frames / self.sample_rate
        told = f"{seconds:.2f} s of audio could be read, and all of that was processed"
        if self._replaced:
            self.warnings.append(f"{self._replaced} samples were NaN or infinite and were taken as 0")
        if failed:
            self.warnings.append(f"damaged or cut short ({failed.rstrip('.')}): {told}")
        elif self.read_frames < self.claimed_frames:
            claimed = self.claimed_frames / self.sample_rate
            self.warnings.append(f"cut short, or its header is wrong: it claims {claimed:.2f} s; {told}")
        elif self._header_lies():
            self.warnings.append(f"cut short, or its header is wrong: it claims more audio than there is; {told}")

    def _header_lies(self) -> bool:
        """What libsndfile noted on opening: a data chunk longer than the file, an Ogg stream without its last page."""
        log = self._file.extra_info
        chunk = re.search(r"^ ?(?:data|SSND) : (\d+) \(should be \d+\)", log, re.MULTILINE)
        return (
            "without an End-Of-Stream" in log
            or "lacks an end-of-stream" in log
            or (chunk is not None and int(chunk[1]) < NO_LENGTH)
        )


class AudioWriter:
    """Writes a file beside its target and renames it there by `commit`; without that, leaving removes it.

    Raises: AudioFileError, one line, where the target cannot be written.
    """

    def __init__(self, target: Path, sample_rate: int, channels: int, form: OutputFormat) -> None:
        self._target, self._form, self._frames = target, form, 0
        self.clipped_samples = 0
        self._temporary = target.with_name(f".deshift-{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._file = soundfile.SoundFile(
                self._temporary, "w", sample_rate, channels, form.subtype, format=form.format
            )
        except (OSError, soundfile.LibsndfileError) as error:
            self._temporary_gone()
            raise self._cannot(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except soundfile.LibsndfileError as closing:
            if error is None:  # else it is but a consequence of that error
                raise self._cannot(closing) from closing
        finally:
            self._temporary_gone()

    def _temporary_gone(self) -> None:
        try:
            self._temporary.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # the folder of the target is a file: nothing was made in it

    def write(self, block: Samples) -> None:
        """Append ``(C, N)``. What a PCM format cannot hold is clipped, and counted in `clipped_samples`."""
        if self._form.subtype in INTEGER_SUBTYPES:
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1))
        try:
            self._file.write(np.ascontiguousarray(block.T))
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot(error) from error
        self._frames += block.shape[1]

    def commit(self, overwrite: bool) -> None:
        """Close the file, see that it is whole, and give it its name.

        Raises: AudioFileError where it is not whole, or where the target exists and `overwrite` is not set.
        """
        try:
            self._file.close()
            self._check_whole()
            with self._temporary.open("rb+") as whole:
                os.fsync(whole.fileno())
            if self._target.exists() and not overwrite:
                raise AudioFileError(f"{self._target}: exists already", EXISTS)
            self._temporary.replace(self._target)
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot(error) from error

    def _check_whole(self) -> None:
        """Read the end back: libsndfile does not always tell when the last bytes found no room."""
        with soundfile.SoundFile(self._temporary) as written:
            start = max(0, min(self._frames, written.frames) - TAIL_FRAMES)
            written.seek(start)
            found = start + len(written.read(TAIL_FRAMES + 1, dtype="float32"))
        if found != self._frames:
            told = f"{found} of {self._frames} samples can be read back (disk full?)"
            raise AudioFileError(f"{self._target}: {told}", MORE_ROOM)

    def _cannot(self, error: Exception) -> AudioFileError:
        if isinstance(error, OSError):
            advice = MORE_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ELSEWHERE
            return AudioFileError(f"{self._target}: cannot be written: {error.strerror or error}", advice)
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        folder = self._target.parent
        full = folder.is_dir() and shutil.disk_usage(folder).free < 1 << 20
        told = "the disk is full" if full else f"{reason} (disk full?)"
        return AudioFileError(f"{self._target}: cannot be written: {told}", MORE_ROOM)

"""A queue of audio files, worked through in the background on one thread of low priority."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from realtime.batch_items import (
    BatchItem,
    BatchOptions,
    BatchStatus,
    SkippedError,
    State,
    Tally,
    real,
    sentence,
    settle_target,
)
from realtime.batch_work import FAULT, CancelledError, Clock, found, length, lower_priority, open_model
from realtime.files import FileModel, FileResult, Job, process_file

EXIT_LIMIT_S = 5.0
TURN = 200  # items that are changed before others get their turn


class Batch:
    """Files to be rendered. Any thread may call any method; all but `add` and `close` return at once, but for what they
    do item by item: call `cancel`, `retry` and `remove` with thousands off the screen's thread.

    Nothing is begun before `start`; then all that waits is worked through, what is added meanwhile too. A file is
    rendered with the options that are in force when it is begun.
    """

    def __init__(self, options: BatchOptions | None = None) -> None:
        self._options = options or BatchOptions()
        self._lock = threading.Condition()
        self._items: dict[int, BatchItem] = {}
        self._snapshot: tuple[BatchItem, ...] | None = ()
        self._tally = Tally()
        self._next_id = 1
        self._inputs: dict[Path, int] = {}  # resolved: the latest item that reads it
        self._results: dict[Path, int] = {}  # resolved: the item that wrote it
        self._cancelled: set[int] = set()
        self._running = self._paused = self._closing = False
        self._clock = Clock()
        self._worked_seconds = self._file_seconds = 0.0  # of audio, in this run and in the file that runs
        self._thread: threading.Thread | None = None
        self._model: tuple[tuple[str, bool, float], FileModel] | None = None

    def status(self) -> BatchStatus:
        """A snapshot of everything; cheap, whatever the number of files."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = tuple(self._items.values())
            worked_s = self._clock.seconds()
            speed = self._worked_seconds / worked_s if worked_s > 0 and self._worked_seconds else None
            return self._tally.status(self._snapshot, speed, self._running, self._paused)

    def add(self, paths: Sequence[Path]) -> int:
        """Append files, and all audio files in folders, as they are found; says how many. May take long: call it off
        the screen's thread. What waits or runs already is not added twice; what cannot be read is added as failed.
        """
        count = 0
        for root in paths:
            for job, below in found(root):
                with self._lock:
                    if self._closing:
                        return count
                count += self._append(job, below)
        return count

    def configure(self, options: BatchOptions) -> None:
        """Let what has not begun be rendered with these options."""
        with self._lock:
            self._options = options

    def start(self) -> None:
        """Work on what waits, or go on after `pause`."""
        with self._lock:
            if self._running and self._paused:
                self._paused = False
                self._clock.go()
                self._lock.notify_all()
            if self._running or self._closing or not self._tally.counts["waiting"]:
                return
            settled = [item.id for item in self._items.values() if item.state != "waiting"]
            self._tally = Tally(self._items.values(), settled)
            self._running, self._worked_seconds, self._clock = True, 0.0, Clock()
            self._clock.go()
            self._thread = threading.Thread(target=self._work, name="files queue", daemon=True)
            atexit.register(self.close, EXIT_LIMIT_S)  # a thread cut off in mid-file would leave half a file
            self._thread.start()

    def pause(self) -> None:
        """Hold after the block that is being worked on, until `start`."""
        with self._lock:
            if self._running:
                self._paused = True
                self._clock.hold()

    def cancel(self, *ids: int) -> None:
        """Stop files that wait or run; one that runs ends after its block, and leaves no file."""
        for item in self._each(ids):
            if item.state == "waiting":
                self._put(item.ended("cancelled"))
            elif item.state == "running":
                self._cancelled.add(item.id)

    def cancel_all(self) -> None:
        """Stop everything that waits or runs."""
        self.cancel(*self._in_states("waiting", "running"))

    def retry(self, *ids: int) -> None:
        """Let files that failed, were skipped or cancelled wait again."""
        for item in self._each(ids):
            if item.state in ("failed", "skipped", "cancelled"):
                self._tally.settled.discard(item.id)  # what is over weighs nothing, so the sums stay right
                self._put(item.waiting())

    def remove(self, *ids: int) -> None:
        """Take files off the queue; one that runs is cancelled."""
        for item in self._each(ids):
            del self._items[item.id]
            self._tally.count(item, -1)
            self._snapshot = None
            self._cancelled.discard(item.id)

    def clear_finished(self) -> None:
        """Take off the queue what is done, skipped or cancelled; what failed stays, so that none goes unseen."""
        self.remove(*self._in_states("done", "skipped", "cancelled"))

    def close(self, limit_s: float) -> bool:
        """Cancel what runs and wait for the thread; whether it ended in time. Nothing can be started after it.

        With a limit of 0 it returns at once, and the program waits for the thread before it ends.
        """
        with self._lock:
            self._closing = True
            self._lock.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(limit_s)
        ended = thread is None or not thread.is_alive()
        if ended:
            atexit.unregister(self.close)
        return ended

    def _append(self, job: Job, below: Path) -> int:
        resolved = real(job.input)
        with self._lock:
            known = self._items.get(self._inputs.get(resolved, 0))
        if known is not None and known.state in ("waiting", "running"):
            return 0
        seconds, reason = (0.0, job.problem) if job.output is None else length(job.input)
        with self._lock:
            number, self._next_id = self._next_id, self._next_id + 1
            item = BatchItem(number, job.input, seconds=seconds, below=below)
            self._inputs[resolved] = number
            self._put(item.ended("failed", reason) if reason else item)
        return 1

    def _in_states(self, *states: State) -> list[int]:
        with self._lock:
            return [item.id for item in self._items.values() if item.state in states]

    def _each(self, ids: Sequence[int]) -> Iterator[BatchItem]:
        """The items with these ids, under the lock; it is let go now and then, so that nobody waits for thousands."""
        for first in range(0, len(ids), TURN):
            with self._lock:
                for number in ids[first : first + TURN]:
                    if number in self._items:
                        yield self._items[number]
                self._lock.notify_all()

    def _put(self, item: BatchItem) -> None:
        """Replace or append an item. The lock is held."""
        old = self._items.get(item.id)
        if old is not None:
            self._tally.count(old, -1)
        self._items[item.id] = item
        self._tally.count(item, 1)
        self._snapshot = None

    def _work(self) -> None:
        lower_priority()
        try:
            while (item := self._take()) is not None:
                self._render(item)
        finally:
            with self._lock:
                if self._running and self._thread is threading.current_thread():
                    self._rest()  # a fault in the program: its message is the thread's last, and the queue can go on

    def _take(self) -> BatchItem | None:
        """The next item, now running; None where the run is over."""
        with self._lock:
            while self._paused and not self._closing and self._tally.counts["waiting"]:
                self._lock.wait()
            item = next((item for item in self._items.values() if item.state == "waiting"), None)
            if item is None or self._closing:
                self._rest()
                return None
            self._file_seconds = 0.0
            running = replace(item, state="running")
            self._put(running)
            return running

    def _rest(self) -> None:
        """The run is over. The lock is held."""
        for item in [item for item in self._items.values() if item.state == "running"]:
            self._put(item.ended("failed", FAULT))
        self._running = self._paused = False
        self._clock.hold()
        self._model = None  # the next run reads its files anew

    def _render(self, item: BatchItem) -> None:
        with self._lock:
            options = self._options
        try:
            model = self._open(options)
        except (ValueError, OSError) as error:
            self._model_failed(options, sentence(error))
            return
        try:
            self._check(item.id)
            target, overwrite = settle_target(item, options, self._is_input, self._made_from)
            with self._lock:
                if item.id in self._items:
                    self._put(replace(self._items[item.id], output=target))
            job = Job(item.input, target)
            progress = partial(self._progress, item.id, self._clock.seconds())
            result = process_file(job, model, options.mix, overwrite, progress, options.encoding)
            self._finish(item.id, result, model.undone_shift)
        except CancelledError:
            self._end(item.id, "cancelled", "")
        except SkippedError as error:
            self._end(item.id, "skipped", error.on_screen)
        except (ValueError, OSError) as error:
            self._end(item.id, "failed", sentence(error))

    def _check(self, number: int) -> None:
        """Hold while the queue is paused. Raises: CancelledError where this file is not wanted any more."""
        with self._lock:
            while True:
                if number not in self._items or number in self._cancelled or self._closing:
                    raise CancelledError
                if not self._paused:
                    return
                self._lock.wait()

    def _progress(self, number: int, begun_s: float, seconds: float) -> None:
        """`seconds` of a file are done, which began when the clock stood at `begun_s`."""
        self._check(number)
        with self._lock:
            self._worked_seconds += seconds - self._file_seconds
            self._file_seconds = seconds
            if number not in self._items:
                return
            speed = seconds / max(self._clock.seconds() - begun_s, 1e-9)
            self._put(self._items[number].worked(seconds, speed))

    def _open(self, options: BatchOptions) -> FileModel:
        if self._model is None or self._model[0] != options.model_key:
            self._model = None  # the old one's memory goes first
            self._model = options.model_key, open_model(options)
        return self._model[1]

    def _model_failed(self, options: BatchOptions, reason: str) -> None:
        """One sentence for the file that runs, and for all that wait for the same model."""
        with self._lock:
            states = ("waiting", "running") if options.model_key == self._options.model_key else ("running",)
            for item in list(self._items.values()):
                if item.state in states:
                    self._end(item.id, "failed", reason)

    def _finish(self, number: int, result: FileResult, undone: tuple[float, float] | None) -> None:
        if result.error:
            self._end(number, "failed", result.on_screen)
            return
        with self._lock:
            self._cancelled.discard(number)  # it came after the last block
            if result.output is not None:
                self._results[real(result.output)] = number
            if number in self._items:
                item = replace(self._items[number], state="done", fraction=1.0, eta_s=None)
                self._put(replace(item, seconds=result.seconds, warnings=result.warnings, undone=undone))

    def _end(self, number: int, state: Literal["failed", "skipped", "cancelled"], reason: str) -> None:
        with self._lock:
            self._cancelled.discard(number)
            if number in self._items:
                self._put(self._items[number].ended(state, reason))

    def _is_input(self, resolved: Path) -> bool:
        return self._inputs.get(resolved, 0) in self._items

    def _made_from(self, resolved: Path) -> Path | None:
        with self._lock:
            item = self._items.get(self._results.get(resolved, 0))
            return item.input if item is not None else None

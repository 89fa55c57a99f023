"""Work that would hold up the screen, one piece after the other, on a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from PyQt6.QtCore import QObject, Qt, pyqtSignal

T = TypeVar("T")


class Tasks(QObject):
    """Runs functions in the order they were given; what they return comes back on the screen's own thread.

    Errors that users can cause (ValueError, OSError) go to `failed`; any other is a fault in the program and is raised
    on the screen's thread, where the last resort of the app reports it.
    """

    _finished = pyqtSignal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting = 0
        self._over = False
        self._finished.connect(self._deliver, type=Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    @property
    def busy(self) -> bool:
        """Whether something runs or waits whose result has not come back."""
        return self._waiting > 0

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Call `work` on the thread, then `done` with its result, or `failed` with its error, on the screen's.

        Without `failed` the error is raised on the screen's thread. After `end` nothing is called any more.
        """
        if self._over:
            return
        self._waiting += 1
        self._pool.submit(work).add_done_callback(partial(self._report, done, failed))

    def end(self, wait: bool = True) -> None:
        """Drop what has not begun; wait for what runs."""
        self._over = True
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _report(
        self,
        done: Callable[[Any], None] | None,
        failed: Callable[[Exception], None] | None,
        future: Future[Any],
    ) -> None:
        if self._over or future.cancelled():
            return
        error = future.exception()
        self._finished.emit((done, failed, error, None if error else future.result()))

    def _deliver(self, outcome: tuple[Any, Any, BaseException | None, Any]) -> None:
        done, failed, error, result = outcome
        self._waiting -= 1
        if self._over:
            return
        if error is None:
            if done is not None:
                done(result)
        elif failed is not None and isinstance(error, ValueError | OSError):
            failed(error)
        else:
            raise error

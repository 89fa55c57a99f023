"""Between the files page and the queue that is worked through in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices

from gui.files.options_memory import FilesSettings, from_memory, to_memory
from gui.files.queue_view import QueueButtons, QueueView
from gui.files.queue_words import end_words, total_words, whole_note
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.batch import Batch
from realtime.batch_items import BatchItem, BatchStatus, State
from realtime.batch_work import shift_control_of
from realtime.bundled import bundled_models
from realtime.contract import Control

POLL_MS = 100
REMEMBER_MS = 500  # after the last change of an option
MANY = 200  # items that are changed in less than a blink
SECTION = "files"
OVER: tuple[State, ...] = ("failed", "skipped", "cancelled")
CLEARED: tuple[State, ...] = ("done", "skipped", "cancelled")


class QueueController(QObject):
    """Runs the queue of the files page; only what runs is polled.

    Args:
        tasks: of this page alone, since a large folder takes long to search.
    """

    compare_requested = pyqtSignal(object, object, object)  # Paths of input and result; BatchItem.undone

    def __init__(
        self,
        view: QueueView,
        tasks: Tasks,
        memory: Memory,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._tasks, self._memory, self._say, self._complain = view, tasks, memory, say, complain
        self._settings = from_memory(memory.read(SECTION))
        self._batch = Batch(self._settings.options)
        self._status = BatchStatus()
        self._orders = Tasks("queue orders", self)  # of their own, since what is added may take long to be found
        self._adding = 0
        self._untold = False  # a run began whose end was not told
        self._poll, self._remember_later = QTimer(self), QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self._tick)
        self._remember_later.setSingleShot(True)
        self._remember_later.setInterval(REMEMBER_MS)
        self._remember_later.timeout.connect(self._remember)
        view.options.show_settings(self._settings)
        self._connect()
        self._show(self._batch.status())
        tasks.run(bundled_models, self._models_found)
        self._look_at_model()

    @property
    def busy(self) -> bool:
        """Whether files are being processed, or held in the middle."""
        return self._batch.status().running

    @property
    def handlers(self) -> dict[str, Callable[[], object]]:
        """What the keys and menus of the files page call."""
        return {
            "run_queue": self.start,
            "add_files": self._view.ask_files,
            "add_folder": self._view.ask_folder,
            "cancel": self.cancel,
            "retry": self.retry,
        }

    def add(self, paths: Sequence[Path]) -> None:
        """Put files and folders into the queue; they appear as they are found."""
        self._adding += 1
        self._tasks.run(partial(self._batch.add, list(paths)), self._added, self._add_failed)
        self._poll.start()

    def start(self) -> None:
        """Start, hold, or go on."""
        if self._status.running and not self._status.paused:
            self._batch.pause()
        else:
            self._begin()
        self._tick()

    def cancel(self) -> None:
        """Stop the selected files that wait or run, or everything where there is none."""
        chosen = _in_states(self._view.selected(), "waiting", "running")
        if chosen:
            self._order(partial(self._batch.cancel, *chosen), len(chosen), self._ordered)
        else:
            self._order(self._batch.cancel_all, len(self._status.items), self._ordered)

    def retry(self) -> None:
        """Run again the selected files that did not succeed, or all such where there is none."""
        chosen = _in_states(self._view.selected(), *OVER) or _in_states(self._status.items, *OVER)
        if chosen:
            self._order(partial(self._batch.retry, *chosen), len(chosen), self._retried)

    def close(self) -> None:
        """Cancel everything and keep the options. What runs ends after its block, off the screen's thread."""
        self._poll.stop()
        if self._remember_later.isActive():
            self._remember_later.stop()
            self._remember()
        self._batch.close(0.0)
        self._orders.end(wait=False)

    def _connect(self) -> None:
        view = self._view
        view.paths_chosen.connect(self.add)
        view.foreign_dropped.connect(self._refuse_foreign)
        view.start_clicked.connect(self.start)
        view.cancel_clicked.connect(self.cancel)
        view.retry_clicked.connect(self.retry)
        view.remove_clicked.connect(self._remove)
        view.clear_clicked.connect(self._clear)
        view.compare_clicked.connect(self._compare)
        view.open_folder_clicked.connect(self._open_folder)
        view.selection_changed.connect(self._show_selection)
        view.options.changed.connect(self._options_changed)

    def _order(self, work: Callable[[], object], items: int, done: Callable[[object], None]) -> None:
        """Do it to so many items: at once, or off the screen's thread where it would be held up."""
        if items > MANY:
            self._orders.run(work, done)
        else:
            done(work())

    def _ordered(self, _nothing: object) -> None:
        self._tick()

    def _retried(self, _nothing: object) -> None:
        self._begin()
        self._tick()

    def _begin(self) -> None:
        self._untold = self._untold or self._batch.status().counts.get("waiting", 0) > 0
        self._batch.start()
        self._poll.start()

    def _tick(self) -> None:
        status = self._batch.status()
        self._show(status)
        if self._untold and not status.running:
            self._untold = False
            self._say(end_words(status.items))
        if not status.running and not self._adding:
            self._poll.stop()

    def _show(self, status: BatchStatus) -> None:
        self._status = status
        self._view.show_items(status.items)
        fraction = status.seconds_done / status.seconds_total if status.seconds_total > 0 else 0.0
        self._view.show_total(min(1.0, max(0.0, fraction)), total_words(status))
        self._show_selection()

    def _show_selection(self) -> None:
        selected, status = self._view.selected(), self._status
        self._view.show_buttons(_buttons(selected, status, self._settings.options.folder))
        one = selected[0] if len(selected) == 1 else None
        self._view.show_detail(whole_note(one) if one is not None else "", one is not None and one.state == "failed")

    def _remove(self) -> None:
        chosen = [item.id for item in self._view.selected()]
        self._order(partial(self._batch.remove, *chosen), len(chosen), self._ordered)

    def _clear(self) -> None:
        self._order(self._batch.clear_finished, len(self._status.items), self._ordered)

    def _compare(self) -> None:
        selected = self._view.selected()
        if len(selected) == 1 and selected[0].state == "done" and selected[0].output is not None:
            self.compare_requested.emit(selected[0].input, selected[0].output, selected[0].undone)
        else:
            self._say("Select one file that is done, to compare it with its result.")

    def _open_folder(self) -> None:
        done = [item for item in self._view.selected() if item.state == "done"]
        done = done or [item for item in self._status.items if item.state == "done"]
        outputs = [item.output for item in done if item.output is not None]
        folder = outputs[-1].parent if outputs else self._settings.options.folder
        if folder is not None and not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self._complain(f"{folder}: the file manager could not be opened; open this folder by hand.")

    def _options_changed(self, settings: FilesSettings) -> None:
        other = settings.options.model_key[:2] != self._settings.options.model_key[:2]
        self._settings = settings
        self._batch.configure(settings.options)
        if other:
            self._look_at_model()
        self._remember_later.start()
        self._show_selection()

    def _look_at_model(self) -> None:
        """Read whether the model takes a shift to undo. One that cannot be read says so when files are run."""
        options = self._settings.options
        shown, hidden = (partial(show, options.model_key[:2]) for show in (self._show_shift, self._hide_shift))
        self._orders.run(partial(shift_control_of, options), shown, hidden)

    def _show_shift(self, model: tuple[str, bool], control: Control | None) -> None:
        if model == self._settings.options.model_key[:2]:
            self._view.options.show_shift(control)

    def _hide_shift(self, model: tuple[str, bool], _error: Exception) -> None:
        self._show_shift(model, None)

    def _remember(self) -> None:
        try:
            self._memory.write(SECTION, to_memory(self._settings))
        except OSError as error:
            self._say(f"The options cannot be kept: {self._memory.path.name}: {error.strerror or error}.")

    def _models_found(self, models: dict[str, Path]) -> None:
        self._view.options.show_models(list(models))

    def _added(self, count: int) -> None:
        self._adding -= 1
        self._tick()
        self._say(f"{count} {'file' if count == 1 else 'files'} added." if count else "Nothing new to add.")

    def _add_failed(self, error: Exception) -> None:
        self._adding -= 1
        self._tick()
        self._complain(f"Not all files could be added: {error}.")

    def _refuse_foreign(self) -> None:
        self._say("Only files and folders of this computer can be dropped here.")


def _in_states(items: Sequence[BatchItem], *states: State) -> list[int]:
    return [item.id for item in items if item.state in states]


def _buttons(selected: Sequence[BatchItem], status: BatchStatus, folder: Path | None) -> QueueButtons:
    counts = status.counts
    going = status.running and not status.paused
    some = bool(_in_states(selected, "waiting", "running"))
    one = selected[0].state if len(selected) == 1 else ""
    return QueueButtons(
        start="Pause" if going else "Resume" if status.paused else "Start",
        cancel="Cancel selected" if some else "Cancel all",
        can_start=status.running or counts.get("waiting", 0) > 0,
        can_cancel=some or status.running,
        can_retry=any(counts.get(state, 0) for state in OVER),
        can_remove=bool(selected),
        can_clear=any(counts.get(state, 0) for state in CLEARED),
        can_compare=one == "done",
        can_open_folder=folder is not None or counts.get("done", 0) > 0,
    )

"""The compare page's controller: what is open, which file is heard, and what is said and saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject

from gui.files.compare_detail import ComparePictures
from gui.files.compare_measure import AFTER, BEFORE, INVERSE, REFERENCE
from gui.files.compare_pair import ComparePair
from gui.files.compare_player import ComparePlayer
from gui.files.compare_rows import LETTERS, ROLES, Span
from gui.files.compare_save import figure_rows, write_picture
from gui.files.compare_view import CompareView
from gui.files.compare_work import CompareWork
from gui.live.device_hints import on_screen
from gui.memory import Memory
from gui.tasks import Tasks
from realtime.live.player import PlayerStatus
from realtime.quality.file_figures import write_csv

SECTION = "compare"
DEVICES_SECTION = "devices"
SHORTEST_LOOP_S = 0.05
_NAMES = {"before": BEFORE, "after": AFTER, "reference": REFERENCE}
_DROPPED = (BEFORE, AFTER, REFERENCE)


class CompareController(QObject):
    """Opens up to three files of the same content, draws, plays and measures them.

    Args:
        view: the page. tasks: for what is saved.
        memory: its section "compare" is kept here, "devices" gives the output.
        say: a note for the status line; complain: an error sentence.
    """

    def __init__(
        self,
        view: CompareView,
        tasks: Tasks,
        memory: Memory,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._tasks, self._memory, self._say, self._complain = view, tasks, memory, say, complain
        self._work = CompareWork(self)
        self.pair = ComparePair(self._work, self)
        self.player = ComparePlayer(self._output_name, self)
        self._pictures = ComparePictures(view.plots, self.pair, say, self)
        self._paths: dict[int, Path] = {}
        self._selected = BEFORE
        self._hear_inverse = self._shift_edited = False
        kept = memory.read(SECTION)
        self._looping, self._matching = kept.get("loop") is True, kept.get("match") is not False
        self._folder = kept["folder"] if isinstance(kept.get("folder"), str) else ""
        view.transport.show_looping(self._looping)
        view.transport.match.setChecked(self._matching)
        self._connect_view()
        self._connect_parts()

    @property
    def busy(self) -> bool:
        """Whether files are being read, rendered or measured."""
        return self._work.busy

    @property
    def selected(self) -> int:
        """Which one is heard: 0 A, 1 B, 2 C, 3 the reference."""
        return self._selected

    def open(
        self, before: Path, after: Path | None, reference: Path | None = None, trained_shift: Span | None = None
    ) -> None:
        """Compare these files; what was open before is dropped.

        Args:
            trained_shift: the lowest and highest shift of its input, in semitones, that the model undoes.
        """
        given = zip(_DROPPED, (before, after, reference), strict=True)
        self._paths = {index: path for index, path in given if path is not None}
        self._hear_inverse = self._shift_edited = False
        self._selected = AFTER if after is not None else BEFORE
        self._view.plots.set_selection(None)
        self._view.plots.set_cursor(0.0)
        self.pair.open(self._paths, trained_shift)

    def toggle_play(self) -> None:
        """Play or pause."""
        if not self.pair.order:
            self._say("Still reading the files." if self.busy else "Open a file to compare first.")
        elif self.player.playing:
            self.player.pause()
        else:
            self.player.play()

    def toggle_loop(self) -> None:
        """Repeat the selection, or the whole; or no longer."""
        self._looping = not self._looping
        self._view.transport.show_looping(self._looping)
        if self.pair.order:
            self.player.set_loop(self.loop_span())
        self._remember()

    def set_matching(self, matching: bool) -> None:
        """Play all at the level of A, or each as it is."""
        self._matching = matching
        self._load()
        self._remember()

    def select(self, index: int) -> None:
        """Hear A (0), B (1), C (2) or the reference (3); B is rendered first where it is not there yet."""
        if index in self.pair.sounds:
            self._selected, self._hear_inverse = index, False
            if index in self.pair.order:
                self.player.select(self.pair.order.index(index))
        elif index == INVERSE and BEFORE in self.pair.sounds:
            self._hear_inverse = True
            self._render()
        else:
            self._say(f"{LETTERS[index]} ({ROLES[index].lower()}) is not open.")
        self._show_selected()

    def loop_span(self) -> Span | None:
        """What is repeated, in seconds: the selection, without one the whole; None is nothing."""
        if not self._looping:
            return None
        span = self._view.plots.selection or (0.0, self.pair.length_s)
        if span[1] - span[0] >= SHORTEST_LOOP_S:
            return span
        self._say(f"A loop lasts {1000 * SHORTEST_LOOP_S:g} ms or more: select a longer stretch.")
        return None

    def save_figures(self, path: Path | None = None) -> None:
        """Write the figures as CSV; asks where, if that is not said."""
        rows = figure_rows(self.pair)
        if not rows:
            self._say("There are no figures to save yet.")
            return
        path = path or self._view.ask_save("Export figures", self._proposal("_figures.csv"), "Table (*.csv)")
        if path is not None:
            self._tasks.run(partial(write_csv, path, rows), partial(self._saved, path), self._failed)

    def save_picture(self, path: Path | None = None) -> None:
        """Write the plots as PNG; asks where, if that is not said."""
        if not self.pair.sounds:
            self._say("There is no picture to save yet.")
            return
        path = path or self._view.ask_save("Save picture", self._proposal("_compared.png"), "Picture (*.png)")
        if path is not None:
            picture = self._view.plots.grab().toImage()
            self._tasks.run(partial(write_picture, picture, path), partial(self._saved, path), self._failed)

    def close(self) -> None:
        """Stop the player, end all work and remove temporary files."""
        self.player.close()
        self._pictures.close()
        self._work.close()

    # -- inside

    def _connect_view(self) -> None:
        view, transport = self._view, self._view.transport
        view.open_clicked.connect(self._open_one)
        view.dropped.connect(self._open_dropped)
        view.render_clicked.connect(self._render)
        view.shift_edited.connect(self._note_shift)
        view.export_clicked.connect(self.save_figures)
        view.picture_clicked.connect(self.save_picture)
        view.plots.seek_wanted.connect(self._seek)
        view.plots.selection_changed.connect(self._selection_changed)
        transport.play_clicked.connect(self.toggle_play)
        transport.loop_clicked.connect(self.toggle_loop)
        transport.track_clicked.connect(self.select)
        transport.match_clicked.connect(self.set_matching)

    def _connect_parts(self) -> None:
        self._work.progress.connect(self._view.show_work)
        self.pair.drawn.connect(self._draw)
        self.pair.loaded.connect(self._load)
        self.pair.rendered.connect(self._inverse_there)
        self.pair.measured.connect(self._show_figures)
        self.pair.shift_proposed.connect(self._show_shift)
        self.pair.noted.connect(self._say)
        self.pair.failed.connect(self._complain)
        self.player.changed.connect(self._show_player)
        self.player.failed.connect(self._player_failed)

    def _open_one(self, name: str) -> None:
        path = self._view.ask_open(
            f"Open the file {name}" if name != "reference" else "Open the original", self._folder
        )
        if path is None:
            return
        self._folder = str(path.parent)
        self._remember()
        paths = {**self._paths, _NAMES[name]: path}
        if BEFORE in paths:
            undone = self.pair.trained_shift if name == "reference" else None  # else it is another pair
            self.open(paths[BEFORE], paths.get(AFTER), paths.get(REFERENCE), undone)
        else:
            self._paths = paths
            self._say(f"{path.name}: open the file before as well, to compare with.")

    def _open_dropped(self, paths: list[Path]) -> None:
        before, after, reference, *more = [*paths, None, None, None][: max(3, len(paths))]
        if before is not None:
            self.open(before, after, reference)
        if more:
            self._say(f"Three files are compared at most; {len(more)} more were left out.")

    def _draw(self) -> None:
        self._view.show_sounds(self.pair.contents(), self.pair.length_s)
        self._view.allow_inverse(BEFORE in self.pair.sounds and not self.pair.rendering)
        self._show_selected()

    def _load(self) -> None:
        if not self.pair.order:
            self.player.unload()
            return
        if self._selected not in self.pair.order:
            self._selected = AFTER if AFTER in self.pair.order else BEFORE
        place = self.pair.order.index(self._selected)
        self.player.load(self.pair.tracks(self._matching), place, self._view.plots.cursor_s, self.loop_span())
        self._show_selected()

    def _render(self) -> None:
        self._hear_inverse = self._hear_inverse or self._selected == INVERSE
        self.pair.render(self._view.shift.value())
        self._view.allow_inverse(BEFORE in self.pair.sounds and not self.pair.rendering)

    def _inverse_there(self) -> None:
        if self._hear_inverse:
            self._selected, self._hear_inverse = INVERSE, False

    def _note_shift(self, _: float) -> None:
        self._shift_edited = True

    def _show_shift(self, semitones: float) -> None:
        if not self._shift_edited:
            self._view.set_shift(semitones)

    def _show_figures(self) -> None:
        caption = ""
        for figures in self.pair.figures.values():
            whole = figures.to_s - figures.from_s >= self.pair.length_s - SHORTEST_LOOP_S
            part = "" if whole else ", the loudest of A"
            caption = f"Figures of {figures.from_s:.1f} to {figures.to_s:.1f} s{part}"
        self._view.show_figures(self.pair.figures, caption)

    def _show_selected(self) -> None:
        available = [*self.pair.sounds, *([INVERSE] if BEFORE in self.pair.sounds else [])]
        self._view.transport.show_available(available)
        self._view.transport.show_selected(self._selected)
        for index, row in self._view.plots.rows.items():
            row.set_selected(index == self._selected)

    def _show_player(self, status: PlayerStatus) -> None:
        self._view.transport.show_playing(status.state == "playing")
        self._view.transport.show_clock(status.position_s, self.pair.length_s)
        if status.state != "empty":
            self._view.plots.set_cursor(status.position_s)
        if status.state == "playing":
            self._view.plots.follow(status.position_s)

    def _seek(self, at_s: float) -> None:
        if self.pair.order:
            self.player.seek(at_s)

    def _selection_changed(self, _: object) -> None:
        if self._looping and self.pair.order:
            self.player.set_loop(self.loop_span())

    def _proposal(self, ending: str) -> str:
        path = self._paths.get(AFTER, self._paths[BEFORE])
        return str(path.with_name(path.stem + ending))

    def _player_failed(self, sentence: str) -> None:
        self._complain(on_screen(sentence))

    def _saved(self, path: Path, _: None) -> None:
        self._say(f"Saved {path}")

    def _failed(self, error: Exception) -> None:
        self._complain(str(error))

    def _output_name(self) -> str | None:
        name = self._memory.read(DEVICES_SECTION).get("output")
        return name if isinstance(name, str) and name else None

    def _remember(self) -> None:
        try:
            self._memory.write(SECTION, {"loop": self._looping, "match": self._matching, "folder": self._folder})
        except OSError as error:
            self._complain(f"{self._memory.path}: the settings cannot be kept: {error.strerror or error}")

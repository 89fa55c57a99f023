"""The compare page's own player: its calls wait beside the screen, its state is asked for 30 times a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.tasks import Tasks
from realtime.live.player import Player, PlayerStatus, Track

_EVERY_MS = 33
_SETTLE_S = 1.0  # its state follows what it was told after a while
_CLOSE_S = 2.0


class ComparePlayer(QObject):
    """Plays what `load` was given, at what `select`, `seek` and `set_loop` last said.

    Args:
        output: gives the loudspeaker by name when one is needed; None is the default, "none" a clock without sound.
    """

    changed = pyqtSignal(object)  # PlayerStatus
    failed = pyqtSignal(str)

    def __init__(self, output: Callable[[], str | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._output = output
        self._player: Player | None = None
        self._tasks = Tasks("compare-player", self)
        self._last: PlayerStatus | None = None
        self._until_s = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def status(self) -> PlayerStatus:
        """A snapshot that never waits."""
        return PlayerStatus("empty") if self._player is None else self._player.status()

    @property
    def playing(self) -> bool:
        """Whether it sounds."""
        return self.status.state == "playing"

    @property
    def busy(self) -> bool:
        """Whether something it was told is still to be done."""
        return self._tasks.busy

    def load(self, tracks: Sequence[Track], selected: int, position_s: float, loop: tuple[float, float] | None) -> None:
        """Other tracks, at this position; whether it played is kept. The same files only get other gains."""
        self._tasks.run(partial(self._load, tuple(tracks), selected, position_s, loop), self._poll_soon, self._fail)

    def unload(self) -> None:
        """Nothing is there to be played."""
        self._tasks.run(self._drop, self._poll_soon, self._fail)

    def play(self) -> None:
        """Go on."""
        self._run(Player.play)

    def pause(self) -> None:
        """Stop where it is."""
        self._run(Player.pause)

    def seek(self, position_s: float) -> None:
        """Go there."""
        self._run(partial(_seek, position_s=position_s))

    def select(self, index: int) -> None:
        """Change to another of the tracks, by its place among them."""
        self._run(partial(_select, index=index))

    def set_loop(self, span: tuple[float, float] | None) -> None:
        """Repeat this stretch in seconds, or nothing."""
        self._run(partial(_loop, span=span))

    def close(self) -> None:
        """End it, for good; waits at most some seconds."""
        self._timer.stop()
        self._tasks.end()
        self._drop()

    def _run(self, work: Callable[[Player], None]) -> None:
        self._tasks.run(partial(self._with_player, work), self._poll_soon, self._fail)

    def _with_player(self, work: Callable[[Player], None]) -> None:
        if self._player is not None:
            work(self._player)

    def _load(
        self, tracks: tuple[Track, ...], selected: int, position_s: float, loop: tuple[float, float] | None
    ) -> None:
        output = self._output()
        if self._player is not None and self._player.output != output:
            self._drop()
        player = self._player = self._player or Player(output)
        was_playing = player.status().state == "playing"
        player.load(tracks)
        player.select(selected)
        player.loop(loop)
        if abs(player.status().position_s - position_s) > 2 * _EVERY_MS / 1000:
            player.seek(position_s)
        if was_playing:
            player.play()

    def _drop(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            player.close(_CLOSE_S)

    def _poll_soon(self, _: None = None) -> None:
        self._until_s = monotonic() + _SETTLE_S
        self._timer.start()
        self._poll()

    def _poll(self) -> None:
        """Tell what has changed; not while it is told something, since its state may be older than that."""
        if self._tasks.busy:
            return
        status = self.status
        if status != self._last:
            before, self._last = self._last, status
            self.changed.emit(status)
            if status.state == "failed" and (before is None or before.state != "failed"):
                self.failed.emit(status.message)
        if status.state != "playing" and monotonic() > self._until_s:
            self._timer.stop()

    def _fail(self, error: Exception) -> None:
        self._poll_soon()
        if self.status.state != "failed":  # else the state has told it already
            self.failed.emit(str(error))


def _seek(player: Player, position_s: float) -> None:
    player.seek(position_s)


def _select(player: Player, index: int) -> None:
    player.select(index)


def _loop(player: Player, span: tuple[float, float] | None) -> None:
    player.loop(span)

"""A player for several files of the same content: it changes between them at once, aligned, without a click.

It runs in a process of its own, which alone loads PortAudio: a killed sound server or a device that hangs costs that
process, not its owner.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self

from realtime.live.child_process import ChildProcess, HostError, SilentError
from realtime.live.device import DeviceChoice, DeviceError
from realtime.live.player_sound import MOST_TRACKS, Track
from realtime.live.shared import SharedMemory

__all__ = ["Player", "PlayerError", "PlayerState", "PlayerStatus", "Track"]

PlayerState = Literal["empty", "paused", "playing", "ended", "failed"]
SILENT_SECONDS = 2.0  # without a sign of life, the process is given up
START_SECONDS, LOAD_SECONDS, PLAY_SECONDS, OTHER_SECONDS = 10.0, 60.0, 8.0, 4.0
AHEAD_SECONDS = 0.1  # a position is carried on for so long at most
AGAIN = "press play to start it again"


class PlayerError(ValueError):
    """What the player was asked cannot be, or its process is gone. One line."""


@dataclass(frozen=True)
class PlayerStatus:
    """One moment: `position_s` is what is heard, the queue and the device's own latency taken off.

    `selected` and `loop` (start and end in seconds) are as they were set, `output_name` is the device once it was
    opened, `message` a sentence where the state is "failed", `dropouts` how often the machine was too busy to play on.
    """

    state: PlayerState
    position_s: float = 0.0
    length_s: float = 0.0
    selected: int = 0
    loop: tuple[float, float] | None = None
    output_name: str = ""
    message: str = ""
    dropouts: int = 0


@dataclass(frozen=True)
class _Link:
    child: ChildProcess
    shared: SharedMemory
    began_s: float


class Player:
    """Plays one of several tracks. Callable from any thread; `status` never waits, all others as long as their limit.

    The loudspeaker is opened by `play`, and closed after ten seconds without sound. A process that fails is ended; the
    next call starts another one, with the same tracks at the same position, paused.

    Args:
        output: as `DeviceChoice.output`; "none" is a clock without sound.
    """

    def __init__(self, output: str | int | None = None) -> None:
        self.output = DeviceChoice(output=output).output
        self._tracks: tuple[Track, ...] = ()
        self._commands = threading.Lock()
        self._reading = threading.Lock()  # held for moments only
        self._link: _Link | None = None
        self._last = PlayerStatus("empty")
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what it is told

    def load(self, tracks: Sequence[Track]) -> None:
        """Put in tracks, the first one selected, paused at the start.

        Where they are the same files as before, all goes on, with the new offsets and gains.

        Raises: ValueError, one line, where a file cannot be read; what was loaded before stays.
        """
        if not 1 <= len(tracks) <= MOST_TRACKS:
            raise PlayerError(f"{len(tracks)} tracks: the player takes 1 to {MOST_TRACKS}")
        with self._commands:
            self._ask("load", LOAD_SECONDS, tracks=[asdict(track) for track in tracks], output=self.output)
            self._tracks = tuple(tracks)

    def play(self) -> None:
        """Go on, or from the start where the end was reached.

        Raises: ValueError, one line, where the loudspeaker cannot be opened.
        """
        with self._commands:
            for fresh in (self._link is None, True):
                try:
                    self._ask("play", PLAY_SECONDS)
                    return
                except DeviceError:  # PortAudio knows only the devices that were there when it was loaded
                    self._retire()
                    if fresh:
                        raise

    def pause(self) -> None:
        """Stop where it is."""
        with self._commands:
            if self._link is not None:  # else nothing sounds
                self._ask("pause", OTHER_SECONDS)

    def seek(self, position_s: float) -> None:
        """Go to a position, at most the end."""
        with self._commands:
            self._ask("seek", OTHER_SECONDS, position_s=float(position_s))

    def select(self, index: int) -> None:
        """Change to another track at the same position: a crossfade of 10 ms, heard within 100 ms.

        Raises: ValueError where there is none.
        """
        with self._commands:
            self._ask("select", OTHER_SECONDS, index=index)

    def loop(self, range_s: tuple[float, float] | None) -> None:
        """Repeat a stretch, or nothing; from outside of it, go to its start.

        Raises: ValueError where it is shorter than 50 ms or outside of the content.
        """
        with self._commands:
            self._ask("loop", OTHER_SECONDS, range_s=None if range_s is None else [float(edge) for edge in range_s])

    def close(self, limit_s: float = 2.0) -> bool:
        """End sound and process, for good; False where it hung and was killed. May be called again."""
        self._closed = True
        link = self._unlinked()
        if link is None:
            return True
        clean = link.child.end(limit_s)
        link.shared.close()
        return clean

    # -- what it says

    def status(self) -> PlayerStatus:
        """A snapshot; never waits, never raises: what is wrong is a state and a sentence."""
        with self._reading:
            link = self._link
            document = None if link is None else link.shared.read("status")
        if link is None:
            return self._last
        problem = self._problem(link, document)
        if document is not None:
            self._last = _status_of(document)
        if problem:
            self._fail(link, problem)
        return self._last

    # -- inside

    def _problem(self, link: _Link, document: dict[str, Any] | None) -> str:
        """Why the process cannot go on, empty where it can."""
        if document is not None and document["state"] == "failed":
            return str(document["message"])
        code = link.child.exit_code
        if code is not None:
            return f"the player's process ended unexpectedly (code {code}); {AGAIN}"
        seen_s = link.began_s if document is None else document["at_s"]
        limit_s = START_SECONDS if document is None else SILENT_SECONDS
        return f"the sound system does not answer; {AGAIN}" if monotonic() - seen_s > limit_s else ""

    def _fail(self, link: _Link, problem: str) -> None:
        """Give the process up. It is ended beside: one that hangs takes its time."""
        with self._reading:
            if self._link is not link:
                return  # another thread was faster
            self._link = None
            self._last = replace(self._last, state="failed", message=problem)
        threading.Thread(target=_end, args=(link,), name="ending the player", daemon=True).start()

    def _retire(self) -> None:
        """End a process that could not open its loudspeaker; what it had loaded is known here."""
        self.status()
        link = self._unlinked()
        if link is not None:
            threading.Thread(target=_end, args=(link,), name="ending the player", daemon=True).start()

    def _unlinked(self) -> _Link | None:
        with self._reading:
            link, self._link = self._link, None
            if link is not None:
                self._last = replace(self._last, state="paused" if self._tracks else "empty")
        return link

    def _ask(self, command: str, limit_s: float, **arguments: Any) -> None:
        if self._closed:
            raise PlayerError("the player was closed")
        self.status()  # finds out whether the process can be asked at all
        if self._link is None:
            self._start(restore=command != "load")
        link = self._link
        if link is None:
            raise PlayerError(self._last.message)
        try:
            link.child.request(command, limit_s, **arguments)
        except SilentError as error:
            problem = f"the sound system did not answer within {limit_s:g} s; {AGAIN}"
            self._fail(link, problem)
            raise PlayerError(problem) from error
        except HostError as error:
            if link.child.exit_code is None:
                raise
            self._fail(link, f"the player's process ended unexpectedly; {AGAIN}")
            raise PlayerError(self._last.message) from error

    def _start(self, restore: bool) -> None:
        last = self._last
        shared = SharedMemory.create(ring_frames=1)
        try:
            child = ChildProcess("player", shared)
        except BaseException:
            shared.close()
            raise
        with self._reading:
            self._link = _Link(child, shared, monotonic())
        if not (restore and self._tracks):
            return
        child.request("load", LOAD_SECONDS, tracks=[asdict(track) for track in self._tracks], output=self.output)
        child.request("select", OTHER_SECONDS, index=last.selected)
        if last.loop is not None:
            child.request("loop", OTHER_SECONDS, range_s=list(last.loop))
        child.request("seek", OTHER_SECONDS, position_s=last.position_s)


def _end(link: _Link) -> None:
    link.child.kill()
    link.shared.close()


def _status_of(document: dict[str, Any]) -> PlayerStatus:
    """What the process told, carried on to this moment."""
    if "position_s" not in document:
        return PlayerStatus(document["state"], output_name=document["output_name"], message=document["message"])
    loop = document["loop"]
    position_s = document["position_s"]
    if document["moving"]:
        before_s = position_s
        position_s += min(AHEAD_SECONDS, max(0.0, monotonic() - document["at_s"]))
        if loop is not None and before_s < loop[1] <= position_s:
            position_s += loop[0] - loop[1]
    return PlayerStatus(
        state=document["state"],
        position_s=min(position_s, document["length_s"]),
        length_s=document["length_s"],
        selected=document["selected"],
        loop=None if loop is None else (loop[0], loop[1]),
        output_name=document["output_name"],
        message=document["message"],
        dropouts=document["dropouts"],
    )

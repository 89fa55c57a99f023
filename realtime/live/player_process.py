"""The player's own process: feeds the loudspeaker from the deck, obeys the player, and says where the sound is."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from time import monotonic
from typing import Any, BinaryIO

from realtime.live.commands_reader import Commands, Handler
from realtime.live.device import DeviceError
from realtime.live.player_deck import Deck
from realtime.live.player_sound import Track
from realtime.live.shared import SharedMemory
from realtime.live.speaker import Speaker, open_speaker
from realtime.live.threads import raise_priority

TURN_SECONDS = 0.005
STOP_SECONDS = 1.0
LEAST_FRAMES = 128  # smaller ones are not worth a turn
IDLE_SECONDS = 10.0  # of a loudspeaker that plays nothing; then others may have it
PRIORITY = 2  # below the live engine's threads
REFERENCE_RATE = 48_000  # of positions before a loudspeaker was opened


class PlayerProcess:
    """Holds one deck and, from the first `play` on, one loudspeaker.

    Args:
        token: of the shared memory.
    """

    def __init__(self, token: str) -> None:
        self._shared = SharedMemory.attach(token)
        self._deck: Deck | None = None
        self._speaker: Speaker | None = None
        self._wanted: str | int | None = None
        self._name = self._failure = ""
        self._rate = REFERENCE_RATE
        self._dropouts = 0  # of loudspeakers that were closed
        self._last_played_s = monotonic()
        self._parts = threading.RLock()  # deck and speaker are changed together

    def run(self, source: BinaryIO, answers: BinaryIO) -> None:
        """Until the player is gone."""
        handlers: dict[str, Handler] = {
            "load": self._load,
            "play": self._play,
            "pause": self._pause,
            "seek": self._seek,
            "select": self._select,
            "loop": self._loop,
        }
        told: dict[str, Handler] = {name: partial(self._obey, handler) for name, handler in handlers.items()}
        commands = Commands(source, answers, told, {})
        commands.start()
        sys.setswitchinterval(0.001)
        raise_priority(PRIORITY)
        while not commands.over.wait(TURN_SECONDS):
            with self._parts:
                self._turn()
                self._tell()
        speaker = self._speaker
        if speaker is not None:
            speaker.close(STOP_SECONDS)

    def _turn(self) -> None:
        deck, speaker = self._deck, self._speaker
        if deck is None or speaker is None:
            return
        self._failure = self._failure or speaker.problem
        if self._failure:
            return
        room = speaker.room
        if room >= LEAST_FRAMES:
            speaker.give(deck.render(room))
        if deck.playing or self._heard(deck, speaker)[1]:
            self._last_played_s = monotonic()
        elif monotonic() - self._last_played_s > IDLE_SECONDS:
            self._speaker, self._dropouts = None, self._dropouts + speaker.dropouts
            if not speaker.close(STOP_SECONDS):
                self._failure = f"{speaker.name}: does not stop; restart the sound system, and play again"

    def _heard(self, deck: Deck, speaker: Speaker | None) -> tuple[float, bool]:
        """The position that is heard, and whether it moves."""
        if speaker is not None:
            position, moving = deck.timeline.at(speaker.heard_frames)
            if deck.playing or moving:
                return position, moving
        return deck.position, False

    def _tell(self) -> None:
        deck, speaker = self._deck, self._speaker
        document: dict[str, Any] = {"pid": os.getpid(), "at_s": monotonic(), "message": self._failure}
        document |= {"output_name": self._name, "state": "failed" if self._failure else "empty"}
        document["dropouts"] = self._dropouts + (0 if speaker is None else speaker.dropouts)
        if deck is not None:
            position, moving = self._heard(deck, speaker)
            state = "playing" if deck.playing or (deck.ended and moving) else "ended" if deck.ended else "paused"
            loop = deck.loop
            document |= {
                "state": "failed" if self._failure else state,
                "position_s": min(position, deck.length) / deck.rate,
                "length_s": deck.length / deck.rate,
                "selected": deck.selected,
                "loop": None if loop is None else [edge / deck.rate for edge in loop],
                "moving": moving and not self._failure,
            }
        self._shared.write("status", document)

    # -- commands

    def _obey(self, handler: Handler, command: dict[str, Any]) -> dict[str, Any]:
        result = handler(command)
        with self._parts:
            self._tell()  # who asks after the answer finds what became of it
        return result

    def _load(self, command: dict[str, Any]) -> dict[str, Any]:
        tracks = [Track(**track) for track in command["tracks"]]
        self._wanted = command["output"]
        old = self._deck
        same = old is not None and [one.path for one in old.tracks] == [one.path for one in tracks]
        if same and old is not None:
            old.change(tracks)
            return {}
        deck = Deck(tracks, self._rate)
        with self._parts:
            self._deck = deck
            deck.begin_at(0, old)
        if old is not None:
            old.close()
        return {}

    def _play(self, command: dict[str, Any]) -> dict[str, Any]:
        deck = self._loaded()
        if self._failure:
            raise DeviceError(self._failure)
        with self._parts:  # or it might be closed in this moment
            self._last_played_s = monotonic()
            if self._speaker is not None:
                deck.play()
                return {}
        speaker = open_speaker(self._wanted)
        if speaker.rate != self._rate:
            deck = self._at_rate(speaker.rate)
        with self._parts:
            deck.begin_at(0)
            self._speaker, self._name = speaker, speaker.name
            self._last_played_s = monotonic()
            deck.play()
        return {}

    def _at_rate(self, rate: int) -> Deck:
        """The same deck for a loudspeaker of another rate."""
        old, self._rate = self._loaded(), rate
        deck = Deck(old.tracks, rate, old.sounds)
        ratio = rate / old.rate
        deck.select(old.selected)
        deck.seek(round(old.position * ratio))
        if old.loop is not None:
            deck.set_loop((round(old.loop[0] * ratio), round(old.loop[1] * ratio)))
        with self._parts:
            self._deck = deck
        old.close()
        return deck

    def _pause(self, command: dict[str, Any]) -> dict[str, Any]:
        self._loaded().pause()
        return {}

    def _seek(self, command: dict[str, Any]) -> dict[str, Any]:
        deck = self._loaded()
        deck.seek(round(command["position_s"] * deck.rate))
        return {}

    def _select(self, command: dict[str, Any]) -> dict[str, Any]:
        self._loaded().select(command["index"])
        return {}

    def _loop(self, command: dict[str, Any]) -> dict[str, Any]:
        deck, wanted = self._loaded(), command["range_s"]
        deck.set_loop(None if wanted is None else (round(wanted[0] * deck.rate), round(wanted[1] * deck.rate)))
        return {}

    def _loaded(self) -> Deck:
        if self._deck is None:
            raise ValueError("nothing is loaded that could be played: open a file first")
        return self._deck

"""The player's deck: one position over all tracks, and everything that changes it or them without a click."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from realtime.live.player_sound import CHANNELS, Reel, Sound, Track, factors
from realtime.plugins.base import Samples

FADE_SECONDS = 0.010
SHORTEST_LOOP_SECONDS = 0.05
KEPT_MARKS = 256


class Timeline:
    """Which position of the content is heard when so many frames have been played."""

    def __init__(self, played: int = 0, position: int = 0) -> None:
        self._marks = [(played, position, False)]  # frames played, position, whether it moves

    def mark(self, played: int, position: int, moving: bool) -> None:
        """From this frame played on, the content is here. Marks that would come later are void."""
        before = [mark for mark in self._marks[-KEPT_MARKS:] if mark[0] < played]
        self._marks = [*before, (played, position, moving)]

    def at(self, played: float) -> tuple[float, bool]:
        """The position, and whether it moves."""
        index = max(0, bisect_right(self._marks, played, key=lambda mark: mark[0]) - 1)
        since, position, moving = self._marks[index]
        return position + (max(0.0, played - since) if moving else 0.0), moving


class Deck:
    """Renders the selected track. Positions are frames at `rate`; for several threads, one of which renders.

    Every jump is a crossfade of 10 ms, every change of the track too: in a straight line, since the tracks are the same
    sound; a start or a stop anywhere but at position 0 is a fade. Beyond full scale it is clipped.

    Args:
        sounds: of the tracks, where they were opened before.

    Raises: AudioFileError, one line, where a file cannot be read.
    """

    def __init__(self, tracks: Sequence[Track], rate: int, sounds: Sequence[Sound] | None = None) -> None:
        self.tracks, self.rate = tuple(tracks), rate
        self.sounds = tuple(Sound(track.path) for track in tracks) if sounds is None else tuple(sounds)
        self._lock = threading.Lock()
        self._reel, self._spare = (Reel(self.sounds, self.tracks, rate) for _ in range(2))
        self.length = self._reel.length_frames
        self.selected = 0
        self.loop: tuple[int, int] | None = None
        self.playing = self.ended = False
        self.position = self.rendered = 0
        self.timeline = Timeline()
        self._up: Samples = (np.arange(1, self._fade + 1) / self._fade).astype(np.float32)
        self._rising = self._fade  # how far the content has faded in
        self._leaving = np.zeros((CHANNELS, 0), dtype=np.float32)  # what fades out, to be added to what comes next
        self._factors = factors(self.tracks)
        self._weights = self._goal()
        self._steps = np.zeros_like(self._weights)
        self._gliding = 0  # frames until the weights are at their goal

    @property
    def _fade(self) -> int:
        return max(1, round(FADE_SECONDS * self.rate))

    # -- what listeners do

    def play(self) -> None:
        """Go on; at the end, from the beginning."""
        with self._lock:
            if self.playing:
                return
            if self.position >= self.length:
                self._move(self.loop[0] if self.loop else 0)
            self.playing, self.ended = self.length > 0, self.length == 0
            self._rising = self._fade if self.position == 0 else 0
            self._mark()

    def pause(self) -> None:
        """Fade out and stay there."""
        with self._lock:
            if self.playing:
                self._let_go()
                self.playing = False
                self._move(self._after_fade())
                self.timeline.mark(self.rendered + self._fade, self.position, False)

    def seek(self, frame: int) -> None:
        """Go to another place; the other reel is wound there while the sound goes on."""
        frame = min(max(0, frame), self.length)
        self._spare.seek(frame)
        with self._lock:
            self._let_go()
            self._reel, self._spare = self._spare, self._reel
            self.position, self.ended = frame, False
            self._mark()

    def select(self, index: int) -> None:
        """Change over to another track.

        Raises: ValueError where there is none.
        """
        if not 0 <= index < len(self.tracks):
            raise ValueError(f"there is no track {index}: there are {len(self.tracks)}, counted from 0")
        with self._lock:
            self.selected = index
            self._glide()

    def set_loop(self, frames: tuple[int, int] | None) -> None:
        """Repeat a stretch, or nothing. From outside of it, go to its start.

        Raises: ValueError where it is too short or outside of the content.
        """
        if frames is not None:
            start, end = max(0, frames[0]), min(self.length, frames[1])
            if end - start < SHORTEST_LOOP_SECONDS * self.rate:
                shortest = f"{1000 * SHORTEST_LOOP_SECONDS:g} ms"
                raise ValueError(f"a loop must be at least {shortest} long and lie within the sound: select more of it")
            frames = start, end
        with self._lock:
            self.loop = frames
            outside = frames is not None and not frames[0] <= self.position < frames[1]
        if outside and frames is not None:
            self.seek(frames[0])

    def change(self, tracks: Sequence[Track]) -> None:
        """The same files with other offsets and gains; all else goes on."""
        with self._lock:
            moved = [one.offset_samples for one in tracks] != [one.offset_samples for one in self.tracks]
            self.tracks = tuple(tracks)
            self._factors = factors(self.tracks)
            if moved:
                self._let_go()
                for reel in (self._reel, self._spare):
                    reel.shift(self.tracks, self.position)
                self._shorten(self._reel.length_frames)
            self._glide()

    def begin_at(self, played: int, after: Deck | None = None) -> None:
        """Count the frames played from here on: on a new loudspeaker, or `after` another deck, which then fades out."""
        if after is not None:
            with after._lock:
                after._let_go()
                after.playing = False
                self._leaving, played = after._leaving, after.rendered
        with self._lock:
            self.rendered = played
            self.timeline = Timeline(played, self.position)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self.playing = False
            for reel in (self._reel, self._spare):
                reel.close()

    # -- what is heard

    def render(self, count: int) -> Samples:
        """The next ``(count, 2)``, silence where nothing plays."""
        with self._lock:
            out = np.zeros((CHANNELS, count), dtype=np.float32)
            at = 0
            while self.playing and at < count:
                end = self.length if self.loop is None or self.position >= self.loop[1] else self.loop[1]
                step = min(count - at, end - self.position)
                out[:, at : at + step] = self._content(step)
                self._add_leaving(out[:, at : at + step])
                at += step
                self.position += step
                self.rendered += step
                if self.position >= end:
                    self._turn()
            self._add_leaving(out[:, at:])
            self.rendered += count - at
            return np.clip(out, -1.0, 1.0).T

    def _turn(self) -> None:
        """At the end: again from the start of the loop, or no further."""
        if self.loop is not None and self.position == self.loop[1]:
            self._let_go()
            self._move(self.loop[0])
        else:
            self.playing, self.ended = False, True
        self._mark()

    def _move(self, frame: int) -> None:
        self.position = frame
        self._reel.seek(frame)

    def _after_fade(self) -> int:
        after = self.position + self._fade
        if self.loop is not None and self.position < self.loop[1] <= after:
            return self.loop[0] + after - self.loop[1]
        return min(self.length, after)

    def _shorten(self, length: int) -> None:
        """Other offsets give another length; nothing may lie beyond it."""
        self.length, self.position = length, min(self.position, length)
        if self.loop is not None and self.loop[1] > length:
            self.loop = None

    def _mark(self) -> None:
        self.timeline.mark(self.rendered, self.position, self.playing)

    def _content(self, count: int) -> Samples:
        """What the reel gives next, faded in as far as it is."""
        mixed = self._reel.read(self._next_weights(count))
        if self._rising < self._fade:
            ramp = self._up[self._rising : self._rising + count]
            mixed[:, : len(ramp)] *= ramp
            self._rising += len(ramp)
        return mixed

    def _add_leaving(self, out: Samples) -> None:
        count = min(out.shape[1], self._leaving.shape[1])
        out[:, :count] += self._leaving[:, :count]
        self._leaving = self._leaving[:, count:]

    def _let_go(self) -> None:
        """What would come next fades out, over what comes instead."""
        if not self.playing:
            return
        leaving = self._content(self._fade) * (1 - self._up)
        leaving[:, : self._leaving.shape[1]] += self._leaving
        self._leaving, self._rising = leaving, 0

    def _goal(self) -> Samples:
        goal = np.zeros(len(self.tracks), dtype=np.float32)
        goal[self.selected] = self._factors[self.selected]
        return goal

    def _glide(self) -> None:
        if self.playing:
            self._gliding = self._fade
            self._steps = (self._goal() - self._weights) / np.float32(self._fade)
        else:
            self._gliding, self._weights = 0, self._goal()

    def _next_weights(self, count: int) -> Samples:
        """Of each track ``(tracks, count)``."""
        moving = np.minimum(np.arange(1, count + 1), self._gliding).astype(np.float32)
        weights: Samples = self._weights[:, None] + self._steps[:, None] * moving
        if self._gliding <= count:
            goal = self._goal()
            weights[:, self._gliding :] = goal[:, None]
            self._weights, self._gliding, self._steps = goal, 0, np.zeros_like(goal)
        else:
            self._gliding -= count
            self._weights = weights[:, -1] if count else self._weights
        return weights

"""Ardour without a screen: make a session with LV2 plugins, place recordings on its tracks, render it.

Ardour's Lua can make tracks and plugins but not import a recording, so `place` writes the few lines into the session
file that Ardour would write itself. Found by doing, with Ardour 7.3.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

SUPERCLOCK_HZ = 282_240_000  # Ardour's unit of time since 7.0: it divides by all usual sample rates
MAKE_LIMIT_S = 120
RENDER_TRIES = 4
MAKE_SESSION = Path(__file__).with_name("make_session.lua")
FADES = ("default-fade-in", "default-fade-out", "fade-in-active", "fade-out-active", "envelope-active")
OFF = ("muted", "locked", "whole-file", "sync-marked", "hidden", *FADES)


class ArdourError(RuntimeError):
    """Ardour is missing or did not do what it was asked for."""


@dataclass(frozen=True)
class Track:
    """What Ardour says of a track: latencies in samples, of its plugin and of the whole track."""

    name: str
    plugin_latency: int
    route_latency: int


@dataclass(frozen=True)
class Surroundings:
    """Where Ardour looks for LV2 plugins, and the home folder that it writes its settings to."""

    lv2_folder: Path
    home: Path

    def environment(self) -> dict[str, str]:
        """The variables of a process that finds these plugins alone and leaves the user's own settings untouched."""
        self.home.mkdir(parents=True, exist_ok=True)
        folders = {"HOME": str(self.home.resolve()), "LV2_PATH": str(self.lv2_folder.resolve())}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        return {**kept, **folders, "OMP_NUM_THREADS": "1"}


def program(name: str) -> str:
    """The newest installed ``ardour<N>-<name>``, such as ``ardour7-lua`` for "lua".

    Raises: ArdourError where there is none.
    """
    for version in (9, 8, 7):
        found = shutil.which(f"ardour{version}-{name}")
        if found:
            return found
    raise ArdourError("Ardour is missing: install it (Debian: apt-get install ardour), then run this again")


def make_session(
    folder: Path, plugins: Sequence[tuple[str, int]], places: Surroundings, rate: int = 48_000, period: int = 1024
) -> list[Track]:
    """A new session with one audio track for each (plugin URI, channels).

    Args:
        folder: of the session; must not exist. Its name becomes the session's.
        period: frames of a block of the dummy sound card that runs meanwhile.
    Returns: the tracks, "track1" first, with the latencies that Ardour reports for them.
    Raises: ArdourError with what Ardour said.
    """
    words = [program("lua"), MAKE_SESSION, folder.resolve(), rate, period]
    words += [word for plugin in plugins for word in plugin]
    said = _run([str(word) for word in words], places, MAKE_LIMIT_S)
    found = re.findall(r"^track\s(\S+)\splugin\s(\d+)\sroute\s(\d+)$", said, re.MULTILINE)
    return [Track(name, int(plugin), int(route)) for name, plugin, route in found]


def place(folder: Path, recordings: Sequence[Path]) -> None:
    """Put a recording at time zero of each track, in order, and let the session end with the longest of them.

    Args:
        folder: of a session that no Ardour has open.
        recordings: WAV files at the session's rate, as many as tracks, each with as many channels as its track.
    Raises: ArdourError where numbers or rates do not fit.
    """
    path = folder / f"{folder.name}.ardour"
    tree = ElementTree.parse(path)
    session = tree.getroot()
    playlists = session.findall("Playlists/Playlist")
    rate = int(session.get("sample-rate", "0"))
    if len(playlists) != len(recordings):
        raise ArdourError(f"{path}: {len(playlists)} tracks, but {len(recordings)} recordings to place")
    numbers = _Numbers(int(session.get("id-counter", "0")))
    lengths = [_place_one(session, playlist, wav, numbers) for playlist, wav in zip(playlists, recordings, strict=True)]
    if any(soundfile.info(wav).samplerate != rate for wav in recordings):
        raise ArdourError(f"{path}: the session runs at {rate} Hz, and a recording does not")
    for wav in recordings:
        shutil.copy(wav, folder / "interchange" / folder.name / "audiofiles" / wav.name)
    whole = {"id": numbers.next(), "name": "session", "start": "a0", "end": f"a{_superclocks(max(lengths), rate)}"}
    _child(session, "Locations", "Location", {**whole, "flags": "IsSessionRange", "locked": "0", "cue": "0"})
    session.set("id-counter", numbers.next())
    tree.write(path, encoding="UTF-8", xml_declaration=True)


def render(folder: Path, output: Path, places: Surroundings, limit_s: float = 120) -> int:
    """Export the session's range from the master bus as a stereo WAV of floats, faster or slower than real time.

    The exporter of Ardour 7.3 crashes after the last sample in one run of five to ten, and now and then waits for ever,
    in sessions without a plugin too (a race of its own threads). So a run that fails is done again.

    Args:
        limit_s: after which a run counts as one that waits for ever.
    Returns: how many runs it took.
    Raises: ArdourError with what Ardour said.
    """
    words = [program("export"), "--bitdepth", "float", "--output", output.resolve(), folder.resolve(), folder.name]
    for run in range(1, RENDER_TRIES + 1):
        output.unlink(missing_ok=True)
        try:
            said = _run([str(word) for word in words], places, limit_s)
        except ArdourError:
            if run == RENDER_TRIES:
                raise
            continue
        if not output.is_file():
            raise ArdourError(f"Ardour wrote no {output}: {said[-2000:]}")
        return run
    raise AssertionError("the last run returns or raises")


class _Numbers:
    """Ids for new things in a session file; each may be used once."""

    def __init__(self, first: int) -> None:
        self._next = first

    def next(self) -> str:
        self._next += 1
        return str(self._next - 1)


def _place_one(session: ElementTree.Element, playlist: ElementTree.Element, wav: Path, numbers: _Numbers) -> int:
    """One region for one file; Ardour wants a source for each channel. Returns its length in samples."""
    facts = soundfile.info(wav)
    region = dict.fromkeys(OFF, "0") | {"name": wav.stem, "id": numbers.next(), "type": "audio"}
    region |= {"opaque": "1", "scale-amplitude": "1", "layering-index": "0", "first-edit": "nothing"}
    length = f"a{_superclocks(facts.frames, facts.samplerate)}@a0"
    region |= {"start": "a0", "length": length, "sync-position": "a0", "channels": str(facts.channels)}
    for channel in range(facts.channels):
        source = {"name": wav.name, "id": numbers.next(), "channel": str(channel), "type": "audio", "gain": "1"}
        source |= {"flags": "", "take-id": "", "origin": "", "natural-position": "a0", "have-natural-position": "1"}
        _child(session, "Sources", "Source", source)
        region |= {f"source-{channel}": source["id"], f"master-source-{channel}": source["id"]}
    ElementTree.SubElement(playlist, "Region", region)
    frames: int = facts.frames
    return frames


def _superclocks(samples: int, rate: int) -> int:
    return samples * SUPERCLOCK_HZ // rate


def _child(session: ElementTree.Element, parent: str, name: str, attributes: dict[str, str]) -> None:
    found = session.find(parent)
    if found is None:
        raise ArdourError(f"the session file has no {parent}: it is not of an Ardour that this was written for")
    ElementTree.SubElement(found, name, attributes)


def _run(words: list[str], places: Surroundings, limit_s: float) -> str:
    """What the program said.

    Raises: ArdourError where it fails or takes longer than the limit.
    """
    try:
        done = subprocess.run(
            words, env=places.environment(), capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ArdourError(f"{words[0]} did not end within {limit_s:g} s") from error
    said = done.stdout + done.stderr
    if done.returncode != 0:
        failed = re.findall(r"^failed: (.*)$", said, re.MULTILINE)
        raise ArdourError(failed[0] if failed else f"{words[0]} ended with {done.returncode}: {said[-2000:]}")
    return said

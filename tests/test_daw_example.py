"""The parts of examples/daw that need no Ardour: the comparison, the session file, the errors."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import soundfile

import deshift
from examples.daw import ardour
from examples.daw.compare import compare
from tests.signals import SAMPLE_RATE, noise

SESSION = """<Session name="song" sample-rate="48000" id-counter="7">
  <Sources/><Locations/><Playlists><Playlist id="5" name="track1"/></Playlists>
</Session>"""


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A session folder of one track, as far as `place` looks."""
    folder = tmp_path / "song"
    (folder / "interchange/song/audiofiles").mkdir(parents=True)
    (folder / "song.ardour").write_text(SESSION, encoding="utf-8")
    return folder


def _wav(path: Path, frames: int, channels: int = 1, rate: int = SAMPLE_RATE) -> Path:
    soundfile.write(path, np.stack([noise(frames, seed) for seed in range(channels)], axis=1), rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("grid", [0, 256, 137])
def test_the_comparison_finds_where_the_hops_fell_and_the_largest_difference(exported_file: Path, grid: int) -> None:
    model = deshift.load(exported_file)
    recording = noise(20_001)[:, None]
    silence = 8 * model.facts.hop_samples + grid
    heard = model.process(np.pad(recording, ((silence, 0), (0, 0))), SAMPLE_RATE)[silence:]
    found = compare(heard, [recording], model)
    assert found.largest_difference <= 1e-6
    assert (grid - found.grid_samples) % 128 == 0  # this network halves the rate so often that such steps are alike
    heard[19_000] += 0.01
    assert compare(heard, [recording], model).largest_difference == pytest.approx(0.01, rel=1e-3)


def test_recordings_stand_in_the_session_file_in_ardours_unit_of_time(song: Path, tmp_path: Path) -> None:
    ardour.place(song, [_wav(tmp_path / "take.wav", 1000, channels=2)])
    session = ElementTree.parse(song / "song.ardour").getroot()
    (region,) = session.findall("Playlists/Playlist/Region")
    sources = session.findall("Sources/Source")
    (whole,) = session.findall("Locations/Location")
    assert region.get("length") == f"a{1000 * 5880}@a0"  # 282 240 000 superclocks a second / 48 000
    assert whole.get("end") == f"a{1000 * 5880}"
    assert [region.get("source-0"), region.get("source-1")] == [source.get("id") for source in sources]
    numbers = [int(element.get("id", "")) for element in (region, *sources, whole)]
    assert len(set(numbers)) == 4 and min(numbers) >= 7 and int(session.get("id-counter", "")) > max(numbers)
    assert (song / "interchange/song/audiofiles/take.wav").is_file()


def test_a_recording_that_does_not_fit_the_session_changes_nothing(song: Path, tmp_path: Path) -> None:
    good, wrong = _wav(tmp_path / "good.wav", 10), _wav(tmp_path / "wrong.wav", 10, rate=44_100)
    with pytest.raises(ardour.ArdourError, match=r"song\.ardour: 1 tracks, but 2 recordings to place$"):
        ardour.place(song, [good, good])
    with pytest.raises(ardour.ArdourError, match=r"the session runs at 48000 Hz, and a recording does not$"):
        ardour.place(song, [wrong])
    assert (song / "song.ardour").read_text(encoding="utf-8") == SESSION
    assert not list((song / "interchange/song/audiofiles").iterdir())


def test_a_missing_ardour_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ardour.ArdourError, match=r"^Ardour is missing: install it \(Debian: apt-get install ardour\)"):
        ardour.program("lua")


@pytest.mark.parametrize("crashes", [0, 2, 9])
def test_an_exporter_that_crashes_is_run_again_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, crashes: int
) -> None:
    exporter = tmp_path / "ardour9-export"
    count = f"echo run >>{tmp_path}/runs"
    crash = f'[ "$(grep -c run {tmp_path}/runs)" -gt {crashes} ] || exit 134'
    exporter.write_text("\n".join(["#!/bin/sh", count, crash, ': >"$4"', ""]))
    exporter.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    places = ardour.Surroundings(tmp_path, tmp_path / "home")
    if crashes < ardour.RENDER_TRIES:
        assert ardour.render(tmp_path / "song", tmp_path / "out.wav", places) == crashes + 1
    else:
        with pytest.raises(ardour.ArdourError, match="ardour9-export ended with 134"):
            ardour.render(tmp_path / "song", tmp_path / "out.wav", places)

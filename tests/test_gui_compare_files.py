"""What the compare page knows of files: their pictures, levels and stretches, at any length and block size."""

from __future__ import annotations

import math
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.files import compare_files
from gui.files.compare_detail import sharp_picture
from gui.files.compare_files import Sound, in_colours, read_stretch, scan
from gui.files.compare_inverse import render_inverse
from gui.files.compare_levels import gated_level, matching_gains
from gui.files.compare_measure import measure, reference_offset, stretch_of
from gui.files.compare_rows import time_text
from gui.files.compare_transport import clock_text
from realtime.audio_formats import AudioFileError
from tests.signals import SAMPLE_RATE, frequency_of, harmonic, noise, tone, voice


def written(path: Path, audio: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    soundfile.write(path, audio.T, rate, subtype="FLOAT")
    return path


def scanned(path: Path) -> Sound:
    found = scan(path, Event())
    assert found is not None
    return found


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193, 70_000])
def test_a_scan_knows_length_peak_and_power_of_a_file(tmp_path: Path, frames: int) -> None:
    audio = np.stack([noise(frames, 1), noise(frames, 2)])
    found = scanned(written(tmp_path / "a.wav", audio))
    assert (found.frames, found.channels, found.envelope.frames) == (frames, 2, frames)
    assert found.peak == pytest.approx(np.abs(audio).max())
    parts = np.split((audio.astype(float) ** 2).mean(axis=0), range(4800, frames, 4800))
    np.testing.assert_allclose(found.powers, [part.mean() for part in parts], rtol=1e-6)
    assert found.picture_s == pytest.approx(found.duration_s, abs=2 * 2048 / SAMPLE_RATE)


@pytest.mark.parametrize("longest", [4096, 40])
def test_the_picture_shows_a_tone_at_its_row_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    monkeypatch.setattr(compare_files, "MOST_COLUMNS", longest)
    audio = np.concatenate([np.zeros(48_000), tone(1000, 48_000), np.zeros(48_000)]).astype(np.float32)
    found = scanned(written(tmp_path / "a.wav", audio[None]))
    assert found.picture.shape[1] <= 2 * longest
    row = int(np.argmin(np.abs(found.frequencies_hz - 1000)))
    column_s = found.picture_s / found.picture.shape[1]
    loud = np.flatnonzero(found.picture[row] > 200) * column_s
    slack = 2048 / SAMPLE_RATE + column_s
    assert loud[0] == pytest.approx(1.0, abs=slack) and loud[-1] + column_s == pytest.approx(2.0, abs=slack)
    column = found.picture[:, int(1.5 / column_s)]
    assert abs(int(np.argmax(column)) - row) <= 1


def test_a_file_whose_header_claims_too_little_still_gets_a_bounded_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_files, "MOST_COLUMNS", 16)
    builder = compare_files._PictureBuilder(SAMPLE_RATE, 0)
    sound = np.zeros(20 * 32_768, np.float32)
    sound[10 * 32_768 : 11 * 32_768] = tone(500, 32_768)
    for block in np.split(sound, 20):
        builder.add(block)
    found = builder.finish()
    assert 16 <= found.shape[1] <= 3 * 16
    row = int(np.argmin(np.abs(builder.frequencies_hz - 500)))
    loud = np.flatnonzero(found[row] > -20) * builder.column_s * SAMPLE_RATE / 32_768
    assert loud[0] == pytest.approx(10, abs=1) and loud[-1] == pytest.approx(11, abs=1)


@settings(max_examples=10, deadline=None)
@given(from_s=st.floats(0, 1.4), length_s=st.floats(0, 1.0))
def test_a_stretch_is_that_of_the_file(
    from_s: float, length_s: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    audio = np.stack([noise(60_000, 3), noise(60_000, 4)])
    path = written(tmp_path_factory.mktemp("stretch") / "a.wav", audio)
    found = read_stretch(path, from_s, from_s + length_s, SAMPLE_RATE, Event())
    first, last = round(from_s * SAMPLE_RATE), round((from_s + length_s) * SAMPLE_RATE)
    np.testing.assert_allclose(found, audio[:, first:last].mean(axis=0), atol=1e-7)


def test_a_stretch_at_another_rate_keeps_its_pitch(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", tone(440, 44_100, 44_100)[None], 44_100)
    found = read_stretch(path, 0.2, 0.8, SAMPLE_RATE, Event())
    assert found is not None and len(found) == pytest.approx(0.6 * SAMPLE_RATE, abs=2)
    assert frequency_of(found) == pytest.approx(440, abs=0.2)


def test_stopped_work_gives_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", noise(100_000)[None])
    stop = Event()
    stop.set()
    assert scan(path, stop) is None and read_stretch(path, 0, 1, SAMPLE_RATE, stop) is None
    assert not render_inverse(path, tmp_path / "b.wav", -3.0, stop)
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_the_inverse_is_as_long_as_the_file_and_shifted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.stack([harmonic(440, 50_001), harmonic(330, 50_001)]))
    assert render_inverse(path, tmp_path / "b.wav", -12.0, Event())
    audio, rate = soundfile.read(tmp_path / "b.wav")
    assert audio.shape == (50_001, 2) and rate == SAMPLE_RATE
    assert frequency_of(audio[10_000:40_000, 0]) == pytest.approx(220, rel=0.003)


def test_a_level_leaves_out_pauses_and_is_none_for_silence() -> None:
    loud, pause = np.full(50, 0.01), np.full(150, 1e-9)
    assert gated_level(np.concatenate([loud, pause])) == pytest.approx(-20, abs=0.4)
    assert gated_level(pause) is None and gated_level(np.zeros(0)) is None
    assert gated_level(np.full(1, 0.1)) == pytest.approx(-10)


@settings(max_examples=40, deadline=None)
@given(
    levels=st.lists(st.none() | st.floats(-45, -20), min_size=1, max_size=4),
    peaks=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_gains_bring_all_to_one_level_within_full_scale(levels: list[float | None], peaks: list[float]) -> None:
    gains = matching_gains(levels, peaks[: len(levels)])
    assert all(peak * 10 ** (gain / 20) <= 1 + 1e-9 for peak, gain in zip(peaks, gains, strict=False))
    reached = [level + gain for level, gain in zip(levels, gains, strict=True) if level is not None]
    if levels[0] is not None:
        assert reached == pytest.approx([reached[0]] * len(reached))
    assert max(gains) <= 30 and min(gains) >= -60


def test_the_loudest_twenty_seconds_are_measured_and_only_those_are_read(tmp_path: Path) -> None:
    rate = 8000
    before = 0.01 * noise(30 * rate, level=0.1)
    before[8 * rate : 28 * rate] += voice(20 * rate, sample_rate=rate)
    sound = scanned(written(tmp_path / "a.wav", before[None], rate))
    assert stretch_of(sound) == pytest.approx((8.0, 28.0), abs=0.5)
    late = np.pad(before, (160, 0))
    sounds = {0: sound, 2: sound, 3: scanned(written(tmp_path / "r.wav", late[None], rate))}
    assert reference_offset(sounds, Event()) == 160
    found = measure(sounds, 2, None, Event())
    assert found is not None and found.from_s == pytest.approx(8.0, abs=0.5)
    assert found.offset_ms == pytest.approx(-20) and found.si_sdr_db is not None and found.si_sdr_db > 60


def test_a_sharp_picture_covers_its_stretch_and_has_the_colours_of_the_whole(tmp_path: Path) -> None:
    sound = scanned(written(tmp_path / "a.wav", tone(1000, 96_000)[None]))
    found = sharp_picture(sound, 0.5, 1.5, Event())
    assert found is not None and found[1] == pytest.approx(1.0)
    row = int(np.argmin(np.abs(sound.frequencies_hz - 1000)))
    assert abs(int(np.median(found[0][row])) - int(np.median(sound.picture[row]))) <= 2
    (tmp_path / "a.wav").unlink()
    with pytest.raises(AudioFileError, match=r"a\.wav"):
        sharp_picture(sound, 0.5, 1.5, Event())


def test_colours_follow_levels_and_hold_at_the_ends() -> None:
    found = in_colours(np.array([[-200.0, -90.0, -45.0, 0.0, 20.0, math.nan]], np.float32))
    assert found.dtype == np.uint8 and found[0].tolist()[:5] == [0, 0, 128, 255, 255]


def test_times_are_told_as_people_write_them() -> None:
    assert [clock_text(seconds) for seconds in (0, 3.25, 59.99, 3723.4)] == ["0:00.0", "0:03.2", "0:59.9", "1:02:03.4"]
    assert [time_text(value, 1) for value in (0.5, 75.5)] == ["0.5 s", "1:15.5"]
    assert [time_text(value, 0) for value in (20, 65, 3600)] == ["20 s", "1:05", "1:00:00"]

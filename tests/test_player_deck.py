"""What the player renders: the files as they are, aligned, and every change without a click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.live.player_deck import FADE_SECONDS, Deck, Timeline
from realtime.live.player_sound import Sound, Track, TrackReader, factors
from tests.signals import SAMPLE_RATE, noise, tone, voice

RATE = SAMPLE_RATE
FADE = round(FADE_SECONDS * RATE)
SIZES = (0, 1, 65, 511, 513, 8193)
SLOW_HZ, LEVEL = 100.0, 0.3
# A tone's own step, and that of two of them that cross: a hard cut would be up to 0.6.
SMOOTH = LEVEL * 2 * np.pi * SLOW_HZ / RATE + 2 * LEVEL / FADE + 1e-4


def saved(path: Path, audio: np.ndarray, rate: int = RATE, **options: Any) -> str:
    soundfile.write(path, audio, rate, **{"subtype": "FLOAT", **options})
    return str(path)


def rendered(deck: Deck, frames: int, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    parts, count = [], 0
    while count < frames:
        for size in sizes:
            parts.append(deck.render(min(size, frames - count)))
            count += parts[-1].shape[0]
    return np.concatenate(parts)


def playing(*tracks: Track, rate: int = RATE) -> Deck:
    deck = Deck(tracks, rate)
    deck.play()
    return deck


@pytest.fixture
def sound() -> np.ndarray:
    return noise(30_000)


@pytest.fixture
def path(tmp_path: Path, sound: np.ndarray) -> str:
    return saved(tmp_path / "sound.wav", sound)


@pytest.fixture
def slow(tmp_path: Path) -> str:
    return saved(tmp_path / "slow.wav", tone(SLOW_HZ, 2 * RATE, level=LEVEL))


def test_a_file_is_played_sample_for_sample_in_blocks_of_any_size_and_then_silence(
    path: str, sound: np.ndarray
) -> None:
    deck = playing(Track(path))
    heard = rendered(deck, 40_000)
    assert heard.shape == (40_000, 2) and heard.dtype == np.float32
    np.testing.assert_array_equal(heard[:30_000, 0], sound)
    np.testing.assert_array_equal(heard[:, 0], heard[:, 1])
    assert not heard[30_000:].any()
    assert deck.ended and not deck.playing and deck.position == deck.length == 30_000


@pytest.mark.parametrize("file_rate", [44_100, 96_000, 22_050, 44_101])
@pytest.mark.parametrize("at", [0, 1, 30_011])
def test_a_file_of_another_rate_is_heard_where_it_was_from_any_position_on(
    file_rate: int, at: int, tmp_path: Path
) -> None:
    name = saved(tmp_path / "other.wav", tone(1000, 2 * file_rate, file_rate), file_rate)
    deck = Deck([Track(name)], RATE)
    assert deck.length == 2 * RATE
    deck.seek(at)
    deck.play()
    heard = rendered(deck, 9000)[:, 0]
    np.testing.assert_allclose(heard[2000:], tone(1000, at + 9000)[at + 2000 :], atol=2e-4)


@pytest.mark.parametrize(("form", "ending"), [("FLAC", "flac"), ("OGG", "ogg"), ("MP3", "mp3"), ("AIFF", "aiff")])
def test_every_format_can_be_entered_in_the_middle(form: str, ending: str, tmp_path: Path) -> None:
    name = str(tmp_path / f"a.{ending}")
    soundfile.write(name, voice(200_000), RATE, format=form)
    loss = 1e-3 if form == "MP3" else 1e-6  # a seek, which soundfile does for each read, disturbs an MP3 decoder
    reader = TrackReader(Sound(name), 0, RATE)
    whole = reader.read(200_000)
    np.testing.assert_allclose(whole[0], soundfile.read(name, dtype="float32")[0], atol=loss)
    for at in (0, 1, 511, 8193, 40_003, 85_342, 198_000):
        reader.seek(at)
        np.testing.assert_allclose(reader.read(1513)[:, : 200_000 - at], whole[:, at : at + 1513], atol=loss)
    reader.close()


def test_offsets_align_files_of_other_rates_and_silence_stands_where_a_file_is_not(
    tmp_path: Path, path: str, sound: np.ndarray
) -> None:
    early = saved(tmp_path / "early.wav", np.concatenate([noise(700, 1), sound[:20_000]]))
    late = saved(tmp_path / "late.wav", sound[1000:])
    deck = playing(Track(path), Track(early, 700), Track(late, -1000))
    assert deck.length == 30_000
    parts = []
    for index in (0, 1, 2):
        deck.select(index)
        parts.append(rendered(deck, 8000)[:, 0])
    np.testing.assert_allclose(np.concatenate(parts), sound[:24_000], atol=1e-6)
    deck.seek(0)
    heard = rendered(deck, 2000)[:, 0]
    assert not heard[FADE:1000].any()
    np.testing.assert_array_equal(heard[1000:], sound[1000:2000])
    deck.select(1)
    deck.seek(19_000)
    assert not rendered(deck, 2000)[1000:].any()


def test_an_offset_counts_at_the_files_own_rate(tmp_path: Path) -> None:
    lead = tone(1000, 44_100 + 4410, 44_100)
    deck = Deck([Track(saved(tmp_path / "a.wav", lead, 44_100), 441)], RATE)
    deck.play()
    np.testing.assert_allclose(rendered(deck, 9000)[2000:, 0], tone(1000, 9480)[2480:], atol=2e-4)


def test_a_change_of_track_is_a_crossfade_of_10_ms_at_the_exact_same_position(
    path: str, sound: np.ndarray, tmp_path: Path
) -> None:
    deck = playing(Track(path), Track(saved(tmp_path / "half.wav", sound * np.float32(0.5))))
    first = rendered(deck, 5000)
    deck.select(1)
    second = rendered(deck, 5000)
    heard = np.concatenate([first, second])[:, 0] / sound[:10_000]
    np.testing.assert_allclose(heard[:5000], 1)
    np.testing.assert_allclose(heard[5000 : 5000 + FADE], 1 - 0.5 * np.arange(1, FADE + 1) / FADE, atol=1e-3)
    np.testing.assert_allclose(heard[5000 + FADE :], 0.5)
    deck.select(0)
    rendered(deck, FADE // 2)
    deck.select(1)  # in the middle of a change
    again = rendered(deck, 5000)[:, 0] / sound[10_000 + FADE // 2 : 15_000 + FADE // 2]
    np.testing.assert_allclose(again[0], 0.75, atol=0.01)
    np.testing.assert_allclose(again[FADE:], 0.5)


def test_gains_lower_all_tracks_rather_than_raise_one_so_that_nothing_clips(
    tmp_path: Path, path: str, sound: np.ndarray
) -> None:
    tracks = [Track(path, gain_db=-6), Track(path, gain_db=12), Track(path)]
    np.testing.assert_allclose(20 * np.log10(factors(tracks)), [-18, 0, -12], atol=1e-5)
    np.testing.assert_allclose(20 * np.log10(factors([Track(path), Track(path, gain_db=-3)])), [0, -3], atol=1e-5)
    deck = playing(*tracks)
    np.testing.assert_allclose(rendered(deck, 1000)[:, 0], sound[:1000] * 10 ** (-18 / 20), atol=1e-6)
    loud = playing(Track(saved(tmp_path / "loud.wav", 3 * sound / np.abs(sound).max())))
    assert np.abs(rendered(loud, 30_000)).max() == 1.0


def test_a_loop_repeats_exactly_and_its_seam_is_a_crossfade(slow: str, path: str, sound: np.ndarray) -> None:
    deck = playing(Track(path))
    deck.set_loop((10_000, 15_000))
    assert deck.position == 10_000
    rendered(deck, 5000)
    for _ in range(3):
        around = rendered(deck, 5000)[:, 0]
        np.testing.assert_array_equal(around[FADE:], sound[10_000 + FADE : 15_000])
        up = np.arange(1, FADE + 1) / FADE
        seam = sound[10_000 : 10_000 + FADE] * up + sound[15_000 : 15_000 + FADE] * (1 - up)
        np.testing.assert_allclose(around[:FADE], seam, atol=1e-6)
    deck.set_loop(None)
    rendered(deck, 5000)
    np.testing.assert_array_equal(rendered(deck, 500)[:, 0], sound[15_000:15_500])
    steady = playing(Track(slow))
    steady.set_loop((1000, 3513))
    assert np.abs(np.diff(rendered(steady, 30_000)[:, 0])).max() < SMOOTH


def test_a_jump_a_pause_and_a_start_make_no_click(slow: str) -> None:
    deck = playing(Track(slow), Track(slow, 240))
    parts = [rendered(deck, 1111)]
    for action in (
        lambda: deck.seek(40_123),
        lambda: deck.select(1),
        deck.pause,
        deck.play,
        lambda: deck.set_loop((7, 2500)),
        lambda: deck.change([Track(slow, 100), Track(slow, -77, 6)]),
        deck.pause,
    ):
        action()
        parts.append(rendered(deck, 1234))
    assert np.abs(np.diff(np.concatenate(parts)[:, 0])).max() < SMOOTH
    assert not parts[-1][FADE:].any()


def test_a_pause_stays_where_it_is_and_play_goes_on_from_there(path: str, sound: np.ndarray) -> None:
    deck = playing(Track(path))
    rendered(deck, 5000)
    deck.pause()
    down = rendered(deck, 3000)[:, 0]
    np.testing.assert_allclose(down[:FADE], sound[5000 : 5000 + FADE] * (1 - np.arange(1, FADE + 1) / FADE), atol=1e-6)
    assert not down[FADE:].any() and deck.position == 5000 + FADE
    deck.play()
    np.testing.assert_array_equal(rendered(deck, 2000)[FADE:, 0], sound[5000 + 2 * FADE : 7000 + FADE])


def test_play_at_the_end_begins_anew_and_an_empty_file_ends_at_once(path: str, sound: np.ndarray) -> None:
    deck = playing(Track(path))
    rendered(deck, 31_000)
    assert deck.ended
    deck.play()
    np.testing.assert_array_equal(rendered(deck, 1000)[:, 0], sound[:1000])
    nothing = playing(Track(path, 30_000))
    assert nothing.length == 0 and nothing.ended and not nothing.playing
    assert not nothing.render(100).any()


def test_one_channel_goes_to_both_sides_and_of_six_the_first_two_are_heard(tmp_path: Path) -> None:
    six = np.stack([np.full(1000, (channel + 1) / 10, dtype=np.float32) for channel in range(6)], axis=1)
    heard = playing(Track(saved(tmp_path / "six.wav", six))).render(1000)
    np.testing.assert_allclose(heard, six[:, :2])
    broken = np.array([0.1, np.nan, np.inf, 0.2], dtype=np.float32)
    np.testing.assert_allclose(
        playing(Track(saved(tmp_path / "nan.wav", broken))).render(4)[:, 0], [0.1, 0, 0, 0.2], atol=1e-7
    )


def test_a_damaged_file_is_silent_from_the_damage_on(tmp_path: Path) -> None:
    name = tmp_path / "cut.flac"
    soundfile.write(name, noise(60_000), RATE)
    whole = playing(Track(str(name))).render(60_000)
    name.write_bytes(name.read_bytes()[:60_000])
    heard = rendered(playing(Track(str(name))), 60_000)
    found = int(np.flatnonzero(heard[:, 0])[-1])
    assert 5000 < found < 50_000
    np.testing.assert_allclose(heard[: found - 5000], whole[: found - 5000], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"path": ""}, "needs the path"),
        ({"path": "a", "offset_samples": 0.5}, "a: the offset must be a whole number"),
        ({"path": "a", "gain_db": float("nan")}, "a: the gain must lie within ±60 dB"),
        ({"path": "a", "gain_db": 61}, "a: the gain must lie within ±60 dB"),
    ],
)
def test_a_track_that_cannot_be_is_one_line(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Track(**values)


def test_what_cannot_be_done_is_said_and_changes_nothing(path: str, sound: np.ndarray, tmp_path: Path) -> None:
    deck = playing(Track(path))
    for wrong in (-1, 1):
        with pytest.raises(ValueError, match="there is no track"):
            deck.select(wrong)
    for short in ((0, 2000), (29_000, 40_000), (5000, 1000)):
        with pytest.raises(ValueError, match="at least 50 ms long"):
            deck.set_loop(short)
    with pytest.raises(ValueError, match=r"nothing\.wav: cannot be read: No such file"):
        Deck([Track(path), Track(str(tmp_path / "nothing.wav"))], RATE)
    np.testing.assert_array_equal(rendered(deck, 1000)[:, 0], sound[:1000])


def test_other_offsets_move_the_end_and_nothing_lies_beyond_it(path: str) -> None:
    deck = playing(Track(path))
    deck.set_loop((20_000, 30_000))
    rendered(deck, 9000)
    deck.change([Track(path, 25_000)])
    assert (deck.length, deck.position, deck.loop) == (5000, 5000, None)
    rendered(deck, 1000)
    assert deck.ended


def test_the_timeline_tells_what_was_heard_when() -> None:
    line = Timeline(100, 7)
    line.mark(200, 7, True)
    line.mark(300, 1000, True)
    line.mark(350, 1050, False)
    for played, position, moving in (
        *((0, 7, False), (199.5, 7, False), (250.5, 57.5, True), (300, 1000, True)),
        *((349, 1049, True), (350, 1050, False), (9999, 1050, False)),
    ):
        assert line.at(played) == (position, moving)
    line.mark(300, 5, True)  # decided anew: what was to come later is void
    assert line.at(400) == (105, True)


ACTIONS = st.one_of(
    st.tuples(st.just("render"), st.integers(0, 3000)),
    st.tuples(st.just("seek"), st.integers(-10, 2 * RATE + 10)),
    st.tuples(st.just("select"), st.integers(0, 1)),
    st.tuples(st.just("play"), st.none()),
    st.tuples(st.just("pause"), st.none()),
    st.tuples(st.just("loop"), st.tuples(st.integers(0, RATE), st.integers(2400, RATE))),
    st.tuples(st.just("loop"), st.none()),
    st.tuples(st.just("change"), st.integers(-2000, 2000)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=25))
def test_whatever_is_done_in_whatever_order_there_is_no_click_and_the_position_is_told(
    slow: str, actions: list[tuple[str, Any]]
) -> None:
    deck = playing(Track(slow), Track(slow, 240))
    parts = [deck.render(FADE)]
    for name, value in actions:
        if name == "render":
            parts.append(deck.render(value))
        elif name == "seek":
            deck.seek(value)
        elif name == "select":
            deck.select(value)
        elif name == "loop":
            deck.set_loop(None if value is None else (value[0], value[0] + value[1]))
        elif name == "change":
            deck.change([Track(slow, value), Track(slow)])
        else:
            getattr(deck, name)()
        assert 0 <= deck.position <= deck.length
        assert deck.timeline.at(deck.rendered + FADE)[0] <= deck.length + FADE
    parts.append(deck.render(FADE))
    steps = np.abs(np.diff(np.concatenate(parts)[:, 0]))
    # The tone itself ends at its zero; jumps may pile up within one fade, each with a fade of its own.
    assert steps.max() < SMOOTH + 2 * LEVEL / FADE * len(actions)
    deck.close()

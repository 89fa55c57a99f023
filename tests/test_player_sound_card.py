"""The player on a real PortAudio stream: what a virtual sound card hears is the file, and a lost card is told."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime.live.player import Player, PlayerStatus, Track
from tests.signals import SAMPLE_RATE, noise
from tests.virtual_sound_card import CARD_NAME, FakeCard, JackServer

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or shutil.which("jackd") is None,
        reason="the virtual sound card needs jackd",
    ),
]
PERIOD = 256
FADE = 480
SOUND = noise(4 * SAMPLE_RATE)


@pytest.fixture
def files(tmp_path: Path) -> list[Track]:
    """The same noise, and half as loud, 700 samples later."""
    soundfile.write(tmp_path / "a.wav", SOUND, SAMPLE_RATE, subtype="FLOAT")
    late = np.concatenate([np.zeros(700, np.float32), SOUND * np.float32(0.5)])
    soundfile.write(tmp_path / "b.wav", late, SAMPLE_RATE, subtype="FLOAT")
    return [Track(str(tmp_path / "a.wav")), Track(str(tmp_path / "b.wav"), 700)]


@contextmanager
def listening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int = SAMPLE_RATE
) -> Iterator[tuple[Player, FakeCard, JackServer]]:
    with JackServer(rate, PERIOD) as server, FakeCard(server, tmp_path / "card.npz", "zeros") as card:
        for name, value in server.environment.items():
            if name.startswith("JACK_"):
                monkeypatch.setenv(name, value)
        with Player(CARD_NAME) as player:
            yield player, card, server


def wait_until(player: Player, position_s: float) -> PlayerStatus:
    over = time.monotonic() + 10
    while (status := player.status()).position_s < position_s:
        assert status.state == "playing" and time.monotonic() < over, status
        time.sleep(0.005)
    return status


def found_at(sound: np.ndarray, piece: np.ndarray) -> int:
    """Where in the sound a piece of it lies."""
    size = 1 << (len(sound) + len(piece)).bit_length()
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(piece, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(sound)]))


def heard_in(arrays: dict[str, Any], status: PlayerStatus) -> np.ndarray:
    """All that was heard; skips where the machine was too busy, and that was said."""
    filled, xruns = np.flatnonzero(arrays["heard"]), arrays["xruns"]
    if status.dropouts or np.any((xruns >= filled[0]) & (xruns <= filled[-1])):
        pytest.skip(f"the machine was too busy for a sound card: {status.dropouts} dropouts, xruns at {xruns}")
    heard: np.ndarray = arrays["heard"][filled[0] : filled[-1] + 1]
    return heard


def test_the_card_hears_the_file_and_a_change_at_the_exact_same_position_within_100_ms(
    tmp_path: Path, files: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tmp_path, monkeypatch) as (player, card, _):
        player.load(files)
        player.play()
        assert player.status().output_name == "fakecard, JACK Audio Connection Kit"
        position_s = wait_until(player, 1.0).position_s
        player.select(1)
        wait_until(player, 2.0)
        player.pause()
        time.sleep(0.2)
        status = player.status()
        heard = heard_in(card.unplug(), status)
    np.testing.assert_array_equal(heard[:40_000], SOUND[:40_000])
    ratio = heard[: len(heard) - 2 * FADE] / SOUND[: len(heard) - 2 * FADE]
    changes = np.flatnonzero(np.abs(np.diff(ratio)) > 1e-4)
    assert 0.004 < (changes[-1] - changes[0]) / SAMPLE_RATE < 0.015
    np.testing.assert_allclose(ratio[changes[-1] + 2 :], 0.5, atol=1e-6)
    assert 0 < changes[0] / SAMPLE_RATE - position_s < 0.1
    assert status.position_s == pytest.approx(len(heard) / SAMPLE_RATE, abs=0.001)


def test_the_seam_of_a_loop_and_a_jump_are_heard_at_the_right_place(
    tmp_path: Path, files: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tmp_path, monkeypatch) as (player, card, _):
        player.load(files)
        player.loop((1.0, 1.25))
        player.play()
        time.sleep(0.9)
        player.loop(None)
        player.seek(3.0)
        time.sleep(0.3)
        status = player.status()
        heard = heard_in(card.unplug(), status)
    for turn in range(3):
        start = turn * 12_000
        np.testing.assert_allclose(heard[start + FADE : start + 12_000], SOUND[48_000 + FADE : 60_000], atol=1e-6)
    last = heard[-4000:-1000]
    at = found_at(SOUND, last)
    assert 3 * SAMPLE_RATE < at < 3.5 * SAMPLE_RATE
    np.testing.assert_allclose(last, SOUND[at : at + 3000], atol=1e-6)


def test_the_position_that_is_told_is_the_one_that_is_heard(
    tmp_path: Path, files: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the server's own clock: the first frame heard, and the status at a known time after it."""
    with listening(tmp_path, monkeypatch) as (player, card, _):
        player.load(files)
        player.play()
        wait_until(player, 0.5)
        told_s = player.status().position_s
        player.pause()  # what was heard until now, and the queue, come out; the fade marks the place
        time.sleep(0.2)
        status = player.status()
        heard = heard_in(card.unplug(), status)
    length_s = len(heard) / SAMPLE_RATE
    assert status.position_s == pytest.approx(length_s, abs=0.001)
    assert 0.03 < length_s - told_s < 0.1  # the queue that was still to come, and the fade


def test_a_card_of_another_rate_hears_the_same(
    tmp_path: Path, files: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 500 * time_s), SAMPLE_RATE, subtype="FLOAT")
    with listening(tmp_path, monkeypatch, 44_100) as (player, card, _):
        player.load([Track(str(tmp_path / "tone.wav"))])
        player.seek(0.5)
        player.play()
        wait_until(player, 1.2)
        status = player.status()
        heard = heard_in(card.unplug(), status)
    heard = heard[1000:21_000]
    spectrum = np.abs(np.fft.rfft(heard[:17_640] * np.hanning(17_640)))
    assert int(np.argmax(spectrum)) * 44_100 / 17_640 == 500
    assert np.sqrt(2) * heard[:17_640].std() == pytest.approx(0.3, abs=0.003)


def test_a_killed_sound_server_is_told_and_the_next_play_goes_on_where_it_was(
    tmp_path: Path, files: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tmp_path, monkeypatch) as (player, card, server):
        player.load(files)
        player.select(1)
        player.play()
        wait_until(player, 0.5)
        server.kill()
        over = time.monotonic() + 5
        while (status := player.status()).state != "failed":
            assert time.monotonic() < over
            time.sleep(0.02)
        assert status.message.startswith("fakecard, JACK Audio Connection Kit: the sound stopped; see whether")
        assert status.position_s > 0.4 and status.selected == 1
        with pytest.raises(ValueError) as error:
            player.play()  # it is still gone
        assert "\n" not in str(error.value)
        card.unplug()
        server.start()
        with FakeCard(server, tmp_path / "again.npz", "zeros") as again:
            player.play()
            assert player.status().state == "playing" and player.status().selected == 1
            wait_until(player, status.position_s + 0.2)
            before = time.monotonic()
            assert player.close() is True
            assert time.monotonic() - before < 2.5
            heard = np.trim_zeros(again.unplug()["heard"])
    piece = heard[2000:6000]
    at = found_at(SOUND, piece)
    assert status.position_s - 0.05 < (at - 2000) / SAMPLE_RATE < status.position_s + 0.05
    np.testing.assert_allclose(piece, 0.5 * SOUND[at : at + 4000], atol=1e-6)

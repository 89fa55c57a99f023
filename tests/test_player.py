"""The player and its process, on a clock without sound: it tells the truth, and nothing of it hangs or stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import soundfile

from realtime.live import player_process
from realtime.live.player import Player, PlayerStatus, Track
from realtime.live.player_process import PlayerProcess
from realtime.live.shared import SharedMemory
from tests.signals import SAMPLE_RATE, tone

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[1]
LENGTH_S = 3.0


def wait_for(player: Player, found: Callable[[PlayerStatus], bool], limit_s: float = 10.0) -> PlayerStatus:
    over = time.monotonic() + limit_s
    while not found(status := player.status()):
        assert time.monotonic() < over, status
        time.sleep(0.01)
    return status


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def pid_of(player: Player) -> int:
    assert player._link is not None
    return player._link.child.pid


@pytest.fixture
def path(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "a.wav", tone(300, round(LENGTH_S * SAMPLE_RATE)), SAMPLE_RATE)
    return str(tmp_path / "a.wav")


@pytest.fixture
def player(path: str) -> Iterator[Player]:
    with Player("none") as player:
        player.load([Track(path), Track(path, gain_db=-6)])
        yield player


def test_a_player_is_empty_then_paused_then_playing_and_its_position_keeps_time(path: str) -> None:
    with Player("none") as player:
        assert player.status() == PlayerStatus("empty")
        with pytest.raises(ValueError, match="nothing is loaded"):
            player.play()
        player.load([Track(path)])
        assert player.status() == PlayerStatus("paused", 0.0, LENGTH_S)
        began = time.monotonic()
        player.play()
        assert player.status().state == "playing"
        last_s = 0.0
        while time.monotonic() - began < 1.0:
            status, now_s = player.status(), time.monotonic() - began
            assert last_s - 0.002 <= status.position_s <= now_s + 0.02
            last_s = status.position_s
            time.sleep(0.005)
        assert status.output_name == "none"
        assert last_s == pytest.approx(1.0, abs=0.25)  # a busy machine may hold it up
        player.pause()
        assert player.status().state == "paused"
        time.sleep(0.1)
        first = player.status().position_s
        time.sleep(0.2)
        assert player.status().position_s == first == pytest.approx(last_s, abs=0.25)


def test_seek_select_and_loop_are_seen_at_once_and_the_end_is_told_when_it_is_heard(player: Player) -> None:
    player.seek(1.25)
    player.select(1)
    player.loop((1.0, 2.0))
    assert player.status() == PlayerStatus("paused", 1.25, LENGTH_S, 1, (1.0, 2.0))
    player.loop((2.0, 99.0))
    assert player.status() == PlayerStatus("paused", 2.0, LENGTH_S, 1, (2.0, LENGTH_S))
    player.loop(None)
    player.seek(99.0)
    assert player.status().position_s == LENGTH_S
    player.seek(2.5)
    player.play()
    before = time.monotonic()
    status = wait_for(player, lambda status: status.state == "ended")
    assert time.monotonic() - before > 0.4 and status.position_s == LENGTH_S
    player.play()
    assert wait_for(player, lambda status: 0.05 < status.position_s < 1.0).state == "playing"


def test_a_loop_goes_round_and_the_position_stays_inside(player: Player) -> None:
    player.loop((0.5, 0.7))
    player.play()
    positions = []
    for _ in range(100):
        positions.append(player.status().position_s)
        time.sleep(0.01)
    assert min(positions) >= 0.5 and max(positions) < 0.7
    assert sum(later < earlier for earlier, later in pairwise(positions)) >= 3


def test_the_same_files_with_other_gains_and_offsets_go_on_playing(player: Player, path: str) -> None:
    player.seek(0.5)
    player.select(1)
    player.play()
    player.load([Track(path, 480), Track(path, gain_db=-12)])
    status = player.status()
    assert (status.state, status.selected) == ("playing", 1)
    assert 0.5 <= status.position_s < 1.0


def test_a_file_that_cannot_be_read_is_one_line_and_what_was_loaded_stays(player: Player, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name, complaint in (("text.wav", "not an audio file"), ("absent.wav", "No such file")):
        with pytest.raises(ValueError, match=complaint) as error:
            player.load([Track(str(tmp_path / name))])
        assert "\n" not in str(error.value) and name in str(error.value)
    assert player.status() == PlayerStatus("paused", 0.0, LENGTH_S)
    for wrong, complaint in (
        (lambda: player.select(2), "there is no track 2"),
        (lambda: player.loop((1.0, 1.01)), "at least 50 ms"),
        (lambda: player.load([]), "1 to 16"),
    ):
        with pytest.raises(ValueError, match=complaint):
            wrong()


def test_an_output_that_is_not_there_is_one_line_and_the_player_can_go_on(path: str) -> None:
    with Player("no such loudspeaker") as player:
        player.load([Track(path)])
        with pytest.raises(ValueError, match=r"no such loudspeaker|PortAudio") as error:
            player.play()
        assert "\n" not in str(error.value)
        assert player.status().state == "paused"
        player.output = "none"
        player.load([Track(path)])
        player.play()
        assert player.status().state == "playing"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_process_that_hangs_is_a_sentence_and_is_replaced_by_the_next_play(player: Player) -> None:
    player.seek(1.0)
    player.select(1)
    player.play()
    pid = pid_of(player)
    os.kill(pid, signal.SIGSTOP)
    slowest_s, over = 0.0, time.monotonic() + 6
    while player.status().state != "failed" and time.monotonic() < over:
        before = time.monotonic()
        player.status()
        slowest_s = max(slowest_s, time.monotonic() - before)
        time.sleep(0.02)
    status = player.status()
    assert (status.state, status.selected) == ("failed", 1)
    assert status.message == "the sound system does not answer; press play to start it again"
    assert slowest_s < 0.1
    player.play()
    assert player.status().state == "playing" and player.status().selected == 1
    assert player.status().position_s >= 1.0
    wait_for(player, lambda status: is_gone(pid))


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_process_that_dies_is_a_sentence_and_is_replaced(player: Player) -> None:
    player.play()
    wait_for(player, lambda status: status.position_s > 0.1)
    os.kill(pid_of(player), signal.SIGKILL)
    status = wait_for(player, lambda status: status.state == "failed")
    assert status.message.startswith("the player's process ended unexpectedly")
    assert status.position_s > 0.1
    player.pause()  # nothing sounds: nothing to do
    assert player.status().state == "failed"
    player.play()
    assert player.status().state == "playing" and player.status().position_s > 0.1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_closing_never_hangs_and_nothing_can_be_asked_afterwards(path: str) -> None:
    player = Player("none")
    player.load([Track(path)])
    player.play()
    os.kill(pid_of(player), signal.SIGSTOP)
    pid, before = pid_of(player), time.monotonic()
    assert player.close(0.5) is False
    assert time.monotonic() - before < 2.0
    assert is_gone(pid)
    assert player.close() is True
    assert player.status().state == "paused"
    with pytest.raises(ValueError, match="was closed"):
        player.play()
    orderly = Player("none")
    orderly.load([Track(path)])
    orderly.play()
    assert orderly.close() is True


def test_a_loudspeaker_that_plays_nothing_is_closed_and_opened_again_by_play(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turn by turn, in this process."""
    monkeypatch.setattr(player_process, "IDLE_SECONDS", 0.05)
    shared = SharedMemory.create(ring_frames=1)
    process = PlayerProcess(shared.token)
    process._load({"tracks": [{"path": path}], "output": "none"})

    def turn(seconds: float) -> None:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            process._turn()
            time.sleep(0.002)

    def told() -> dict[str, Any]:
        process._tell()
        return shared.read("status") or {}

    assert process._speaker is None
    process._play({})
    turn(0.2)
    process._pause({})
    assert process._speaker is not None and told()["state"] == "paused"
    turn(0.3)
    paused = told()
    assert process._speaker is None
    assert paused["position_s"] > 0.1 and paused["state"] == "paused"
    turn(0.1)
    process._play({})
    assert process._speaker is not None and told()["position_s"] == paused["position_s"]
    turn(0.2)
    assert told()["position_s"] > paused["position_s"] + 0.05


OWNER = """
import sys, time
from realtime.live.player import Player, Track
player = Player("none")
player.load([Track(sys.argv[1])])
player.play()
found = {"sounddevice", "_sounddevice", "rtmixer", "PyQt6"} & set(sys.modules)
print(player._link.child.pid, sorted(found), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_the_owner_loads_no_portaudio_and_its_death_ends_the_process_within_a_second(path: str) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, _, loaded = owner.stdout.readline().partition(" ")
    assert json.loads(loaded) == []
    owner.kill()
    owner.communicate()
    over = time.monotonic() + 1.0
    while not is_gone(int(pid)):
        assert time.monotonic() < over
        time.sleep(0.01)

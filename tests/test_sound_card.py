"""The real PortAudio on a virtual sound card: every frame arrives, as late as planned, and what breaks is noticed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live_session import wait_until
from tests.virtual_sound_card import ROOT, FakeCard, JackServer, delay_frames

JACK = "JACK Audio Connection Kit"
PREFILL_FRAMES, HOP_FRAMES = 1024, 512

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the virtual sound card needs Linux"),
]


class Looping:
    """`tests/loop_through.py` in a process of its own."""

    def __init__(self, server: JackServer, hop_frames: int = HOP_FRAMES, two: bool = False, **choice: object) -> None:
        wanted = {"input": "fakecard", "output": "fakecard", **choice}
        words = [json.dumps(wanted), PREFILL_FRAMES, hop_frames, *(["two"] if two else [])]
        self._process = server.python("-m", "tests.loop_through", *words, stderr=None)
        self.facts = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        return facts

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> dict[str, Any]:
        self.tell(line)
        return self._answer()

    def health(self) -> dict[str, Any]:
        return self.ask("health")

    def wait_for(self, limit_s: float, **expected: object) -> float:
        """Ask until the health has these values; returns the seconds it took."""
        began = time.monotonic()
        while True:
            health = self.health()
            if all(health[name] == value for name, value in expected.items()):
                return time.monotonic() - began
            assert time.monotonic() - began < limit_s, (expected, health)
            time.sleep(0.02)

    def leave(self, limit_s: float = 5.0) -> dict[str, Any]:
        """Stop the device and end the process; what it said of that."""
        facts = self.ask(f"stop {limit_s}")
        self._process.communicate(timeout=10)
        return facts

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=10)


@contextmanager
def looping(server: JackServer, **options: Any) -> Iterator[Looping]:
    loop = Looping(server, **options)
    try:
        yield loop
    finally:
        loop.end()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "card.npz"


def differing_frames(arrays: dict[str, Any], delay: int) -> int:
    heard, played = arrays["heard"], arrays["played"]
    filled = np.flatnonzero(heard)
    first, end = int(filled[0]), int(filled[-1]) + 1
    assert end - first > 2 * 40_000, "less than two seconds were heard"
    return int(np.count_nonzero(heard[first:end] != played[first - delay : end - delay]))


def xruns_while_heard(arrays: dict[str, Any]) -> int:
    filled = np.flatnonzero(arrays["heard"])
    return int(np.count_nonzero((arrays["xruns"] >= filled[0]) & (arrays["xruns"] <= filled[-1])))


def is_undisturbed(health: dict[str, Any], arrays: dict[str, Any]) -> bool:
    """Whether nothing was reported; a shared machine may well disturb a small block, and then it has to be said."""
    counts = ("input_overflows", "output_underflows", "gaps", "stalls", "concealed")
    return not any(health[name] for name in counts) and not xruns_while_heard(arrays)


@pytest.mark.parametrize(
    "rate, period, block",
    [(48_000, 256, 256), (48_000, 128, 480), (44_100, 256, 0), (96_000, 512, 512), (48_000, 256, 64)],
)
def test_every_frame_comes_back_bit_for_bit_and_as_late_as_planned(
    rate: int, period: int, block: int, kept: Path
) -> None:
    hop_frames = 256 if block == 480 else HOP_FRAMES  # what the prefill leaves time for: block + hop - gcd of both
    with JackServer(rate, period) as server, FakeCard(server, kept) as card:
        with looping(server, block_frames=block, hop_frames=hop_frames) as loop:
            assert loop.facts["input_rate"] == loop.facts["output_rate"] == rate
            assert loop.facts["block_frames"] == (block or period)
            assert loop.facts["one_clock"] and loop.facts["input_name"] == f"fakecard, {JACK}"
            time.sleep(2.5)
            health = loop.health()
            assert health["running"] and health["callbacks"] > rate / max(block, period)  # 2.5 s, on a busy machine
            assert loop.leave()["stopped"] is True
        arrays = card.unplug()
    # PortAudio's JACK backend holds one block of its own; a client that hears itself does so a period later.
    delay = delay_frames(arrays["played"], arrays["heard"])
    disturbed = not is_undisturbed(health, arrays)
    assert disturbed or delay == PREFILL_FRAMES + block + period
    assert disturbed or differing_frames(arrays, delay) == 0


def test_a_system_that_moves_several_blocks_at_once_is_found_out(kept: Path) -> None:
    with JackServer(period_frames=512) as server, FakeCard(server, kept), looping(server, block_frames=64) as loop:
        loop.wait_for(3, block_frames=512)


@pytest.mark.parametrize("two", [False, True], ids=["one clock", "two streams"])
def test_after_a_stall_of_the_interpreter_the_latency_is_what_it_was(two: bool, kept: Path, tmp_path: Path) -> None:
    with (
        JackServer() as server,
        FakeCard(server, kept) as card,
        FakeCard(server, tmp_path / "sink.npz", name="fakesink") as sink,
    ):
        with looping(server, block_frames=256, two=two, output="fakesink") as loop:
            assert loop.facts["one_clock"] is not two
            time.sleep(1.5)
            loop.ask("stall 0.5")
            time.sleep(2.5)
            health = loop.health()
            assert loop.leave()["stopped"] is True
        source, target = card.unplug(), sink.unplug()
    shift = int(target["began"]) - int(source["began"])  # the two count from their own first frames
    heard = np.concatenate([np.zeros(shift, dtype=np.float32), target["heard"]])
    delays = [delay_frames(source["played"], heard, part) for part in (0.15, 0.85)]
    assert health["stalls"] >= 1
    assert 0.8 * 24_000 < health["slipped"] < 48_000
    assert abs(delays[1] - delays[0]) <= (2 * 256 if two else 0)
    if not two and not (xruns_while_heard(target) or health["input_overflows"] or health["output_underflows"]):
        assert differing_frames({"played": source["played"], "heard": heard}, delays[0]) == pytest.approx(
            health["slipped"] + health["concealed"], abs=256
        )


def test_after_a_stall_longer_than_the_rings_the_latency_is_what_it_was(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept) as card:
        with looping(server, block_frames=256) as loop:
            time.sleep(1)
            loop.ask("stall 4")
            time.sleep(1.5)
            assert loop.health()["stalls"] >= 1
            assert loop.leave()["stopped"] is True
        arrays = card.unplug()
    assert delay_frames(arrays["played"], arrays["heard"], 0.05) == delay_frames(
        arrays["played"], arrays["heard"], 0.95
    )


def test_a_device_that_stands_still_is_a_gap_and_not_running_until_it_goes_on(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept), looping(server, block_frames=256) as loop:
        time.sleep(0.5)
        assert loop.health()["gaps"] == 0
        with server.stalled():
            assert loop.wait_for(2, gaps=1) >= 0.15
            loop.wait_for(2, running=False)
        loop.wait_for(3, running=True)
        wait_until(lambda: loop.health()["input_overflows"] + loop.health()["output_underflows"] >= 1, 3)  # told later
        assert loop.health()["gaps"] == 1


def test_a_killed_sound_server_is_noticed_and_a_stop_that_hangs_comes_back(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept), looping(server, block_frames=256) as loop:
        time.sleep(0.5)
        assert loop.health()["running"]
        server.kill()
        assert loop.wait_for(1.5, running=False) < 1.5
        facts = loop.leave(limit_s=0.5)
        assert facts["stopped"] is False
        assert facts["took_s"] < 1.0


def test_an_unplugged_client_leaves_silence_and_a_stream_that_stops(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept) as card, looping(server, block_frames=256) as loop:
        time.sleep(0.5)
        card.unplug()
        before = loop.health()["callbacks"]
        time.sleep(0.5)
        health = loop.health()
        assert health["running"] and health["callbacks"] > before + 40
        assert loop.leave()["stopped"] is True


def test_a_block_that_grows_while_running_is_reported(kept: Path) -> None:
    with JackServer(period_frames=256) as server, FakeCard(server, kept), looping(server) as loop:
        assert loop.facts["block_frames"] == 256
        server.command("period", 1024)
        loop.wait_for(5, block_frames=1024, running=True)


def test_an_error_of_the_engine_is_reported_and_the_device_does_not_run_on(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept), looping(server, block_frames=256) as loop:
        loop.tell("raise")
        loop.wait_for(2, running=False)
        assert "ZeroDivisionError: asked for" in loop.health()["error"]
        assert loop.leave()["stopped"] is True


def test_a_latency_that_cannot_be_is_not_shown(kept: Path) -> None:
    with JackServer() as server, FakeCard(server, kept):
        with looping(server, block_frames=256) as loop:  # PortAudio says 89478 s for a client such as this
            health = loop.health()
            assert health["input_latency_s"] is None and health["output_latency_s"] is None
            loop.leave()
        with looping(server, block_frames=256, input="system", output="system") as loop:
            assert 0 <= loop.health()["output_latency_s"] < 0.1
            loop.leave()


def test_devices_are_listed_chosen_and_refused_in_one_line(kept: Path) -> None:
    with JackServer(rate=44_100) as server, FakeCard(server, kept):
        listed = json.loads(server.python(ROOT / "deshift.py", "devices", "--json").communicate(timeout=60)[0])
        fake = next(device for device in listed if device["name"] == "fakecard")
        assert (fake["host_api"], fake["rates"], fake["default_rate"]) == (JACK, [44_100], 44_100)
        assert (fake["input_channels"], fake["output_channels"]) == (2, 2)
        assert sum(device["default_input"] for device in listed) == 1
        shown = server.python(ROOT / "deshift.py", "devices").communicate(timeout=60)[0].splitlines()
        assert shown[0] == JACK
        assert [line.split()[2:7] for line in shown if "fakecard" in line] == [["2", "in,", "2", "out", "44.1"]]
        assert any(line.startswith("><") and "system" in line for line in shown)
        for choice, complaint in (
            ({"rate": 48_000}, f"fakecard, {JACK}: does not run at 48000 Hz; it takes 44100"),
            ({"input": "headset"}, 'the input device "headset" is absent; there are: 0 "system, JACK'),
            ({"output": "jack"}, 'the output device "jack" is ambiguous: 0 "system, JACK'),
            ({"input_channels": 3}, f"fakecard, {JACK}: has 2 input channels, not 3"),
        ):
            with looping(server, **choice) as loop:
                assert loop.facts["error"].startswith(complaint)
                assert "\n" not in loop.facts["error"]
        with looping(server, input=f"system, {JACK}", output=fake["index"], output_channels=1) as loop:
            assert loop.facts["one_clock"]
            assert loop.leave()["stopped"] is True

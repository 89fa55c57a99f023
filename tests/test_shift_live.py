"""The shift to undo while a session runs: self-test, inverse and readouts follow it, and it outlives processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import deshift
from realtime.live.host import Host
from realtime.live.live_line import nothing_undone
from realtime.live.self_test import Follower, SelfTest
from realtime.live.settings import LiveSettings
from realtime.live.typed import TypedCommands
from realtime.quality.pitch import f0_track
from tests import plugin_files as files
from tests.live_session import NOWHERE, PATIENT_MS, pid_of, wait_until
from tests.signals import SAMPLE_RATE, voice

pytestmark = pytest.mark.real_time
HINT = "nothing is undone yet: start with --semitones N, or type `set 0.semitones N`; N is 12 for"


@pytest.fixture
def settings(tmp_path: Path) -> LiveSettings:
    """A model that undoes what it is told, on a recording that the host shifts by as much."""
    soundfile.write(tmp_path / "clean.wav", voice(2 * SAMPLE_RATE, 180), SAMPLE_RATE, subtype="FLOAT")
    model = str(files.undoing_plugin(tmp_path / "undoes.onnx"))
    clean = str(tmp_path / "clean.wav")
    return LiveSettings(NOWHERE, model, deadline_ms=PATIENT_MS, quality=False, self_test=clean, semitones=7)


@pytest.fixture
def running(settings: LiveSettings) -> Iterator[Host]:
    with Host(settings) as host:
        yield host


def between(host: Host, one: str, other: str) -> float:
    """By how many semitones one of the newest signals lies above another; NaN where there is no pitch."""
    audio = host.newest_audio(24_000)
    if audio is None or audio.frames < 24_000:
        return float("nan")
    low, high = (f0_track(audio.signals[name], SAMPLE_RATE).f0_hz for name in (other, one))
    voiced = np.isfinite(low) & np.isfinite(high)
    return float(np.median(12 * np.log2(high[voiced] / low[voiced]))) if voiced.sum() > 5 else float("nan")


def test_the_self_test_follows_what_is_to_be_undone_and_comes_back_with_it_after_a_crash(running: Host) -> None:
    wait_until(lambda: between(running, "raw", "reference") == pytest.approx(7, abs=0.3))
    wait_until(lambda: between(running, "model", "reference") == pytest.approx(0, abs=0.3))
    assert running.facts["undone_semitones"] == [7, 7]
    running.set_control("0.semitones", -4)
    assert running.facts["undone_semitones"] == [-4, -4]
    wait_until(lambda: between(running, "raw", "reference") == pytest.approx(-4, abs=0.3))
    wait_until(lambda: between(running, "model", "reference") == pytest.approx(0, abs=0.3))
    os.kill(pid_of(running), signal.SIGKILL)
    wait_until(lambda: running.status().restarts == 1 and running.status().engine.state == "running")
    assert running.facts["undone_semitones"] == [-4, -4]
    wait_until(lambda: between(running, "raw", "reference") == pytest.approx(-4, abs=0.3))


def test_the_readouts_are_told_what_is_undone_now(settings: LiveSettings) -> None:
    def shifted_again() -> float | None:
        quality = host.status().quality
        return None if quality is None else quality.consistency.semitones

    with Host(replace(settings, quality=True)) as host:
        wait_until(lambda: shifted_again() == 7, 40)
        host.set_control("0.semitones", -4)
        wait_until(lambda: shifted_again() == -4, 40)


def test_a_model_that_is_swapped_in_goes_on_undoing_the_same(running: Host, tmp_path: Path) -> None:
    typed = TypedCommands(running, lambda: None)
    typed.do(f"model {files.undoing_plugin(tmp_path / 'second.onnx', 0.5, name='second')}")
    assert (typed.answer, running.facts["undone_semitones"]) == ("now: second", [7, 7])
    assert running.settings.semitones == 7
    wait_until(lambda: running.status().engine.swaps == 1)
    wait_until(lambda: between(running, "model", "reference") == pytest.approx(0, abs=0.3))
    typed.do(f"model {files.gain_plugin(tmp_path / 'one.onnx', hop_samples=512)}")
    assert (running.facts["shift_control"], running.facts["undone_semitones"]) == (None, [12, 12])
    assert running.settings.semitones is None  # a restart would otherwise refuse it
    wait_until(lambda: between(running, "raw", "reference") == pytest.approx(12, abs=0.3))
    typed.do(f"model {tmp_path / 'second.onnx'}")
    assert typed.answer.startswith(f"now: second; {HINT}")


def test_the_inverse_follows_while_it_is_heard(settings: LiveSettings) -> None:
    with Host(replace(settings, compare=True)) as host:
        host.set_control("listen", "inverse")
        wait_until(lambda: between(host, "heard", "raw") == pytest.approx(-7, abs=0.3))
        host.set_control("0.semitones", -4)
        wait_until(lambda: between(host, "heard", "raw") == pytest.approx(4, abs=0.3))


def live(*words: object) -> tuple[int, list[str]]:
    nowhere = ("--input", "none", "--output", "none", "--no-quality", "--seconds", "0.2", "--deadline", "200")
    result = CliRunner().invoke(deshift.main, ["live", *nowhere, *map(str, words)])
    return result.exit_code, result.stderr.splitlines()


@pytest.mark.parametrize("words, hinted", [((), True), (("--semitones", "0"), False), (("--semitones", "12"), False)])
def test_live_says_in_one_line_that_nothing_is_undone_until_it_is_told(
    settings: LiveSettings, words: tuple[str, ...], hinted: bool
) -> None:
    exit_code, lines = live("-m", settings.model, *words)
    assert exit_code == 0
    assert [line.startswith(HINT) for line in lines].count(True) == hinted


def test_live_refuses_a_shift_that_the_model_does_not_take(settings: LiveSettings, tmp_path: Path) -> None:
    exit_code, lines = live("-m", settings.model, "--semitones", "13")
    assert (exit_code, lines) == (1, ["Error: undoes undoes shifts of -12 … +12 semitones, not +13"])
    exit_code, lines = live("-m", files.gain_plugin(tmp_path / "one.onnx"), "--semitones", "12")
    assert exit_code == 1 and len(lines) == 1 and "takes no shift to undo: it undoes what it was trained" in lines[0]


def test_no_hint_for_a_chain_that_takes_no_shift_or_was_told() -> None:
    assert nothing_undone({"shift_control": None, "undone_semitones": [0, 0]}) == ""
    assert nothing_undone({"shift_control": "1.semitones", "undone_semitones": [-3, -3]}) == ""
    assert "`set 1.semitones N`" in nothing_undone({"shift_control": "1.semitones", "undone_semitones": [0, 0]})


def test_of_many_turns_the_self_test_is_made_for_the_last(settings: LiveSettings) -> None:
    assert settings.self_test is not None
    made: list[SelfTest] = []
    follower = Follower(SelfTest(Path(settings.self_test), SAMPLE_RATE, 1, 0), made.append)
    for step in range(41):
        follower.follow(-step / 10)
    wait_until(lambda: bool(made) and made[-1].semitones == -4)
    time.sleep(0.2)
    assert len(made) < 20 and made[-1].semitones == -4
    expected = SelfTest(Path(settings.self_test), SAMPLE_RATE, 1, -4)
    assert np.array_equal(made[-1].shifted, expected.shifted)
    assert np.array_equal(made[-1].original, expected.original)

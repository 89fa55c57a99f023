"""The analyst: figures of what is heard from shared memory, the original found by itself, none of it in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime.live.analyst import Analyst
from realtime.live.reference import ReferenceTrack, correlate
from realtime.live.shared import SharedMemory
from tests.signals import SAMPLE_RATE, harmonic, voice

ROOT = Path(__file__).parents[1]
HOP = 512
MODEL: dict[str, Any] = {"shift_semitones": [12.0, 12.0], "reference": None, "shifter": "vocoder"}


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    memory = SharedMemory.create()
    yield memory
    memory.close()


@pytest.fixture
def analyst(shared: SharedMemory) -> Analyst:
    return Analyst(f"fd:{os.dup(shared.descriptor)}")


def hops(shared: SharedMemory, raw: np.ndarray, heard: np.ndarray, reference: np.ndarray | None = None) -> None:
    """What the engine would write."""
    reference = np.zeros_like(raw) if reference is None else reference
    for start in range(0, len(raw), HOP):
        part = slice(start, start + HOP)
        shared.write_audio(raw[part], heard[part], heard[part], reference[part])


def figures(shared: SharedMemory) -> dict[str, Any]:
    document = shared.read("readouts")
    assert document is not None and document["pid"] == os.getpid()
    readouts: dict[str, Any] = document["readouts"]
    return readouts


def test_it_measures_the_shift_that_was_applied(shared: SharedMemory, analyst: Analyst) -> None:
    high, low = harmonic(400, 3 * SAMPLE_RATE), harmonic(200, 3 * SAMPLE_RATE)
    shared.begin_audio(SAMPLE_RATE, False)
    hops(shared, high, low)
    analyst._begin(MODEL)
    assert analyst.step() and not analyst.step()
    got = figures(shared)
    assert got["pitch"]["applied_semitones"] == pytest.approx(-12, abs=0.1)
    assert got["levels"]["input"]["peak_dbfs"] == pytest.approx(
        20 * np.log10(np.abs(high[-SAMPLE_RATE:]).max()), abs=0.1
    )
    assert got["reference"]["mel_distance"] is None and set(got["ages_s"]) == {"pitch"}


def test_before_it_knows_the_model_it_says_nothing(shared: SharedMemory, analyst: Analyst) -> None:
    shared.begin_audio(SAMPLE_RATE, False)
    hops(shared, *[voice(SAMPLE_RATE)] * 2)
    assert not analyst.step() and shared.read("readouts") is None


def test_the_self_tests_reference_is_measured_against(shared: SharedMemory, analyst: Analyst) -> None:
    sound = voice(2 * SAMPLE_RATE)
    shared.begin_audio(SAMPLE_RATE, True)
    analyst._begin(MODEL)
    for part in np.array_split(sound, 3):
        hops(shared, part, 0.5 * part, part)
        analyst.step()
        analyst._rolling._rest_until = -np.inf  # type: ignore[union-attr]  # as if there was time for every part
    got = figures(shared)["reference"]
    assert got["exact"] and got["offset_samples"] == 0 and got["si_sdr_db"] > 40


def test_figures_begin_anew_with_another_rate(shared: SharedMemory, analyst: Analyst) -> None:
    shared.begin_audio(SAMPLE_RATE, False)
    analyst._begin(MODEL)
    hops(shared, harmonic(400, SAMPLE_RATE), harmonic(200, SAMPLE_RATE))
    analyst.step()
    shared.begin_audio(16_000, False)
    hops(shared, harmonic(300, 32_000, 16_000), harmonic(300, 32_000, 16_000))
    analyst.step()
    got = figures(shared)["pitch"]
    assert got["input_f0_hz"] == pytest.approx(300, rel=0.01)
    assert got["applied_semitones"] == pytest.approx(0, abs=0.1)


def test_what_is_no_number_becomes_nothing(shared: SharedMemory, analyst: Analyst) -> None:
    shared.begin_audio(SAMPLE_RATE, False)
    analyst._begin(MODEL)
    broken = np.full(SAMPLE_RATE, np.nan, np.float32)
    hops(shared, broken, broken)
    assert analyst.step()
    assert "NaN" not in json.dumps(figures(shared))


def test_the_original_is_found_wherever_the_playing_stands(tmp_path: Path) -> None:
    original = np.concatenate([voice(6 * SAMPLE_RATE, 130), voice(5 * SAMPLE_RATE, 190)[::-1], voice(4 * SAMPLE_RATE)])
    path = tmp_path / "original.wav"
    soundfile.write(path, original, SAMPLE_RATE, subtype="FLOAT")
    track = ReferenceTrack(path, SAMPLE_RATE)
    started = int(4.2 * SAMPLE_RATE)  # the player was 4.2 s into the recording
    noise = 0.003 * np.random.default_rng(0).standard_normal(len(original)).astype(np.float32)
    played = 0.6 * original + noise
    found = None
    for at in range(started, len(original), 9600):
        part = track.follow(1_000_000 + at - started, played[at : at + 9600])
        if part is not None:
            assert track.offset is not None
            late = (1_000_000 - started) - track.offset
            assert abs(late) <= 0.01 * SAMPLE_RATE
            np.testing.assert_array_equal(part, original[at + late : at + late + len(part)][: len(part)])
            found = at if found is None else found
            if at > 12 * SAMPLE_RATE:
                break
    assert found is not None and found - started < 5 * SAMPLE_RATE


def test_a_playing_that_was_moved_is_found_again(tmp_path: Path) -> None:
    original = np.concatenate([voice(6 * SAMPLE_RATE, 130), voice(6 * SAMPLE_RATE, 190)[::-1]])
    path = tmp_path / "original.wav"
    soundfile.write(path, original, SAMPLE_RATE, subtype="FLOAT")
    track = ReferenceTrack(path, SAMPLE_RATE)
    stream = np.concatenate([original[: 5 * SAMPLE_RATE], original[6 * SAMPLE_RATE : 12 * SAMPLE_RATE]])
    offsets = []
    for at in range(0, len(stream), 9600):
        track.follow(at, stream[at : at + 9600])
        offsets.append(track.offset)
    assert offsets[22] is not None and abs(offsets[22]) <= 480
    assert offsets[-1] is not None and abs(offsets[-1] + SAMPLE_RATE) <= 480


def test_another_recording_is_not_taken_for_the_original(tmp_path: Path) -> None:
    path = tmp_path / "other.wav"
    soundfile.write(path, voice(6 * SAMPLE_RATE)[::-1], SAMPLE_RATE, subtype="FLOAT")
    track = ReferenceTrack(path, SAMPLE_RATE)
    noise = np.random.default_rng(1).standard_normal(6 * SAMPLE_RATE).astype(np.float32) * 0.1
    assert all(track.follow(at, noise[at : at + 4800]) is None for at in range(0, len(noise), 4800))


def test_the_correlation_is_that_of_each_stretch() -> None:
    generator = np.random.default_rng(2)
    pattern, track = generator.standard_normal(40), generator.standard_normal(300)
    expected = [np.corrcoef(pattern, track[at : at + 40])[0, 1] for at in range(261)]
    np.testing.assert_allclose(correlate(pattern, track), expected, atol=1e-9)


def test_a_reference_that_cannot_be_read_is_told_and_stops_nothing(
    shared: SharedMemory, analyst: Analyst, tmp_path: Path
) -> None:
    shared.begin_audio(SAMPLE_RATE, False)
    analyst._begin({**MODEL, "reference": str(tmp_path / "none.wav")})
    hops(shared, *[voice(SAMPLE_RATE)] * 2)
    assert analyst.step()
    assert str(tmp_path / "none.wav") in figures(shared)["notes"][0]


def test_the_process_measures_at_low_priority_and_ends_with_its_input(shared: SharedMemory) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "realtime.live.child", "analyst", shared.token]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(shared.descriptor,), env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"id": 7, "command": "model", **MODEL}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"id": 7, "ok": True, "result": {}}
        shared.begin_audio(SAMPLE_RATE, False)
        hops(shared, *[voice(SAMPLE_RATE)] * 2)
        over = time.monotonic() + 10
        while shared.read("readouts") is None and time.monotonic() < over:
            time.sleep(0.05)
        document = shared.read("readouts")
        assert document is not None and document["pid"] == process.pid
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
        process.stdin.close()
        assert process.wait(3) == 0

"""The LV2 plugins inside other programs: lilv's tools, jalv on a virtual sound card, Ardour without a screen."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

import deshift
from examples.daw import ardour
from examples.daw.compare import compare
from export.lv2.bundle import BundleFacts, write_bundle
from realtime.model import Model
from tests.ardour_session import JACK, OpenSession
from tests.jack_recorder import Recorder
from tests.lv2_bundles import control_plugin, require_tools
from tests.patient_server import PatientServer
from tests.signals import SAMPLE_RATE, Audio, noise
from tests.virtual_sound_card import FakeCard

pytestmark = pytest.mark.real_time
PERIOD = 4096
HOP = 512
PAUSE = 4800
TAKES = 4  # at most, until there is one without an xrun, after which a sound server leaves a block out
TRACKS = 10  # nine mono ones and a stereo one


@dataclass(frozen=True)
class Made:
    """A bundle in a folder of its own, and deshift's own host of the same model."""

    bundle: BundleFacts
    model: Model

    @property
    def places(self) -> ardour.Surroundings:
        """For Ardour: this bundle alone, and a home that the test throws away."""
        return ardour.Surroundings(self.bundle.path.parent, self.bundle.path.parents[1] / "home")


def _made(model: Path, folder: Path) -> Made:
    require_tools()
    (folder / "lv2").mkdir()
    return Made(write_bundle(model, folder / "lv2" / "model.lv2"), deshift.load(model))


@pytest.fixture(scope="module")
def network(exported_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A trained network, small enough that ten of it play at once on any machine."""
    return _made(exported_file, tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def knobs(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """y = gain * x + offset."""
    folder = tmp_path_factory.mktemp("knobs")
    return _made(control_plugin(folder / "knobs.onnx"), folder)


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"the program {program} is missing (Debian: apt-get install {package})")


def _need_ardour() -> None:
    try:
        ardour.program("lua")
        ardour.program("export")
    except ardour.ArdourError as error:
        pytest.skip(str(error))


def _run(words: list[str], made: Made, timeout_s: float = 60) -> str:
    environment = {**os.environ, "LV2_PATH": f"{made.bundle.path.parent}:/usr/lib/lv2"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _write(path: Path, audio: Audio) -> Path:
    """A WAV of floats from ``(N,)`` or ``(N, C)``."""
    soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
    return path


def _read(path: Path) -> Audio:
    samples: Audio = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


def test_the_tools_of_lv2_find_both_plugins_and_nothing_to_say_against_them(network: Made) -> None:
    _need("lv2_validate", "sordi")
    _need("lv2ls", "lilv-utils")
    turtle = [str(path) for path in sorted(network.bundle.path.glob("*.ttl"))]
    assert "0 errors" in _run(["lv2_validate", *turtle], network)
    uris = {network.bundle.mono_uri, network.bundle.stereo_uri}
    assert uris <= set(_run(["lv2ls"], network).split())
    for uri in uris:
        said = _run(["lv2info", uri], network)
        assert re.search(r"Has latency: +yes, reported by port \d", said), said


def test_lv2apply_renders_a_file_like_deshift_process(network: Made, tmp_path: Path) -> None:
    _need("lv2apply", "lilv-utils")
    recording = noise(9001)
    source, target = _write(tmp_path / "in.wav", recording), tmp_path / "out.wav"
    # It runs a sample at a time, as fast as it can, and so has to say that it is no live sound.
    words = ["lv2apply", "-i", str(source), "-o", str(target), "-c", "freewheel", "1", network.bundle.mono_uri]
    _run(words, network)
    heard = _read(target)
    late = _first_match(heard[:, 0], network.model.process(recording, SAMPLE_RATE))
    assert HOP < late < 8 * HOP
    expected = network.model.process(recording, SAMPLE_RATE)[: len(heard) - late]
    np.testing.assert_allclose(heard[late:, 0], expected, atol=1e-6)


def _first_match(heard: Audio, expected: Audio) -> int:
    """By how many samples `heard` is later than `expected`, from their cross-correlation."""
    size = 1 << int(np.ceil(np.log2(len(heard) + len(expected))))
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(expected, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(heard)]))


@pytest.fixture
def server() -> Iterator[PatientServer]:
    _need("jackd", "jackd2")
    running = PatientServer(SAMPLE_RATE, PERIOD)
    with running:
        yield running


def test_jalv_plays_a_track_as_late_as_jack_is_told_and_like_deshift_process(
    server: PatientServer, network: Made, tmp_path: Path
) -> None:
    _need("jalv", "jalv")
    environment = {**server.environment, "LV2_PATH": str(network.bundle.path.parent)}
    words = ["jalv", "-n", "deshift", network.bundle.mono_uri]
    with (
        subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as jalv,
        FakeCard(server, tmp_path / "played.npz", name="source") as source,
        FakeCard(server, tmp_path / "heard.npz", name="sink") as sink,
    ):
        _wait_for(server, "deshift:out")
        server.command("connect", "source:play_1", "deshift:in")
        server.command("connect", "deshift:out", "sink:record_1")
        latency = server.latency("deshift:in")  # jalv 1.6.6 adds the plugin's to the wrong one of its two ports
        time.sleep(2.5)
        heard, played = sink.unplug(), source.unplug()
        jalv.communicate(timeout=20)  # the end of its input ends it
    assert latency == HOP + PERIOD
    settled = network.model.facts.receptive_field_samples
    shift = int(heard["began"]) - int(played["began"])
    ends = np.flatnonzero(heard["heard"])[[0, -1]]
    start, end = _calmest([*ends, *heard["xruns"], *(played["xruns"] - shift)], latency)
    before = start + shift - latency
    recording = played["played"][before : before + end - start + PERIOD, None]
    found = compare(heard["heard"][start:end, None], [recording], network.model, settled)
    assert end - start > SAMPLE_RATE // 2, "no half a second without an xrun"
    assert found.largest_difference <= 1e-6, found


def _calmest(edges: list[int], latency: int) -> tuple[int, int]:
    """The longest stretch between edges, in whole blocks. An xrun is one: a block is left out after it."""
    start, end = max(itertools.pairwise(sorted(map(int, edges))), key=lambda pair: pair[1] - pair[0])
    return ((start + latency) // PERIOD + 2) * PERIOD, (end // PERIOD - 1) * PERIOD


def _wait_for(server: PatientServer, port: str, limit_s: float = 15.0) -> None:
    deadline = time.monotonic() + limit_s
    while port not in server.ports():
        assert time.monotonic() < deadline, f"no port {port} within {limit_s} s: {server.ports()}"
        time.sleep(0.1)


def test_ten_plugins_in_ardour_are_as_late_as_they_say_and_equal_deshift_process_live_and_bounced(
    server: PatientServer, network: Made, tmp_path: Path
) -> None:
    """Where both equal the same thing, the bounce equals the live performance."""
    _need_ardour()
    mono, stereo = network.bundle.mono_uri, network.bundle.stereo_uri
    recordings = [_after_a_pause(noise(40_001, seed))[:, None] for seed in range(TRACKS - 1)]
    recordings.append(np.stack([_after_a_pause(noise(48_001, 20)), _after_a_pause(noise(48_001, 21))], axis=1))
    files = [_write(tmp_path / f"{number}.wav", audio) for number, audio in enumerate(recordings)]
    plugins = [(mono, 1)] * (TRACKS - 1) + [(stereo, 2)]
    tracks = ardour.make_session(tmp_path / "song", plugins, network.places, SAMPLE_RATE, 1024)
    assert [(track.plugin_latency, track.route_latency) for track in tracks] == [(HOP + 1024, HOP + 1024)] * TRACKS
    ardour.place(tmp_path / "song", files)
    ardour.render(tmp_path / "song", tmp_path / "bounced.wav", network.places)
    bounced = compare(_read(tmp_path / "bounced.wav"), recordings, network.model)
    # Ardour makes up for the latency: the bounce begins with the first sample of the recordings and ends with the last.
    assert bounced.largest_difference <= 1e-5, bounced  # a sum of ten tracks

    heard = _play(server, network, tmp_path)
    start = _first_match(heard[0], network.model.process(recordings[0][:, 0], SAMPLE_RATE))
    for number, recording in enumerate(recordings):
        rows = heard[number : number + recording.shape[1], start : start + 48_001]
        found = compare(rows.T, [recording], network.model)
        assert found.largest_difference <= 1e-6, (number, found)


def _after_a_pause(audio: Audio) -> Audio:
    """Ardour fades in what plays when its transport starts."""
    audio[:PAUSE] = 0
    return audio


def _play(server: PatientServer, network: Made, folder: Path) -> Audio:
    """The session in real time. Returns: ``(tracks + 1, N)``, the outputs of the mono tracks, then left and right."""
    ports = [f"ardour:track{number}/audio_out 1" for number in range(1, TRACKS + 1)]
    ports.append(f"ardour:track{TRACKS}/audio_out 2")
    with OpenSession(folder / "song", network.places, server.environment, JACK) as session:
        expected = {f"track{number}": (HOP + PERIOD, HOP + PERIOD) for number in range(1, TRACKS + 1)}
        assert session.latencies() == expected
        for take in range(TAKES):
            with Recorder(server, folder / f"take{take}.npz", ports) as recorder:
                session.tell("roll")
                time.sleep(2.5)
                heard, xruns = recorder.stop()
            if not xruns:
                break
    return heard


def test_a_session_of_ardour_keeps_the_controls_the_mix_and_the_switch(knobs: Made, tmp_path: Path) -> None:
    _need_ardour()
    recording = noise(20_001)[:, None]
    song = tmp_path / "song"
    ardour.make_session(song, [(knobs.bundle.mono_uri, 1)], knobs.places, SAMPLE_RATE)
    ardour.place(song, [_write(tmp_path / "take.wav", recording)])
    with OpenSession(song, knobs.places) as session:
        assert session.values("track1")["Gain"] == 1.0
        for label, value in (("Gain", 0.25), ("Mix", 0.5)):
            session.tell("set", label, value)
        session.tell("save")
    ardour.render(song, tmp_path / "turned.wav", knobs.places)
    np.testing.assert_allclose(_read(tmp_path / "turned.wav")[:, :1], (0.5 + 0.5 * 0.25) * recording, atol=1e-6)
    with OpenSession(song, knobs.places) as session:
        values = session.values("track1")
        assert (values["Gain"], values["Mix"], values["Offset"], values["active"]) == (0.25, 0.5, 0.0, 1.0)
        session.tell("activate", "no")
        session.tell("save")
    ardour.render(song, tmp_path / "off.wav", knobs.places)
    np.testing.assert_array_equal(_read(tmp_path / "off.wav")[:, :1], recording)


def test_a_track_that_ardour_freezes_equals_deshift_process_from_its_first_sample_to_its_last(
    network: Made, tmp_path: Path
) -> None:
    """A freeze runs in blocks of 8192, as fast as it can, and does not say so by the freewheel port."""
    _need_ardour()
    recording, song = noise(100_001)[:, None], tmp_path / "song"
    ardour.make_session(song, [(network.bundle.mono_uri, 1)], network.places, SAMPLE_RATE)
    ardour.place(song, [_write(tmp_path / "take.wav", recording)])
    with OpenSession(song, network.places) as session:
        session.tell("freeze", len(recording))
    frozen = _read(song / "interchange" / "song" / "audiofiles" / "frozen.wav")
    assert frozen.shape == recording.shape
    assert compare(frozen, [recording], network.model).largest_difference <= 1e-6

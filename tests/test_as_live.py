"""“Render as live” is the live path: bit for bit what a session gave, on a simulated device and on a real stream."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from realtime.contract import Control
from realtime.live.as_live import LiveModel, LiveRenderer
from realtime.live.assemble import load_chain
from realtime.live.device import DeviceChoice
from realtime.live.host import Host
from realtime.live.mixer import from_db
from realtime.live.script import parse_script
from realtime.live.settings import LiveSettings
from realtime.live.simulation import Simulation
from realtime.plugins.chain import Chain
from tests import plugin_files as files
from tests.live_programs import JACK
from tests.signals import noise, tone, voice
from tests.virtual_sound_card import CARD_NAME, FakeCard, JackServer, delay_frames

RATE = 48_000
CEILING = from_db(-1.0)


def level_plugin(path: Path, default: float = 0.5) -> Path:
    """y = level * x: a model with a control."""
    model = files.make_model(
        [helper.make_node("Mul", ["audio", "control_level"], ["audio_out"])], [], controls=("level",)
    )
    control = Control("level", "", 0.0, 4.0, default)
    return files.save(path, model, files.make_facts(model, controls=(control,)).to_metadata())


def two_members(folder: Path) -> Path:
    """A preset: a filter with a hop of 48 and a memory, and a vocoder, its control turned."""
    files.one_pole_plugin(folder / "pole.onnx", hop=48, receptive_field_samples=4096)
    plugins = [
        {"kind": "model", "model": "pole.onnx"},
        {"kind": "vocoder", "semitones": -7.5, "window_samples": 1024},
    ]
    path = folder / "two.json"
    path.write_text(json.dumps({"format": 1, "name": "two", "plugins": plugins}))
    return path


def chosen(kind: str, folder: Path) -> dict[str, str]:
    if kind == "preset":
        return {"preset": str(two_members(folder))}
    if kind == "control":
        return {"model": str(level_plugin(folder / "level.onnx", 1.7))}
    return {"model": str(files.delay_plugin(folder / "delay.onnx", 333))}


def rendered(model: LiveModel, audio: np.ndarray, rate: int = RATE, mix: float = 1.0, block: int = 8193) -> np.ndarray:
    """``(C, N)`` in one go of blocks."""
    renderer = model.renderer(audio.shape[0], rate, mix)
    parts = [renderer.process(audio[:, at : at + block]) for at in range(0, audio.shape[1], block)]
    return np.concatenate([*parts, renderer.finish()], axis=1)


@pytest.mark.parametrize("rate", [48_000, 44_100])
@pytest.mark.parametrize("block", [64, 128, 511, 1024])
@pytest.mark.parametrize("kind", ["control", "preset", "lookahead"])
def test_a_session_on_a_simulated_device_gave_the_same_bits(kind: str, block: int, rate: int, tmp_path: Path) -> None:
    model, mix = chosen(kind, tmp_path), 0.5 if block in (128, 511) else 1.0
    text = (
        f"seconds = 1.0\n[controls]\nmix = {mix}\n[chain]\nplugin = 'gain'\ncost_ms = 0\n"
        f"[device]\nblock_frames = {block}\ninput_rate = {rate}\noutput_rate = {rate}\n"
    )
    live = Simulation(parse_script(text), chain=load_chain(LiveSettings(**model)).chain, keep=True)
    assert not live.run().misses
    captured, heard = (audio[:, :1].T for audio in live.recordings[0].audio())
    delay = live.engine.plan.in_app_frames
    assert np.abs(heard).max() > 0.05
    expected = rendered(LiveModel(**model), captured, rate, mix)
    assert expected.shape == captured.shape
    np.testing.assert_array_equal(heard[:, delay:], expected[:, : heard.shape[1] - delay])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.sampled_from([0, 1, 65, 511, 513, 8193, 30_011]),
    block=st.sampled_from([1, 65, 511, 513, 8193]),
    rate=st.sampled_from([8000, 44_100, 48_000]),
    channels=st.integers(1, 2),
)
def test_as_many_samples_come_out_as_went_in_and_the_blocks_do_not_matter(
    tmp_path: Path, frames: int, block: int, rate: int, channels: int
) -> None:
    model = LiveModel(str(files.delay_plugin(tmp_path / "delay.onnx", 333)))
    audio = np.stack([noise(frames, seed) for seed in range(channels)])
    step = max(block, frames // 50 or 1)
    heard = rendered(model, audio, rate, block=step)
    assert heard.shape == audio.shape and heard.dtype == np.float32
    np.testing.assert_array_equal(heard, rendered(model, audio, rate))


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 8000])
def test_the_delay_is_taken_off_at_any_rate(rate: int, tmp_path: Path) -> None:
    model = LiveModel(str(files.delay_plugin(tmp_path / "delay.onnx", 480)))
    sound = tone(440, rate, rate)[None]
    heard = rendered(model, sound, rate)
    fade = rate // 10
    np.testing.assert_allclose(heard[:, fade:-fade], sound[:, fade:-fade], atol=0.003)
    assert np.abs(heard[0, : rate // 1000]).max() < 0.1  # the session's own fade-in is part of it


def test_the_limiter_of_a_session_is_heard_and_the_mix_too(tmp_path: Path) -> None:
    model = LiveModel(str(level_plugin(tmp_path / "level.onnx", 4.0)))
    loud = tone(200, RATE, level=0.9)[None]
    heard = rendered(model, loud)
    assert np.abs(heard).max() <= CEILING + 1e-6 < 4 * 0.9
    raw = rendered(model, 0.2 * loud, mix=0.0)
    np.testing.assert_array_equal(raw[:, 6000:], (0.2 * loud)[:, 6000:].astype(np.float32))
    half = rendered(model, 0.1 * loud, mix=0.5)
    np.testing.assert_allclose(half[:, 6000:], 2.5 * 0.1 * loud[:, 6000:], rtol=1e-5, atol=1e-7)


def test_one_model_renders_one_file_after_the_other_each_from_silence(tmp_path: Path) -> None:
    model = LiveModel(preset=str(two_members(tmp_path)))
    assert (model.name, model.names) == ("two", LiveModel(preset=str(tmp_path / "two.json")).names)
    audio = np.stack([voice(30_000), voice(30_000, 220)])
    first = rendered(model, audio)
    rendered(model, audio[:1])
    np.testing.assert_array_equal(rendered(model, audio), first)
    assert model.latency_samples == load_chain(LiveSettings(preset=str(tmp_path / "two.json"))).chain.latency_samples
    assert model.facts is not None and model.facts.name == "test plugin"
    assert model.muted_blocks == 0


def test_what_a_live_session_cannot_do_is_one_line(tmp_path: Path) -> None:
    model = LiveModel(str(files.gain_plugin(tmp_path / "half.onnx", 0.5)))
    with pytest.raises(ValueError, match="a live session has one or two channels, not 3"):
        model.renderer(3, RATE)
    with pytest.raises(ValueError, match="mix must lie within 0 … 1"):
        model.renderer(1, RATE, 2.0)
    with pytest.raises(ValueError, match="no such plugin file"):
        LiveModel("nobody")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad\.json"):
        LiveModel(preset=str(tmp_path / "bad.json"))


class Failing:
    """A plugin that fails at its third block."""

    sample_rate, hop_samples, channels, latency_samples = RATE, 64, 1, 64
    calls = 0

    def reset(self) -> None:
        self.calls = 0

    def process(self, block: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls > 100:
            raise RuntimeError("out of luck")
        return block


def test_a_plugin_that_fails_fails_the_file_and_the_next_one_begins_with_a_new_chain(tmp_path: Path) -> None:
    renderer = LiveRenderer(Chain([Failing()]), RATE)
    with pytest.raises(ValueError, match="failing failed: RuntimeError: out of luck; take it out"):
        renderer.process(noise(20_000)[None])
    model = LiveModel(str(files.gain_plugin(tmp_path / "half.onnx", 0.5)))
    model._chains[1] = Chain([Failing()])
    sound = noise(20_000)[None]
    with pytest.raises(ValueError, match="out of luck"):
        rendered(model, sound)
    np.testing.assert_allclose(rendered(model, sound)[:, 6000:], 0.5 * sound[:, 6000:], atol=1e-7)


@pytest.mark.real_time
@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("jackd") is None, reason="the virtual sound card needs jackd"
)
def test_a_session_on_a_real_stream_gave_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.one_pole_plugin(tmp_path / "pole.onnx", 0.7)
    with JackServer() as server, FakeCard(server, tmp_path / "card.npz") as card:
        for name, value in server.environment.items():
            if name.startswith("JACK_"):
                monkeypatch.setenv(name, value)
        device = DeviceChoice(f"{CARD_NAME}, {JACK}", f"{CARD_NAME}, {JACK}", block_frames=256)
        host = Host(LiveSettings(device, str(path), deadline_ms=200, quality=False, allow_feedback=True))
        with host:
            time.sleep(2.0)
            misses = host.status().engine.misses
        arrays = card.unplug()
    played, heard, xruns = arrays["played"], arrays["heard"], arrays["xruns"]
    filled = np.flatnonzero(heard)
    first, last = int(filled[0]), int(filled[-1])
    if misses.total or np.any((xruns >= first) & (xruns <= last)):
        pytest.skip(f"the machine was too busy for a sound card: {misses}, xruns at {xruns}")
    delay = delay_frames(played, heard)
    captured = played[first - delay : last + 1 - delay]
    np.testing.assert_array_equal(heard[first : last + 1], rendered(LiveModel(str(path)), captured[None])[0])

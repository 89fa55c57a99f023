"""Settings, and what is made of them: the chain's inverse, the guard against howling, counters over processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.live.assemble import card_of, load_chain, would_feed_back
from realtime.live.controls import Controls
from realtime.live.exchange import Event, Misses
from realtime.live.host_status import Carried
from realtime.live.settings import LiveSettings, SettingsError
from realtime.live.status import DeviceStatus, Speed, Status
from tests.live_session import half_into_nowhere
from tests.plugin_files import gain_plugin
from tests.signals import SAMPLE_RATE, frequency_of, tone


def test_the_inverse_undoes_the_shift_that_the_model_was_trained_for(tmp_path: Path) -> None:
    for shift, heard_hz, wanted_hz in (((12.0, 12.0), 880, 440), ((-7.0, -3.0), 440 * 2 ** (-5 / 12), 440)):
        plugin = gain_plugin(tmp_path / "model.onnx", hop_samples=512, shift_semitones=shift)
        inverse = load_chain(LiveSettings(model=str(plugin), compare=True)).inverse
        assert inverse is not None
        hops = tone(heard_hz, SAMPLE_RATE // 128 * 128).reshape(-1, 1, 128)
        shifted = np.concatenate([inverse.process(hop)[0] for hop in hops])[8192:]
        assert frequency_of(shifted) == pytest.approx(wanted_hz, rel=0.005)
    far = gain_plugin(tmp_path / "far.onnx", shift_semitones=(13.0, 13.0))
    with pytest.raises(SettingsError, match="by -13"):
        load_chain(LiveSettings(model=str(far), compare=True))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": 3}, "channels"),
        ({"deadline_ms": -1}, "deadline_ms"),
        ({"deadline_ms": float("nan")}, "deadline_ms"),
        ({"concealment": "noise"}, "concealment"),
        ({"threads": True}, "threads"),
        ({"model": ""}, "model"),
        ({"compare": 1}, "compare"),
        ({"shifter": "x"}, "shifter"),
        ({"self_test": "a", "reference": "b"}, "self-test"),
        ({"controls": {"listen": "inverse"}}, "compare"),
        ({"controls": {"loud": 1}}, "'loud'"),
        ({"controls": 1}, "controls"),
        ({"device": {"rate": 1}}, "1 Hz"),
        ({"models": "x"}, "'models'"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        LiveSettings.from_json_object(changes)
    assert "\n" not in str(told.value)


def test_settings_come_back_from_json_as_they_were(tmp_path: Path) -> None:
    full = replace(
        half_into_nowhere(tmp_path),
        compare=True,
        controls=Controls(listen="inverse", mix=0.3),
        record="takes",
        channels=2,
    )
    assert LiveSettings.from_json_object(json.loads(json.dumps(full.to_json_object()))) == full
    assert LiveSettings.from_json_object({}) == LiveSettings()


def test_counters_add_up_over_processes() -> None:
    one = Status(
        "running",
        elapsed_s=10.0,
        misses=Misses(late_model=2, late_frames=100),
        events=(Event(3.0, "late_model"),),
        device=DeviceStatus(callbacks=7, gaps=1),
        speed=Speed(hops=5, p50_ms=1.0),
        limited_hops=3,
        swaps=1,
    )
    two = replace(one, elapsed_s=4.0, speed=Speed(hops=2, p50_ms=9.0))
    whole = Carried().and_(one).under(two)
    assert whole.misses == Misses(late_model=4, late_frames=200) and whole.elapsed_s == 14.0
    assert whole.events == (Event(3.0, "late_model"), Event(13.0, "late_model"))
    assert (whole.device.callbacks, whole.device.gaps, whole.limited_hops, whole.swaps) == (14, 2, 6, 2)
    assert whole.speed == Speed(hops=7, p50_ms=9.0)
    assert Carried().under(one) == one


# -- howling


@pytest.mark.parametrize(
    ("source", "target", "defaults", "howls"),
    [
        ("MacBook Pro Microphone, Core Audio", "MacBook Pro Speakers, Core Audio", False, True),
        ("MacBook Pro Microphone, Core Audio", "AirPods Max, Core Audio", True, False),
        ("MacBook Pro Microphone, Core Audio", "BlackHole 2ch, Core Audio", True, False),
        ("BlackHole 2ch, Core Audio", "MacBook Pro Speakers, Core Audio", True, False),
        ("HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA", "HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA", False, True),
        ("HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA", "HDA Intel PCH: HDMI 0 (hw:0,3), ALSA", False, True),
        ("USB Mic: Audio (hw:1,0), ALSA", "HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA", False, False),
        ("USB Mic: Audio (hw:1,0), ALSA", "HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA", True, True),
        ("Loopback: PCM (hw:2,1), ALSA", "Loopback: PCM (hw:2,0), ALSA", False, False),
        ("Monitor of Built-in Audio, PulseAudio", "Built-in Audio, PulseAudio", True, False),
        ("default, ALSA", "default, ALSA", True, True),
        ("Microphone Array (Realtek(R) Audio), MME", "Speakers (Realtek(R) Audio), MME", False, True),
        ("Microphone (2- USB Audio Device), MME", "Speakers (Realtek(R) Audio), MME", False, False),
        ("CABLE Output (VB-Audio Virtual Cable), MME", "Speakers (Realtek(R) Audio), MME", True, False),
        ("Microphone (Realtek(R) Audio), MME", "Headphones (Realtek(R) Audio), MME", True, False),
        ("Stereo Mix (Realtek(R) Audio), MME", "Speakers (Realtek(R) Audio), MME", False, False),
        ("system, JACK Audio Connection Kit", "system, JACK Audio Connection Kit", False, True),
        ("fakecard, JACK Audio Connection Kit", "system, JACK Audio Connection Kit", False, False),
    ],
)
def test_a_microphone_and_a_loudspeaker_of_one_machine_are_told_apart_from_others(
    source: str, target: str, defaults: bool, howls: bool
) -> None:
    assert would_feed_back(source, target, defaults) == howls


def test_the_card_is_read_from_the_name() -> None:
    assert card_of("HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA") == "hw:0"
    assert card_of("Speakers (Realtek(R) Audio), MME") == card_of("Microphone (Realtek(R) Audio), MME")
    assert card_of("MacBook Pro Microphone, Core Audio") == "macbook pro"

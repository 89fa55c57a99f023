"""The simulated device and its measurements; and what the live engine makes of every size of block and every rate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.live.rates import LiveResampler
from realtime.live.script import ScriptError, parse_script, read_script
from realtime.live.simulated_sound import Sound, StepWatch, Track, measured_latency_s
from realtime.live.simulation import Simulation
from realtime.plugins.base import Stream
from realtime.plugins.chain import Chain
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.vocoder import Vocoder
from tests.plugin_files import one_pole_plugin
from tests.scenarios import PASS, QUIETER, clicks, event, play
from tests.signals import noise, tone

OPEN = "[controls]\nlimiter = false"
SETTLED_FRAMES = 6000  # the fade-in


@settings(max_examples=12, deadline=None)
@given(
    low=st.integers(16, 600),
    more=st.integers(0, 7500),
    seed=st.integers(0, 10_000),
    hop=st.sampled_from([64, 65, 480, 511, 512, 513]),
    delay=st.sampled_from([0, 1, 513]),
)
def test_any_device_blocks_give_the_input_back_bit_for_bit_as_late_as_planned(low, more, seed, hop, delay):
    chain = f'plugin = "delay"\nhop_samples = {hop}\ndelay_samples = {delay}\ncost_ms = 0'
    played = play(1.2, chain, f"block_frames = [{low}, {min(8192, low + more)}]", top=f"seed = {seed}\n{OPEN}")
    assert not played.outcome.misses
    start = played.delay_frames + SETTLED_FRAMES
    expected = played.captured[SETTLED_FRAMES : len(played.captured) - played.delay_frames]
    np.testing.assert_array_equal(played.played[start:], expected)


@pytest.mark.parametrize(("most", "hop"), [(1024, 512), (512, 512), (960, 480), (128, 1024)])
def test_blocks_that_vary_need_no_luck(most, hop):
    played = play(
        20, f"{PASS}\nhop_samples = {hop}\ncost_ms = 0", f"block_frames = [16, {most}]", top="deadline_ms = 0"
    )
    assert not played.outcome.misses
    played.assert_latency_is_the_planned_one(within_ms=1e-6)


@pytest.mark.parametrize("blocks", ["16", "511", "1023", "8192", "[16, 8192]"])
@pytest.mark.parametrize("kind", ["vocoder", "plugin file"])
def test_a_plugin_with_a_past_gives_what_its_stream_gives_whatever_the_blocks(blocks, kind, tmp_path):
    def build():
        return (
            Vocoder(48_000, window_samples=1024)
            if kind == "vocoder"
            else PluginFile(one_pole_plugin(tmp_path / "p.onnx"))
        )

    script = parse_script(f"seconds = 0.8\n{OPEN}\n[chain]\n{PASS}\ncost_ms = 0\n[device]\nblock_frames = {blocks}")
    live = Simulation(script, chain=Chain([build()]), keep=True)
    assert not live.run().misses
    captured, heard = (audio[:, 0] for audio in live.recordings[0].audio())
    stream = Stream(build())
    expected = stream.process(captured)
    later = live.engine.plan.in_app_frames - stream.latency_samples
    start = later + SETTLED_FRAMES
    np.testing.assert_array_equal(heard[start:], expected[SETTLED_FRAMES : len(heard) - later])


def test_half_of_a_plugin_that_changes_nothing_is_the_delayed_input():
    chain = 'plugin = "delay"\ndelay_samples = 777\nhop_samples = 513'
    assert play(1.5, chain, top="[controls]\nmix = 0.5\nlimiter = false").error_db() < -90


@pytest.mark.parametrize("channels", [(1, 2), (2, 1), (2, 2), (3, 2)])
def test_every_output_channel_carries_the_sound(channels):
    device = f"input_channels = {channels[0]}\noutput_channels = {channels[1]}"
    for inside in (1, 2):
        played = play(0.6, f"{PASS}\nchannels = {inside}", device)
        assert played.error_db() < -90
        audio = played.simulation.recordings[0].audio()[1]
        np.testing.assert_array_equal(audio, np.repeat(audio[:, :1], channels[1], axis=1))


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
@pytest.mark.parametrize("blocks", ["128", "[16, 2048]"])
def test_a_device_at_another_rate_gets_the_same_sound_as_late_as_planned(rate, blocks):
    device = f"input_rate = {rate}\noutput_rate = {rate}\nblock_frames = {blocks}"
    played = play(2, QUIETER, device, top=OPEN)
    assert not played.outcome.misses
    assert not played.clicks_s()
    assert played.error_db(gain=10 ** (-6 / 20)) < -80
    played.assert_latency_is_the_planned_one(within_ms=1000 / rate)


@settings(max_examples=10, deadline=None)
@given(
    rates=st.sampled_from([(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (96_000, 48_000)]),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=20),
)
@example(rates=(96_000, 48_000), sizes=[778])
@example(rates=(192_000, 48_000), sizes=[408])
@example(rates=(48_000, 16_000), sizes=[555])
def test_a_sine_through_a_change_of_rate_in_any_chunks_is_the_whole_file_s(rates, sizes):
    sine = tone(1000, rates[0], rates[0])
    resampler, parts, at, index = LiveResampler(*rates, 1), [], 0, 0
    while at < len(sine):
        parts.append(resampler.process(sine[at : at + sizes[index % len(sizes)], None]))
        at, index = at + sizes[index % len(sizes)], index + 1
    heard = np.concatenate(parts)[:, 0]
    expected = soxr.resample(sine, *rates, quality="VHQ")[: len(heard)]
    inner = slice(len(heard) // 4, 3 * len(heard) // 4)
    error = heard[inner].astype(float) - expected[inner]
    assert 10 * np.log10(np.mean(error**2) / np.mean(expected[inner].astype(float) ** 2)) < -80


@pytest.mark.parametrize("hop", [64, 512, 2048])
@pytest.mark.parametrize("block", [16, 128, 480, 1024])
def test_the_measured_latency_is_the_planned_one(block, hop):
    chain = f'plugin = "delay"\nhop_samples = {hop}\ndelay_samples = 100\ncost_ms = 1'
    played = play(1.2, chain, f"block_frames = {block}")
    assert not played.outcome.misses
    played.assert_latency_is_the_planned_one(within_ms=1e-6)


@pytest.mark.parametrize("block", [64, 512])
def test_a_hop_may_take_the_whole_deadline_and_no_more_than_a_block_beyond(block):
    def misses(cost_ms):
        return play(1, f"{PASS}\nhop_samples = 1024\ncost_ms = {cost_ms}", f"block_frames = {block}").outcome.misses

    assert not misses(8)
    assert misses(10 + 1000 * block / 48_000)


def test_the_first_sound_fades_in():
    played = play(1, f"{PASS}\nhop_samples = 64", "block_frames = 64")
    start = played.delay_frames
    assert not played.played[:start].any()
    loudness = [np.abs(played.played[start + at : start + at + 480]).max() for at in (0, 1440)]
    assert loudness[0] < 0.3 * 0.3 and loudness[0] < loudness[1]
    assert not played.clicks_s()


def test_a_started_again_engine_begins_from_silence():
    text = f"seconds = 3\n{OPEN}\n[chain]\n{PASS}\n"
    again = text + f"[[event]]\n{event(1, 'rate', 0.5, 48_000)}"
    simulation = Simulation(parse_script(again), chain=Chain([Vocoder(48_000)]), keep=True)
    simulation.run()
    first, second = (recording.audio()[1] for recording in simulation.recordings)
    count = min(len(first), len(second))
    assert first.any()
    np.testing.assert_array_equal(first[:count], second[:count])


# -- the simulation itself


def test_the_same_script_gives_the_same_result_to_the_letter():
    events = "\n\n".join([event(1, "late_model", 0.3, 25), event(1.6, "stall", 0.2), event(2.2, "storm", 0.3, 4)])
    device = "one_clock = false\noutput_rate = 44_100\ndrift_ppm = 80\nblock_frames = [32, 700]\njitter_ms = 4"
    texts = [json.dumps(play(3, f"{PASS}\ncost_ms = [1, 9]", device, events).outcome.to_json_object()) for _ in "ab"]
    assert texts[0] == texts[1]
    other = play(3, f"{PASS}\ncost_ms = [1, 9]", device, events, top="seed = 1").outcome.to_json_object()
    assert json.dumps(other) != texts[0]


@pytest.mark.parametrize("ppm", [-300, 0, 250])
def test_a_fast_clock_moves_more_frames(ppm):
    device = f"input_rate = 8000\noutput_rate = 8000\none_clock = false\ndrift_ppm = {ppm}\nblock_frames = 80"
    played = play(60, f"{PASS}\nsample_rate = 8000\nhop_samples = 80\ncost_ms = 0", device)
    more = len(played.played) - len(played.captured)
    assert abs(more - 60 * 8000 * ppm * 1e-6) <= 80


def test_late_callbacks_and_bursts_lose_no_frames():
    events = "\n\n".join([event(0.5, "late", 0.2), event(1, "storm", 0.5, 4), event(2, "jitter", 0.5, 5)])
    played = play(3, device="block_frames = 100", events=events)
    assert abs(len(played.captured) - 3 * 48_000) <= 200
    assert len(played.captured) == len(played.played)


@pytest.mark.parametrize("rate", [8000, 48_000])
@pytest.mark.parametrize("delay", [0, 1, 777, 2000])
def test_a_known_delay_is_measured_to_the_frame(rate, delay):
    sound, captured, played = Sound(rate, 5), Track(rate, 3), Track(rate, 1)
    for start in range(0, 3 * rate, 500):
        captured.add(sound.read(start, 500), start / rate)
        played.add(sound.read(start - delay, 500) + noise(500, start, 0.003), start / rate)
    measured = measured_latency_s(captured, played)
    assert measured is not None and abs(measured * rate - delay) < 0.5


def test_no_latency_is_read_out_of_other_sound_or_silence():
    sound = Sound(48_000, 5)
    for audio in (noise(48_000), np.zeros(48_000, np.float32), Sound(48_000, 6).read(0, 48_000)):
        captured, played = Track(48_000, 3), Track(48_000, 1)
        captured.add(sound.read(0, 48_000), 0)
        played.add(audio, 0)
        assert measured_latency_s(captured, played) is None


def test_steps_are_told_from_the_sound_and_from_fades():
    sound = Sound(48_000, 1)
    audio = sound.read(0, 48_000)
    fade = np.concatenate([np.ones(4000), np.linspace(1, 0, 240), np.zeros(4000), np.linspace(0, 1, 240)])
    audio[: len(fade)] *= fade.astype(np.float32)
    watch = StepWatch(48_000, sound.slope_per_second, 1.0)
    watch.look(audio[:10_000], 2.0)
    assert not watch.times_s and not clicks(audio)
    cut = audio[10_000:].copy()
    loud = int(np.abs(cut).argmax())
    cut[loud:] = 0
    watch.look(cut, 2.0)
    assert watch.times_s == [2 + (10_000 + loud) / 48_000]
    assert abs(clicks(np.concatenate([audio[:10_000], cut]))[0] - (10_000 + loud)) <= 4


# -- scripts

SCRIPT = 'seconds = 1\n[chain]\nplugin = "gain"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seconds = ", "not TOML"),
        ('[chain]\nplugin = "gain"', "seconds is missing"),
        ("seconds = 1", "chain is missing"),
        ("second = 1", "there is no 'second'; there are: seconds, chain"),
        (SCRIPT + "cost = 3", "chain: there is no 'cost'; there are: plugin, model"),
        (SCRIPT + 'model = "x"', "name one of plugin, model and preset"),
        (SCRIPT.replace("gain", "reverb"), 'there is no "reverb"; there are: delay, gain'),
        (SCRIPT + "hop_samples = 0", "chain.hop_samples: must lie within 1 … 16384, not 0"),
        (SCRIPT + "hop_samples = 2.5", "chain.hop_samples: must be a whole number, not 2.5"),
        (SCRIPT + "cost_ms = [3, 1]", "chain.cost_ms: 3 to 1 ms"),
        (SCRIPT + "cost_ms = [1, 2, 3]", "must be a number, or two"),
        (SCRIPT + "cost_ms = nan", "must be a number, not nan"),
        (SCRIPT + "[device]\nblock_frames = 9000", "9000 to 9000 frames; choose 1 to 8192"),
        (SCRIPT + "[device]\noutput_rate = 44_100", "write one_clock = false"),
        (SCRIPT + "[device]\none_clock = 1", "device.one_clock: must be true or false, not 1"),
        (SCRIPT + "[controls]\nmix = 2", "controls: mix must lie within 0 … 1"),
        (SCRIPT + "[controls]\nvolume = 2", "controls: there is no 'volume'; there are: listen"),
        (SCRIPT + "[[event]]\nkind = 'stall'", "event 1: at_s is missing"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'flood'", "there is no kind 'flood'; there are: late_model, stall"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'stall'", "stall needs a duration_s above 0"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'stall'\nduration_s = 1\nvalue = 3", "stall takes no value"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'storm'\nduration_s = 1", "value of storm: must lie within"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'unplug'\nduration_s = 1", "must be one of input, output, both"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'set'\nvalue = 1", "set needs a name"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'set'\nname = 'mix'", "set needs a value"),
        (SCRIPT + "[[event]]\nat_s = 0\nkind = 'swap'\nvalue = 'x'", "value: must be a table"),
        (SCRIPT + "[event]\nat_s = 0", "write each one under a line [[event]]"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused_in_one_line(text, words):
    with pytest.raises(ScriptError) as caught:
        parse_script(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_unreadable_script_is_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ScriptError, match=f"^{path}: cannot be read"):
            read_script(path)
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="cannot be read"):
        read_script(tmp_path / "bad.toml")


def test_the_examples_of_the_guide_are_scripts():
    folder = Path(__file__).parents[1]
    guide = (folder / "docs" / "simulation.md").read_text(encoding="utf-8")
    parse_script(guide.split("```toml\n")[1].split("```")[0])
    for path in sorted((folder / "examples").glob("*.toml")):
        read_script(path)
        assert path.name in guide

"""The vocoder in the graph against the host's own in numpy, whose decisions on peaks it takes in float32."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.graph_writer import GraphWriter
from export.vocoder_graph import vocoder
from export.vocoder_transform import Transform
from realtime.quality.peak_vocoder import PeakVocoder
from tests.signals import SAMPLE_RATE, chirp, click, decibels_below, harmonic, noise, noise_bursts, tone, voice

SAMPLES = 24_576
SOUNDS = {
    "voice": voice(SAMPLES),
    "chirp": chirp(100, 9000, SAMPLES),
    "note": harmonic(220, SAMPLES),
    "bursts": noise_bursts(SAMPLES),
    "clicks": tone(440, SAMPLES, level=0.05) + click(9001, SAMPLES) + click(15_000, SAMPLES),
    "full scale": np.sign(tone(55, SAMPLES)).astype(np.float32),
}


@cache
def session(window: int, hop: int) -> onnxruntime.InferenceSession:
    graph = GraphWriter()
    made = vocoder(graph, graph.audio(hop), graph.control("semitones"), hop, f"vocoder{window}")
    graph.node("Identity", made, out="audio_out")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = graph.model(hop).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(audio: np.ndarray, semitones: float | np.ndarray, window: int = 1024, hop: int = 512) -> np.ndarray:
    """Hop by hop from silence: ``(C, N)`` -> ``(C, N)``; N is a multiple of the hop. semitones: one, or one a hop."""
    file = session(window, hop)
    outputs = [value.name for value in file.get_outputs()]
    inputs: dict[str, np.ndarray] = {
        value.name: np.zeros((len(audio), *value.shape[1:]), np.float32)
        for value in file.get_inputs()
        if value.name.startswith("state_")
    }
    heard = []
    blocks = np.split(audio, audio.shape[1] // hop, axis=1)
    for block, told in zip(blocks, np.broadcast_to(semitones, len(blocks)), strict=True):
        given: Mapping[str, np.ndarray] = {
            **inputs,
            "audio": block[:, None].astype(np.float32),
            "control_semitones": np.array([told], np.float32),
        }
        results = dict(zip(outputs, file.run(outputs, given), strict=True))
        heard.append(results["audio_out"][:, 0])
        inputs = {name: results[name.replace("state_", "next_")] for name in inputs}
    return np.concatenate(heard, axis=1)


def host(audio: np.ndarray, semitones: float, window: int = 1024) -> np.ndarray:
    shifter = PeakVocoder(len(audio), -semitones, window)
    blocks = np.split(audio, audio.shape[1] // shifter.hop_samples, axis=1)
    return np.concatenate([shifter.process(block) for block in blocks], axis=1)


@pytest.mark.parametrize("semitones", [12.0, 7.0, 0.31, -4.0, -12.0])
@pytest.mark.parametrize("sound", SOUNDS)
def test_the_graph_shifts_back_as_the_host_does(sound: str, semitones: float) -> None:
    expected = host(SOUNDS[sound][None], semitones)
    # A click's spectrum is flat: which bin is a peak is decided by rounding there, and nowhere else.
    least = 20 if sound == "clicks" else 45
    assert decibels_below(expected, run(SOUNDS[sound][None], semitones) - expected) > least


@pytest.mark.parametrize("window", [512, 1024, 2048])
@pytest.mark.parametrize("semitones", [5.0, -5.0])
def test_every_window_is_the_hosts(window: int, semitones: float) -> None:
    audio = voice(SAMPLES, 350)[None]  # partials that the shortest window tells apart
    expected = host(audio, semitones, window)
    assert decibels_below(expected, run(audio, semitones, window) - expected) > 45


@settings(deadline=None, max_examples=20)
@given(st.floats(-12, 12), st.integers(0, 1000), st.floats(-100, 0))
def test_any_interval_and_level_is_the_hosts(semitones: float, seed: int, level_db: float) -> None:
    audio = (voice(8192, 90 + seed / 4) + noise(8192, seed, 0.001))[None] * np.float32(10 ** (level_db / 20))
    expected = host(audio, semitones)
    assert decibels_below(expected, run(audio, semitones) - expected) > 35


@pytest.mark.parametrize("window", [512, 1024, 2048])
def test_at_no_interval_it_is_a_delay_of_seven_eighths_of_the_window(window: int) -> None:
    audio = SOUNDS["voice"][None]
    delay = window - window // 8
    heard = run(audio, 0.0, window)
    assert np.abs(heard[:, delay:] - audio[:, :-delay]).max() < 1e-6
    assert np.abs(heard[:, :delay]).max() < 1e-6


@pytest.mark.parametrize("hop", [128, 384, 4096])
@pytest.mark.parametrize("semitones", [12.0, -5.0])
def test_the_hop_of_the_graph_changes_nothing(hop: int, semitones: float) -> None:
    audio = SOUNDS["voice"][None]
    expected = run(audio, semitones)
    assert decibels_below(expected, run(audio, semitones, hop=hop) - expected) > 60


@pytest.mark.parametrize("semitones", [12.0, -12.0])
def test_a_channel_hears_nothing_of_another_whatever_is_in_it(semitones: float) -> None:
    audio = np.stack([SOUNDS["voice"], SOUNDS["chirp"]])[:, :8192]
    both = run(audio, semitones)
    broken = audio.copy()
    broken[1, 700:] = np.nan
    broken[1, 5000] = np.inf
    heard = run(broken, semitones)
    assert np.array_equal(heard[0], both[0])
    assert np.array_equal(run(audio[:1], semitones)[0], both[0])


@pytest.mark.parametrize("semitones", [12.0, 0.0, -12.0])
def test_silence_stays_silent_and_comes_back_after_a_sound(semitones: float) -> None:
    audio = np.zeros((1, 8192), np.float32)
    assert not run(audio, semitones).any()
    audio[0, :2000] = SOUNDS["voice"][:2000]
    assert not run(audio, semitones)[0, 2000 + 2048 + 1024 :].any()


@pytest.mark.parametrize("window", [1024, 2048])
@pytest.mark.parametrize("before, after", [(12.0, -7.0), (-5.0, 4.0)])
def test_the_interval_can_be_turned_while_it_runs(before: float, after: float, window: int) -> None:
    told = np.where(np.arange(SAMPLES // 512) < 16, before, after)
    heard = run(harmonic(440, SAMPLES)[None], told, window)[0, -8192:]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(8192), 1 << 17))
    expected = 440 * 2 ** (-after / 12)
    near = slice(int(0.7 * expected * (1 << 17) / SAMPLE_RATE), int(1.3 * expected * (1 << 17) / SAMPLE_RATE))
    found = (near.start + np.argmax(spectrum[near])) * SAMPLE_RATE / (1 << 17)
    assert abs(1200 * np.log2(found / expected)) < 3


@pytest.mark.parametrize("window", [1024, 2048])
@pytest.mark.parametrize("before", [12.0, -5.0])
def test_turned_back_to_no_interval_it_is_a_delay_again(before: float, window: int) -> None:
    audio = SOUNDS["note"][None]  # steady: no onset ends what was turned before
    heard = run(audio, np.where(np.arange(SAMPLES // 512) < 16, before, 0.0), window)
    settled, late = 16 * 512 + 2 * window, window * 7 // 8  # until no window holds anything of before
    assert np.abs(heard[:, settled:] - audio[:, settled - late : -late]).max() < 1e-6


@pytest.mark.parametrize(
    "size, last", [(512, 512), (512, 256), (1024, 512), (2048, 2048), (2048, 1024), (2560, 2048), (2560, 2560)]
)
def test_the_transform_is_numpys_there_and_back(size: int, last: int) -> None:
    graph, frames = GraphWriter(), 4
    transform = Transform(graph, size)
    real, imaginary = transform.forward(graph.reshape(graph.audio(frames * size), -1, size))
    halves = np.ones(size // 2 + 1, np.float32)
    halves[[0, -1]] = 0.5
    halved = [graph.node("Mul", part, graph.weight("halves", halves)) for part in (real, imaginary)]
    back = transform.inverse(*halved, last)
    back = graph.node("Pad", back, graph.integers((0, size - last, 0, 0)))  # as long as what goes in
    graph.node("Identity", graph.reshape(back, -1, 1, frames * size), out="audio_out")
    model = graph.model(frames * size)
    for name in (real, imaginary):
        model.graph.output.add().name = name
    audio = noise(frames * size, level=0.3)
    made = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    heard, *parts = made.run(None, {"audio": audio[None, None]})
    cut = audio.reshape(frames, size)
    assert np.abs(heard.reshape(frames, size)[:, -last:] - cut[:, -last:]).max() < 1e-6
    expected = np.fft.rfft(cut)
    for part, values in zip(parts, (expected.real, expected.imag), strict=True):
        assert np.abs(part - values).max() < 2e-5 * np.sqrt(size)

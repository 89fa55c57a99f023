"""`deshift.load`: the Python API over whole recordings and streams, and finding the model that is meant."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime import bundled
from realtime.contract import ContractError
from realtime.resample import Resampler
from tests import plugin_files as files
from tests import signals

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def delay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.delay_plugin(tmp_path_factory.mktemp("model") / "delay.onnx", 333)


@pytest.mark.parametrize("shape", [(0,), (1,), (65,), (513,), (8193,), (200_001,), (0, 2), (1, 1), (511, 2), (8193, 8)])
def test_process_keeps_the_shape_and_the_place_of_every_sample(delay: Path, shape: tuple[int, ...]) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    heard = deshift.load(delay).process(audio, files.RATE)
    assert heard.dtype == np.float32
    np.testing.assert_array_equal(heard, audio)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
def test_process_takes_any_rate(delay: Path, rate: int) -> None:
    audio = np.stack([signals.tone(1000, rate, rate), signals.chirp(50, 3000, rate, rate)], axis=1)
    heard = deshift.load(delay).process(audio, rate)
    assert heard.shape == audio.shape
    assert np.abs(heard - audio)[rate // 50 : -rate // 50].max() < 1e-4


@pytest.mark.parametrize("rate", [11_025, 96_000, 192_000])
@pytest.mark.parametrize("frames", [0, 1, 2, 65, 511, 513, 8193])
def test_a_rate_conversion_does_not_cost_a_sample(delay: Path, rate: int, frames: int) -> None:
    assert deshift.load(delay).process(signals.noise(frames), rate).shape == (frames,)


def test_process_starts_from_silence_each_time(tmp_path: Path) -> None:
    model = deshift.load(files.one_pole_plugin(tmp_path / "one_pole.onnx"))
    audio = signals.noise(1000)
    first = model.process(audio, files.RATE)
    np.testing.assert_array_equal(model.process(audio, files.RATE), first)
    np.testing.assert_allclose(first, files.one_pole_reference(audio[None])[0], atol=1e-6)


def test_a_model_can_be_used_from_several_threads(tmp_path: Path) -> None:
    model = deshift.load(files.one_pole_plugin(tmp_path / "one_pole.onnx"))
    audio = signals.noise(200_000)
    expected, wrong = model.process(audio, files.RATE), []

    def work() -> None:
        if not np.array_equal(model.process(audio, files.RATE), expected):
            wrong.append(threading.current_thread().name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_stream_is_the_whole_recording_later(tmp_path: Path) -> None:
    model = deshift.load(files.delay_plugin(tmp_path / "delay.onnx", 333))
    audio, stream = signals.noise(5000), model.stream()
    heard = np.concatenate([stream.process(audio[at : at + 480]) for at in range(0, 5000, 480)])
    assert (stream.latency_samples, stream.sample_rate) == (333 + files.HOP, files.RATE)
    whole = model.process(audio, files.RATE)
    np.testing.assert_array_equal(heard[stream.latency_samples :], whole[: -stream.latency_samples])


def test_streams_of_one_model_do_not_share_states(tmp_path: Path) -> None:
    model = deshift.load(files.one_pole_plugin(tmp_path / "one_pole.onnx"))
    one, other = model.stream(), model.stream()
    one.process(signals.noise(1000))
    assert not other.process(np.zeros(1000, dtype=np.float32)).any()


@pytest.mark.parametrize("shape", [(2, 48_000), (10, 2, 2), ()])
def test_audio_of_another_shape_is_refused(delay: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"audio must be \(N,\) or \(N, C\) with 1 to 8 channels"):
        deshift.load(delay).process(np.zeros(shape, dtype=np.float32), files.RATE)


def test_audio_with_nan_is_refused(delay: Path) -> None:
    audio = np.array([0, np.nan, np.inf, 1], dtype=np.float32)
    with pytest.raises(ValueError, match="2 samples of the audio are NaN or infinite"):
        deshift.load(delay).process(audio, files.RATE)


def test_a_mix_out_of_range_is_refused(delay: Path) -> None:
    with pytest.raises(ValueError, match="mix must lie within 0 … 1, not 2"):
        deshift.load(delay).process(np.zeros(10, dtype=np.float32), files.RATE, mix=2)


def test_an_offline_model_processes_but_does_not_stream(tmp_path: Path) -> None:
    model = deshift.load(files.centred_plugin(tmp_path / "centred.onnx"))
    assert model.process(signals.noise(1001), files.RATE).shape == (1001,)
    with pytest.raises(ContractError, match="an offline model cannot stream"):
        model.stream()


def test_a_bundled_model_is_found_by_name_and_by_default(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"no model came with this installation: name a plugin file"):
        bundled.find_model(None, tmp_path)
    first = files.gain_plugin(tmp_path / "first.onnx")
    assert bundled.find_model(None, tmp_path) == bundled.find_model("first", tmp_path) == first
    second = files.gain_plugin(tmp_path / "second.onnx")
    with pytest.raises(ContractError, match=r"default\.txt must name the default model, one of: first, second"):
        bundled.find_model(None, tmp_path)
    (tmp_path / "default.txt").write_text("second\n")
    assert bundled.find_model(None, tmp_path) == second
    assert bundled.default_name(tmp_path, for_files=True) == "second"
    (tmp_path / bundled.DEFAULT_FILE).write_text("second\nfirst\n")
    assert bundled.find_model(None, tmp_path) == second
    assert bundled.default_name(tmp_path, for_files=True) == "first"
    with pytest.raises(ContractError, match="third: no such plugin file, and the bundled models are: first, second"):
        bundled.find_model("third", tmp_path)


def test_the_models_of_this_installation_can_be_trusted() -> None:
    models = bundled.bundled_models()
    for name in models:
        assert deshift.load(name).facts.sample_rate > 0
    if models:
        assert deshift.load().path == models[bundled.default_name()]
    else:
        with pytest.raises(ContractError, match="no model came with this installation"):
            deshift.load()


@settings(max_examples=25, deadline=None)
@given(
    rates=st.sampled_from([(44_100, 48_000), (48_000, 44_100), (8000, 48_000), (96_000, 48_000), (48_000, 48_000)]),
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=8),
)
def test_resampling_in_blocks_has_no_seams(rates: tuple[int, int], sizes: list[int]) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (2, sum(sizes))).astype(np.float32)
    whole, parts = Resampler(*rates, 2), Resampler(*rates, 2)
    expected = np.concatenate([whole.process(audio), whole.finish()], axis=1)
    heard, at = [], 0
    for size in sizes:
        heard.append(parts.process(audio[:, at : at + size]))
        at += size
    np.testing.assert_array_equal(np.concatenate([*heard, parts.finish()], axis=1), expected)
    assert abs(expected.shape[1] - audio.shape[1] * rates[1] / rates[0]) <= 1


def test_a_resampled_tone_is_that_tone_at_the_other_rate() -> None:
    converter = Resampler(44_100, 48_000, 1)
    heard = np.concatenate([converter.process(signals.tone(1000, 44_100, 44_100)[None]), converter.finish()], axis=1)[0]
    assert np.abs(heard - signals.tone(1000, 48_000, 48_000))[500:-500].max() < 1e-5


def run_python(statements: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_importing_deshift_is_quick() -> None:
    statements = "import time; started = time.process_time(); import deshift; print(time.process_time() - started)"
    assert min(float(run_python(statements).stdout) for _ in range(3)) < 0.1


def test_processing_never_loads_torch(delay: Path) -> None:
    statements = (
        "import sys, numpy, deshift\n"
        f"deshift.load({str(delay)!r}).process(numpy.zeros(100, numpy.float32), 44100)\n"
        "assert not {'torch', 'onnx', 'sounddevice'} & set(sys.modules)"
    )
    ran = run_python(statements)
    assert ran.returncode == 0, ran.stderr


def test_a_verb_without_its_packages_says_what_to_install() -> None:
    statements = (
        "import sys\n"
        "class WithoutTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'training'):\n"
        "            raise ModuleNotFoundError('No module named torch', name='torch')\n"
        "sys.meta_path.insert(0, WithoutTorch())\n"
        "import deshift\n"
        "deshift.main(['train', '--help'])"
    )
    ran = run_python(statements)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == 'Error: "train" needs torch: pip install "deshift[train]"\n'


def test_every_verb_of_the_running_half_explains_itself() -> None:
    for verb in ("process", "info", "models"):
        shown = CliRunner().invoke(deshift.main, [verb, "--help"])
        assert shown.exit_code == 0 and shown.output.startswith(f"Usage: main {verb}")
    assert CliRunner().invoke(deshift.main, ["nonsense"]).exit_code == 2


def test_python_dash_m_deshift_is_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "deshift", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0 and shown.stdout.startswith("Usage: deshift [OPTIONS] VERB")


def test_the_bundled_models_are_small_and_as_late_as_the_readme_says() -> None:
    models = {name: deshift.load(name) for name in bundled.bundled_models()}
    assert (bundled.default_name(), bundled.default_name(for_files=True)) == ("live", "studio")
    assert all(model.path.stat().st_size < 20e6 for model in models.values())
    assert round(models["voice_octave"].facts.latency_ms, 2) == 10.67
    assert round(models["live"].facts.latency_ms, 2) == 29.33
    for name in ("live", "studio"):
        (control,) = models[name].facts.controls
        assert (control.name, control.minimum, control.maximum) == ("semitones", -12, 12)


@pytest.mark.parametrize("name", ["live", "studio"])
@pytest.mark.parametrize("semitones", [12.0, -5.0])
def test_what_a_bundled_model_makes_of_a_note_has_the_pitch_it_had_before_the_shift(
    name: str, semitones: float
) -> None:
    note = signals.harmonic(220 * 2 ** (semitones / 12), 48_000)
    heard = deshift.load(name, semitones=semitones).process(note, 48_000)[12_000:40_000]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 1 << 20))
    first = np.argmax(spectrum[: int(330 / 48_000 * (1 << 20))]) * 48_000 / (1 << 20)
    assert abs(1200 * np.log2(first / 220)) < 5


@pytest.mark.parametrize("name", ["live", "studio"])
@pytest.mark.parametrize("frames", [1, 513, 8193])
def test_a_bundled_model_that_is_to_undo_nothing_gives_what_it_hears(name: str, frames: int) -> None:
    audio = signals.voice(frames) + signals.noise(frames, 1, 0.05)
    np.testing.assert_allclose(deshift.load(name, semitones=0.0).process(audio, 48_000), audio, rtol=0, atol=1e-6)

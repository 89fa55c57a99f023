"""The parts of `deshift evaluate`: clips, cells, systems, WORLD, and the table's statistics."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.contract import Control
from realtime.evaluate.cells import BLIND, USUAL_SEMITONES, Interval, choose_intervals, relation
from realtime.evaluate.clips import Clip, find_clips, read_clip
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.placing import measured_delay
from realtime.evaluate.systems import HostVocoder, Nothing, PluginSystem, build_systems
from realtime.evaluate.table import statistic
from realtime.evaluate.world import world_shift
from realtime.model import load_model
from tests import plugin_files as files
from tests.signals import SAMPLE_RATE, frequency_of, harmonic, noise, voice


def facts_of(tmp_path: Path, **changes: Any) -> Any:
    return load_model(files.gain_plugin(tmp_path / "model.onnx", **changes)).facts


@pytest.mark.parametrize(
    "shifters, name, semitones, told",
    [
        (["vocoder"], "vocoder", 12.0, "matched"),
        (["vocoder", "rubberband"], "vocoder", 12.0, "mixed"),
        (["vocoder", "rubberband"], "world", 12.0, "unseen"),
        (["vocoder"], "vocoder", 7.0, "outside"),
        (["vocoder"], "vocoder", None, "outside"),
        ([], "vocoder", 12.0, "unknown"),
        ("vocoder", "vocoder", 12.0, "unknown"),
    ],
)
def test_a_cell_stands_to_a_model_as_its_training_says(
    shifters: object, name: str, semitones: float | None, told: str, tmp_path: Path
) -> None:
    facts = facts_of(tmp_path, training={"shifters": shifters})
    assert relation(facts, name, Interval(semitones)) == told


def test_a_model_of_a_range_is_judged_at_the_usual_intervals_in_it_and_at_its_ends(tmp_path: Path) -> None:
    def labels(low: float, high: float) -> list[str]:
        facts = facts_of(tmp_path, shift_semitones=(low, high))
        return [interval.label for interval in choose_intervals((), False, [facts])]

    assert labels(12, 12) == ["+12"]
    assert labels(-12, 12) == ["+12", "+7", "+4", "-4", "-5", "-7", "-12"]
    assert labels(3, 8) == ["+8", "+7", "+4", "+3"]
    assert [interval.semitones for interval in choose_intervals((), False, [])] == list(USUAL_SEMITONES)
    assert [interval.label for interval in choose_intervals((7.0, 7.0, -2.5), True, [])] == ["+7", "-2.5", BLIND]


def test_the_blind_set_is_one_more_interval_where_a_model_covers_it(tmp_path: Path) -> None:
    def labels(wanted: tuple[float, ...], blind: bool | None, *ranges: tuple[float, float]) -> list[str]:
        facts = [facts_of(tmp_path, shift_semitones=each) for each in ranges]
        return [interval.label for interval in choose_intervals(wanted, blind, facts)]

    assert labels((), None, (12, 12), (-12, 12))[-1] == BLIND
    assert labels((), None)[-1] == BLIND
    assert BLIND not in labels((), None, (12, 12), (-12, 11))
    assert BLIND not in labels((), False, (-12, 12))
    assert labels((), True, (12, 12)) == ["+12", BLIND]
    assert labels((7,), None, (-12, 12)) == ["+7"]


@settings(max_examples=50, deadline=None)
@given(digest=st.text("0123456789abcdef", min_size=16, max_size=16))
def test_a_blind_shift_depends_on_content_alone_and_is_a_shift(digest: str) -> None:
    drawn = Interval(None).of(Clip(Path("a"), "a", "speech", digest))
    assert drawn == Interval(None).of(Clip(Path("b"), "b", "music", digest))
    assert 1 <= abs(drawn) <= 12


def make(folder: Path, *names: str) -> None:
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, noise(4800, place), SAMPLE_RATE)


def test_kinds_come_from_the_folders(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "singing/b.wav", "birds/c.wav", "birds/speech/d.wav", ".hidden.wav")
    (tmp_path / "twice.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    found = {clip.name: clip.kind for clip in find_clips(tmp_path)}
    assert found == {
        "a.wav": "sound",
        "singing/b.wav": "singing",
        "birds/c.wav": "birds",
        "birds/speech/d.wav": "speech",
    }
    assert [clip.kind for clip in find_clips(tmp_path / "singing")] == ["singing"]
    assert (
        find_clips(tmp_path / "singing")[0].content_hash
        == (hashlib.sha256((tmp_path / "singing/b.wav").read_bytes()).hexdigest()[:16])
    )


@pytest.mark.parametrize("below", ["", "held"])
def test_kinds_come_from_a_manifest_and_what_it_calls_train_is_left_out(below: str, tmp_path: Path) -> None:
    make(tmp_path, "held/x.wav", "held/y.wav", "held/z.wav")
    rows = ["file,split,kind", "held/x.wav,validation,music", "held/y.wav,train,speech"]
    (tmp_path / "MANIFEST.csv").write_text("\n".join(rows), encoding="utf-8")
    assert [(clip.path.name, clip.kind) for clip in find_clips(tmp_path / below)] == [
        ("x.wav", "music"),
        ("z.wav", "held" if not below else "sound"),
    ]
    (tmp_path / "MANIFEST.csv").write_text("name\nx\n", encoding="utf-8")
    with pytest.raises(EvaluateError, match="needs the columns 'file' and 'kind'"):
        find_clips(tmp_path / below)


def test_a_share_of_the_clips_is_spread_over_each_kind(tmp_path: Path) -> None:
    make(tmp_path, *(f"speech/{n}.wav" for n in range(9)), "music/a.wav")
    assert [clip.name for clip in find_clips(tmp_path, 3)] == [
        "music/a.wav",
        "speech/1.wav",
        "speech/4.wav",
        "speech/7.wav",
    ]


@pytest.mark.parametrize("rate, channels", [(48_000, 1), (44_100, 2), (16_000, 1)])
def test_a_clip_is_the_middle_of_a_recording_mono_at_48_khz(rate: int, channels: int, tmp_path: Path) -> None:
    audio = np.zeros((3 * rate, channels))
    audio[rate : 2 * rate] = harmonic(440, rate, rate)[:, None]
    soundfile.write(tmp_path / "a.wav", audio, rate, subtype="FLOAT")
    heard = read_clip(find_clips(tmp_path)[0], 1.0)
    assert len(heard) == pytest.approx(48_000, abs=1)
    assert np.abs(heard[:4800]).max() > 0.1
    assert np.abs(heard[-4800:]).max() > 0.1
    assert frequency_of(heard) == pytest.approx(440, rel=1e-4)


@pytest.mark.parametrize("semitones", [12.0, 4.0, -5.0, -12.0])
def test_world_shifts_by_the_interval_keeps_the_time_and_the_level(semitones: float) -> None:
    audio = harmonic(220, 48_000)
    shifted = world_shift(audio, SAMPLE_RATE, semitones)
    assert shifted.shape == audio.shape
    wanted_hz = 220 * 2 ** (semitones / 12)
    assert frequency_of(shifted[4800:-4800]) == pytest.approx(wanted_hz, rel=0.005)
    assert np.std(shifted) == pytest.approx(np.std(audio), rel=0.02)
    delay = measured_delay(lambda sent: world_shift(sent, SAMPLE_RATE, semitones), SAMPLE_RATE)
    assert delay == pytest.approx(0, abs=96)
    assert np.array_equal(shifted, world_shift(audio, SAMPLE_RATE, semitones))


def test_world_leaves_nothing_above_the_band_after_a_shift_down() -> None:
    spectrum = np.abs(np.fft.rfft(world_shift(voice(48_000), SAMPLE_RATE, -12)))
    assert spectrum[13_000:].max() < 1e-3 * spectrum.max()


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_world_takes_any_length_and_silence(frames: int) -> None:
    assert np.isfinite(world_shift(noise(frames), SAMPLE_RATE, 7)).all()
    assert np.array_equal(world_shift(np.zeros(frames, np.float32), SAMPLE_RATE, 7), np.zeros(frames))


def test_a_plugin_file_is_run_as_a_stream_and_its_stated_latency_taken_off(tmp_path: Path) -> None:
    system = PluginSystem(files.delay_plugin(tmp_path / "waits.onnx", 1000), "waits")
    audio = noise(8193)
    restored = system.restore(audio, 12)
    assert np.array_equal(restored, audio)
    assert np.array_equal(system.restore(audio, 12), audio), "a second sound starts from silence"


def test_a_plugin_file_that_understates_its_latency_shows_a_delay(tmp_path: Path) -> None:
    model = files.delay_model(1000)
    path = files.save(tmp_path / "lies.onnx", model, files.make_facts(model).to_metadata())
    system = PluginSystem(path, "lies")
    assert measured_delay(lambda sent: system.restore(sent, 12), SAMPLE_RATE) == 1000


@pytest.mark.parametrize("kind, hop", [("stream", files.HOP), ("offline", "samples")])
def test_a_plugin_file_is_told_the_shift_where_it_has_a_control_for_it(
    kind: str, hop: int | str, tmp_path: Path
) -> None:
    nodes = [files.helper.make_node("Mul", ["audio", "control_semitones"], ["audio_out"])]
    model = files.make_model(nodes, [], hop=hop, controls=("semitones",))
    facts = files.make_facts(
        model, kind=kind, controls=(Control("semitones", "semitones", -12, 12, 0),), shift_semitones=(-12, 12)
    )
    system = PluginSystem(files.save(tmp_path / "told.onnx", model, facts.to_metadata()), "told")
    audio = noise(1000)
    restored = system.restore(audio, -5)
    assert restored is not None
    np.testing.assert_allclose(restored, -5 * audio, rtol=1e-6)
    assert system.restore(audio, 13) is None


def test_a_plugin_file_of_another_rate_gives_the_same_length(tmp_path: Path) -> None:
    system = PluginSystem(files.gain_plugin(tmp_path / "slow.onnx", 1.0, sample_rate=44_100), "slow")
    restored = system.restore(voice(9001), 12)
    assert restored is not None
    assert restored.shape == (9001,)


def test_a_plugin_file_for_whole_sounds_has_no_latency_to_show(tmp_path: Path) -> None:
    system = PluginSystem(files.centred_plugin(tmp_path / "whole.onnx"), "whole")
    assert system.latency_ms is None
    restored = system.restore(noise(4001), 12)
    assert restored is not None
    assert restored.shape == (4001,)


def test_a_model_that_gives_nan_is_refused(tmp_path: Path) -> None:
    system = PluginSystem(files.gain_plugin(tmp_path / "broken.onnx", float("nan")), "broken")
    with pytest.raises(EvaluateError, match=r"broken\.onnx: it gave NaN"):
        system.restore(noise(1000), 12)


def test_the_hosts_vocoder_leaves_out_what_it_cannot_shift() -> None:
    assert HostVocoder(1024).restore(noise(4800), 13) is None
    assert np.array_equal(Nothing().restore(noise(10), 13), noise(10))  # type: ignore[arg-type]
    assert [system.name for system in build_systems(())[0]][:1] == ["nothing"]


def test_the_interval_is_a_percentile_bootstrap_of_the_mean() -> None:
    values = np.random.default_rng(4).gamma(2, 1, 30)
    found = statistic({str(place): [float(value)] for place, value in enumerate(values)})
    expected = scipy.stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=1)
    assert found is not None
    assert (found.clips, found.mean, found.median) == (
        30,
        pytest.approx(values.mean()),
        pytest.approx(np.median(values)),
    )
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.03)
    assert found == statistic({str(place): [float(value)] for place, value in enumerate(values)})


def test_a_clip_damaged_in_several_ways_counts_once() -> None:
    found = statistic({"a": [1.0, 3.0], "b": [4.0], "c": []})
    assert found is not None
    assert (found.clips, found.mean) == (2, 3.0)
    robust = statistic({"a": [3.0, 1200.0, 5.0], "b": [4.0]}, of_medians=True)
    assert robust is not None
    assert (robust.clips, robust.median) == (2, 4.5)
    alone = statistic({"a": [1.0, 3.0]})
    assert alone is not None
    assert (alone.low, alone.high) == (None, None)
    assert statistic({"a": []}) is None

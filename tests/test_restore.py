"""The restore family: pairs that were shifted back, a network that begins as its input, and its plugin file."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import deshift
from export.fast_graph import _UNetWriter
from export.graph import plain_copy, stream_graph
from export.source import read_source
from realtime.contract import Control
from realtime.evaluate.systems import PluginSystem
from realtime.plugins.vocoder import Vocoder
from realtime.quality.prestage import shift_back
from realtime.quality.shifters import band_limit, shift
from realtime.trust import read_plugin_file
from tests.exports import LIMIT, audio_of, export, model_of, refused, run_blocks, run_torch
from tests.pair_files import QUICK, pairs_from, record
from tests.signals import SAMPLE_RATE, chirp, click, decibels_below, envelope_delay_ms, noise_bursts, voice
from training import checkpoint
from training.commands import describe
from training.models import build
from training.pair_cache import Damage
from training.pairs import PairsError, read_crop
from training.recipes import Recipe, find
from training.settings import changed_keys

BEHIND = dataclasses.replace(QUICK, prestage="vocoder1024")
SMALL = dataclasses.replace(find("tiny"), name="small restore", residual=True, prestage="vocoder1024")


def test_the_first_channel_of_a_pair_is_the_damaged_sound_shifted_back(tmp_path):
    audio = voice(60_001)
    record(tmp_path / "in/a.wav", audio, subtype="FLOAT")
    (pair,) = pairs_from(tmp_path / "in", tmp_path / "cache", BEHIND).pairs
    limited = band_limit(audio[None], SAMPLE_RATE, 12)
    back = shift_back(shift(limited, SAMPLE_RATE, 12, "vocoder"), 12, "vocoder1024")
    np.testing.assert_allclose(read_crop(pair, 0, 60_001), np.concatenate([back, limited]), atol=2**-22)
    assert pair.semitones == 12


@pytest.mark.parametrize("audio", [chirp(200, 4000, 60_001), click(30_001, 60_001)], ids=["chirp", "click"])
def test_crops_behind_the_vocoder_are_aligned_to_the_sample(tmp_path, audio):
    record(tmp_path / "in/a.wav", audio, subtype="FLOAT")
    unshifted = dataclasses.replace(BEHIND, semitones=(0.0,))  # only what is not shifted has phases to go by
    (pair,) = pairs_from(tmp_path / "in", tmp_path / "cache", unshifted).pairs
    heard, original = read_crop(pair, 25_000, 10_000)
    assert np.argmax(np.correlate(heard, original, "full")) == 9_999


@pytest.mark.parametrize("semitones", [12.0, 4.0, -5.0, -12.0])
def test_bursts_behind_the_vocoder_keep_their_place_within_a_millisecond(tmp_path, semitones):
    record(tmp_path / "in/a.wav", noise_bursts(96_000), subtype="FLOAT")
    moved = dataclasses.replace(BEHIND, semitones=(semitones,))
    (pair,) = pairs_from(tmp_path / "in", tmp_path / "cache", moved).pairs
    assert abs(envelope_delay_ms(*read_crop(pair, 0, 96_000))) < 1


def test_a_prestage_has_pairs_of_its_own_and_leaves_those_without_one_where_they_were(tmp_path):
    record(tmp_path / "in/a.wav", voice(40_000))
    cache = tmp_path / "cache"
    (bare,), (behind,) = (pairs_from(tmp_path / "in", cache, each).pairs for each in (QUICK, BEHIND))
    assert bare.path.parent != behind.path.parent
    # The key of these settings from before there were pre-stages: caches made then are still found.
    assert Damage("vocoder", 12.0, None, 0, SAMPLE_RATE).key() == bare.path.parent.name == "8bafa4ff1ed2c2c3"


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"prestage": "echo"}, "unknown pre-stage 'echo'"),
        ({"semitones": (13.0,)}, "give -12 to 12, as far as the pre-stage vocoder1024 shifts back"),
        ({"semitone_range": (-3.0, 24.0)}, "give -12 to 12, as far as"),
    ],
)
def test_a_prestage_that_cannot_shift_back_is_refused_before_anything_is_made(tmp_path, changes, told):
    record(tmp_path / "in/a.wav", voice(40_000))
    with pytest.raises(PairsError, match=told):
        pairs_from(tmp_path / "in", tmp_path / "cache", dataclasses.replace(BEHIND, **changes))
    assert not list(tmp_path.rglob("*.flac"))


@pytest.mark.parametrize("recipe", [SMALL, find("restore")], ids=lambda recipe: recipe.name)
def test_an_untrained_model_gives_its_input_exactly(recipe):
    audio = torch.from_numpy(audio_of(512 * 9, 2))[:, None]
    model = build(recipe)
    told = [torch.tensor([12.0, -5.0])] if recipe.conditioned else []
    with torch.no_grad():
        assert torch.equal(model(audio, *told), audio)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(audio, *told), audio)


def test_a_trained_model_adds_what_the_same_network_without_the_residual_makes():
    model, plain = build(SMALL), build(dataclasses.replace(SMALL, residual=False))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.3, 0.3)
    plain.load_state_dict(model.state_dict())
    audio = torch.from_numpy(audio_of(4096))[:, None]
    with torch.no_grad():
        made = plain(audio)
        assert made.abs().max() > 0.01
        torch.testing.assert_close(model(audio), audio + made, rtol=0, atol=0)


def test_restore_is_light_behind_the_vocoder_with_the_latency_of_both():
    light, restore = find("light"), find("restore")
    plain = {"residual": False, "conditioned": False, "biases": True, "prestage": "", "note": light.note}
    assert dataclasses.replace(restore, name="light", **plain) == light
    told = describe(restore)
    assert (told["algorithmic_latency"], told["prestage"], told["residual"]) == (512 + 896, "vocoder1024", True)
    assert told["algorithmic_latency_ms"] < 32
    assert describe(light)["algorithmic_latency"] == 512


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"norm": "weight"}, "without weight norm"),
        ({"kind": "spectrogram", "causal": False}, "only waveform models"),
        ({"kind": "spectrogram", "causal": False, "residual": False, "biases": False}, "only waveform models"),
        ({"prestage": "echo"}, "small restore: unknown pre-stage 'echo'"),
    ],
)
def test_an_impossible_restore_recipe_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(SMALL, **changes)


def loud(recipe: Recipe, loud_run) -> Path:
    """A checkpoint whose last layer, at first zeros, makes something too."""
    path = loud_run(recipe)
    saved = checkpoint.load(path)
    for name, value in saved.weights.items():
        if name.startswith("conv_out"):
            value.uniform_(-0.3, 0.3)
    data = {**saved.facts["data"], "pairs": {**saved.facts["data"]["pairs"], "prestage": recipe.prestage}}
    target = path.with_name(f"{recipe.name} awake.safetensors")
    checkpoint.save(target, dataclasses.replace(saved, facts={**saved.facts, "data": data}))
    return target


@pytest.mark.parametrize("hop", [128, 384, 512])
def test_carried_blocks_through_the_graph_equal_the_residual_model_over_the_whole(loud_run, hop):
    model = plain_copy(model_of(loud(SMALL, loud_run), half=False))
    audio = audio_of(hop * max(20, 8192 // hop), 2)
    expected = run_torch(model, audio)
    assert np.abs(expected - audio).max() > 0.05
    assert np.abs(run_blocks(stream_graph(model, hop).model, audio, hop) - expected).max() <= LIMIT


def test_the_exported_file_runs_behind_the_vocoder_as_torch_does(loud_run, probe_file, tmp_path):
    source, target = loud(SMALL, loud_run), tmp_path / "restore.onnx"
    exit_code, told = export(source, "-o", target, "--audio", probe_file)
    assert exit_code == 0, told
    assert "of which 896 are the vocoder's that is in it" in told
    facts = read_plugin_file(target).facts
    assert (facts.latency_samples, facts.lookahead_samples) == (512 + 896, 896)
    assert (facts.recipe["prestage"], facts.shift_semitones) == ("vocoder1024", (12, 12))
    assert facts.controls == (Control("semitones", "semitones", 12, 12, 12),)
    audio = audio_of(8193)
    # The host does not take the vocoder's delay off before the model: its first 896 samples are heard by it too.
    vocoder, padded = Vocoder(SAMPLE_RATE, 1, -12.0), np.pad(audio, ((0, 0), (0, 128 * 80 - 8193)))
    late = np.concatenate([vocoder.process(block) for block in np.split(padded, 80, axis=1)], axis=1)
    expected = run_torch(model_of(source), late)[0, 896 : 896 + 8193]
    assert np.abs(expected - late[0, 896 : 896 + 8193]).max() > 0.05
    judged = PluginSystem(target, "restore").restore(audio[0], 12)
    assert judged is not None
    assert decibels_below(expected, judged - expected) > 40


def test_a_share_of_what_a_network_adds_is_exported_told_and_taken_again(loud_run, probe_file, tmp_path):
    source, half, quarter = loud(SMALL, loud_run), tmp_path / "half.onnx", tmp_path / "quarter.onnx"
    assert export(source, "-o", half, "--audio", probe_file, "--residual", "0.5")[0] == 0
    assert export(half, "-o", quarter, "--audio", probe_file, "--residual", "0.5")[0] == 0
    audio, model = audio_of(8192), model_of(source, half=False)
    added = run_torch(model, audio) - audio
    for path, share in ((half, 0.5), (quarter, 0.25)):
        assert read_plugin_file(path).facts.training["residual"] == share
        np.testing.assert_allclose(run_torch(read_source(path).model, audio) - audio, share * added, atol=1e-3)
    assert np.abs(added).max() > 0.05


def test_a_network_that_adds_nothing_has_no_share(loud_run, probe_file, tmp_path):
    told = refused(loud_run(find("tiny")), "-o", tmp_path / "no.onnx", "--audio", probe_file, "--residual", "0.5")
    assert "recipe tiny adds nothing to its input" in told and "leave out --residual" in told
    assert not (tmp_path / "no.onnx").exists()


def test_a_file_that_bends_what_nobody_shifted_is_not_written(loud_run, probe_file, tmp_path, monkeypatch):
    run = loud(dataclasses.replace(SMALL, name="small told", conditioned=True), loud_run)
    assert export(run, "-o", tmp_path / "told.onnx", "--audio", probe_file)[0] == 0
    monkeypatch.setattr(_UNetWriter, "_told_share", lambda self, control: self.graph.number(1.0))
    told = refused(run, "-o", tmp_path / "again.onnx", "--audio", probe_file)
    assert "told to undo nothing, the file differs from the model by" in told
    assert not (tmp_path / "again.onnx").exists()


def test_a_run_of_a_restore_recipe_starts_from_the_prestage_learns_and_goes_on(train, tmp_path, monkeypatch):
    monkeypatch.setattr("training.recipes.RECIPES", (SMALL,))
    run = tmp_path / "run"
    options = ("--steps", 3, "--validate-every", 1, "--muon-rate", 1e-5, "--adamw-rate", 1e-6)
    stopped = train(run, *options, "--time-limit", 0, recipe=SMALL.name)
    assert "stopped at step 1" in stopped.output
    train(run, *options, "--resume", recipe=SMALL.name)
    saved = checkpoint.load(run / "last.safetensors")
    assert saved.facts["recipe"] == json.loads(json.dumps(SMALL.to_json()))
    assert saved.facts["data"]["pairs"]["prestage"] == "vocoder1024"
    assert saved.weights["conv_out.weight"].abs().max() > 0
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (floor,) = [row for row in rows if row["kind"] == "floor"]
    first = next(row for row in rows if row["kind"] == "validation")
    assert first["mel"] == pytest.approx(floor["mel"], rel=0.01)  # a small step away from doing nothing


def test_a_run_from_before_the_family_is_still_the_same_run(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=1)
    trainer.run(lambda progress: None)
    path = tmp_path / "last.safetensors"
    saved = checkpoint.load(path)
    del saved.facts["recipe"]["residual"], saved.facts["recipe"]["prestage"], saved.facts["data"]["pairs"]["prestage"]
    checkpoint.save(path, saved)
    make_trainer(tmp_path, steps=1).resume()
    now = checkpoint.as_json(trainer._fixed_facts())
    assert changed_keys(saved.facts["recipe"], {**now["recipe"], "prestage": "vocoder1024"}) == ["prestage"]
    assert changed_keys(saved.facts["data"], {**now["data"], "pairs": {**now["data"]["pairs"], "seed": 3}}) == ["pairs"]


def test_recipes_that_do_not_hear_the_same_are_not_compared(recordings, tmp_path):
    from click.testing import CliRunner

    places = ["--data", recordings / "train", "--cache", tmp_path / "cache", "--out", tmp_path / "out"]
    result = CliRunner().invoke(deshift.main, ["compare", "light", "restore", "--steps", "1", *map(str, places)])
    assert result.exit_code == 1
    assert "light, restore do not hear the same" in result.output
    assert not (tmp_path / "cache").exists()

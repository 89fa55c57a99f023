"""Plugin files: against torch over carried blocks, in the running half, their metadata, weights and refusals."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import deshift
from export.fast_graph import fast_stream_graph
from export.graph import ExportError, plain_copy, state_names, stream_graph
from export.rewrite import store_weights_as_half, stored_weights
from realtime.contract import Facts, weights_sha256
from realtime.trust import read_plugin_file
from tests.exports import LIMIT, TINY, audio_of, damaged, export, model_of, refused, run_blocks, run_torch
from tests.signals import SAMPLE_RATE
from training import checkpoint
from training.models import build
from training.recipes import Recipe

FORMS = [  # recipe, hop: the stride itself, what a live host takes, and an odd multiple
    (TINY, 32),
    (TINY, 1024),
    (dataclasses.replace(TINY, name="evened", norm="layer", activation="snake"), 512),
    (dataclasses.replace(TINY, name="gained", norm="weight", blocks=(2, 1), kernels=(3, 41)), 96),
]


@pytest.mark.parametrize("recipe, hop", FORMS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("channels", [1, 3])
def test_carried_blocks_through_the_graph_equal_the_model_over_the_whole(graphs, recipe, hop, channels):
    model, graph = graphs(recipe, hop)
    audio = audio_of(hop * max(40, 10_000 // hop), channels)
    expected = run_torch(model, audio)
    assert np.abs(expected).max() > 0.05
    assert np.abs(run_blocks(graph, audio, hop) - expected).max() <= LIMIT


@pytest.mark.parametrize("recipe, hop", FORMS, ids=lambda value: getattr(value, "name", value))
def test_every_weight_carries_the_name_and_the_values_of_its_parameter(graphs, recipe, hop):
    model, graph = graphs(recipe, hop)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(stored[name], parameter.numpy(), err_msg=name)


def test_the_graph_has_named_states_and_nothing_that_the_format_forbids(graphs):
    model, graph = graphs(TINY, 32)
    names = state_names(model)
    assert [value.name for value in graph.graph.input] == ["audio", *(f"state_{name}" for name in names)]
    assert [value.name for value in graph.graph.output] == ["audio_out", *(f"next_{name}" for name in names)]
    assert {entry.domain for entry in graph.opset_import} == {""}
    forbidden = {"If", "Loop", "Scan", "RandomNormal", "RandomUniform", "NonZero", "Shape"}
    assert not forbidden & {node.op_type for node in graph.graph.node}


def without_metadata(path: Path) -> bytes:
    model = onnx.load(path)
    del model.metadata_props[:]
    return model.SerializeToString()


def test_the_file_tells_nothing_of_the_machine_or_the_library_it_was_made_with(exported_file):
    model = onnx.load(exported_file)
    graph = model.graph
    assert model.producer_name == "deshift"
    assert not model.doc_string and not graph.doc_string and not graph.value_info
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        assert not part.metadata_props
        assert not part.doc_string
    assert re.findall(rb"torch|pkg\.|site-packages|\.py|unet\.", without_metadata(exported_file)) == []
    for told in (entry.value for entry in model.metadata_props):
        assert not re.search(r"/(home|root|tmp|usr|work|var)\b", told)


def test_the_metadata_parses_and_tells_the_run(exported_file, trained_run):
    content = exported_file.read_bytes()
    facts = Facts.parse({entry.key: entry.value for entry in onnx.load(exported_file).metadata_props})
    saved = checkpoint.load(trained_run / "best.safetensors").facts
    assert (facts.name, facts.kind, facts.licence) == ("tiny", "stream", "CC0-1.0")
    assert (facts.sample_rate, facts.hop_samples, facts.lookahead_samples, facts.latency_samples) == (
        48_000,
        512,
        0,
        512,
    )
    assert facts.receptive_field_samples == 480  # of `deshift recipes`; the field of a causal model lies in its past
    assert (facts.shift_semitones, facts.parameters) == ((12, 12), 24_716)
    assert facts.weights_sha256 == weights_sha256(content)
    assert Recipe.from_json(dict(facts.recipe)) == TINY
    assert facts.training["steps"] == saved["step"]
    assert facts.training["settings"] == saved["settings"]
    assert (facts.training["licences"], facts.training["shifters"]) == ("CC0-1.0", ["vocoder"])
    assert len(facts.training["source_hashes"]) == 4


@pytest.mark.parametrize("blocks", [(1,), (65,), (512,), (8193,), (1, 513, 7, 4096)])
def test_the_running_half_streams_the_file_as_torch_hears_it(exported_file, trained_run, blocks):
    audio = audio_of(48 * 512, 2)
    stream, heard, at, turn = deshift.load(exported_file).stream(2), [], 0, 0
    while at < audio.shape[1]:
        size = min(blocks[turn % len(blocks)], audio.shape[1] - at)
        heard.append(stream.process(audio[:, at : at + size]))
        at, turn = at + size, turn + 1
    delay = stream.latency_samples
    assert delay == 512
    expected = run_torch(model_of(checkpoint.of_run(trained_run)), audio)
    assert np.abs(np.concatenate(heard, axis=1)[:, delay:] - expected[:, :-delay]).max() <= LIMIT


def test_the_running_half_processes_a_recording_as_torch_hears_it(exported_file, trained_run):
    audio = audio_of(8193)[0]
    heard = deshift.load(exported_file).process(audio, SAMPLE_RATE)
    padded = np.pad(audio, (0, -len(audio) % 32))[None]
    expected = run_torch(model_of(checkpoint.of_run(trained_run)), padded)[0, : len(audio)]
    assert np.abs(heard - expected).max() <= LIMIT


def test_float16_weights_halve_the_file_and_are_computed_with_as_float32():
    torch.manual_seed(0)
    wide = plain_copy(build(dataclasses.replace(TINY, channels=(64, 128, 256))))
    full = fast_stream_graph(wide, 32).model
    half = store_weights_as_half(full)
    assert len(half.SerializeToString()) == pytest.approx(len(full.SerializeToString()) / 2, rel=0.03)
    named = dict(wide.named_parameters())
    for name, values in stored_weights(half).items():
        if name in named:
            wanted = named[name].half().float() if named[name].numel() >= 64 else named[name]
            np.testing.assert_array_equal(values, wanted.numpy())
    for parameter in wide.parameters():
        if parameter.numel() >= 64:
            parameter.copy_(parameter.half().float())
    audio = audio_of(32 * 65)
    assert np.abs(run_blocks(half, audio, 32) - run_torch(wide, audio)).max() <= 1e-6


def test_a_weight_too_large_for_float16_is_refused_by_name(graphs):
    _, graph = graphs(TINY, 32)
    large = onnx.load_from_string(damaged(graph, "conv_in.weight", 1e5))
    with pytest.raises(
        ValueError, match=r"conv_in\.weight holds 1[0-9e+]*.*, too large for float16: export with --fp32"
    ):
        store_weights_as_half(large)


def test_fp32_keeps_the_weights_as_they_are(trained_run, exported_file, probe_file, tmp_path):
    path = tmp_path / "exact.onnx"
    exit_code, told = export(
        trained_run, "-o", path, "--audio", probe_file, "--fp32", "--name", "mine", "--licence", "MIT"
    )
    assert exit_code == 0, told
    assert "rounding of stored weights 0.0e+00" in told
    assert "algorithmic latency 512 samples (10.67 ms)" in told
    facts = read_plugin_file(path).facts
    assert (facts.name, facts.licence, facts.certificate["weight_rounding"]) == ("mine", "MIT", 0)
    best = checkpoint.load(trained_run / "best.safetensors").weights
    stored = stored_weights(onnx.load(path))
    assert all(np.array_equal(stored[name], value.numpy()) for name, value in best.items())
    assert exported_file.stat().st_size < path.stat().st_size


@pytest.mark.parametrize("hop", [1, 31, 33, 511, 513])
@pytest.mark.parametrize("write", [stream_graph, fast_stream_graph])
def test_a_hop_that_is_no_multiple_of_the_stride_is_refused(hop, write):
    with pytest.raises(ExportError, match=f"a hop of {hop} samples is no multiple of tiny's 32"):
        write(plain_copy(build(TINY)), hop)


def test_a_spectrogram_model_is_refused():
    recipe = Recipe("image", (4, 16, 32), (1, 1), 1, (4, 2), "spectrogram", kernels=(7,), mid_kernel=7)
    with pytest.raises(ExportError, match="image works on spectrograms"):
        plain_copy(build(recipe))


def test_bad_input_ends_in_one_line_and_leaves_nothing(trained_run, probe_file, tmp_path):
    target = tmp_path / "out.onnx"
    no_sound, empty = tmp_path / "no_sound.wav", tmp_path / "empty"
    no_sound.write_bytes(b"RIFF")
    empty.mkdir()
    assert "does not end in .onnx" in refused(trained_run, "-o", tmp_path / "out.zip")
    assert "is not there" in refused(empty, "-o", target)
    assert "cannot be read" in refused(no_sound, "-o", target)
    assert "cannot be read" in refused(trained_run, "-o", target, "--audio", no_sound)
    assert "there is nothing to measure the certificate on" in refused(
        _alone(trained_run, tmp_path / "alone"), "-o", target
    )
    far = tmp_path / "nowhere/out.onnx"
    assert str(far.parent) in refused(trained_run, "-o", far, "--audio", probe_file)
    assert {path.name for path in tmp_path.iterdir()} == {"no_sound.wav", "empty", "alone"}


def _alone(run: Path, folder: Path) -> Path:
    """A checkpoint without the sound that its run left beside it."""
    folder.mkdir()
    (folder / "last.safetensors").write_bytes((run / "last.safetensors").read_bytes())
    return folder

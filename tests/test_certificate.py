"""The certificate is measured, and what it cannot vouch for is not written; whole-file graphs for centred models."""

import copy

import numpy as np
import onnx
import pytest
import soundfile
import torch

from export.certificate import causality_samples, certify_stream, certify_whole
from export.graph import ExportError
from export.write import ExportSettings, export_run
from realtime.contract import Facts
from realtime.plugins.offline_file import AlignedOffline, OfflineFile
from realtime.trust import read_plugin_file
from tests.exports import CENTRED, LIMIT, TINY, audio_of, damaged, export, model_of, refused, run_blocks, run_torch
from tests.signals import SAMPLE_RATE
from training import checkpoint


def test_the_certificate_says_what_can_be_measured_again(exported_file, trained_run, probe_file):
    proof = Facts.parse({entry.key: entry.value for entry in onnx.load(exported_file).metadata_props}).certificate
    audio = soundfile.read(probe_file, dtype="float32")[0]
    audio = audio[: len(audio) // 512 * 512][None]
    assert (proof["blocks"], proof["seconds"]) == (audio.shape[1] // 512, audio.shape[1] / 48_000)
    stored, exact = (model_of(checkpoint.of_run(trained_run), half) for half in (True, False))
    whole = run_torch(stored, audio)
    streamed = run_blocks(onnx.load(exported_file), audio, 512)
    assert proof["stream_vs_offline"] == pytest.approx(np.abs(streamed - whole).max(), abs=1e-6)
    assert 0 < proof["stream_vs_offline"] <= LIMIT
    assert 0 <= proof["torch_vs_onnx"] <= LIMIT
    rounding = np.abs(whole - run_torch(exact, audio)).max()
    assert proof["weight_rounding"] == pytest.approx(rounding, rel=1e-3) and rounding > 0
    assert proof["causality_samples"] == 31  # the last sample of a 32-sample frame is heard from its first one on


@pytest.mark.parametrize(
    "name", ["conv_in.weight", "middle.0.narrow.bias", "decoders.1.up.conv.weight", "conv_out.bias"]
)
def test_a_file_that_differs_from_its_model_in_one_weight_is_not_certified(graphs, name):
    model, graph = graphs(TINY, 1024)
    audio = audio_of(64 * 1024)[0]
    certify_stream(graph.SerializeToString(), model, model, audio, 1024, SAMPLE_RATE)
    with pytest.raises(ExportError, match=r"stream_vs_offline is .*, the limit is 1e-04: the file was not written"):
        certify_stream(damaged(graph, name, 0.02), model, model, audio, 1024, SAMPLE_RATE)


def test_a_file_whose_weights_are_not_the_runs_is_not_certified(graphs):
    model, graph = graphs(TINY, 1024)
    other = copy.deepcopy(model)
    other.conv_in.weight[0, 0, 0] += 0.5
    content = damaged(graph, "conv_in.weight", 0.5)
    with pytest.raises(ExportError, match=r"weight_rounding is .*, the limit is 1e-02: .* try --fp32"):
        certify_stream(content, other, model, audio_of(64 * 1024)[0], 1024, SAMPLE_RATE)


def test_a_file_that_forgets_a_state_is_not_certified(graphs):
    model, graph = graphs(TINY, 1024)
    forgetful = onnx.ModelProto()
    forgetful.CopyFrom(graph)
    (last,) = [node for node in forgetful.graph.node if "next_conv_out" in node.output]
    last.output[list(last.output).index("next_conv_out")] = "kept"
    forgetful.graph.node.append(onnx.helper.make_node("Sub", ["kept", "kept"], ["next_conv_out"]))
    with pytest.raises(ExportError, match="stream_vs_offline"):
        certify_stream(forgetful.SerializeToString(), model, model, audio_of(64 * 1024)[0], 1024, SAMPLE_RATE)


def test_a_model_too_loud_for_the_limit_is_not_written_and_nothing_is_left_behind(loud_run, probe_file, tmp_path):
    line = refused(loud_run(TINY, gain=1e5), "-o", tmp_path / "loud.onnx", "--audio", probe_file)
    assert "the limit is 1e-04: the file was not written" in line
    assert list(tmp_path.iterdir()) == []


def test_the_probe_of_causality_sees_how_far_a_model_looks_ahead(loud_run):
    audio = audio_of(64 * 32)[0]
    assert causality_samples(model_of(loud_run(TINY)), audio, 32) == 31
    assert causality_samples(model_of(loud_run(TINY)), audio, 512) == 31
    assert causality_samples(model_of(loud_run(CENTRED)), audio, 32) > 100


def test_a_centred_model_cannot_stream_and_its_first_layer_that_looks_ahead_is_named(loud_run, probe_file, tmp_path):
    line = refused(loud_run(CENTRED), "-o", tmp_path / "centred.onnx", "--audio", probe_file)
    assert "recipe centred is centred and cannot stream: layer conv_in looks 2 frames ahead" in line
    assert "--offline" in line
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def offline_file(loud_run, probe_file, tmp_path_factory):
    path = tmp_path_factory.mktemp("offline") / "centred.onnx"
    export_run(loud_run(CENTRED), path, ExportSettings(offline=True), probe_file)
    return path


@pytest.mark.parametrize("samples, block", [(1, 1), (65, 7), (8193, 513), (40_000, 8193), (40_000, 40_000)])
def test_an_offline_file_in_overlapping_chunks_equals_the_model_over_the_whole(offline_file, loud_run, samples, block):
    trusted = read_plugin_file(offline_file)
    assert (trusted.facts.kind, trusted.facts.hop_samples, trusted.facts.latency_samples) == ("offline", 32, 0)
    audio = audio_of(samples, 2)
    chunked = AlignedOffline(OfflineFile(trusted, 2), min_chunk_samples=1024)  # about forty chunks
    parts = [chunked.process(audio[:, at : at + block]) for at in range(0, samples, block)]
    heard = np.concatenate([*parts, chunked.finish()], axis=1)
    padded = np.pad(audio, ((0, 0), (0, -samples % 32)))
    expected = run_torch(model_of(loud_run(CENTRED)), padded)[:, :samples]
    assert heard.shape == expected.shape
    assert np.abs(heard - expected).max() <= LIMIT
    whole = OfflineFile(trusted, 2).run(padded)[:, :samples]
    np.testing.assert_allclose(heard, whole, atol=1e-5)


def test_an_offline_file_states_its_reach_as_the_gradients_show_it(offline_file, loud_run):
    facts = read_plugin_file(offline_file).facts
    model, frames = model_of(loud_run(CENTRED)), 64
    audio = torch.randn(1, 1, 32 * frames, requires_grad=True)
    restored, past, ahead = model(audio), 0, 0
    for position in range(32 * frames // 2, 32 * frames // 2 + 32):
        (slope,) = torch.autograd.grad(restored[0, 0, position], audio, retain_graph=True)
        reached = torch.nonzero(slope[0, 0])[:, 0]
        past, ahead = max(past, position - int(reached.min())), max(ahead, int(reached.max()) - position)
    assert (facts.lookahead_samples, facts.receptive_field_samples) == (ahead, past + 1 + ahead)


def test_a_wrong_offline_file_is_not_certified(offline_file, loud_run):
    model = model_of(loud_run(CENTRED))
    graph, audio = onnx.load(offline_file), audio_of(8192)[0]
    certify_whole(graph.SerializeToString(), model, model, audio, SAMPLE_RATE)
    with pytest.raises(ExportError, match="the limit is 1e-04"):
        certify_whole(damaged(graph, "conv_out.bias", 0.02), model, model, audio, SAMPLE_RATE)


def test_a_runs_own_sound_is_what_the_certificate_is_measured_on(trained_run, tmp_path):
    path = tmp_path / "own.onnx"
    exit_code, told = export(trained_run, "-o", path, "--hop", 32)
    assert exit_code == 0, told
    assert read_plugin_file(path).facts.certificate["seconds"] == 2 * 8192 / 48_000
    before = path.read_bytes()
    assert "exists: give --overwrite" in refused(trained_run, "-o", path, "--hop", 32)
    assert path.read_bytes() == before


def test_too_little_sound_is_told_with_how_much_is_needed(trained_run, tmp_path):
    line = refused(trained_run, "-o", tmp_path / "short.onnx", "--hop", 512)
    assert "the certificate needs 0.7 s of audio, there are 0.3 s: give --audio" in line
    assert list(tmp_path.iterdir()) == []

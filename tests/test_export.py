"""Plugin files: against torch over carried blocks, read by the running half, certified by measurement, or not made."""

import copy
import dataclasses
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
from click.testing import CliRunner
from onnx import numpy_helper

import deshift
from export.certificate import causality_samples, certify_stream, certify_whole
from export.graph import ExportError, plain_copy, state_names, stream_graph
from export.rewrite import store_weights_as_half, stored_weights
from export.write import ExportSettings, export_run
from realtime.contract import Facts, weights_sha256
from realtime.plugins.offline_file import AlignedOffline, OfflineFile
from realtime.trust import read_plugin_file
from tests.signals import SAMPLE_RATE, chirp, noise, voice
from training import checkpoint
from training.models import build
from training.recipes import Recipe, find
from training.unet import UNet

LIMIT = 1e-4
TINY = find("tiny")
CENTRED = dataclasses.replace(TINY, name="centred", causal=False, norm="layer")


def audio_of(samples: int, channels: int = 1) -> np.ndarray:
    """Something like real audio, another one in each channel: ``(C, N)``."""
    parts = [
        voice(samples, 140 + 50 * n) + chirp(80, 9000, samples, level=0.1) + noise(samples, n, 0.01)
        for n in range(channels)
    ]
    return np.stack(parts)


def model_of(path: Path, half: bool = True) -> UNet:
    """The model of a checkpoint, its larger weights rounded as a file with float16 weights stores them."""
    saved = checkpoint.load(path)
    model = build(Recipe.from_json(saved.facts["recipe"]))
    checkpoint.put_weights(model, saved.best_weights(), path)
    model = plain_copy(model)
    for parameter in model.parameters():
        if half and parameter.numel() >= 64:
            parameter.copy_(parameter.half().float())
    return model


@torch.no_grad()
def run_torch(model: UNet, audio: np.ndarray) -> np.ndarray:
    return model(torch.from_numpy(audio)[:, None])[:, 0].numpy()


def run_blocks(model: onnx.ModelProto, audio: np.ndarray, hop: int) -> np.ndarray:
    """A host written from the words of the format alone: states start at zero and are carried by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    states = {value.name: np.zeros((len(audio), *value.shape[1:]), np.float32) for value in session.get_inputs()[1:]}
    names, heard = [value.name for value in session.get_outputs()], []
    for block in np.split(audio, audio.shape[1] // hop, axis=1):
        results = dict(zip(names, session.run(names, {"audio": block[:, None], **states}), strict=True))
        heard.append(results["audio_out"][:, 0])
        states = {name: results[name.replace("state_", "next_")] for name in states}
    return np.concatenate(heard, axis=1)


def export(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(deshift.main, ["export", *map(str, words)])
    return result.exit_code, result.output


def refused(*words: object) -> str:
    """The one line of an export that must fail."""
    exit_code, output = export(*words)
    assert exit_code == 1
    (line,) = output.splitlines()
    assert line.startswith("Error: ")
    return line


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
    audio = audio_of(hop * max(40, 20_000 // hop), channels)
    expected = run_torch(model, audio)
    assert np.abs(expected).max() > 0.05
    assert np.abs(run_blocks(graph, audio, hop) - expected).max() <= LIMIT


@pytest.fixture(scope="module")
def graphs(loud_run):
    made = {}

    def make(recipe: Recipe, hop: int) -> tuple[UNet, onnx.ModelProto]:
        if (recipe.name, hop) not in made:
            model = model_of(loud_run(recipe), half=False)
            made[recipe.name, hop] = model, stream_graph(model, hop).model
        return made[recipe.name, hop]

    return make


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


def damaged(graph: onnx.ModelProto, name: str, change: float) -> bytes:
    """The file with one weight that is not the model's."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] += change
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return model.SerializeToString()


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


def test_float16_weights_halve_the_file_and_are_computed_with_as_float32():
    torch.manual_seed(0)
    wide = plain_copy(build(dataclasses.replace(TINY, channels=(64, 128, 256))))
    full = stream_graph(wide, 32).model
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


@pytest.mark.parametrize("hop", [1, 31, 33, 511, 513])
def test_a_hop_that_is_no_multiple_of_the_stride_is_refused(hop):
    with pytest.raises(ExportError, match=f"a hop of {hop} samples is no multiple of tiny's 32"):
        stream_graph(plain_copy(build(TINY)), hop)


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
    assert "there is no" in refused(_alone(trained_run, tmp_path / "alone"), "-o", target)
    far = tmp_path / "nowhere/out.onnx"
    assert str(far.parent) in refused(trained_run, "-o", far, "--audio", probe_file)
    assert {path.name for path in tmp_path.iterdir()} == {"no_sound.wav", "empty", "alone"}


def _alone(run: Path, folder: Path) -> Path:
    """A checkpoint without the sound that its run left beside it."""
    folder.mkdir()
    (folder / "last.safetensors").write_bytes((run / "last.safetensors").read_bytes())
    return folder

"""Networks that are told the interval, and networks without biases: in torch, in the graph, in the file."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from export.certificate import certify_stream
from export.fast_graph import fast_stream_graph
from export.graph import ExportError, plain_copy, stream_graph, whole_graph
from tests.exports import TINY, audio_of, damaged
from tests.signals import SAMPLE_RATE
from training.geometry import parameter_count
from training.models import build
from training.optimizers import Optimizers
from training.unet import UNet

TOLD = dataclasses.replace(TINY, name="told", conditioned=True)
BARE = dataclasses.replace(TINY, name="bare", biases=False, residual=True, conditioned=True)


def awake(recipe, seed=0) -> UNet:
    """A network whose every trained weight does something."""
    torch.manual_seed(seed)
    model = build(recipe)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.uniform_(-0.3, 0.3)
    return plain_copy(model)


def rows(samples: int, channels: int = 1) -> torch.Tensor:
    return torch.from_numpy(audio_of(samples, channels))[:, None]


def test_an_untrained_network_does_the_same_at_every_interval():
    torch.manual_seed(0)
    model, audio = build(TOLD), rows(4096)
    with torch.no_grad():
        assert torch.equal(model(audio, torch.tensor([12.0])), model(audio, torch.tensor([-5.0])))


def test_direction_and_distance_both_change_what_a_trained_one_makes_and_each_row_has_its_own():
    model = awake(TOLD)
    audio = rows(4096)
    made = {semitones: model(audio, torch.tensor([semitones])) for semitones in (12.0, 5.0, 0.0, -5.0, -12.0)}
    values = list(made.values())
    assert all(not torch.allclose(one, other) for n, one in enumerate(values) for other in values[:n])
    together = model(audio.repeat(2, 1, 1), torch.tensor([12.0, -5.0]))
    torch.testing.assert_close(together, torch.cat([made[12.0], made[-5.0]]), rtol=1e-5, atol=1e-6)


def test_a_network_that_is_not_told_says_so():
    with pytest.raises(ValueError, match="told is conditioned: tell it the interval"):
        build(TOLD)(rows(4096))


@pytest.mark.parametrize("semitones", [0.0, -0.25, 0.5, 1.0, -1.5, 12.0])
def test_a_residual_network_adds_nothing_at_0_and_all_that_it_makes_from_a_semitone_on(semitones):
    model, making = awake(BARE), awake(dataclasses.replace(BARE, residual=False))
    audio, told = rows(4096), torch.tensor([semitones])
    made = making(audio, told)
    assert made.abs().max() > 0.01
    torch.testing.assert_close(model(audio, told), audio + min(abs(semitones), 1) * made, rtol=0, atol=0)


@pytest.mark.parametrize("recipe", [TOLD, BARE], ids=["told", "bare"])
@pytest.mark.parametrize("hop", [32, 544])
@pytest.mark.parametrize("semitones", [12.0, 0.0, 0.5, -4.5])
def test_blocks_and_the_graph_do_what_the_whole_does(recipe, hop, semitones):
    model, audio = awake(recipe), rows(hop * 12, 2)
    told = torch.tensor([semitones, semitones])
    whole = model(audio, told)
    past, stepped = model.silence(2), []
    for block in audio.split(hop, dim=-1):
        heard, past = model.step(block, past, told)
        stepped.append(heard)
    torch.testing.assert_close(torch.cat(stepped, dim=-1), whole, rtol=0, atol=1e-5)
    assert np.abs(run_graph(model, audio.numpy(), hop, semitones) - whole.numpy()).max() < 2e-5


def run_graph(model: UNet, audio: np.ndarray, hop: int, semitones: float) -> np.ndarray:
    content = fast_stream_graph(model, hop).model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    outputs = [value.name for value in session.get_outputs()]
    states = {
        value.name: np.zeros((len(audio), *value.shape[1:]), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("state_")
    }
    heard = []
    for block in np.split(audio, audio.shape[-1] // hop, axis=-1):
        control = np.array([semitones], np.float32)
        results = session.run(outputs, {"audio": block, "control_semitones": control, **states})
        named = dict(zip(outputs, results, strict=True))
        heard.append(named["audio_out"])
        states = {name: named[name.replace("state_", "next_")] for name in states}
    return np.concatenate(heard, axis=-1)


def test_the_certificate_hears_what_a_file_does_at_the_intervals_it_is_told():
    model, audio = awake(BARE), audio_of(64 * 1024)[0]
    broken = damaged(fast_stream_graph(model, 1024).model, "interval.spread.weight", 0.5)
    certify_stream(broken, model, model, audio, 1024, SAMPLE_RATE, told=(0.0,))  # where it adds nothing anyway
    with pytest.raises(ExportError, match="stream_vs_offline is"):
        certify_stream(broken, model, model, audio, 1024, SAMPLE_RATE, told=(-12.0, 12.0))


def test_without_biases_silence_stays_silent_at_every_level_of_training():
    model = awake(BARE)
    assert not model(torch.zeros(1, 1, 4096), torch.tensor([7.0])).any()
    assert awake(dataclasses.replace(BARE, biases=True))(torch.zeros(1, 1, 4096), torch.tensor([7.0])).any()


def test_biases_that_a_recipe_does_without_are_neither_trained_nor_counted():
    model = build(BARE)
    optimizers = Optimizers(model, 1e-2, 1e-2, use_muon=True)
    for _ in range(2):
        (model(rows(4096), torch.tensor([12.0])) - rows(4096)).square().mean().backward()
        optimizers.step(1.0)
    named = dict(model.named_parameters())
    assert all(not value.any() for name, value in named.items() if name.endswith(".bias"))
    biases = sum(value.numel() for name, value in named.items() if name.endswith(".bias"))
    assert parameter_count(build(dataclasses.replace(BARE, biases=True))) - parameter_count(model) == biases > 0
    optimizers.load_state(optimizers.state())


@pytest.mark.parametrize(
    "write, recipe, told",
    [
        (whole_graph, TOLD, "only a stream takes"),
        (whole_graph, dataclasses.replace(TINY, prestage="vocoder1024"), "vocoder, which runs as a stream"),
        (lambda model: stream_graph(model, 32), TOLD, "is told the interval"),
        (
            lambda model: fast_stream_graph(model, 96),
            dataclasses.replace(TINY, prestage="vocoder1024"),
            "vocoder's 128",
        ),
    ],
)
def test_a_form_that_cannot_hold_the_network_is_refused_in_one_line(write, recipe, told):
    with pytest.raises(ExportError, match=told):
        write(plain_copy(build(recipe)))

"""Layers: block by block equals the whole; centred ones equal torch's padding, causal ones a shifted one; folding."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.layers import ChannelNorm, Conv1d, ConvTranspose1d, Snake, fold, unfold


def cut(x: torch.Tensor, sizes: list[int], unit: int) -> list[torch.Tensor]:
    """Blocks of `sizes` units, over and over, until x is used up."""
    blocks, at, turn = [], 0, 0
    while at < x.shape[-1]:
        width = sizes[turn % len(sizes)] * unit
        blocks.append(x[..., at : at + width])
        at, turn = at + width, turn + 1
    return blocks


def streamed(layer, x: torch.Tensor, sizes: list[int], unit: int) -> torch.Tensor:
    past, heard = layer.silence(x.shape[0]), []
    for block in cut(x, sizes, unit):
        y, past = layer.step(block, past)
        heard.append(y)
    return torch.cat(heard, dim=-1)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from([(1, 1), (2, 1), (5, 1), (7, 1), (41, 1), (4, 2), (8, 4), (16, 8), (7, 3)]),
    groups=st.sampled_from([1, 2]),
    batch=st.sampled_from([1, 3]),
    sizes=st.lists(st.sampled_from([1, 2, 3, 13]), min_size=1, max_size=4),
)
def test_a_stream_through_a_causal_convolution_equals_the_whole(shape, groups, batch, sizes):
    kernel, stride = shape
    layer = Conv1d(2, 4, kernel, causal=True, stride=stride, groups=groups)
    x = torch.randn(batch, 2, 65 * stride)
    torch.testing.assert_close(streamed(layer, x, sizes, stride), layer(x))


@settings(max_examples=15, deadline=None)
@given(
    factor=st.sampled_from([2, 4, 8]),
    batch=st.sampled_from([1, 3]),
    sizes=st.lists(st.sampled_from([1, 2, 3, 13]), min_size=1, max_size=4),
)
def test_a_stream_through_a_causal_transposed_convolution_equals_the_whole(factor, batch, sizes):
    layer, x = ConvTranspose1d(3, 2, factor, causal=True), torch.randn(batch, 3, 65)
    torch.testing.assert_close(streamed(layer, x, sizes, 1), layer(x))


@pytest.mark.parametrize("frames", [1, 2, 65, 513])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 41, 97])
def test_a_centred_convolution_is_torchs_with_half_the_kernel_as_padding(kernel, frames):
    layer, x = Conv1d(2, 3, kernel, causal=False), torch.randn(1, 2, frames)
    expected = F.conv1d(x, layer.weight, layer.bias, padding=(kernel - 1) // 2)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("frames", [1, 2, 65])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_centred_resampling_is_torchs_with_half_the_factor_as_padding(factor, frames):
    down, x = Conv1d(2, 3, 2 * factor, causal=False, stride=factor), torch.randn(1, 2, frames * factor)
    torch.testing.assert_close(down(x), F.conv1d(x, down.weight, down.bias, stride=factor, padding=factor // 2))
    up, z = ConvTranspose1d(2, 3, factor, causal=False), torch.randn(1, 2, frames)
    expected = F.conv_transpose1d(z, up.weight, up.bias, stride=factor, padding=factor // 2)
    torch.testing.assert_close(up(z), expected)


@pytest.mark.parametrize("kernel, stride", [(1, 1), (5, 1), (41, 1), (4, 2), (16, 8)])
def test_a_causal_convolution_is_torchs_after_zeros_on_the_left(kernel, stride):
    layer, x = Conv1d(2, 3, kernel, causal=True, stride=stride), torch.randn(1, 2, 33 * stride)
    expected = F.conv1d(F.pad(x, (kernel - stride, 0)), layer.weight, layer.bias, stride=stride)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_causal_transposed_convolution_is_torchs_with_its_tail_cut_off(factor):
    layer, x = ConvTranspose1d(2, 3, factor, causal=True), torch.randn(1, 2, 33)
    expected = F.conv_transpose1d(x, layer.weight, layer.bias, stride=factor)[..., :-factor]
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("kernel, stride", [(1, 1), (5, 1), (97, 1), (8, 4)])
def test_the_past_is_zeros_as_long_as_the_kernel_reaches_back(kernel, stride):
    past = Conv1d(2, 3, kernel, causal=True, stride=stride).silence(3)
    assert past.shape == (3, 2, kernel - stride)
    assert not past.any()


def test_a_layer_keeps_its_past_for_a_block_shorter_than_it():
    layer, x = Conv1d(1, 1, 97, causal=True), torch.randn(1, 1, 8)
    past = torch.randn(1, 1, 96)
    _, present = layer.step(x, past)
    torch.testing.assert_close(present, torch.cat([past[..., 8:], x], dim=-1), rtol=0, atol=0)


@settings(max_examples=20, deadline=None)
@given(
    factor=st.sampled_from([1, 2, 3, 4, 8]),
    channels=st.sampled_from([1, 2, 5]),
    batch=st.sampled_from([1, 3]),
    frames=st.sampled_from([1, 2, 65]),
)
def test_folding_is_phase_major_and_unfolding_undoes_it(factor, channels, batch, frames):
    x = torch.randn(batch, channels, frames * factor)
    folded = fold(x, factor)
    assert folded.shape == (batch, factor * channels, frames)
    for phase in range(factor):
        for channel in range(channels):
            assert torch.equal(folded[:, phase * channels + channel], x[:, channel, phase::factor])
    assert torch.equal(unfold(folded, factor), x)


def test_channel_norm_evens_out_the_channels_of_each_frame_alone():
    norm, x = ChannelNorm(6, eps=1e-5), torch.randn(2, 6, 9)
    torch.nn.init.uniform_(norm.weight)
    torch.nn.init.uniform_(norm.bias)
    centred = x - x.mean(dim=1, keepdim=True)
    even = centred / torch.sqrt(centred.pow(2).mean(dim=1, keepdim=True) + 1e-5)
    torch.testing.assert_close(norm(x), even * norm.weight[:, None] + norm.bias[:, None])


def test_snake_follows_its_formula_with_an_alpha_for_each_channel():
    snake, x = Snake(3), torch.randn(2, 3, 5)
    assert torch.equal(snake.alpha, torch.ones(3, 1))
    torch.nn.init.uniform_(snake.alpha, 0.1, 3)
    for channel, alpha in enumerate(snake.alpha[:, 0].tolist()):
        v = x[:, channel].double()
        expected = v + torch.sin(alpha * v) ** 2 / (alpha + 1e-9)
        torch.testing.assert_close(snake(x)[:, channel].double(), expected, rtol=1e-5, atol=1e-6)

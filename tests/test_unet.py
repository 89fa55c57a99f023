"""The U-Nets against a second statement of the log's description in plain torch; causal forms as streams."""

import dataclasses
import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.layers import Whole
from training.models import build
from training.recipes import LOG_RECIPES, Recipe, find
from training.spectrogram_unet import ImageBlock, ImageDown, ImageUp, SpectrogramUNet
from training.unet import Block, Down, UNet, Up, require_causal

FORMS = list(itertools.product(["none", "layer", "weight"], ["gelu", "snake"]))
LATENT = {"gelu": F.gelu, "snake": lambda v: v + torch.sin(v) ** 2}  # α is still 1


def awake(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Weights that all matter: fresh blocks are scaled by 1e-6, and a fault in them would go unheard."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("scale"):
                parameter.uniform_(-1, 1)
            if ".norm." in name or name.startswith("norm."):
                parameter.uniform_(-1, 1)
    return model


def small(norm: str = "none", activation: str = "gelu", causal: bool = False, **changes) -> Recipe:
    recipe = Recipe("small", (4, 8, 16), (2, 1), 2, (4, 2), patch=2, kernels=(7, 23), mid_kernel=5, norm=norm,
                    activation=activation, causal=causal)  # fmt: skip
    return dataclasses.replace(recipe, **changes)


def spread_out(x, factor: int):
    """``(B, C, N)`` -> ``(B, factor·C, N / factor)`` with z[q·C + c, t] = x[c, factor·t + q], index by index."""
    return torch.cat([x[:, :, phase::factor] for phase in range(factor)], dim=1)


def brought_back(z, factor: int):
    channels = z.shape[1] // factor
    x = z.new_zeros(z.shape[0], channels, z.shape[2] * factor)
    for phase in range(factor):
        x[:, :, phase::factor] = z[:, phase * channels : (phase + 1) * channels]
    return x


def look(x, weight, bias, stride: int = 1, groups: int = 1, causal: bool = False):
    kernel = weight.shape[-1]
    left = kernel - stride if causal else (kernel - stride) // 2
    return F.conv1d(F.pad(x, (left, kernel - stride - left)), weight, bias, stride=stride, groups=groups)


def block_in_words(x, block, norm: str, activation: str, causal: bool):
    """x + γ ⊙ W2·act(W1·norm(DW(x))), the matrices applied as matrices."""
    y = look(x, block.look.weight, block.look.bias, groups=x.shape[1], causal=causal)
    if norm == "layer":
        y = F.layer_norm(y.mT, (x.shape[1],), block.norm.weight, block.norm.bias, 1e-5).mT
    y = block.widen.weight[:, :, 0] @ y + block.widen.bias[:, None]
    y = block.narrow.weight[:, :, 0] @ LATENT[activation](y) + block.narrow.bias[:, None]
    return x + block.scale.reshape(-1, 1) * y


def down_in_words(x, down, factor: int, causal: bool):
    folded = spread_out(x, factor)
    group = folded.shape[1] // down.conv.out_channels
    shortcut = torch.stack([folded[:, i : i + group].mean(dim=1) for i in range(0, folded.shape[1], group)], dim=1)
    return look(x, down.conv.weight, down.conv.bias, stride=factor, causal=causal) + shortcut


def up_in_words(x, up, factor: int, causal: bool):
    raised = F.conv_transpose1d(x, up.conv.weight, up.conv.bias, stride=factor)
    first = 0 if causal else factor // 2
    raised = raised[..., first : first + x.shape[2] * factor]
    shuffled = brought_back(x, factor)
    repeats = raised.shape[1] // shuffled.shape[1]
    return raised + torch.stack([shuffled[:, channel // repeats] for channel in range(raised.shape[1])], dim=1)


def unet_in_words(model: UNet, audio):
    """The whole network, written down a second time."""
    recipe = model.recipe
    form = (recipe.norm, recipe.activation, recipe.causal)
    x = look(spread_out(audio, recipe.patch), model.conv_in.weight, model.conv_in.bias, causal=recipe.causal)
    levels, skips = list(zip(model.encoders, recipe.factors, strict=True)), []
    for encoder, factor in levels:
        skips.append(x)
        for block in encoder.blocks:
            x = block_in_words(x, block, *form)
        x = down_in_words(x, encoder.down, factor, recipe.causal)
    for block in model.middle:
        x = block_in_words(x, block, *form)
    for decoder, factor, skip in zip(model.decoders, reversed(recipe.factors), reversed(skips), strict=True):
        x = up_in_words(x, decoder.up, factor, recipe.causal)
        for block in decoder.blocks:
            x = block_in_words(x, block, *form)
        x = decoder.merge.weight[:, :, 0] @ torch.cat([x, skip], dim=1) + decoder.merge.bias[:, None]
    x = look(x, model.conv_out.weight, model.conv_out.bias, causal=recipe.causal)
    return brought_back(x, recipe.patch)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("norm, activation", FORMS)
def test_the_unet_is_the_one_the_log_describes(norm, activation, causal):
    model = awake(build(small(norm, activation, causal)))
    audio = torch.randn(3, 1, 16 * 65)
    torch.testing.assert_close(model(audio), unet_in_words(model, audio), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 65, 511, 513])
def test_each_part_is_the_one_the_log_describes_at_awkward_lengths(frames):
    recipe = small("layer")
    block, down, up = awake(Block(8, 41, recipe)), Down(8, 16, 4, causal=False), Up(16, 8, 4, causal=False)
    x, z = torch.randn(2, 8, frames * 4), torch.randn(2, 16, frames)
    torch.testing.assert_close(block.run(x, Whole()), block_in_words(x, block, "layer", "gelu", causal=False))
    torch.testing.assert_close(down.run(x, Whole()), down_in_words(x, down, 4, causal=False))
    torch.testing.assert_close(up.run(z, Whole()), up_in_words(z, up, 4, causal=False))


def test_a_fresh_block_adds_a_millionth():
    block = Block(8, 7, small())
    assert torch.equal(block.scale, torch.full((8, 1), 1e-6))


def test_a_recipe_of_the_log_keeps_patch_phases_and_length():
    model = build(find("output19"))
    with torch.no_grad():
        assert model(torch.randn(1, 1, 1024)).shape == (1, 1, 1024)
    assert model.conv_in.in_channels == model.conv_out.out_channels == 4


@settings(max_examples=12, deadline=None)
@given(
    form=st.sampled_from(FORMS), batch=st.sampled_from([1, 3]), hops=st.lists(st.integers(1, 9), min_size=1, max_size=6)
)
def test_a_stream_in_random_blocks_equals_the_whole(form, batch, hops):
    model = awake(build(small(*form, causal=True)))
    audio = torch.randn(batch, 1, 16 * sum(hops))
    past, heard = model.silence(batch), []
    with torch.no_grad():
        for block in audio.split([16 * hop for hop in hops], dim=-1):
            restored, past = model.step(block, past)
            heard.append(restored)
        torch.testing.assert_close(torch.cat(heard, dim=-1), model(audio), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm, activation", FORMS)
def test_a_causal_form_has_as_many_parameters_and_never_hears_the_future(norm, activation):
    recipe = small(norm, activation)
    model = awake(build(recipe.as_causal()))
    centred = build(recipe)
    assert [p.shape for p in model.parameters()] == [p.shape for p in centred.parameters()]
    audio, stride = torch.randn(1, 1, 16 * 64), model.total_stride
    with torch.no_grad():
        before = model(audio)
        for place in range(20 * stride, 21 * stride):
            changed = audio.clone()
            changed[..., place] += 1
            heard = (model(changed) - before).abs()[0, 0] > 0
            assert int(heard.int().argmax()) == 20 * stride  # its own frame's first sample, at most stride - 1 ahead
        assert (awake(centred)(changed) != awake(centred)(audio))[..., : 20 * stride].any()


def test_every_waveform_recipe_of_the_log_has_a_causal_form_that_can_stream():
    for recipe in LOG_RECIPES:
        if recipe.kind == "waveform":
            with torch.device("meta"):
                require_causal(build(recipe.as_causal()))


def test_a_causal_form_of_the_log_hears_nothing_from_beyond_its_frame():
    recipe = dataclasses.replace(find("output11"), channels=(4, 8, 16, 32, 128)).as_causal()
    model = awake(build(recipe))
    audio = torch.randn(1, 1, 256 * 8)
    with torch.no_grad():
        changed = audio.clone()
        changed[..., 256 * 5 - 1] += 1  # the last sample of a frame
        heard = torch.nonzero((model(changed) != model(audio))[0, 0])[:, 0]
    assert int(heard.min()) == 256 * 4  # look-ahead 255, as the log's reconstruction measured


def test_a_centred_model_cannot_stream_and_names_its_first_layer_that_looks_ahead():
    model = build(find("output19"))
    with pytest.raises(ValueError, match=r"output19 is centred .* layer conv_in looks 2 frames ahead.*--causal"):
        model.step(torch.zeros(1, 1, 512), model.silence(1))


def test_weight_norm_wraps_convolutions_and_matrices_but_not_the_transposed_ones():
    model = build(find("output14"))
    gains = [name for name, _ in model.named_parameters() if name.endswith("original0")]
    assert sum(dict(model.named_parameters())[name].numel() for name in gains) == 27_972
    assert not any(".up." in name for name in gains)


def small_image_unet() -> SpectrogramUNet:
    recipe = Recipe("image", (4, 16, 32), (1, 2), 1, (4, 2), "spectrogram", kernels=(7,), mid_kernel=7)
    model = awake(build(recipe))
    assert isinstance(model, SpectrogramUNet)
    return model


def image_block_in_words(x, block: ImageBlock):
    y = F.conv2d(x, block.look.weight, block.look.bias, padding=3, groups=x.shape[1])
    y = F.layer_norm(y.permute(0, 2, 3, 1), (x.shape[1],), block.norm.weight, block.norm.bias, 1e-5)
    y = F.gelu(y @ block.widen.weight[:, :, 0, 0].T + block.widen.bias)
    y = y @ block.narrow.weight[:, :, 0, 0].T + block.narrow.bias
    return x + (y * block.scale).permute(0, 3, 1, 2)


def image_down_in_words(x, down: ImageDown, factor: int):
    folded = F.pixel_unshuffle(x, factor)
    group = folded.shape[1] // down.conv.out_channels
    shortcut = torch.stack([folded[:, i : i + group].mean(dim=1) for i in range(0, folded.shape[1], group)], dim=1)
    return F.conv2d(x, down.conv.weight, down.conv.bias, stride=factor, padding={4: 2, 2: 1}[factor]) + shortcut


def image_up_in_words(x, up: ImageUp, factor: int):
    raised = F.conv_transpose2d(x, up.conv.weight, up.conv.bias, stride=factor, padding=factor // 2)
    shuffled = F.pixel_shuffle(x, factor)
    repeats = raised.shape[1] // shuffled.shape[1]
    return raised + torch.stack([shuffled[:, channel // repeats] for channel in range(raised.shape[1])], dim=1)


def test_the_spectrogram_unet_is_the_one_the_log_describes():
    model, image = small_image_unet(), torch.randn(2, 2, 32, 16)
    x, skips = F.conv2d(image, model.conv_in.weight, model.conv_in.bias, padding=1), []
    for encoder, factor in zip(model.encoders, (4, 2), strict=True):
        skips.append(x)
        for block in encoder[0]:
            x = image_block_in_words(x, block)
        x = image_down_in_words(x, encoder[1], factor)
    for block in model.middle:
        x = image_block_in_words(x, block)
    for decoder, merge, factor in zip(model.decoders, model.merges, (2, 4), strict=True):
        x = image_up_in_words(x, decoder[0], factor)
        for block in decoder[1]:
            x = image_block_in_words(x, block)
        x = F.conv2d(torch.cat([x, skips.pop()], dim=1), merge.weight, merge.bias)
    expected = F.conv2d(x, model.conv_out.weight, model.conv_out.bias, padding=1)
    torch.testing.assert_close(model.restore(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 65, 511, 513, 8193, 32_512])
def test_the_spectrogram_unet_gives_back_as_many_samples_as_it_got(samples):
    with torch.no_grad():
        assert small_image_unet()(torch.randn(2, 1, samples)).shape == (2, 1, samples)


def test_the_spectrogram_unet_takes_and_gives_the_windowed_spectrum():
    model, audio = small_image_unet(), torch.randn(1, 1, 2048 * 4 - 256)  # a whole number of its deepest frames
    model.restore = lambda image: image * image.new_tensor([2.0, 2.0])[:, None, None]
    torch.testing.assert_close(model(audio), 2 * audio, rtol=1e-4, atol=1e-5)
    heard = []
    model.restore = lambda image: heard.append(image) or image
    model(audio)
    (image,) = heard
    assert image.shape == (1, 2, 512, 32)
    after_silence = F.pad(audio[0, 0], (511, 0))
    for position in (0, 1, 10):
        frame = after_silence[position * 256 : position * 256 + 1022] * torch.hann_window(1022)
        heard_frame = torch.complex(*image[0, :, :, position])
        torch.testing.assert_close(heard_frame, torch.fft.rfft(frame), rtol=1e-4, atol=1e-4)

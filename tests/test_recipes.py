"""The recipes of the research log, number by number, and what a recipe refuses to be."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from training.geometry import geometry, macs_per_second, parameter_count
from training.models import build
from training.recipes import LOG_RECIPES, RECIPES, Recipe, find
from training.unet import UNet

ROOT = Path(__file__).parents[1]

# The research log's runs: parameters, total stride, receptive field, look-ahead, GMAC per second (as printed there).
LOG = {
    "output0": (15_828_073, 512, 188_724, 94_515, "3.25"),
    "output2": (15_828_073, 512, 188_724, 94_515, "3.25"),
    "output3": (22_793_225, 512, 281_756, 140_955, "4.65"),
    "output4": (62_800_169, 512, 240_084, 120_275, "10.65"),
    "output5": (16_217_697, 512, 81_190, 40_741, "16.88"),
    "output6": (15_960_945, 512, 81_190, 40_741, "11.59"),
    "output7": (14_703_033, 512, 81_190, 40_741, "5.83"),
    "output8": (12_563_225, 512, 151_608, 75_831, "3.18"),
    "output9": (13_401_881, 512, 116_022, 58_165, "4.51"),
    "output10": (9_778_836, 512, 85_384, 42_887, "2.83"),
    "output11": (9_778_514, 256, 42_692, 21_443, "5.65"),
    "output12": (15_668_004, 512, 85_384, 42_887, "8.78"),
    "output13": (15_659_172, 512, 85_384, 42_887, "8.78"),
    "output14": (15_687_144, 512, 85_384, 42_887, "8.78"),
    "output15": (15_676_836, 512, 85_384, 42_887, "8.78"),
    "output16": (15_509_028, 512, 14_560, 7_391, "8.50"),
    "output17": (15_579_684, 512, 48_160, 24_095, "8.63"),
    "output18": (15_906_468, 512, 202_216, 101_351, "9.24"),
    "output19": (15_557_028, 512, 23_768, 11_991, "8.64"),
    "output20": (19_153_828, 512, 44_376, 22_359, "11.26"),
    "output21": (34_918_516, 512, 23_768, 11_991, "19.28"),
}
FIGURES = ("total_stride", "receptive_field", "lookahead")


def by_name(printed: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(printed)}


@pytest.fixture(scope="module")
def rows():
    command = [sys.executable, "-m", "deshift", "recipes", "--json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return by_name(result.stdout)


@pytest.fixture(scope="module")
def causal_rows():
    return by_name(CliRunner().invoke(deshift.main, ["recipes", "--json", "--causal"]).output)


def test_all_22_runs_of_the_log_are_there_in_its_order(rows):
    assert [recipe.name for recipe in LOG_RECIPES] == [f"output{number}" for number in range(22)]
    assert list(rows) == [recipe.name for recipe in RECIPES]


@pytest.mark.parametrize("name", LOG)
def test_a_waveform_recipe_has_the_logs_figures_exactly(rows, name):
    row = rows[name]
    assert row["kind"] == "waveform"
    found = (row["parameters"], *(row[figure] for figure in FIGURES), f"{row['gmac_per_second']:.2f}")
    assert found == LOG[name]


def test_the_spectrogram_recipe_has_the_logs_figures_exactly(rows):
    row = rows["output1"]
    assert (row["kind"], row["parameters"], row["total_stride"]) == ("spectrogram", 18_397_246, 64 * 256)
    assert f"{row['gmac_per_second']:.2f}" == "1.48"


def test_only_run_2_trains_longer_than_10_000_steps():
    assert {recipe.name: recipe.steps for recipe in LOG_RECIPES if recipe.steps != 10_000} == {"output2": 20_000}


def test_the_table_for_people_shows_the_same_figures():
    shown = CliRunner().invoke(deshift.main, ["recipes"]).output
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["output19"]]
    assert line.split() == ["output19", "waveform", "15,557,028", "512", "23,768", "11,991", "8.64", "252.92", "ms"]


@pytest.mark.parametrize("name", LOG)
def test_a_causal_form_costs_the_same_and_waits_for_one_total_stride(causal_rows, name):
    parameters, stride, _, _, gmac = LOG[name]
    row = causal_rows[name]
    assert (row["parameters"], row["total_stride"], f"{row['gmac_per_second']:.2f}") == (parameters, stride, gmac)
    assert (row["lookahead"], row["algorithmic_latency"]) == (stride - 1, stride)
    assert row["algorithmic_latency_ms"] == pytest.approx(1000 * stride / 48_000)


def small_recipe(patch, factors, blocks, kernels, mid_kernel, causal) -> Recipe:
    return Recipe(
        name="small",
        channels=tuple(4 * 2**level for level in range(len(factors) + 1)),
        blocks=tuple(blocks[: len(factors)]),
        mid_blocks=1,
        factors=tuple(factors),
        patch=patch,
        kernels=kernels,
        mid_kernel=mid_kernel,
        norm="none",
        causal=causal,
    )


def dependencies(recipe: Recipe) -> torch.Tensor:
    """Which input samples each output sample of one middle frame depends on, by autograd: ``(stride, T)``."""
    torch.manual_seed(1)
    model = build(recipe).double()
    assert isinstance(model, UNet)
    for name, parameter in model.named_parameters():
        if name.endswith("scale"):
            torch.nn.init.uniform_(parameter, 0.5, 1)
    reach = geometry(recipe)
    stride = reach.total_stride
    frames = 2 * (reach.receptive_field // stride + 2)
    audio = torch.randn(1, 1, frames * stride, dtype=torch.double, requires_grad=True)
    restored, middle = model(audio), frames // 2 * stride
    return torch.stack(
        [
            torch.autograd.grad(restored[0, 0, middle + place], audio, retain_graph=True)[0][0, 0] != 0
            for place in range(stride)
        ]
    )


@settings(max_examples=8, deadline=None)
@given(
    patch=st.sampled_from([1, 2, 4]),
    factors=st.lists(st.sampled_from([2, 4]), min_size=1, max_size=2),
    blocks=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    kernels=st.sampled_from([(3,), (1, 5), (7, 3)]),
    mid_kernel=st.sampled_from([1, 5]),
    causal=st.booleans(),
)
def test_stride_reach_and_latency_are_those_that_the_gradients_of_the_model_show(
    patch, factors, blocks, kernels, mid_kernel, causal
):
    recipe = small_recipe(patch, factors, blocks, kernels, mid_kernel, causal)
    seen = dependencies(recipe)
    stride, samples = seen.shape
    middle = samples // stride // 2 * stride
    positions = torch.arange(middle, middle + stride)
    first = seen.int().argmax(dim=1)
    last = samples - 1 - seen.flip(1).int().argmax(dim=1)
    found = geometry(recipe)
    assert found.total_stride == stride
    assert found.receptive_field == int((last - first).max()) + 1
    assert found.lookahead == int((last - positions).max())
    assert found.past == int((positions - first).max())
    assert found.latency == int(last.max()) + 1 - middle


def test_arithmetic_follows_the_formula_for_each_layer():
    recipe = dataclasses.replace(find("tiny"), blocks=(2, 1), kernels=(7, 23), mid_kernel=5)
    rates = [48_000 / 4, 48_000 / 8, 48_000 / 32]
    blocks = [
        rate * sum(8 * width**2 + kernel * width for kernel in kernels)
        for rate, width, kernels in zip(rates, recipe.channels, [(7, 23) * 2, (7,) * 2, (5,)], strict=True)
    ]
    strided = [
        2 * (2 * factor * recipe.channels[i] * recipe.channels[i + 1]) * rates[i + 1] for i, factor in ((0, 2), (1, 4))
    ]
    merges = [rates[i] * 2 * recipe.channels[i] ** 2 for i in (0, 1)]
    ends = 2 * rates[0] * 5 * 4 * recipe.channels[0]
    assert macs_per_second(recipe) == pytest.approx(sum(blocks) + sum(strided) + sum(merges) + ends, rel=1e-12)


def test_parameters_are_counted_on_the_model_itself():
    counted = parameter_count(build(find("tiny")))
    assert counted == sum(value.numel() for value in build(find("tiny")).state_dict().values()) == 24_716


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_survives_json(recipe):
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"blocks": (1,)}, "2 factors need 3 channels and 2 block counts, not 3 and 1"),
        ({"channels": (8, 16)}, "2 factors need 3 channels"),
        ({"kernels": (7, 23), "blocks": (3, 1)}, "3 blocks a level need as many kernels"),
        ({"kind": "spectrogram"}, "no causal form"),
    ],
)
def test_an_impossible_recipe_is_refused_by_name(changes, told):
    with pytest.raises(ValueError, match=told) as caught:
        dataclasses.replace(find("tiny"), **changes)
    assert "tiny" in str(caught.value)


@pytest.mark.parametrize("change", [{"colour": "red"}, {"channels": None}])
def test_json_that_is_no_recipe_is_refused(change):
    data = find("tiny").to_json() | change
    if change.get("channels", 0) is None:
        del data["channels"]
    with pytest.raises(ValueError, match="not a recipe"):
        Recipe.from_json(data)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"no recipe is called 'output22'; there are output0, output1, .*output21, light"
    ):
        find("output22")

"""The arguments of `deshift train`, checked before they travel: a slip of the pen would cost a machine's time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from scripts.gpu_bundle.files import MIB, BundleError, mib

_OURS = {  # option: how the bundle comes by it
    "--data": "give the folders before the --",
    "--validation": "give the folders before the --",
    "--out": "the run lies in the work folder of the box",
    "--cache": "it lies in the work folder of the box",
    "--time-limit": "give --minutes before the --",
    "--resume": "give the run to go on with as --run before the --",
    "--init": "give --init before the --",
}
_BYTES_PER_PARAMETER = 4


def check(words: Sequence[str], data: Sequence[Path], out_mib: float) -> None:
    """Read the arguments as the command would.

    Raises: BundleError for an unknown recipe or option, one that the bundle sets itself, a bad value, or a model whose
        weights alone are larger than what may come back.
    """
    from training.commands import describe, train  # with torch, which `join` needs not
    from training.recipes import find

    for word in words:
        if (option := word.partition("=")[0]) in _OURS:
            raise BundleError(f"{option} is set by the bundle: {_OURS[option]}")
    places = [word for folder in data for word in ("--data", str(folder))]
    try:
        options: dict[str, Any] = train.make_context("train", [*words, *places, "--out", "run"]).params
        recipe = find(options["recipe"])
    except click.ClickException as error:
        raise BundleError(f"deshift train {' '.join(words)}: {error.format_message()}") from error
    except ValueError as error:
        raise BundleError(str(error)) from error
    weights_bytes = _BYTES_PER_PARAMETER * int(describe(recipe)["parameters"])
    if weights_bytes > out_mib * MIB:
        raise BundleError(
            f"{recipe.name}'s weights take {mib(weights_bytes)}, more than may come back "
            f"({out_mib:g} MiB): give a larger --out-mib or a smaller recipe"
        )

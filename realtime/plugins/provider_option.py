"""The option --provider, for every verb that runs a model."""

from __future__ import annotations

import click

from realtime.plugins.providers import PROVIDER_NAMES, wheel_clash

provider_option = click.option(
    "--provider",
    type=click.Choice(PROVIDER_NAMES),
    default="cpu",
    show_default=True,
    help="What runs the model; all but the CPU need more than this package: docs/providers.md.",
)


def warn_of_clash(provider: str) -> None:
    """Say on the standard error where packages of ONNX Runtime overwrite each other; on the CPU nobody minds."""
    clash = wheel_clash() if provider != "cpu" else ""
    if clash:
        click.echo(f"warning: {clash}", err=True)

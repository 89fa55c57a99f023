"""deshift undoes pitch shifting: the command ``deshift VERB …`` and the Python API, `deshift.load`.

Importing this loads neither torch nor ONNX Runtime; each verb's package is loaded when the verb is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from realtime.model import Model

VERBS = {  # verb: (module with a click.Command of that name, the extra that installs what it needs, one line of help)
    "live": ("realtime.live.live_command", "", "De-shift live: microphone in, loudspeaker out."),
    "gui": ("gui.commands", "gui", "Open the desktop app: live and files, with everything in view."),
    "process": ("realtime.commands", "", "De-shift audio files and folders."),
    "info": ("realtime.commands", "", "Print what a plugin file says of itself."),
    "models": ("realtime.commands", "", "List the models that came with deshift."),
    "simulate": ("realtime.live.simulate_command", "", "Play a scenario through the live engine: no sound card."),
    "latency-test": ("realtime.live.latency_command", "", "Measure the round trip through a loop-back."),
    "bench": ("realtime.live.bench_command", "", "Measure how fast a model is here, and recommend settings."),
    "devices": ("realtime.live.device_commands", "", "List the microphones and loudspeakers."),
    "evaluate": ("realtime.evaluate.command", "", "Judge models beside the best DSP inverses."),
    "recipes": ("training.commands", "train", "List the networks that can be trained, with their figures."),
    "train": ("training.commands", "train", "Train a network on folders of recordings."),
    "compare": ("training.compare_command", "train", "Train several networks alike and compare them."),
    "export": ("export.commands", "train", "Turn a training run into a plugin file."),
}
OWN_PACKAGES = {"realtime", "training", "export", "gui"}


def load(name_or_path: str | Path | None = None, threads: int = 1, semitones: float | None = None) -> Model:
    """Open a model: a plugin file by path, a bundled one by name, or the default one.

    Args:
        name_or_path: a plugin file (.onnx), a name out of `deshift models`, or None.
        threads: of ONNX Runtime; 0 takes all cores.
        semitones: the shift to undo, +12 for a sound that was raised by an octave; models that undo one and the same
            take none. Another one later: `Model.set_shift`.
    Returns: a `Model` with `facts`, `process(audio, sample_rate)` and `stream(channels)`.
    Raises: ValueError, one line, where there is no such model, its file cannot be trusted, or it takes no such shift.
    """
    from realtime.model import load_model

    return load_model(name_or_path, threads, semitones=semitones)


class Verbs(click.Group):
    """The verbs, loaded one by one, so that a listener never waits for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's package.

        Raises: click.ClickException naming what to install, where a package is missing.
        """
        if cmd_name not in VERBS:
            return None
        module_name, extra, _ = VERBS[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module_name), cmd_name.replace("-", "_"))
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if package in OWN_PACKAGES:
                raise
            wanted = f"deshift[{extra}]" if extra else "deshift"
            raise click.ClickException(f'"{cmd_name}" needs {package}: pip install "{wanted}"') from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's own lines: asking each command would import torch."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])


@click.command(cls=Verbs, subcommand_metavar="VERB …", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deshift", message="deshift %(version)s")
def main() -> None:
    """Undo pitch shifting: de-shift live and in files, and train and export models that do.

    `deshift VERB --help` explains a verb.
    """


if __name__ == "__main__":
    main(prog_name="deshift")

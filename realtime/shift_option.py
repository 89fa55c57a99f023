"""The option --semitones, for every verb that undoes a shift."""

from __future__ import annotations

import click

semitones_option = click.option(
    "--semitones",
    type=float,
    metavar="N",
    help="The shift to undo: 12 for a sound that was raised by an octave. Models that undo one and the same take none.",
)

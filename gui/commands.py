"""The verb `gui`."""

from __future__ import annotations

from pathlib import Path

import click
import PyQt6  # noqa: F401  (so that a missing extra is told as such, before anything else)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
def gui(paths: tuple[Path, ...]) -> None:
    """Open the desktop app: de-shift live and in files, see delay and quality.

    PATHS, files or folders, are put into the queue of the files page.
    """
    from gui.app import DisplayError, run_app

    try:
        raise SystemExit(run_app([path.absolute() for path in paths]))
    except DisplayError as error:
        raise click.ClickException(str(error)) from error

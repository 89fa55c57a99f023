"""The verb `live`: the microphone through a model to the loudspeaker, until it is told to stop."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from realtime.live import engines
from realtime.live.controls import Controls
from realtime.live.device_options import ChosenDevices, chosen_devices, device_options, remember_opened
from realtime.live.host import Host
from realtime.live.live_line import nothing_undone, opening, summary
from realtime.live.live_screen import choose_screen
from realtime.live.settings import LiveSettings
from realtime.live.typed import TypedCommands, listening
from realtime.plugins.provider_option import provider_option, warn_of_clash
from realtime.shift_option import semitones_option

LOOK_SECONDS = 0.2
STOP_SECONDS = 1.8
STOP_RECORDING_SECONDS = 10.0  # what was recorded is worth waiting for


@click.command(
    epilog="""Examples:

\b
  deshift live                         the devices used last, the default model
  deshift live -i usb -o headphones    parts of their names are enough
  deshift live --semitones 12          what is heard was raised by an octave
  deshift live --auto                  with the lowest latency that holds here
  deshift live -i none -o none --self-test voice.wav
                                       no sound card: how good is the model?
"""
)
@device_options
@click.option("-m", "--model", metavar="NAME|PATH", help="A bundled model's name or a plugin file (.onnx).")
@click.option("--preset", metavar="PATH", help="A chain of plugins, as JSON, in place of a model.")
@semitones_option
@click.option("--deadline", "deadline_ms", type=click.FloatRange(0, 1000), help="Time a hop may take, in ms (8).")
@click.option("--auto", is_flag=True, help="First find the smallest block and deadline that hold on this machine.")
@click.option("--mix", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="0 raw, 1 de-shifted.")
@click.option("--input-gain", type=click.FloatRange(-60, 24), default=0.0, help="In dB.")
@click.option("--output-gain", type=click.FloatRange(-60, 24), default=0.0, help="In dB.")
@click.option("--channels", type=click.IntRange(1, 2), default=1, show_default=True, help="1 mono, 2 stereo.")
@click.option("--compare", is_flag=True, help="Run the DSP inverse beside the model, for A/B/C; adds its latency.")
@click.option(
    "--conceal",
    type=click.Choice(["dry", "silence"]),
    default="dry",
    show_default=True,
    help="What is heard in place of a late hop.",
)
@click.option("--no-limiter", is_flag=True, help="Let the output pass -1 dBFS.")
@click.option("--no-quality", is_flag=True, help="Do not measure the output's quality.")
@click.option(
    "--self-test", metavar="FILE", help="Shift this clean recording and de-shift it, in place of the microphone."
)
@click.option("--reference", metavar="FILE", help="The original of what is played to the microphone.")
@click.option("--record", metavar="DIR", help="Record input and output as FLAC, aligned, into this folder.")
@click.option("--allow-feedback", is_flag=True, help="Allow microphone and loudspeaker of one machine (headphones!).")
@click.option("--threads", type=click.IntRange(0, 64), default=1, show_default=True, help="Of the model.")
@provider_option
@click.option("--seconds", type=click.FloatRange(0.1), help="Stop by itself after so long.")
@click.option("--report", metavar="FILE", help="Write a report of the session, as JSON, when it ends.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as one JSON object a second.")
def live(**options: Any) -> None:
    """De-shift live: microphone in, loudspeaker out. Ctrl-C ends it.

    The status shows where the latency lies, how fast the model is, what was missed and why, and how good the output
    is. Type `help` and Enter while it runs for what can be changed.
    """
    warn_of_clash(options["provider"])
    report = None if options["report"] is None else Path(options["report"])
    try:
        _check_files(report, options["record"], options["reference"])
        names = ("input_name", "output_name", "rate", "block", "latency")
        devices = chosen_devices(*(options[name] for name in names))
        try:
            note = _session(_settings(options, devices), report, options)
        except ValueError as error:
            raise devices.explained(error) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if note:
        raise click.ClickException(note)


def _settings(options: dict[str, Any], devices: ChosenDevices) -> LiveSettings:
    controls = Controls(
        mix=options["mix"],
        input_gain_db=options["input_gain"],
        output_gain_db=options["output_gain"],
        limiter=not options["no_limiter"],
    )
    same = (
        *("model", "preset", "semitones", "channels", "compare", "self_test", "reference", "record"),
        *("allow_feedback", "threads"),
    )
    settings = LiveSettings(
        device=devices.choice,
        controls=controls,
        concealment=options["conceal"],
        quality=not options["no_quality"],
        provider=options["provider"],
        **{name: options[name] for name in same},
    )
    return settings if options["deadline_ms"] is None else replace(settings, deadline_ms=options["deadline_ms"])


def _session(settings: LiveSettings, report: Path | None, options: dict[str, Any]) -> str:
    """From start to report; why it ended by itself, empty where it was told to."""
    quiet = options["as_json"]
    with _signals() as ended:
        engines.build(settings)
        tuned = _tuned(settings, quiet, ended) if options["auto"] else settings
        if ended.is_set():
            return ""
        host = Host(tuned)
        host.start(tuned.start_limit_s)
        try:
            if not quiet:
                click.echo(opening(host.facts), err=True)
            if tuned.semitones is None and (hint := nothing_undone(host.facts)):
                click.echo(hint, err=True)
            _remember(host)
            _run(host, ended, options["seconds"], quiet)
        finally:
            host.stop(STOP_RECORDING_SECONDS if host.status().engine.recording else STOP_SECONDS)
            facts = host.report()
            if report is not None:
                _write_report(report, facts)
    if not quiet:
        click.echo(summary(facts), err=True)
    status = host.status()
    return status.note if status.failed else ""


def _tuned(settings: LiveSettings, quiet: bool, ended: threading.Event) -> LiveSettings:
    from realtime.live.autotune import tune

    if not quiet:
        click.echo("looking for the smallest block and deadline that hold here (about 20 s, in silence)…", err=True)
    found = tune(settings, ended)
    if found is None:
        return settings
    if not quiet:
        click.echo(found.words, err=True)
    return found.settings


def _remember(host: Host) -> None:
    """The sound goes on where they cannot be remembered; that is said."""
    try:
        remember_opened(host.facts["input_name"], host.facts["output_name"])
    except ValueError as error:
        click.echo(str(error), err=True)


def _run(host: Host, ended: threading.Event, seconds: float | None, as_json: bool) -> None:
    """Show the status until the end is asked for, the time is over, or the host gave up."""
    typed = TypedCommands(host, ended.set)
    over = time.monotonic() + (seconds if seconds is not None else float("inf"))
    with listening(typed), choose_screen(as_json) as screen:
        while True:
            status = host.status()
            screen.show(status, typed.answer, typed.draft)
            if status.failed or ended.wait(max(0.0, min(LOOK_SECONDS, over - time.monotonic()))):
                return
            if time.monotonic() >= over:
                return


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event; what they did before comes back at the end."""
    ended = threading.Event()
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), lambda *_: ended.set()) for name in names}
    try:
        yield ended
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _check_files(report: Path | None, record: str | None, reference: str | None) -> None:
    """Before anything starts, by trying.

    Raises: ValueError, one line.
    """
    if report is not None and report.is_dir():
        raise ValueError(f"{report}: the report cannot be written there: it is a folder; name a file")
    if record is not None:
        try:
            Path(record).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{record}: nothing can be recorded there: {error.strerror or error}") from error
    folders = (report and report.parent, "the report cannot be written"), (record, "nothing can be recorded")
    for folder, what in folders:
        try:
            if folder is not None:
                tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ValueError(f"{folder}: {what} there: {error.strerror or error}") from error
    if reference is not None:
        from realtime.live.self_test import read_beginning

        read_beginning(Path(reference), 48_000, 1, 1.0)


def _write_report(path: Path, facts: dict[str, Any]) -> None:
    """The whole file, or none: the one that was there stays until the new one is complete.

    Raises: ValueError where it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ValueError(f"{path}: the report cannot be written: {error.strerror or error}") from error

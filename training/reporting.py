"""What a run tells the terminal: a line that moves, or one every half minute where nothing can move."""

import sys
import time
from collections import deque

import click

from training.loop import Progress

_LINE_EVERY_SECONDS = 30.0
_AVERAGED_STEPS = 50


def hours_and_minutes(seconds: float) -> str:
    """``3725`` -> ``1 h 02 min``; below an hour minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class ProgressLine:
    """Loss, speed and remaining time; validation figures stand on lines of their own, beside the floor."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._moving = sys.stderr.isatty()
        self._recent: deque[float] = deque(maxlen=_AVERAGED_STEPS)
        self._said = 0.0

    def show(self, progress: Progress) -> None:
        if self._quiet:
            return
        self._recent.append(progress.seconds_per_step)
        seconds = sum(self._recent) / len(self._recent)
        text = (
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}  {seconds:.2f} s/step  "
            f"{hours_and_minutes(seconds * (progress.steps - progress.step))} left"
        )
        if self._moving:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
        elif time.monotonic() - self._said > _LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            click.echo(text, err=True)
        if progress.scores and progress.floor:
            mine, floor = progress.scores, progress.floor
            click.echo(
                f"{chr(13) if self._moving else ''}step {progress.step}: MR-STFT {mine.mr_stft:.3f} (doing nothing "
                f"{floor.mr_stft:.3f}), mel {mine.mel:.3f} ({floor.mel:.3f}), SI-SDR {mine.si_sdr_db:.1f} dB "
                f"({floor.si_sdr_db:.1f})",
                err=True,
            )

    def close(self) -> None:
        if self._moving and not self._quiet:
            click.echo(err=True)

"""What the tests of training runs read and do."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.loop import Progress

BEST = "best.safetensors"


def lines(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl, of one kind or of all."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if not kind or row["kind"] == kind]


def ignore(progress: Progress) -> None:
    """A report that nobody reads."""
    del progress


def interrupt_at(step: int) -> Callable[[Progress], None]:
    """Ctrl-C, as a person would press it, right after a step was reported."""

    def report(progress: Progress) -> None:
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report

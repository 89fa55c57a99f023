"""A plugin file as a Neutone FX model (.nm): TorchScript, made and tested by the Neutone SDK in its own environment.

The SDK wants an older numpy than deshift; scripts/neutone_environment.sh makes that environment. docs/neutone-anira.md
says what a user does with the result. Source of the limits: neutone_sdk 1.5.2, metadata.py and constants.py.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from export.graph import ExportError
from export.source import Source, read_source
from export.stream_file import read_stream
from realtime.contract import Facts

ROOT = Path(__file__).resolve().parents[1]
MODEL = "model.nm"
ENVIRONMENT = ROOT / ".cache/neutone"
WORKER = ROOT / "export/neutone_worker.py"
TIME_LIMIT_S = 1800.0  # its speed test runs some 3000 hops of the model, however slow that is
LARGEST_SAMPLE_RATE = 96_000
NAME_LENGTH, SHORT_LENGTH, LONG_LENGTH = 30, 150, 500
SPEED = re.compile(r"Sample rate: +(\d+) \| Buffer size: +(\d+) \| duration: .*? \| 1/RTF: +([\d.]+)")
DELAY = re.compile(
    r"Sample rate: +(\d+) \| Buffer size: +(\d+) \| Total delay: +(\d+) \| "
    r"\(Buffering delay: +(\d+) \| Model delay: +(\d+)\)"
)
RAISED = re.compile(r"[\w.]*(Error|Exception)\b")
PASSED = "Your model has been exported successfully"


def write_neutone(
    model: Path,
    target: Path,
    python: Path | None = None,
    authors: tuple[str, ...] = ("deshift",),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the folder `target`: model.nm, metadata.json and samples/, after the SDK's submission self-test passed.

    The model is stereo: the two channels go through the network side by side, and a mono track costs as much.
    Args: model: a plugin file; python: of the SDK's environment, by default what scripts/neutone_environment.sh makes.
    Returns: `speed`, rows of sample_rate, buffer_size and times_real_time, and `delay`, rows of sample_rate,
    buffer_size, total_samples, buffering_samples and model_samples: what the self-test measured.
    Raises: ExportError, in one line; then there is no `target`.
    """
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists: remove it, or give another folder")
    if target.exists() and not (target / MODEL).is_file():
        raise ExportError(f"{target} is no Neutone model's folder, so it is not replaced: give another one")
    if not target.absolute().parent.is_dir():
        raise ExportError(f"there is no folder {target.absolute().parent}: make it, or give another place")
    interpreter = _interpreter(python)
    _, facts = read_stream(model)
    if facts.controls:  # and before the network there may be a vocoder, which it would be written without
        raise ExportError(f"{model} has controls, which this export has no knobs for: export a recipe without them")
    source = read_source(model)
    job = describe(facts, authors)
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", suffix=".part", dir=target.absolute().parent) as made:
        folder = Path(made) / "neutone"
        report = _run(interpreter, source, {**job, "folder": str(folder)}, Path(made))
        if target.exists():
            target.replace(Path(made) / "old")  # goes with the rest of that folder
        folder.replace(target)
    return report


def describe(facts: Facts, authors: tuple[str, ...]) -> dict[str, Any]:
    """What the SDK asks about a model, from the plugin file's facts, within the SDK's lengths.

    Raises: ExportError for a sample rate that Neutone does not take, or more than five authors.
    """
    if facts.sample_rate > LARGEST_SAMPLE_RATE:
        raise ExportError(
            f"Neutone takes models of {LARGEST_SAMPLE_RATE} Hz at most, this one runs at {facts.sample_rate}"
        )
    if not 1 <= len(set(authors)) == len(authors) <= 5:
        raise ExportError(f"Neutone takes one to five different authors, not {len(authors)}")
    low, high = facts.shift_semitones
    shifts = f"{low:+g} semitones" if low == high else f"{low:+g} to {high:+g} semitones"
    long = f"{facts.description} Undoes a pitch shift of {shifts}. Licence: {facts.licence}."
    technical = (
        f"Patching 1-D U-Net {facts.recipe.get('name', '')}, {facts.parameters} parameters, causal; one hop of "
        f"{facts.hop_samples} samples at {facts.sample_rate} Hz. Trained with deshift. "
        f"Weights SHA-256 {facts.weights_sha256}. Licence: {facts.licence}."
    )
    return {
        "name": shorten(facts.name, NAME_LENGTH),
        "authors": list(authors),
        "short_description": shorten(f"Undoes a pitch shift of {shifts}.", SHORT_LENGTH),
        "long_description": shorten(long.strip(), LONG_LENGTH),
        "technical_description": shorten(technical, LONG_LENGTH),
        "tags": ["deshift", "pitch", "restoration"],
        "version": "1.0.0",
        "sample_rate": facts.sample_rate,
        "hop_samples": facts.hop_samples,
        "delay_samples": facts.lookahead_samples,
        "recipe": dict(facts.recipe),
    }


def shorten(text: str, length: int) -> str:
    """At most `length` characters, one line; what was cut ends in an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def read_report(log: str) -> dict[str, Any]:
    """The tables in what the SDK logged.

    Raises: ExportError where the self-test did not come to its end or a table is missing.
    """
    speed = [
        {"sample_rate": int(rate), "buffer_size": int(size), "times_real_time": float(times)}
        for rate, size, times in SPEED.findall(log)
    ]
    names = ("sample_rate", "buffer_size", "total_samples", "buffering_samples", "model_samples")
    delay = [dict(zip(names, map(int, row), strict=True)) for row in DELAY.findall(log)]
    if PASSED not in log or not speed or not delay:
        raise ExportError(f"the Neutone SDK's self-test did not end as it should: {_last_line(log)}")
    return {"speed": speed, "delay": delay}


def _interpreter(python: Path | None) -> Path:
    found = python or ENVIRONMENT / "bin/python"
    if not found.is_file():
        raise ExportError(
            f"there is no Python of the Neutone SDK at {found}: make its environment with "
            "`sh scripts/neutone_environment.sh`, or name its Python"
        )
    return found


def _run(interpreter: Path, source: Source, job: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    weights, task = scratch / "weights.safetensors", scratch / "job.json"
    save_file({name: value.contiguous() for name, value in source.model.state_dict().items()}, weights)
    task.write_text(json.dumps({**job, "weights": str(weights)}), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"LOGLEVEL": "INFO", "OMP_NUM_THREADS": "1"}  # the SDK's tables are log lines
    try:
        done = subprocess.run(
            [str(interpreter), "-P", str(WORKER), str(task)],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"the Neutone SDK took more than {TIME_LIMIT_S:.0f} s: export a smaller model") from error
    except OSError as error:
        raise ExportError(
            f"{interpreter} cannot be started ({error}): name the Python of the SDK's environment"
        ) from error
    if done.returncode:
        raise ExportError(
            f"the Neutone SDK refused the model ({_last_line(done.stderr)}); if a package is missing, run "
            "`sh scripts/neutone_environment.sh`"
        )
    return read_report(done.stderr)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if RAISED.match(line)]  # under it, torch prints a stack of its own
    return (raised or lines or ["it said nothing"])[-1]

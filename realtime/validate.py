"""Every check of a careful host on one plugin file, and more: `deshift info MODEL --validate`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from realtime.contract import FORMAT_VERSION, KEYS, ContractError
from realtime.trust import TrustedFile, read_plugin_file
from realtime.validate_offline import offline_checks
from realtime.validate_parts import Check
from realtime.validate_stream import stream_checks

LARGEST_DIFFERENCE = 1e-4  # what the exporter allows between file, model, stream and whole
LARGEST_QUANTISATION = 0.1  # and of a file in 8 bit


@dataclass(frozen=True)
class Report:
    """The checks of one file, in the order they were made."""

    path: Path
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all of them did."""
        return all(check.passed for check in self.checks)

    @property
    def lines(self) -> list[str]:
        """One line a check, and a last one."""
        failed = [check.name for check in self.checks if not check.passed]
        last = f"{len(failed)} of {len(self.checks)} checks failed: {', '.join(failed)}"
        return [*(check.line for check in self.checks), last if failed else f"all {len(self.checks)} checks passed"]

    def to_json_object(self) -> dict[str, Any]:
        """For `--json`."""
        checks = [asdict(check) for check in self.checks]
        return {"path": str(self.path), "passed": self.passed, "checks": checks}


def validate(path: Path) -> Report:
    """Read a plugin file, run it, and measure what it promises.

    Raises: ContractError, one line, where the file is damaged or not one: nothing else can be said of it then.
    """
    file = read_plugin_file(path)
    checks = [*_static_checks(file), _check_certificate(file)]
    measure = stream_checks if file.facts.kind == "stream" else offline_checks
    try:
        measured = measure(file)
        checks.append(Check("runs", True, f"in ONNX Runtime {onnxruntime.__version__}, on the CPU"))
        checks += measured
    except ContractError as error:
        checks.append(Check("runs", False, str(error).removeprefix(f"{path}: ")))
    return Report(path, tuple(checks))


def _static_checks(file: TrustedFile) -> list[Check]:
    """What `read_plugin_file` has made sure of: it raises otherwise."""
    controls = len(file.facts.controls)
    return [
        Check("file", True, f"{len(file.model):,} bytes, all in one: no external data, no custom operators"),
        Check("metadata", True, f"format {FORMAT_VERSION}, all {len(KEYS)} keys"),
        Check("graph", True, f"audio, {len(file.states)} states and {controls} controls, all of the right shape"),
        Check("weights", True, f"sha256 {file.facts.weights_sha256[:16]}… is that of the metadata"),
    ]


def _check_certificate(file: TrustedFile) -> Check:
    """What was measured when the file was written. It is a claim of the file's; the other checks are not."""
    figures = {key: file.facts.certificate.get(key) for key in ("stream_vs_offline", "torch_vs_onnx")}
    rounding = file.facts.certificate.get("quantisation_error")
    in_8_bit = isinstance(rounding, int | float) and rounding > 0
    limit = LARGEST_QUANTISATION if in_8_bit else LARGEST_DIFFERENCE
    known = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    good = all(0 <= value <= limit for value in known.values())
    told = ", ".join(f"{key} {value:.1e}" for key, value in known.items()) or "none of its figures"
    return Check("certificate", good, f"says {told}, {limit:.0e} at most{' in 8 bit' if in_8_bit else ''}")

"""What happened in a session, in the end as one JSON-ready report."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from realtime.live.host_status import LiveStatus
from realtime.live.settings import LiveSettings

MOST_EVENTS = 500
FORMAT_VERSION = 1
PACKAGES = ("deshift", "numpy", "sounddevice", "rtmixer", "samplerate")
RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
ABSENT = "not installed"


class Journal:
    """Keeps what the host said, and every warning once, with times since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC)
        self._events: list[dict[str, Any]] = []
        self._warnings: dict[str, float] = {}

    def add(self, text: str) -> None:
        """Something happened."""
        if len(self._events) < MOST_EVENTS:
            self._events.append({"at_s": self._now_s(), "text": text})

    def warn(self, warnings: Iterable[str]) -> None:
        """The engine warns of this now."""
        for warning in warnings:
            self._warnings.setdefault(warning, self._now_s())

    def report(
        self, settings: LiveSettings, facts: Mapping[str, Any], status: LiveStatus, recorded: Sequence[str]
    ) -> dict[str, Any]:
        """Settings, versions, chain and model, the engine's status, restarts, warnings, events, quality, files."""
        about = ("chain", "sample_rate", "hop_samples", "latency_samples", "model")
        whole = status.to_json_object()
        return {
            "format_version": FORMAT_VERSION,
            "began": self._began_at.isoformat(timespec="seconds"),
            "settings": settings.to_json_object(),
            "versions": versions() | {"portaudio": facts.get("portaudio") or "not used"},
            "chain": {name: facts.get(name) for name in about},
            "start_s": facts.get("start_s"),
            "status": whole["engine"],
            "quality": whole["quality"],
            "restarts": status.restarts,
            "lost_s": status.lost_s,
            "failed": status.failed,
            "warnings": [{"at_s": at_s, "text": text} for text, at_s in self._warnings.items()],
            "events": list(self._events),
            "recorded": list(recorded),
        }

    def _now_s(self) -> float:
        return round(time.monotonic() - self._began, 3)


def versions() -> dict[str, str]:
    """Of everything that the sound runs through, as installed."""
    installed = {name: _version(name) for name in PACKAGES}
    runtime = next((text for name in RUNTIMES if (text := _version(name)) != ABSENT), ABSENT)
    return {"python": platform.python_version(), "system": platform.platform(), "onnxruntime": runtime, **installed}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ABSENT

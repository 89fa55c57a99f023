"""What the tests of live sessions share: a session that needs no sound card, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from realtime.live.device import DeviceChoice
from realtime.live.host import Host
from realtime.live.settings import LiveSettings
from tests.plugin_files import gain_plugin
from tests.signals import SAMPLE_RATE, voice

NOWHERE = DeviceChoice("none", "none")
PATIENT_MS = 200.0  # a deadline that a machine busy with other tests keeps


def half_into_nowhere(folder: Path) -> LiveSettings:
    """A gain of a half on a looped recording, on the silent device; files go into the folder."""
    plugin = gain_plugin(folder / "half.onnx", 0.5)
    soundfile.write(folder / "clean.wav", voice(SAMPLE_RATE), SAMPLE_RATE, subtype="FLOAT")
    return LiveSettings(
        NOWHERE, str(plugin), deadline_ms=PATIENT_MS, quality=False, self_test=str(folder / "clean.wav")
    )


def wait_until(holds: Callable[[], bool], limit_s: float = 15.0) -> None:
    over = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < over, "waited in vain"
        time.sleep(0.02)


def pid_of(host: Host) -> int:
    return int(host.facts["pid"])


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody has asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_sound(host: Host, hops: int = 20) -> None:
    seen = host.status().engine.speed.hops
    wait_until(lambda: host.status().engine.state == "running" and host.status().engine.speed.hops >= seen + hops)

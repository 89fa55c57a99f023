"""The sound devices, listed in a process of its own: PortAudio can hang for ever, and sees no device plugged in later.

``python -m realtime.live.device_list`` answers in JSON lines: how many devices there are, each of them, then the rates
of each, one after the other, since asking a device may take a second, and a broken one holds up those behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from realtime.live.child_process import child_environment
from realtime.live.device import DeviceError
from realtime.live.device_search import DeviceInfo

LIMIT_SECONDS = 8.0
KILL_SECONDS = 1.0
MODULE = "realtime.live.device_list"


@dataclass(frozen=True)
class ListedDevice:
    """A device and the common rates in Hz that it takes; None: it did not tell in time."""

    info: DeviceInfo
    rates: tuple[int, ...] | None = None


def fetch_devices(limit_s: float = LIMIT_SECONDS) -> tuple[ListedDevice, ...]:
    """All devices of all host APIs that are there now. Blocks for up to `limit_s` and a second.

    Raises: DeviceError, one line, where PortAudio is missing, fails, or says nothing within the limit.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # sound systems grumble there about what is not installed
            env=child_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise DeviceError(f"the sound devices cannot be listed: {error.strerror or error}") from error
    answer, in_time = _answer_of(process, limit_s)
    return _devices(answer.decode("utf-8", "replace").splitlines(), in_time, process.returncode, limit_s)


def main() -> None:
    """The process that asks."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a sound system prints must not come between the answers
    from realtime.live.devices import list_devices, supported_rates

    try:
        found = list_devices()
        _tell(answers, {"count": len(found)})
        for device in found:
            _tell(answers, {"device": asdict(device)})
        for index, device in enumerate(found):
            _tell(answers, {"at": index, "rates": supported_rates(device)})
    except DeviceError as error:
        _tell(answers, {"error": str(error)})
    answers.close()
    os._exit(0)  # PortAudio's own end hangs where its server is gone


def _tell(answers: Any, fact: Mapping[str, object]) -> None:
    answers.write(json.dumps(fact) + "\n")
    answers.flush()


def _answer_of(process: subprocess.Popen[bytes], limit_s: float) -> tuple[bytes, bool]:
    """What it printed, and whether it ended within the limit; else it is killed."""
    try:
        return process.communicate(timeout=limit_s)[0], True
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        return process.communicate(timeout=KILL_SECONDS)[0], False
    except subprocess.TimeoutExpired as error:  # held by the kernel, inside a driver: it goes when that lets it
        return error.stdout or b"", False


def _devices(lines: Iterable[str], in_time: bool, code: int | None, limit_s: float) -> tuple[ListedDevice, ...]:
    """The devices of an answer.

    Raises: DeviceError where it does not tell all of them.
    """
    count: int | None = None
    found: list[ListedDevice] = []
    for line in lines:
        try:
            fact = json.loads(line)
        except ValueError:
            break  # the last line of a process that was killed
        if "error" in fact:
            raise DeviceError(str(fact["error"]))
        if "count" in fact:
            count = int(fact["count"])
        elif "device" in fact:
            found.append(ListedDevice(DeviceInfo(**fact["device"])))
        else:
            found[fact["at"]] = replace(found[fact["at"]], rates=tuple(fact["rates"]))
    if count is not None and len(found) == count:
        return tuple(found)
    if not in_time:
        raise DeviceError(
            f"the sound system did not list its devices within {limit_s:g} s: unplug the device used last, or restart "
            "the sound server"
        )
    raise DeviceError(f"the sound devices cannot be listed: the process that asks for them ended with exit code {code}")


if __name__ == "__main__":
    main()

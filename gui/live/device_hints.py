"""Troubles with sound devices as sentences for the screen: what is wrong, and what to do on this system."""

from __future__ import annotations

import sys

from gui.live.device_state import SILENT_TEXT
from realtime.live.device import FeedbackError

HEADPHONES_TEXT = "I listen on headphones"

_NO_DEVICE = {
    "linux": "check the cable, and that your user may use sound (group “audio”). A PipeWire null sink serves as a "
    "virtual cable.",
    "darwin": "check the cable, and allow the microphone in System Settings › Privacy & Security. BlackHole serves as "
    "a virtual cable.",
    "win32": "check the cable, and allow the microphone in Settings › Privacy. VB-Cable serves as a virtual cable.",
}
_NO_PORTAUDIO = {
    "linux": "install it (apt install libportaudio2, dnf install portaudio or pacman -S portaudio).",
    "darwin": "install it (brew install portaudio).",
    "win32": "install deshift anew: its sounddevice package brings PortAudio along.",
}
_BEGINNINGS = ("the ", "a ", "an ", "no ", "nothing ", "there ")
_ON_THE_COMMAND_LINE = (  # what engine errors advise there, and what to do here
    (" (deshift devices lists them)", ": choose another one, or plug it in and press Refresh"),
    ('give its number or "name, host API" in full', "choose one of them in the list"),
)


def no_device_hint(platform: str = sys.platform) -> str:
    """Where the list is empty."""
    todo = _NO_DEVICE.get(platform, _NO_DEVICE["linux"])
    return f"No sound device was found: {todo} Then press Refresh. “{SILENT_TEXT}” works without any."


def failed_hint(error: str, platform: str = sys.platform) -> str:
    """Where the list failed: one line that begins with what the sound system said."""
    if error.startswith("PortAudio"):
        error = f"PortAudio, which reaches the sound devices, is missing: {_NO_PORTAUDIO.get(platform, 'install it.')}"
    return f"{on_screen(error)} Then press Refresh. “{SILENT_TEXT}” works without devices."


def on_screen(error: Exception | str) -> str:
    """An engine's error as a sentence for the app: no advice that is for the command line alone."""
    text = str(error)
    if isinstance(error, FeedbackError):
        names = text.partition(": a microphone")[0]
        return (
            f"{names}: a microphone and a loudspeaker of the same machine howl. Use headphones and tick "
            f"“{HEADPHONES_TEXT}”, or choose other devices."
        )
    for there, here in _ON_THE_COMMAND_LINE:
        text = text.replace(there, here)
    if text.startswith(_BEGINNINGS):  # not a file's name
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "!", "?")) else ".")
